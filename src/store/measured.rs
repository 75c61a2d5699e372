//! Counts and times the commits of a store for `/metrics`.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::core::desired::Quarantined;
use crate::core::name::ObjectName;
use crate::core::object::Objects;
use crate::core::transaction::{Committed, Transaction};
use crate::store::Store;
use crate::store::StoreError;
use crate::store::event_log::EventLog;
use crate::store::ownership::Ownership;
use crate::telemetry::Metrics;

/// A store whose commits are counted.
pub(crate) struct Measured {
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
}

impl Measured {
    /// Counts the commits of `store` in `metrics`.
    pub(crate) fn new(store: Arc<dyn Store>, metrics: Arc<Metrics>) -> Measured {
        Measured { store, metrics }
    }
}

#[async_trait]
impl Store for Measured {
    async fn commit(&self, transaction: Transaction) -> Result<Vec<Committed>, StoreError> {
        let ongoing = self.metrics.store_calls.begin("commit");
        let result = self.store.commit(transaction).await;
        ongoing.ended(match &result {
            Ok(_) => "done",
            Err(StoreError::Rejected(_)) => "refused",
            Err(_) => "failed",
        });
        result
    }

    fn objects(&self) -> watch::Receiver<Arc<Objects>> {
        self.store.objects()
    }

    fn quarantined(&self) -> Arc<BTreeMap<ObjectName, Quarantined>> {
        self.store.quarantined()
    }

    fn event_log(&self) -> &EventLog {
        self.store.event_log()
    }

    fn ownership(&self) -> &Ownership {
        self.store.ownership()
    }

    fn trouble(&self) -> Option<String> {
        self.store.trouble()
    }

    fn durability(&self) -> String {
        self.store.durability()
    }
}
