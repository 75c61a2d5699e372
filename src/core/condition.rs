//! The condition of an object: its phase, and the reason in one sentence.

use serde::Serialize;
use strum::IntoStaticStr;
use utoipa::ToSchema;

use crate::core::time::Time;

/// How an object is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// All is as wanted.
    Converged,
    /// Steps are under way, or about to be.
    Progressing,
    /// Something does not work; the rest does.
    Degraded,
    /// Nothing can go on until something changes.
    Blocked,
    /// It was deleted and its containers are going.
    Deleting,
}

impl Phase {
    /// The word for it, as the status has it.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

/// How an object is doing, and why, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// How it is doing.
    pub phase: Phase,
    /// Why: one sentence, the engine's own words kept.
    pub reason: String,
    /// When the next try is made, where something failed.
    pub next_retry: Option<Time>,
    /// It does not seem to work at all: it cannot, or the engine has refused it, or its containers have ended or turned
    /// unhealthy, [`FAILED_AFTER`](crate::core::memory::failures::FAILED_AFTER) times in a row over at least `Update.FailAfter`. It is
    /// tried further all the same.
    pub failing: bool,
    /// It has converged, and all its containers have been ready for `Update.Monitor`.
    pub proven: bool,
    /// Containers whose process runs.
    pub running: usize,
    /// Containers that run and are not known to be unwell.
    pub ready: usize,
    /// Live containers of the present template.
    pub updated: usize,
}
