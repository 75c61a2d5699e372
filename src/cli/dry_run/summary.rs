//! A plan, in words.

use std::collections::BTreeMap;
use std::fmt;

use crate::cli::output;
use crate::client::answers::Plans;

/// Prints the steps and a summary.
pub(in crate::cli) fn show(plans: &Plans) {
    // A closed standard output does not change the exit code.
    for plan in &plans.objects {
        let what = match plan.result.as_str() {
            "unchanged" => format!("unchanged: generation {}", plan.generation),
            result => format!("would be {result}: generation {}", plan.generation),
        };
        let _ = output::line(format_args!("{} {what}", plan.name));
        for step in &plan.plan {
            let _ = output::line(format_args!("    {step}"));
        }
        for warning in &plan.warnings {
            let _ = output::line(format_args!("    warning: {warning}"));
        }
        if plan.truncated {
            let _ = output::line("    … and more");
        }
        if let Some(waiting) = &plan.waiting {
            let _ = output::line(format_args!("    the steps are unknown so far: {waiting}"));
        }
    }
    let _ = match plans.changes {
        0 => output::line("nothing would change"),
        n => output::line(format_args!(
            "{n} of {} objects would change: {}",
            plans.objects.len(),
            Sum::of(plans)
        )),
    };
}

/// How many containers would be created, replaced and removed. A container that is created in the slot of a removed one
/// replaces it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    create: usize,
    replace: usize,
    remove: usize,
    start: usize,
    pull: usize,
    /// Some steps are not counted.
    more: bool,
}

impl Sum {
    fn of(plans: &Plans) -> Sum {
        let mut sum = Sum::default();
        for plan in &plans.objects {
            sum.more |= plan.truncated || plan.waiting.is_some();
            let mut slots: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
            for step in &plan.plan {
                let mut words = step.split(' ');
                let (Some(verb), Some(name)) = (words.next(), words.next()) else { continue };
                let slot = name.rsplit_once('.').map_or(name, |(slot, _)| slot);
                match verb {
                    "create" => slots.entry(slot).or_default().0 += 1,
                    "remove" => slots.entry(slot).or_default().1 += 1,
                    "start" => sum.start += 1,
                    "pull" => sum.pull += 1,
                    _ => {}
                }
            }
            for (created, removed) in slots.into_values() {
                let replaced = created.min(removed);
                sum.create += created - replaced;
                sum.remove += removed - replaced;
                sum.replace += replaced;
            }
        }
        sum
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sum { create, replace, remove, start, pull, more } = self;
        let least = if *more { "at least " } else { "" };
        write!(f, "{least}{create} to create, {replace} to replace, {remove} to remove")?;
        if *start > 0 {
            write!(f, ", {start} to start")?;
        }
        match pull {
            0 => Ok(()),
            1 => f.write_str(", 1 image to pull"),
            n => write!(f, ", {n} images to pull"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sum(plans: &serde_json::Value) -> String {
        let objects: Vec<_> = plans
            .as_array()
            .unwrap()
            .iter()
            .map(|steps| json!({"Name": "a", "Generation": 1, "Result": "updated", "Plan": steps}))
            .collect();
        Sum::of(&serde_json::from_value(json!({"Changes": 1, "Objects": objects})).unwrap()).to_string()
    }

    #[test]
    fn a_create_and_a_removal_in_one_slot_are_a_replacement() {
        let plans = json!([
            [
                "pull nginx:2 cause=\"needed to create web.1\"",
                "create web.1.2 image=nginx:2 cause=\"x\"",
                "remove web.1.1 id=abc cause=\"x\"",
                "create web.3.1 image=nginx:2 cause=\"create and remove\"",
            ],
            [
                "remove api.1.1 id=abc force cause=\"x\"",
                "remove api.2.7 id=def cause=\"x\"",
                "start api.3.1 id=f cause=\"x\""
            ],
        ]);
        assert_eq!(sum(&plans), "1 to create, 1 to replace, 2 to remove, 1 to start, 1 image to pull");
        assert_eq!(sum(&json!([])), "0 to create, 0 to replace, 0 to remove");
    }
}
