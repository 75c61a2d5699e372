//! A store in memory only, for `--data-dir=none`.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::core::desired::{Desired, Quarantined};
use crate::core::name::ObjectName;
use crate::core::object::Objects;
use crate::core::transaction::{Committed, Transaction, apply};
use crate::store::Store;
use crate::store::StoreError;
use crate::store::event_log::EventLog;
use crate::store::ownership::Ownership;

/// Keeps the desired state for the lifetime of the process.
#[derive(Debug)]
pub struct MemoryStore {
    objects: watch::Sender<Arc<Objects>>,
    event_log: EventLog,
    ownership: Ownership,
    clock: Clock,
}

impl MemoryStore {
    /// An empty store of a manager that lives as long as this process.
    pub fn new(clock: Clock) -> MemoryStore {
        MemoryStore::of(Ownership::ephemeral(""), clock)
    }

    /// An empty store of this manager.
    pub fn of(ownership: Ownership, clock: Clock) -> MemoryStore {
        MemoryStore { objects: watch::Sender::default(), event_log: EventLog::new(clock), ownership, clock }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn commit(&self, transaction: Transaction) -> Result<Vec<Committed>, StoreError> {
        let mut result = Ok(Vec::new());
        // The channel's lock serializes writers.
        self.objects.send_if_modified(|objects| {
            let before = Desired { objects: objects.clone(), ..Desired::default() };
            match apply(&before, &transaction, self.clock.wall()) {
                Ok((after, committed)) => {
                    self.event_log.committed(&committed, &transaction.by);
                    *objects = after.objects;
                    result = Ok(committed);
                    true
                }
                Err(rejected) => {
                    result = Err(rejected.into());
                    false
                }
            }
        });
        result
    }

    fn objects(&self) -> watch::Receiver<Arc<Objects>> {
        self.objects.subscribe()
    }

    fn quarantined(&self) -> Arc<BTreeMap<ObjectName, Quarantined>> {
        Arc::default()
    }

    fn event_log(&self) -> &EventLog {
        &self.event_log
    }

    fn ownership(&self) -> &Ownership {
        &self.ownership
    }

    fn durability(&self) -> String {
        "in memory only: a restart forgets what was submitted (containers keep running; to adopt \
         them start with --take-over=any and submit again)"
            .to_owned()
    }
}
