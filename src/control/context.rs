//! What all workers share.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::control::actuator::Actuator;
use crate::control::cache::Cache;
use crate::control::heartbeat::Heartbeat;
use crate::control::progress::Progresses;
use crate::store::Store;
use crate::store::event_log::EventLog;
use crate::telemetry::Metrics;

/// What all workers share.
#[derive(Clone)]
pub struct WorkerContext {
    /// What is wanted, and where it is recorded what has converged.
    pub store: Arc<dyn Store>,
    /// What is there.
    pub cache: Arc<Cache>,
    /// Performs their steps.
    pub actuator: Arc<Actuator>,
    /// Where they tell what they do.
    pub event_log: EventLog,
    /// Where they publish.
    pub progresses: watch::Sender<Arc<Progresses>>,
    /// How the engine is called in messages.
    pub endpoint: Arc<str>,
    /// Where they count what they do.
    pub metrics: Arc<Metrics>,
    /// Shows that the dispatcher turns.
    pub heartbeat: Heartbeat,
    /// Asks to begin no more steps, to finish those under way, and to end.
    pub stop: CancellationToken,
    /// The time.
    pub clock: Clock,
}
