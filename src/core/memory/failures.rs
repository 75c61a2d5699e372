//! Consecutive failures, and what they say about the spec.

use std::time::Duration;

use crate::core::time::Time;

/// After this many consecutive definite failures, over at least `Update.FailAfter`, a wait ends as failed. Retries continue,
/// since the cause may be temporary.
pub(crate) const FAILED_AFTER: u32 = 3;

/// What a failure says about the spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    /// Nothing: the engine is unreachable, or the outcome is unknown.
    Nothing,
    /// It did not work this time: the engine refused, or a container of the template ended or turned unhealthy.
    Failed,
    /// It will never work.
    Impossible,
}

/// A streak of failures.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Failures {
    /// Its length.
    pub(crate) count: u32,
    /// How many of the latest ones say something about the spec.
    pub(crate) definite: u32,
    /// The time from the first definite failure to the last.
    pub(crate) lasted: Duration,
    /// When the next try may begin.
    pub(crate) retry_at: Time,
    /// The last one, with the engine's message if there is one.
    pub(crate) error: String,
    since: Time,
    impossible: bool,
}

impl Failures {
    /// Whether this counts as failed: it is impossible, or there were [`FAILED_AFTER`] consecutive failures, the last at least
    /// `fail_after` after the first. Time alone proves nothing: a try that is due or under way may succeed.
    pub(crate) fn failing(&self, fail_after: Duration) -> bool {
        self.impossible || (self.definite >= FAILED_AFTER && self.lasted >= fail_after)
    }

    pub(super) fn add(&mut self, says: Says, now: Time) {
        self.count += 1;
        self.definite = if says == Says::Nothing { 0 } else { self.definite + 1 };
        if self.definite <= 1 {
            self.since = now;
        }
        self.lasted = now.since(self.since);
        self.impossible = says == Says::Impossible;
    }

    /// Records a failure that happened together with the last one.
    pub(super) fn join(&mut self, says: Says, now: Time) {
        match says {
            Says::Nothing => self.definite = 0,
            _ if self.definite == 0 => (self.definite, self.since) = (1, now),
            _ => {}
        }
        self.lasted = if self.definite == 0 { Duration::ZERO } else { now.since(self.since) };
        self.impossible = says == Says::Impossible;
    }
}
