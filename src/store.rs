//! The desired state and its changes.
//!
//! A [`Store`] keeps the desired state: it accepts one transaction at a time, makes it durable, publishes the new snapshot, then
//! answers. Readers hold a snapshot and never wait for a writer. The pure function
//! [`apply`](crate::core::transaction::apply()) computes what a transaction does to a snapshot, for every store.
//!
//! Beside the objects a store keeps the [`EventLog`]: a change is in it before anything that the change causes.

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

pub(crate) mod backup;
mod error;
pub(crate) mod event_log;
pub(crate) mod manager_id;
mod measured;
pub mod memory;
pub mod ownership;
mod record;
pub(crate) mod redb;

pub(crate) use error::StoreError;
pub(crate) use measured::Measured;

/// Keeps the desired state.
#[async_trait]
pub trait Store: Send + Sync {
    /// Commits all of a transaction or nothing. When it returns, the changes are durable as far as this store makes them so,
    /// visible in [`Store::objects`] and in the event log, and announced to subscribers.
    async fn commit(&self, transaction: Transaction) -> Result<Vec<Committed>, StoreError>;

    /// The present snapshot, and each new one.
    fn objects(&self) -> watch::Receiver<Arc<Objects>>;

    /// Stored objects that cannot be read.
    fn quarantined(&self) -> Arc<BTreeMap<ObjectName, Quarantined>>;

    /// The event log.
    fn event_log(&self) -> &EventLog;

    /// The identity of this manager, and which containers are ours.
    fn ownership(&self) -> &Ownership;

    /// How durable this store is at present, in one clause for the status and the log.
    fn durability(&self) -> String;

    /// Why nothing can be written at present, if so.
    fn trouble(&self) -> Option<String> {
        None
    }
}
