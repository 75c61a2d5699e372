//! What all workers share.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::control::actuator::Actuator;
use crate::control::cache::Cache;
use crate::control::heartbeat::Heartbeat;
use crate::control::progress::Progresses;
use crate::core::transaction::Change;
use crate::store::Store;
use crate::store::event_log::EventLog;
use crate::telemetry::Metrics;

/// What all workers share.
#[derive(Clone)]
pub(super) struct WorkerContext {
    /// The desired state.
    pub(super) store: Arc<dyn Store>,
    /// The observed containers.
    pub(super) cache: Arc<Cache>,
    pub(super) actuator: Arc<Actuator>,
    pub(super) event_log: EventLog,
    /// Takes changes that the manager itself decides on.
    pub(super) commit: mpsc::Sender<Change>,
    /// Where workers publish their progress.
    pub(super) progresses: watch::Sender<Arc<Progresses>>,
    pub(super) metrics: Arc<Metrics>,
    /// Beats as the dispatcher turns.
    pub(super) heartbeat: Heartbeat,
    /// Asks to begin no more steps, to finish those under way, and to end.
    pub(super) stop: CancellationToken,
    pub(super) clock: Clock,
}
