//! Rule 3: no more containers than wanted.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::core::availability::Availability;
use crate::core::container::{ContainerState, Health};
use crate::planner::planning::Planning;

/// Removes the containers of the worst slots while there are too many, and decides which slots stay.
pub(super) fn remove(planning: &mut Planning<'_>) {
    let mut held: Vec<u32> = planning.slots.iter().filter(|(_, slot)| slot.held()).map(|(n, _)| *n).collect();
    let surplus = held.len().saturating_sub(planning.wanted());
    if surplus > 0 {
        let crowd = crowd(planning);
        held.sort_by_key(|number| Reverse(merit(planning, *number, &crowd)));
        let cause = format!("surplus: {} instead of {}", held.len(), planning.wanted());
        for number in held.split_off(held.len() - surplus) {
            planning.surplus.insert(number);
            let Some(slot) = planning.slots.get_mut(&number) else { continue };
            let going: Vec<_> = slot.current.drain(..).chain(slot.stale.drain(..)).collect();
            slot.leaving.extend(&going);
            // A create that is under way ends first.
            let landing = slot.creating;
            for container in going.into_iter().filter(|_| !landing) {
                planning.remove(container, cause.clone());
            }
        }
    }
    planning.staying = held.into_iter().collect();
}

/// How many live containers of the object each node has.
fn crowd<'a>(planning: &Planning<'a>) -> BTreeMap<&'a str, usize> {
    let mut crowd = BTreeMap::new();
    for container in planning.slots.values().flat_map(|slot| slot.current.iter().chain(&slot.stale)) {
        *crowd.entry(container.node.as_deref().unwrap_or_default()).or_default() += 1;
    }
    crowd
}

/// How good a slot is: the greatest stays longest. Rule 3 says in words what is compared.
fn merit(planning: &Planning<'_>, number: u32, crowd: &BTreeMap<&str, usize>) -> impl Ord + use<> {
    let slot = planning.slots.get(&number);
    let current = slot.and_then(|s| s.current.first());
    let best = current.or(slot.and_then(|s| s.stale.first()));
    let ready = slot.is_some_and(|s| s.current.iter().chain(&s.stale).any(|c| planning.ready(c)));
    let availability = best.map_or(Availability::Up, |c| planning.availability(c));
    let health = best.map_or(0, |c| match (c.state, c.health) {
        (ContainerState::Running, Health::Unhealthy) => 1,
        (ContainerState::Running, _) => 3,
        _ => 2,
    });
    let node = best.and_then(|c| c.node.as_deref()).unwrap_or_default();
    let crowded = crowd.get(node).copied().unwrap_or_default();
    let within = usize::try_from(number).is_ok_and(|n| n <= planning.wanted());
    let age = Reverse(best.map(|c| c.created));
    let reachable = availability.reachable();
    let believed = Reverse(availability);
    (reachable, ready, current.is_some(), health, believed, within, Reverse(crowded), age, Reverse(number))
}
