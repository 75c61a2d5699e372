//! The store that forgets: all in memory, for `--data-dir=none` and until there is one on disk.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use super::{Change, Committed, Precondition, Store, StoreError, apply};
use crate::clock::Clock;
use crate::model::Objects;

/// Keeps the desired state as long as the process lives.
#[derive(Debug)]
pub struct MemoryStore {
    objects: watch::Sender<Arc<Objects>>,
    clock: Clock,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(clock: Clock) -> MemoryStore {
        MemoryStore { objects: watch::Sender::new(Arc::new(Objects::new())), clock }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn commit(
        &self,
        changes: Vec<Change>,
        precondition: Precondition,
    ) -> Result<Vec<Committed>, StoreError> {
        let mut result = Ok(Vec::new());
        // The channel's own lock makes writers take turns.
        self.objects.send_if_modified(|objects| {
            match apply(objects, changes, precondition, self.clock.now()) {
                Ok((after, committed)) => {
                    *objects = Arc::new(after);
                    result = Ok(committed);
                    true
                }
                Err(error) => {
                    result = Err(error);
                    false
                }
            }
        });
        result
    }

    fn objects(&self) -> watch::Receiver<Arc<Objects>> {
        self.objects.subscribe()
    }

    fn durability(&self) -> &'static str {
        "in memory only: a restart forgets what was submitted (containers keep running; submit again to adopt them)"
    }
}
