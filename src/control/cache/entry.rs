//! An entry of the cache: a container, and how recent what is known of it is.

use std::sync::Arc;

use crate::core::container::{Container, ContainerState, Health};

/// When something was written; later is greater. A list has the mark of its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark(pub(super) u64);

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) container: Arc<Container>,
    pub(super) written: Mark,
    /// The state that the last inspect reported, until a list reports the same. An engine's list can contradict its inspect
    /// permanently: after a failed removal, and after its disk was full.
    pub(super) inspected: Option<ContainerState>,
}

impl Entry {
    pub(super) fn new(container: Container, written: Mark) -> Entry {
        Entry { container: Arc::new(container), written, inspected: None }
    }

    /// Whether the entry is newer than an answer that was requested at `begun`. An ended process is accepted nevertheless: a
    /// container is started once, and an answer from before that start would call it created.
    pub(super) fn newer_than(&self, begun: Mark, answer: &Container) -> bool {
        self.written > begun && !(answer.dead() && self.container.live())
    }
}

/// Drops the output of a health check that has passed since then.
pub(super) fn forget_old_output(container: &mut Container) {
    let passed = container.health != Health::Unhealthy;
    if let Some(detail) = container.detail.as_mut().filter(|detail| passed && detail.health_output.is_some())
    {
        Arc::make_mut(detail).health_output = None;
    }
}
