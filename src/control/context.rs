//! What all workers share.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::control::actuator::Actuator;
use crate::control::cache::Cache;
use crate::control::heartbeat::Pulse;
use crate::control::progress::Board;
use crate::store::Store;
use crate::store::event_log::Journal;
use crate::telemetry::Metrics;

/// What all workers share.
#[derive(Clone)]
pub struct Shop {
    /// What is wanted, and where it is recorded what has converged.
    pub store: Arc<dyn Store>,
    /// What is there.
    pub cache: Arc<Cache>,
    /// Performs their steps.
    pub actuator: Arc<Actuator>,
    /// Where they tell what they do.
    pub journal: Journal,
    /// Where they publish.
    pub board: watch::Sender<Arc<Board>>,
    /// How the engine is called in messages.
    pub endpoint: Arc<str>,
    /// Where they count what they do.
    pub metrics: Arc<Metrics>,
    /// Shows that the dispatcher turns.
    pub pulse: Pulse,
    /// Asks to begin no more steps, to finish those under way, and to end.
    pub stop: CancellationToken,
    /// The time.
    pub clock: Clock,
}
