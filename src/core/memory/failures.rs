//! Consecutive failures, and what they say of the spec.

use std::time::Duration;

use crate::core::time::Time;

/// After this many consecutive definite failures, over at least `Update.FailAfter`, a wait ends as failed. Retries go on,
/// since the cause may pass.
pub const FAILED_AFTER: u32 = 3;

/// What a failure says of the spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// Nothing: the engine is unreachable, or the outcome is unknown.
    Nothing,
    /// That it did not work this time: the engine said no, or a container of the template ended or turned unhealthy.
    Failed,
    /// That it never will.
    Impossible,
}

/// A row of failures.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Failures {
    /// How many in a row.
    pub count: u32,
    /// How many of these, counted back from the last one, say something of the spec itself.
    pub definite: u32,
    /// From the first of the definite ones to the last.
    pub lasted: Duration,
    /// When it may be tried again.
    pub retry_at: Time,
    /// The last one, in the engine's own words where it had any.
    pub error: String,
    since: Time,
    impossible: bool,
}

impl Failures {
    /// True where it does not seem to work at all: it cannot, or it has failed [`FAILED_AFTER`] times in a row, the last
    /// time at least `fail_after` after the first. Time alone proves nothing: while a further try is due or under way,
    /// it may succeed.
    pub fn failing(&self, fail_after: Duration) -> bool {
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

    /// Takes note of a failure that came together with the last one.
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
