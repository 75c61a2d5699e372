//! A plan in the making, which the rules read and extend.
//!
//! Each rule reads the slots as the rules before it left them, and adds its steps. A container that already has a step, or
//! a step under way, gets no second one.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::availability::Availability;
use crate::core::container::{Container, ContainerId, Visibility};
use crate::core::plan::{Action, Step};
use crate::core::spec::TemplateHash;
use crate::core::time::Time;
use crate::planner::input::Input;

/// The most removals of one object under way at once, so that an object with thousands of containers that are slow to stop
/// leaves permits for the others.
pub(super) const MAX_REMOVALS: usize = 32;
/// A container whose stop got no answer this many times is killed. Each of these stops waited for longer than the container
/// may take.
const STOPS_BEFORE_FORCE: u32 = 3;

/// A slot, as classified and as the rules so far have left it.
#[derive(Debug, Default)]
pub(super) struct Slot<'a> {
    /// Live containers of the present template, best first.
    pub(super) current: Vec<&'a Container>,
    /// Live containers of another template, best first.
    pub(super) stale: Vec<&'a Container>,
    /// Live, and being removed: still there, but not counted on.
    pub(super) leaving: Vec<&'a Container>,
    /// Ended, newest attempt first.
    pub(super) dead: Vec<&'a Container>,
    /// Created, and never to run: the engine refused to start them, or they were stale before they started; and those that
    /// the engine could not remove.
    pub(super) misfits: Vec<&'a Container>,
    /// The engine is removing them.
    pub(super) removing: Vec<&'a Container>,
    /// On lost nodes: they do not count.
    pub(super) lost: Vec<&'a Container>,
    /// A create is under way.
    pub(super) creating: bool,
    /// The attempt of a create whose outcome is unknown.
    pub(super) in_doubt: Option<u32>,
    /// The highest attempt observed, under way or in doubt.
    pub(super) highest_attempt: u32,
}

impl Slot<'_> {
    /// Whether it counts: it holds a container, or may hold one.
    pub(super) fn held(&self) -> bool {
        !self.current.is_empty() || !self.stale.is_empty() || self.creating || self.in_doubt.is_some()
    }
}

/// A plan in the making: the classified containers, and the steps so far.
pub(super) struct Planning<'a> {
    pub(super) input: Input<'a>,
    pub(super) slots: BTreeMap<u32, Slot<'a>>,
    /// Slots that stay once the surplus is gone.
    pub(super) staying: BTreeSet<u32>,
    /// Slots whose containers go.
    pub(super) surplus: BTreeSet<u32>,
    /// Slots that need a container and have none: filled now or, after a failure, later.
    pub(super) missing: BTreeSet<u32>,
    /// What is in the way of a container that would be created now.
    pub(super) waits_for: Option<&'a str>,
    /// Containers whose removal failed and is still wanted.
    pub(super) removal_waits: Vec<&'a Container>,
    /// Containers that already have a step, or that must not get one.
    pub(super) spoken_for: BTreeSet<&'a ContainerId>,
    /// The availability of the containers' nodes, unless it is [`Availability::Up`].
    pub(super) availabilities: BTreeMap<&'a ContainerId, Availability>,
    pub(super) steps: Vec<Step>,
    pub(super) wake_at: Option<Time>,
    /// Creates that may still begin, by template.
    pub(super) room: BTreeMap<&'a TemplateHash, usize>,
    /// Removals that may still begin.
    pub(super) removals: usize,
}

impl<'a> Planning<'a> {
    /// How many containers are wanted.
    pub(super) fn wanted(&self) -> usize {
        usize::try_from(self.input.object.wanted()).unwrap_or(usize::MAX)
    }

    /// The availability of a container's node.
    pub(super) fn availability(&self, container: &Container) -> Availability {
        self.availabilities.get(&container.id).copied().unwrap_or(Availability::Up)
    }

    /// Whether a container is ready, and seen clearly on a reachable node.
    pub(super) fn ready(&self, container: &Container) -> bool {
        container.ready()
            && self.availability(container).reachable()
            && container.visibility == Visibility::Clear
    }

    /// Plans again at this time, or earlier.
    pub(super) fn wake(&mut self, at: Time) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// Begins a removal, unless the container has a step already or an earlier removal of it failed a moment ago.
    pub(super) fn remove(&mut self, container: &'a Container, cause: impl Into<String>) {
        if !self.spoken_for.insert(&container.id) {
            return;
        }
        let failures = self.input.memory.removal(&container.id);
        if let Some(failures) = failures {
            self.removal_waits.push(container);
            if failures.retry_at > self.input.now {
                self.wake(failures.retry_at);
                return;
            }
        }
        let force = self.input.memory.stops_unanswered(&container.id) >= STOPS_BEFORE_FORCE;
        // A removal that ends makes room, and wakes the worker.
        if self.removals == 0 {
            return;
        }
        self.removals -= 1;
        let action = Action::Remove { id: container.id.clone(), name: container.name.clone(), force };
        self.steps.push(Step { action, cause: cause.into() });
    }
}
