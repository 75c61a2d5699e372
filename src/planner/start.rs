//! Rule 8: created containers are started.

use crate::core::container::ContainerState;
use crate::core::plan::{Action, Step};
use crate::planner::input::Input;
use crate::planner::planning::Planning;

/// Starts containers that were created and not started: before a crash, or by a call whose answer was lost.
pub(super) fn start(planning: &mut Planning<'_>) {
    let Input { memory, now, .. } = planning.input;
    for number in planning.staying.clone() {
        let Some(slot) = planning.slots.get(&number) else { continue };
        let Some(container) = slot.current.first().copied().filter(|c| c.state == ContainerState::Created)
        else {
            continue;
        };
        if slot.creating || planning.spoken_for.contains(&container.id) {
            continue;
        }
        if let Some(failures) = memory.present().whole().filter(|failures| failures.retry_at > now) {
            planning.wake(failures.retry_at);
            continue;
        }
        planning.spoken_for.insert(&container.id);
        let action = Action::Start {
            id: container.id.clone(),
            name: container.name.clone(),
            template: container.identity.template.clone(),
        };
        planning.steps.push(Step { action, cause: "created but not started".to_owned() });
    }
}
