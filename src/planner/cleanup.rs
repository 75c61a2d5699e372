//! Rule 7: ended containers are kept for `docker logs`, a few per slot.

use std::time::Duration;

use crate::core::container::ContainerState;
use crate::core::spec::Template;
use crate::planner::planning::Planning;

/// A removal by the engine that takes longer than this is requested again: large filesystems take some seconds.
const REMOVAL_PATIENCE: Duration = Duration::from_secs(30);

/// Removes ended containers beyond `History`, and those that never run.
pub(super) fn remove(planning: &mut Planning<'_>) {
    let object = planning.input.object;
    // A container that its restart policy may start again is not kept: a restarted engine would start it.
    let restarts = [Some(&object.spec.template), object.fallback()];
    let restarts = restarts.into_iter().flatten().any(Template::restarts_by_itself);
    let keep = if restarts { 0 } else { usize::try_from(object.spec.history).unwrap_or(usize::MAX) };
    let (mut going, mut removals_end) = (Vec::new(), Vec::new());
    for (number, slot) in &planning.slots {
        let stays = planning.staying.contains(number)
            || planning.missing.contains(number)
            || !slot.leaving.is_empty();
        let wanted = stays && !planning.surplus.contains(number) && planning.wanted() > 0;
        let kept = if wanted { keep } else { 0 };
        going.extend(slot.misfits.iter().map(|c| {
            match (c.state, planning.input.memory.start_refused(&c.id)) {
                (ContainerState::Dead, _) => (*c, "the engine could not remove it".to_owned()),
                (_, true) => (*c, "it cannot start".to_owned()),
                (_, false) => (*c, "stale; it never ran".to_owned()),
            }
        }));
        for container in &slot.removing {
            let begun = planning.input.memory.removing_since(&container.id).unwrap_or(planning.input.now);
            let failed = planning.input.memory.removal(&container.id).is_some();
            if failed || begun + REMOVAL_PATIENCE <= planning.input.now {
                going.push((*container, "the engine has not finished removing it".to_owned()));
            } else {
                removals_end.push(begun + REMOVAL_PATIENCE);
            }
        }
        // A user may be restarting it.
        let held = planning.input.memory.held(*number).is_some_and(|until| until > planning.input.now);
        let kept = if held && wanted { kept.max(1) } else { kept };
        going.extend(slot.dead.iter().skip(kept).map(|c| match wanted {
            true if restarts => (*c, "exited; its restart policy may start it again".to_owned()),
            true => (*c, format!("exited; History keeps {keep} per slot")),
            false => (*c, "exited; its slot is not wanted".to_owned()),
        }));
    }
    for (container, cause) in going {
        planning.remove(container, cause);
    }
    removals_end.into_iter().for_each(|at| planning.wake(at));
}
