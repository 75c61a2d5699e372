//! The condition of an object: its phase, and the reason in one sentence.

use strum::IntoStaticStr;

use crate::core::time::Time;

/// The phase of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Phase {
    /// It is as wanted.
    Converged,
    /// Steps are under way or about to begin.
    Progressing,
    /// Part of it does not work.
    Degraded,
    /// It cannot make progress until something changes.
    Blocked,
    /// It is deleted, and its containers are being removed.
    Deleting,
}

impl Phase {
    /// The word for it in the status.
    pub(crate) fn word(self) -> &'static str {
        self.into()
    }
}

/// The phase of an object, and the reason in one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Its phase.
    pub phase: Phase,
    /// The reason, in one sentence that keeps the engine's message.
    pub reason: String,
    /// The time of the next try, after a failure.
    pub(crate) next_retry: Option<Time>,
    /// It counts as failed: it is impossible, or the engine refused it, or its containers ended or turned unhealthy,
    /// [`FAILED_AFTER`](crate::core::memory::failures::FAILED_AFTER) consecutive times over at least `Update.FailAfter`.
    /// Retries continue nevertheless.
    pub failing: bool,
    /// It has converged, and all its containers have been ready for `Update.Monitor`.
    pub(crate) proven: bool,
    /// Containers whose process runs.
    pub(crate) running: usize,
    /// Containers that are running and not known to be unhealthy.
    pub(crate) ready: usize,
    /// Live containers of the present template.
    pub(crate) updated: usize,
}
