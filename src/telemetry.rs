//! What is counted and timed, for `/metrics`.
//!
//! Nothing runs here and nobody is woken. Whoever does something holds the [`Metrics`] and counts it as it ends:
//! the engine and the store through decorators ([`engine::Measured`](crate::engine::Measured),
//! [`store::Measured`](crate::store::Measured)), the workers their looks and actions, the server its connections
//! and requests. What the sources of the status know already is not kept a second time: an [`Exposition`] makes
//! it from their snapshots when somebody asks.
//!
//! Counting never waits: a counter is an atomic, a histogram a lock that is held for one addition and never
//! across an await. The labels are words of the source, routes, and the names of the objects there are; so there
//! are never more series than there were objects submitted, and nothing that is secret is among them.

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

pub use call_metrics::{CallMetrics, Ongoing};
pub use exposition::{Expiry, Exposition, Format};
pub use requests::{Asked, Requests, Route};

/// Bounds of histograms, in seconds. Calls over a network, whose ends are a local socket and a pull of minutes.
const CALLS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
/// What happens within this process and its disk.
const WITHIN: [f64; 16] =
    [1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// How a call that changes something ends; see [`Outcome`](crate::core::outcome::Outcome).
const CHANGE: [&str; 5] = ["done", "refused", "not_sent", "in_doubt", ABANDONED];
/// How a question ends.
const QUESTION: [&str; 3] = ["done", "failed", ABANDONED];
/// How a transaction ends.
const COMMIT: [&str; 4] = ["done", "refused", "failed", ABANDONED];
/// The end of what nobody waited for any longer.
const ABANDONED: &str = "abandoned";

/// All that is counted. Shared by everybody who counts.
#[derive(Debug)]
pub struct Metrics {
    /// Calls to the engine.
    pub engine_calls: CallMetrics,
    /// Events that the engine sent.
    pub engine_events: Counter,
    /// Steps of plans.
    pub actions: CallMetrics,
    /// How long a worker's look took: reading the snapshots, planning, beginning the steps, publishing.
    pub reconciles: Histogram,
    /// Calls to the store.
    pub store_calls: CallMetrics,
    /// Connections that are open, those in their handshake included.
    pub connections_open: Gauge,
    /// The most connections at once.
    pub connections_limit: Gauge,
    /// Connections that did not come to be, by reason.
    pub connections_refused: Family<[(&'static str, &'static str); 1], Counter>,
    /// Requests and their answers.
    pub requests: Requests,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

impl Metrics {
    /// All counters at zero. Each series whose labels are known is there from the start, so that its first
    /// increase is seen as one.
    pub fn new() -> Metrics {
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

    /// Counts a connection that did not come to be.
    pub fn connection_refused(&self, reason: &'static str) {
        self.connections_refused.get_or_create(&[("reason", reason)]).inc();
    }

    /// Counts a connection as open until what is returned is dropped.
    pub fn connection(&self) -> Open {
        self.connections_open.inc();
        Open(self.connections_open.clone())
    }

    /// Shows all of it to a registry.
    fn register(&self, registry: &mut Registry) {
        let Metrics { engine_calls, actions, store_calls, requests, .. } = self;
        engine_calls.register(registry, "engine_calls", "engine_call_duration", "calls to the engine");
        registry.register("engine_events", "Events that the engine sent", self.engine_events.clone());
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
            "Open connections, those in their handshake included",
            self.connections_open.clone(),
        );
        registry.register(
            "connections_limit",
            "The most connections at once",
            self.connections_limit.clone(),
        );
        registry.register(
            "connections_refused",
            "Connections that did not come to be, by reason",
            self.connections_refused.clone(),
        );
        requests.register(registry);
    }
}

/// An open connection.
#[derive(Debug)]
pub struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
