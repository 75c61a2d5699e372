//! `plan`: what a submit of the same files would do, step by step. Nothing is stored or done.

use std::collections::BTreeMap;
use std::fmt;
use std::process::ExitCode;

use clap::Args;
use http::Method;

use super::connection::Connection;
use super::files::Files;
use super::json::Format;
use super::{USAGE, output, submit};
use crate::api::change::{ChangeResult, Receipt};
use crate::api::plan::{DryRun, DryRunObject};
use crate::client::Ask;

/// Something would change: exit codes as those of `diff`, and so that a pipeline can ask before it acts.
const CHANGES: u8 = 1;

/// Flags of `plan`.
#[derive(Debug, Args)]
pub(super) struct PlanFlags {
    #[command(flatten)]
    files: Files,
    /// As `submit --prune` would.
    #[arg(long, value_name = "PREFIX")]
    prune: Option<String>,
    /// How to write it.
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Format,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(flags: &PlanFlags) -> ExitCode {
    flags.connection.run(USAGE, async |daemon| {
        let objects = flags.files.read()?;
        let mut ask = Ask::new(Method::POST, "/submit").with("dry_run", "true");
        ask = ask.body(objects.body(flags.prune.is_some()));
        if let Some(prefix) = &flags.prune {
            ask = ask.with("prune", prefix);
        }
        let answer = daemon.ask(ask).await.map_err(|error| submit::placed(error.into(), &objects))?;
        if flags.output == Format::Json {
            output::raw(&answer.body)?;
        }
        conclude(&answer.json()?, flags.output)
    })
}

/// Writes what would be done, and the sum.
pub(super) fn show(plans: &DryRun) {
    // The exit code is the answer, also for somebody who reads none of this.
    for DryRunObject { receipt, forecast } in &plans.objects {
        let Receipt { name, generation, result, .. } = receipt;
        let what = match result {
            ChangeResult::Unchanged => format!("unchanged: generation {generation}"),
            result => format!("would be {result}: generation {generation}"),
        };
        let _ = output::line(format_args!("{name} {what}"));
        for step in &forecast.plan {
            let _ = output::line(format_args!("    {step}"));
        }
        for warning in &forecast.warnings {
            let _ = output::line(format_args!("    warning: {warning}"));
        }
        if forecast.truncated {
            let _ = output::line("    … and more");
        }
        if let Some(waiting) = &forecast.waiting {
            let _ = output::line(format_args!("    the steps are not known yet: {waiting}"));
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

fn conclude(plans: &DryRun, format: Format) -> anyhow::Result<u8> {
    let waiting =
        plans.objects.iter().find_map(|plan| Some((&plan.receipt.name, plan.forecast.waiting.as_ref()?)));
    if let (0, Some((name, why))) = (plans.changes, waiting) {
        anyhow::bail!("what would be done for {name} is unknown: {why}");
    }
    if format == Format::Text {
        show(plans);
    }
    Ok(if plans.changes == 0 { 0 } else { CHANGES })
}

/// How many containers would be created, replaced and removed. One that is created in the place of one that is removed,
/// in the same slot, replaces it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    create: usize,
    replace: usize,
    remove: usize,
    start: usize,
    pull: usize,
    /// There is more than is counted.
    more: bool,
}

impl Sum {
    fn of(plans: &DryRun) -> Sum {
        let mut sum = Sum::default();
        for DryRunObject { forecast, .. } in &plans.objects {
            sum.more |= forecast.truncated || forecast.waiting.is_some();
            let mut slots: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
            for step in &forecast.plan {
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
    fn what_is_created_where_something_is_removed_replaces_it() {
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
