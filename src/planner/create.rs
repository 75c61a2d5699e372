//! Begins creates: for missing containers, and for replacements of stale ones.

use crate::core::labels::ContainerIdentity;
use crate::core::memory::tries::Tries;
use crate::core::plan::{Action, Step};
use crate::core::spec::{Pull, Template};
use crate::planner::input::Input;
use crate::planner::planning::Planning;

/// Begins a create of the present template in a slot.
pub(super) fn create(planning: &mut Planning<'_>, number: u32, cause: &str) {
    let object = planning.input.object;
    create_of(planning, &object.spec.template, number, cause);
}

/// Begins a create in a slot, unless no further create may begin, the image has to be pulled first, or a failure asks to wait.
pub(super) fn create_of<'a>(planning: &mut Planning<'a>, template: &'a Template, number: u32, cause: &str) {
    let Input { object, memory, now, under_way, .. } = planning.input;
    let slot = planning.slots.entry(number).or_default();
    if slot.creating {
        return;
    }
    if let Some(what) = planning.input.in_the_way.get(&template.hash) {
        planning.waits_for = Some(what);
        return;
    }
    let doubt = memory.doubts().find(|((n, attempt), _)| *n == number && Some(*attempt) == slot.in_doubt);
    let tries = memory.tries(&template.hash);
    let waits = [
        tries.and_then(|tries| tries.retry_at(number)),
        memory.held(number),
        doubt.map(|(_, doubt)| doubt.retry_at),
    ];
    if let Some(until) = waits.into_iter().flatten().max()
        && until > now
    {
        planning.wake(until);
        return;
    }
    let spec = &object.spec;
    if !tries.is_some_and(Tries::image_ensured) {
        // The template that worked last needs no newer image.
        let pull = match spec.pull {
            Pull::Always if template.hash != spec.template.hash => Pull::Missing,
            pull => pull,
        };
        let action = Action::Pull { image: template.image.clone(), pull };
        if !under_way.contains(&action) && !planning.steps.iter().any(|step| step.action == action) {
            planning.steps.push(Step { action, cause: format!("needed to create {}.{number}", spec.name) });
        }
        return;
    }
    let Some(room) = planning.room.get_mut(&template.hash).filter(|room| **room > 0) else { return };
    *room -= 1;
    slot.creating = true;
    let (attempt, cause) = match doubt {
        // The same name again: if the last create did happen, the engine reports the name as taken.
        Some(((_, attempt), doubt)) => (attempt, format!("the last create is in doubt: {}", doubt.why)),
        None => (1 + slot.highest_attempt.max(memory.highest_taken(number)), cause.to_owned()),
    };
    let identity = ContainerIdentity {
        object: spec.name.clone(),
        slot: number,
        attempt,
        template: template.hash.clone(),
    };
    let action = Action::Create { identity, image: template.image.clone() };
    planning.steps.push(Step { action, cause });
}
