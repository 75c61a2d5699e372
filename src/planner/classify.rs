//! Sorts the observed containers into slots.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::core::availability::Availability;
use crate::core::container::{Container, ContainerState, Visibility};
use crate::core::plan::Action;
use crate::core::spec::{OnNodeLost, TemplateHash};
use crate::planner::input::Input;
use crate::planner::planning::{MAX_REMOVALS, Planning, Slot};

/// Sorts the observed containers, and what is under way or in doubt, into slots.
pub(super) fn classify<'a>(input: Input<'a>) -> Planning<'a> {
    let mut slots: BTreeMap<u32, Slot<'a>> = BTreeMap::new();
    let mut spoken_for = BTreeSet::new();
    let mut leaving = BTreeSet::new();
    let mut creates: BTreeMap<&'a TemplateHash, usize> = BTreeMap::new();
    for action in input.under_way {
        match action {
            Action::Create { identity, .. } => {
                *creates.entry(&identity.template).or_default() += 1;
                let slot = slots.entry(identity.slot).or_default();
                slot.creating = true;
                slot.highest_attempt = slot.highest_attempt.max(identity.attempt);
            }
            Action::Start { id, .. } => {
                spoken_for.insert(id);
            }
            Action::Remove { id, .. } => {
                spoken_for.insert(id);
                leaving.insert(id);
            }
            Action::Pull { .. } => {}
        }
    }
    let mut availabilities = BTreeMap::new();
    let all_up = input.nodes.all().all(|tracked| tracked.availability == Availability::Up);
    let hold = input.object.on_node_lost() == OnNodeLost::Hold;
    for container in input.containers {
        let container: &'a Container = container;
        let slot = slots.entry(container.identity.slot).or_default();
        slot.highest_attempt = slot.highest_attempt.max(container.identity.attempt);
        let availability = match (all_up, container.visibility) {
            (true, Visibility::Clear) => Availability::Up,
            _ => input.nodes.availability(container),
        };
        if availability != Availability::Up {
            availabilities.insert(&container.id, availability);
        }
        if !availability.reachable() || container.visibility == Visibility::Disputed {
            spoken_for.insert(&container.id);
        }
        // A container in a disputed state may be running.
        let live = container.live() || container.visibility == Visibility::Disputed;
        if availability == Availability::Lost && !(hold && live) {
            slot.lost.push(container);
        } else if !live {
            match container.state {
                ContainerState::Exited => slot.dead.push(container),
                ContainerState::Dead => slot.misfits.push(container),
                // The engine is removing it. If that does not end, the cleanup removes it again.
                _ => slot.removing.push(container),
            }
        } else if leaving.contains(&container.id) {
            slot.leaving.push(container);
        } else if container.state == ContainerState::Created && input.memory.start_refused(&container.id) {
            slot.misfits.push(container);
        } else if container.identity.template == input.object.spec.template.hash {
            slot.current.push(container);
        } else if container.state == ContainerState::Created && !slot.creating {
            slot.misfits.push(container);
        } else {
            slot.stale.push(container);
        }
    }
    for ((number, attempt), _) in input.memory.doubts() {
        let slot = slots.entry(number).or_default();
        slot.in_doubt = slot.in_doubt.max(Some(attempt));
        slot.highest_attempt = slot.highest_attempt.max(attempt);
    }
    // Reachable and ready first, then on the better node, then the newer attempt; of two with one name, the older.
    let order = |c: &&'a Container| {
        let availability = availabilities.get(&c.id).copied().unwrap_or(Availability::Up);
        let ready = c.ready() && availability.reachable() && c.visibility == Visibility::Clear;
        (!availability.reachable(), !ready, availability, Reverse(c.identity.attempt), c.created, &c.id)
    };
    for slot in slots.values_mut() {
        slot.current.sort_by_key(order);
        slot.stale.sort_by_key(order);
        slot.misfits.sort_by_key(|c| (c.identity.attempt, &c.id));
        slot.dead.sort_by_key(|c| (Reverse(c.identity.attempt), &c.id));
    }
    let room = |template: &'a TemplateHash| {
        let under_way = creates.get(template).copied().unwrap_or_default();
        (template, input.memory.window(template).saturating_sub(under_way))
    };
    let templates = [Some(&input.object.spec.template), input.object.fallback()];
    let room = templates.into_iter().flatten().map(|template| room(&template.hash)).collect();
    Planning {
        input,
        slots,
        staying: BTreeSet::new(),
        surplus: BTreeSet::new(),
        missing: BTreeSet::new(),
        waits_for: None,
        removal_waits: Vec::new(),
        spoken_for,
        availabilities,
        steps: Vec::new(),
        wake_at: None,
        room,
        removals: MAX_REMOVALS.saturating_sub(leaving.len()),
    }
}
