//! Rule 5: containers of another template are replaced, a few at a time.

use std::collections::BTreeSet;

use crate::core::availability::Availability;
use crate::core::container::{Container, ContainerState};
use crate::core::spec::Order;
use crate::planner::create;
use crate::planner::planning::{Planning, Slot};

/// Replaces stale containers.
pub(super) fn replace(planning: &mut Planning<'_>) {
    let update = &planning.input.object.spec.update;
    let staying: Vec<u32> = planning.staying.iter().copied().collect();
    let is_stale = |slot: &Slot<'_>| !slot.stale.is_empty();
    if !staying.iter().any(|n| planning.slots.get(n).is_some_and(is_stale)) {
        return;
    }
    // While the old container stops, there is one more than wanted.
    let stops = |c: &&Container| c.state != ContainerState::Created && planning.availability(c).reachable();
    let stopping: BTreeSet<u32> =
        planning.slots.iter().filter(|(_, slot)| slot.leaving.iter().any(&stops)).map(|(n, _)| *n).collect();
    let mut unsettled = planning.missing.len() + stopping.len();
    let mut waiting: Vec<(bool, u32)> = Vec::new();
    for number in staying {
        let Some(slot) = planning.slots.get(&number) else { continue };
        let (current, stale) = (slot.current.first().copied(), slot.stale.first().copied());
        // A container on a node that does not answer waits for its node, without blocking the others.
        let held = |c: Option<&Container>| c.is_some_and(|c| planning.availability(c) == Availability::Lost);
        let out_of_reach = stale.is_some_and(|stale| !planning.availability(stale).reachable());
        if held(current) || held(stale) || (current.is_none() && out_of_reach) {
            continue;
        }
        let failed =
            update.order == Order::StartFirst && planning.input.memory.present().slot(number).is_some();
        let begun = slot.creating || slot.in_doubt.is_some() || failed;
        match (current, stale) {
            (Some(current), Some(stale)) => {
                if planning.proven(current) {
                    planning.remove(stale, format!("replaced by {}", current.name));
                }
                unsettled += 1;
            }
            (Some(_), None) if stopping.contains(&number) => {}
            (Some(current), None) => unsettled += usize::from(!planning.proven(current)),
            (None, Some(stale)) if begun => {
                unsettled += 1;
                if update.order == Order::StartFirst {
                    create::create(planning, number, &format!("replaces {}, which is stale", stale.name));
                }
            }
            (None, Some(stale)) => waiting.push((planning.ready(stale), number)),
            (None, None) => unsettled += 1,
        }
    }
    // Broken containers first.
    waiting.sort_unstable();
    let at_once = match update.parallelism {
        0 => waiting.len(),
        n => usize::try_from(n).unwrap_or(usize::MAX),
    };
    for (_, number) in waiting.into_iter().take(at_once.saturating_sub(unsettled)) {
        let Some(stale) = planning.slots.get(&number).and_then(|s| s.stale.first().copied()) else {
            continue;
        };
        match update.order {
            Order::StartFirst => {
                create::create(planning, number, &format!("replaces {}, which is stale", stale.name))
            }
            // The image is pulled before anything is stopped.
            Order::StopFirst if !planning.input.memory.present().image_ensured() => {
                create::create(planning, number, "update");
            }
            // A working container is not stopped for a template that failed a moment ago.
            Order::StopFirst => match planning.input.memory.present().retry_at(number) {
                Some(at) if at > planning.input.now => planning.wake(at),
                _ => planning.remove(stale, "stale: stopped before its replacement starts"),
            },
        }
    }
}
