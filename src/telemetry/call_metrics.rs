//! Counts and durations of calls, by kind and outcome.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tokio::time::Instant;

use crate::clock;
use crate::telemetry::ABANDONED;

type Label = (&'static str, &'static str);

/// Counts by kind and outcome, and durations by kind.
#[derive(Debug, Clone)]
pub(crate) struct CallMetrics {
    /// The name of the label that holds the kind.
    label: &'static str,
    outcomes: Family<[Label; 2], Counter>,
    durations: Family<[Label; 1], Histogram, fn() -> Histogram>,
}

impl CallMetrics {
    /// All `kinds` with their possible outcomes, at zero.
    pub(super) fn new(
        label: &'static str,
        kinds: &[(&'static str, &[&'static str])],
        histogram: fn() -> Histogram,
    ) -> CallMetrics {
        let metrics = CallMetrics {
            label,
            outcomes: Family::default(),
            durations: Family::new_with_constructor(histogram),
        };
        for (kind, outcomes) in kinds {
            drop(metrics.durations.get_or_create(&[(label, *kind)]));
            for outcome in *outcomes {
                drop(metrics.outcomes.get_or_create(&[(label, *kind), ("outcome", *outcome)]));
            }
        }
        metrics
    }

    /// Begins a call. The kind is a constant of the source: each new one is another series.
    pub(crate) fn begin(&self, kind: &'static str) -> Ongoing<'_> {
        Ongoing { metrics: self, kind, begun: clock::monotonic(), outcome: ABANDONED }
    }

    /// Registers both metrics; `what` is counted, in the plural.
    pub(super) fn register(
        &self,
        registry: &mut Registry,
        count: &'static str,
        duration: &'static str,
        what: &str,
    ) {
        let label = self.label;
        registry.register(count, format!("Completed {what}, by {label} and outcome"), self.outcomes.clone());
        let help = format!("Duration of {what}, by {label}");
        registry.register_with_unit(duration, help, Unit::Seconds, self.durations.clone());
    }
}

/// A call in progress. It is counted when dropped: with the outcome given to [`Ongoing::ended`], else as abandoned.
#[derive(Debug)]
pub(crate) struct Ongoing<'a> {
    metrics: &'a CallMetrics,
    kind: &'static str,
    begun: Instant,
    outcome: &'static str,
}

impl Ongoing<'_> {
    /// The call has ended.
    pub(crate) fn ended(mut self, outcome: &'static str) {
        self.outcome = outcome;
    }
}

impl Drop for Ongoing<'_> {
    fn drop(&mut self) {
        let Ongoing { metrics, kind, begun, outcome } = self;
        metrics.outcomes.get_or_create(&[(metrics.label, *kind), ("outcome", *outcome)]).inc();
        metrics.durations.get_or_create(&[(metrics.label, *kind)]).observe(begun.elapsed().as_secs_f64());
    }
}
