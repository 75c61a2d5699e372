//! Counters and timers for `/metrics`.
//!
//! Nothing runs here. Each component holds the [`Metrics`] and counts operations as they end: the engine and the store through
//! decorators ([`engine::MeasuredEngine`](crate::engine::MeasuredEngine), [`store::Measured`](crate::store::Measured)), the workers their
//! passes and actions, the server its connections and requests. Data that the status has is not kept twice: an [`Exposition`]
//! reads it from snapshots on request.
//!
//! Counting never waits: a counter is an atomic, a histogram a lock held for one addition and never across an await. Labels are
//! words of the source code, routes, and names of objects; so the number of series is bounded by the number of submitted objects,
//! and no label is secret.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

mod call_metrics;
mod exposition;
#[cfg(target_os = "linux")]
mod process;
mod requests;

pub(crate) use call_metrics::CallMetrics;
pub(crate) use exposition::{Expiry, Exposition, Format};
pub(crate) use requests::{Requests, Route};

/// Histogram buckets in seconds for network calls, from a local socket to a pull of minutes.
const CALLS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
/// Histogram buckets in seconds for work within this process and on its disk.
const WITHIN: [f64; 16] =
    [1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// Outcomes of calls that change something; see [`Outcome`](crate::core::outcome::Outcome).
const CHANGE: [&str; 5] = ["done", "refused", "not_sent", "in_doubt", ABANDONED];
/// Outcomes of read-only calls.
const QUESTION: [&str; 3] = ["done", "failed", ABANDONED];
/// Outcomes of transactions.
const COMMIT: [&str; 4] = ["done", "refused", "failed", ABANDONED];
/// The outcome of an operation that was cancelled.
const ABANDONED: &str = "abandoned";

/// All counters and timers.
#[derive(Debug)]
pub struct Metrics {
    /// Calls to the engine.
    pub(crate) engine_calls: CallMetrics,
    /// Events received from the engine.
    pub(crate) engine_events: Counter,
    /// Steps of plans.
    pub(crate) actions: CallMetrics,
    /// Duration of a worker's pass: reading snapshots, planning, beginning steps, publishing.
    pub(crate) reconciles: Histogram,
    /// Calls to the store.
    pub(crate) store_calls: CallMetrics,
    /// Open connections, including those in their handshake.
    pub(crate) connections_open: Gauge,
    /// The limit on concurrent connections.
    pub(crate) connections_limit: Gauge,
    /// Refused connections, by reason.
    pub(crate) connections_refused: Family<[(&'static str, &'static str); 1], Counter>,
    /// Requests and their responses.
    pub(crate) requests: Requests,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

impl Metrics {
    /// All counters at zero. Each series whose labels are known exists from the start, so that its first increase is visible.
    pub(crate) fn new() -> Metrics {
        let engine_calls = [
            ("info", &QUESTION[..]),
            ("list", &QUESTION),
            ("list_object", &QUESTION),
            ("inspect", &QUESTION),
            ("events", &QUESTION),
            ("logs", &QUESTION),
            ("pull", &CHANGE),
            ("create", &CHANGE),
            ("verify", &CHANGE),
            ("start", &CHANGE),
            ("stop", &CHANGE),
            ("remove", &CHANGE),
        ];
        let actions = ["pull", "create", "start", "remove"].map(|action| (action, &CHANGE[..]));
        Metrics {
            engine_calls: CallMetrics::new("call", &engine_calls, || Histogram::new(CALLS)),
            engine_events: Counter::default(),
            actions: CallMetrics::new("action", &actions, || Histogram::new(CALLS)),
            reconciles: Histogram::new(WITHIN),
            store_calls: CallMetrics::new("call", &[("commit", &COMMIT)], || Histogram::new(WITHIN)),
            connections_open: Gauge::default(),
            connections_limit: Gauge::default(),
            connections_refused: Family::default(),
            requests: Requests::default(),
        }
    }

    /// Counts a refused connection.
    pub(crate) fn connection_refused(&self, reason: &'static str) {
        self.connections_refused.get_or_create(&[("reason", reason)]).inc();
    }

    /// Counts a connection as open until the returned guard is dropped.
    pub(crate) fn connection(&self) -> Open {
        self.connections_open.inc();
        Open(self.connections_open.clone())
    }

    /// Registers all metrics.
    fn register(&self, registry: &mut Registry) {
        let Metrics { engine_calls, actions, store_calls, requests, .. } = self;
        engine_calls.register(registry, "engine_calls", "engine_call_duration", "calls to the engine");
        registry.register("engine_events", "Events received from the engine", self.engine_events.clone());
        actions.register(registry, "actions", "action_duration", "steps of plans");
        registry.register_with_unit(
            "reconcile_duration",
            "Duration of one reconcile pass of an object",
            Unit::Seconds,
            self.reconciles.clone(),
        );
        store_calls.register(registry, "store_calls", "store_call_duration", "calls to the store");
        registry.register(
            "connections_open",
            "Open connections, including those in their handshake",
            self.connections_open.clone(),
        );
        registry.register(
            "connections_limit",
            "Limit on concurrent connections",
            self.connections_limit.clone(),
        );
        registry.register(
            "connections_refused",
            "Refused connections, by reason",
            self.connections_refused.clone(),
        );
        requests.register(registry);
    }
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
