//! The containers whose logs are read, and the engine that has them.

use std::sync::Arc;

use crate::core::container::Container;
use crate::core::name::ObjectName;
use crate::engine::Engine;
use crate::logs::query::{LogQuery, Missing};
use crate::status::StatusReader;

/// Reads logs.
#[derive(Clone)]
pub struct Logs {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) sources: StatusReader,
}

impl Logs {
    /// Reads the logs of the containers that this status shows.
    pub fn new(engine: Arc<dyn Engine>, sources: StatusReader) -> Logs {
        Logs { engine, sources }
    }

    /// Whether there is what is asked for. A container may be missing as long as nothing was listed.
    pub(crate) fn find(&self, asked: &LogQuery) -> Result<(), Missing> {
        if !self.is_there(&asked.object) {
            return Err(Missing::Object);
        }
        let listed = self.sources.cache.engine().borrow().listed.is_some();
        if asked.container.is_none() || !listed || !self.containers(asked).is_empty() {
            return Ok(());
        }
        let all = LogQuery { container: None, ..asked.clone() };
        Err(Missing::Container(self.containers(&all).iter().map(|c| c.name.clone()).collect()))
    }

    /// Whether there is such an object, or containers are left of a deleted one.
    pub(super) fn is_there(&self, name: &ObjectName) -> bool {
        match self.sources.objects.borrow().get(name) {
            None => false,
            Some(object) => {
                object.is_shown(self.sources.cache.containers(name).borrow().values().any(|c| !c.rival))
            }
        }
    }

    /// The object's own containers that are asked about, by slot and attempt.
    pub(super) fn containers(&self, asked: &LogQuery) -> Vec<Arc<Container>> {
        let containers = self.sources.cache.containers(&asked.object).borrow().clone();
        let wanted =
            |c: &&Arc<Container>| !c.rival && asked.container.as_ref().is_none_or(|name| *name == c.name);
        let mut containers: Vec<_> = containers.values().filter(wanted).cloned().collect();
        containers.sort_by_key(|c| (c.identity.slot, c.identity.attempt, c.id.clone()));
        containers
    }
}
