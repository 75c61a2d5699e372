//! Rule 6: unhealthy containers are replaced, one at a time.

use std::time::Duration;

use crate::core::container::{Container, Health};
use crate::core::time::Time;
use crate::planner::planning::{Planning, Slot};

/// The interval of health checks that neither the object nor the image sets.
const DOCKER_CHECK_INTERVAL: Duration = Duration::from_secs(30);

/// Removes the container that has been unhealthy for longest, once nothing else is changing.
pub(super) fn replace(planning: &mut Planning<'_>) {
    let settling = |slot: &Slot<'_>| {
        let starting = slot.current.iter().any(|c| c.health == Health::Starting);
        slot.creating || starting || slot.leaving.iter().any(|c| planning.availability(c).reachable())
    };
    if planning.slots.values().any(settling) {
        return;
    }
    let of_spec = planning.input.object.spec.template.check_cycle();
    // The engine reports the interval of the container, which its image may define.
    let cycle = |container: &Container| {
        let own = container.detail.as_ref().and_then(|detail| detail.check_interval);
        own.or(of_spec).unwrap_or(DOCKER_CHECK_INTERVAL)
    };
    let mut candidates: Vec<(Time, &Container)> = Vec::new();
    for number in planning.staying.clone() {
        let Some(current) = planning.slots.get(&number).and_then(|s| s.current.first().copied()) else {
            continue;
        };
        let since = planning.input.memory.unhealthy_since(&current.id);
        if let Some(since) = since.filter(|_| !planning.spoken_for.contains(&current.id)) {
            candidates.push((since + cycle(current), current));
        }
    }
    candidates.sort_by_key(|(due, container)| (*due, container.identity.slot));
    if let Some((due, container)) = candidates.first().copied() {
        if due <= planning.input.now {
            planning.remove(
                container,
                format!(
                    "unhealthy for longer than its health check interval of {}",
                    humantime::format_duration(cycle(container))
                ),
            );
        } else {
            planning.wake(due);
        }
    }
}
