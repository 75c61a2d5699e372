//! Calls of a few kinds, each with one of a few outcomes: how many there were, and how long they took.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tokio::time::Instant;

use crate::clock;
use crate::telemetry::ABANDONED;

type Label = (&'static str, &'static str);

/// Counts by kind and outcome, and times by kind.
#[derive(Debug, Clone)]
pub struct CallMetrics {
    /// The name of the label that holds the kind.
    label: &'static str,
    outcomes: Family<[Label; 2], Counter>,
    durations: Family<[Label; 1], Histogram, fn() -> Histogram>,
}

impl CallMetrics {
    /// All `kinds` with the outcomes that each can have, at zero.
    pub(super) fn new(
        label: &'static str,
        kinds: &[(&'static str, &[&'static str])],
        histogram: fn() -> Histogram,
    ) -> CallMetrics {
        let tally = CallMetrics {
            label,
            outcomes: Family::default(),
            durations: Family::new_with_constructor(histogram),
        };
        for (kind, outcomes) in kinds {
            drop(tally.durations.get_or_create(&[(label, *kind)]));
            for outcome in *outcomes {
                drop(tally.outcomes.get_or_create(&[(label, *kind), ("outcome", *outcome)]));
            }
        }
        tally
    }

    /// Begins a call. Both words come from the source: each new one is a new series for ever.
    pub fn begin(&self, kind: &'static str) -> Ongoing<'_> {
        Ongoing { tally: self, kind, begun: clock::monotonic(), outcome: ABANDONED }
    }

    /// Shows it to a registry under two names; `what` is counted, in the plural.
    pub(super) fn register(
        &self,
        registry: &mut Registry,
        count: &'static str,
        duration: &'static str,
        what: &str,
    ) {
        let label = self.label;
        registry.register(count, format!("Ended {what}, by {label} and outcome"), self.outcomes.clone());
        let help = format!("How long {what} took, by {label}");
        registry.register_with_unit(duration, help, Unit::Seconds, self.durations.clone());
    }
}

/// A call under way. It counts when it is dropped: as what [`Ongoing::ended`] says, else as abandoned.
#[derive(Debug)]
pub struct Ongoing<'a> {
    tally: &'a CallMetrics,
    kind: &'static str,
    begun: Instant,
    outcome: &'static str,
}

impl Ongoing<'_> {
    /// The call has ended.
    pub fn ended(mut self, outcome: &'static str) {
        self.outcome = outcome;
    }
}

impl Drop for Ongoing<'_> {
    fn drop(&mut self) {
        let Ongoing { tally, kind, begun, outcome } = self;
        tally.outcomes.get_or_create(&[(tally.label, *kind), ("outcome", *outcome)]).inc();
        tally.durations.get_or_create(&[(tally.label, *kind)]).observe(begun.elapsed().as_secs_f64());
    }
}
