//! Rule 2: a slot holds one container.

use crate::core::availability::Availability;
use crate::planner::planning::Planning;

/// Removes all containers of a slot but the best.
pub(super) fn remove(planning: &mut Planning<'_>) {
    let mut extras = Vec::new();
    for slot in planning.slots.values_mut() {
        for group in [&mut slot.current, &mut slot.stale] {
            let Some(best) = group.first().copied() else { continue };
            for extra in group.drain(1..) {
                slot.leaving.push(extra);
                extras.push((best, extra));
            }
        }
    }
    for (best, extra) in extras {
        // A node that has only just come back may go down again.
        if planning.availability(best) == Availability::Settling
            && planning.availability(extra) == Availability::Up
        {
            continue;
        }
        planning.remove(extra, format!("{} already holds the slot", best.name));
    }
}
