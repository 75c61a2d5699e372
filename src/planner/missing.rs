//! Rule 4: no fewer containers than wanted.

use std::collections::BTreeSet;

use crate::core::container::ContainerState;
use crate::core::spec::Template;
use crate::planner::create;
use crate::planner::input::Input;
use crate::planner::planning::{Planning, Slot};

/// Begins creates in the lowest free slots while there are too few containers.
pub(super) fn fill(planning: &mut Planning<'_>) {
    let stopping =
        |slot: &Slot<'_>| !slot.held() && slot.leaving.iter().any(|c| c.state != ContainerState::Created);
    let not_free: BTreeSet<u32> =
        planning.slots.iter().filter(|(_, s)| s.held() || stopping(s)).map(|(n, _)| *n).collect();
    let there = planning.staying.len() + planning.slots.values().filter(|slot| stopping(slot)).count();
    let lacking = planning.wanted().saturating_sub(there);
    planning.missing = (1..).filter(|number| !not_free.contains(number)).take(lacking).collect();
    // A name in doubt is tried again first, which settles the doubt.
    for number in planning.staying.clone() {
        let doubtful =
            planning.slots.get(&number).is_some_and(|s| s.in_doubt.is_some() && s.current.is_empty());
        if doubtful {
            let template = template_for(planning, number);
            create::create_of(planning, template, number, "missing replica");
        }
    }
    for number in planning.missing.clone() {
        let lost = planning.slots.get(&number).and_then(|slot| slot.lost.iter().find(|c| c.live()));
        let cause = match lost.and_then(|c| Some((c, c.node.as_deref()?))) {
            Some((lost, node)) => format!("{} was lost with node {node}", lost.name),
            None => match planning.input.memory.ends().cause_of(number) {
                Some(end) => end.to_owned(),
                None => "missing replica".to_owned(),
            },
        };
        let template = template_for(planning, number);
        let cause = match template.hash == planning.input.object.spec.template.hash {
            true => cause,
            false => format!("{cause}, while the rollout has not converged"),
        };
        create::create_of(planning, template, number, &cause);
    }
}

/// The template for a slot without a container: see rule 4.
fn template_for<'a>(planning: &Planning<'a>, number: u32) -> &'a Template {
    let Input { object, memory, now, .. } = planning.input;
    let present = &object.spec.template;
    let Some(fallback) = object.fallback() else { return present };
    let doubt = memory.doubts().find(|((slot, _), _)| *slot == number);
    if doubt.is_some_and(|(_, doubt)| doubt.template == present.hash) {
        return present;
    }
    // A single failure may be bad luck.
    let fails = |template: &Template| {
        let tries = memory.tries(&template.hash);
        let failures = tries.into_iter().flat_map(|tries| [tries.whole(), tries.slot(number)]);
        failures.flatten().any(|failures| failures.count > 1)
    };
    let retry_at = |template: &Template| memory.tries(&template.hash).and_then(|t| t.retry_at(number));
    match (fails(present), fails(fallback)) {
        (false, _) if memory.updated(number) => present,
        // The old container was stopped for this try, or would be again.
        (true, _) if memory.updated(number) && retry_at(present) <= Some(now) => present,
        (_, false) => fallback,
        // The old template no longer works, which may be why there is a new one.
        (false, true) => present,
        // Whichever may be tried first.
        (true, true) if retry_at(present) <= retry_at(fallback) => present,
        (true, true) => fallback,
    }
}
