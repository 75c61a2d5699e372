//! What was submitted, and how it changes.
//!
//! A [`Store`] keeps the desired state: it takes one transaction at a time, makes it as durable as it can,
//! then publishes the new snapshot, then answers. Whoever reads holds a snapshot; nobody ever waits for a
//! writer. What a transaction does to a snapshot is the pure function [`apply`](crate::core::transaction::apply), the same for every store.
//!
//! Beside the objects a store keeps the [`EventLog`], the log of what happened: a change stands in it before
//! anything that the change causes.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::core::desired::Quarantined;
use crate::core::name::ObjectName;
use crate::core::object::Objects;
use crate::core::transaction::{Committed, Transaction};
use crate::store::event_log::EventLog;
use crate::store::ownership::Ownership;

pub mod backup;
mod error;
pub mod event_log;
pub mod manager_id;
mod measured;
pub mod memory;
pub mod ownership;
mod record;
pub mod redb;

pub use error::StoreError;
pub use measured::Measured;

/// Keeps the desired state.
#[async_trait]
pub trait Store: Send + Sync {
    /// Takes all of a transaction or nothing. When it returns, the changes are as durable as this store makes
    /// them, visible in [`Store::objects`], in the journal, and announced to the subscribers.
    async fn commit(&self, transaction: Transaction) -> Result<Vec<Committed>, StoreError>;

    /// The present snapshot, and word of each new one.
    fn objects(&self) -> watch::Receiver<Arc<Objects>>;

    /// Objects that are stored and cannot be read.
    fn quarantined(&self) -> Arc<BTreeMap<ObjectName, Quarantined>>;

    /// What happened.
    fn event_log(&self) -> &EventLog;

    /// Who we are and which containers are ours.
    fn ownership(&self) -> &Ownership;

    /// How lasting this store is at present, for the status page and the log: one clause.
    fn durability(&self) -> String;

    /// Why nothing can be written at present, where that is so.
    fn trouble(&self) -> Option<String> {
        None
    }
}
