//! What all handlers share.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::caller::Caller;
use super::expensive::Expensive;
use super::problem;
use super::shared_responses::SharedResponses;
use crate::api::problem::Problem;
use crate::control::cache::Cache;
use crate::core::transaction::Rejected;
use crate::engine::Engine;
use crate::logs::Logs;
use crate::server::fair_share::{FairShare, Permit};
use crate::status::StatusReader;
use crate::status::watch::Feed;
use crate::store::{Store, StoreError};
use crate::telemetry::Exposition;

/// The most long-running requests, in all. An identity may have half of what the others leave.
const LONG_RUNNING_REQUESTS: usize = 400;

/// The number of long-running requests (waits and streams) for this number of connections. Each holds a connection; a
/// fifth of the connections is left for short requests.
pub(crate) fn long_running_requests(connections: usize) -> usize {
    (connections * 4 / 5).clamp(1, LONG_RUNNING_REQUESTS)
}

/// What all handlers share.
#[derive(Clone)]
pub(crate) struct ApiState {
    /// Commits changes.
    pub(crate) store: Arc<dyn Store>,
    /// Builds the status.
    pub(crate) status: StatusReader,
    /// The observed containers, for readiness.
    pub(crate) cache: Arc<Cache>,
    /// The endpoint, for questions that the cache cannot answer.
    pub(crate) engine: Arc<dyn Engine>,
    /// Changes of the status.
    pub(crate) status_feed: Feed,
    /// Permits for long-running requests: as many as [`long_running_requests`] says.
    pub(crate) long_running: Arc<FairShare>,
    /// Container output.
    pub(crate) logs: Logs,
    /// Permits for log streams of the engine: as many as [`at_once`](crate::logs::at_once) says.
    pub(crate) log_readers: Arc<FairShare>,
    /// Responses that show everything.
    pub(crate) shared: Arc<SharedResponses>,
    /// What `/metrics` shows.
    pub(crate) exposition: Arc<Exposition>,
    /// Permits for expensive requests.
    pub(crate) expensive: Expensive,
    /// Ends waits and streams.
    pub(crate) stop: CancellationToken,
}

impl ApiState {
    /// A permit for a long-running request, to be held until its end. Refused if none is left, or if the caller has its
    /// share.
    pub(super) fn long_running_permit(&self, caller: &Caller) -> Result<Permit, Problem> {
        self.long_running.try_acquire(&caller.peer.identity).map_err(problem::too_many_long_running)
    }

    /// There is no object of this name.
    pub(super) fn no_such_object(&self, name: &str) -> Problem {
        let objects = self.status.objects.borrow().clone();
        problem::no_such_object(
            name,
            objects.iter().filter(|(_, o)| o.deleted.is_none()).map(|(name, _)| name),
        )
    }

    /// Why the store refused a transaction.
    pub(super) fn refused(&self, error: StoreError) -> Problem {
        match error {
            StoreError::Rejected(Rejected::NotFound(name)) => self.no_such_object(name.as_str()),
            other => other.into(),
        }
    }
}
