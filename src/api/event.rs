//! `GET /events`: what the manager did, and why.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::words::words;

words! {
    /// What an event is about.
    pub(crate) enum EventKind {
        /// The daemon has started.
        Started = "started",
        /// The desired state has changed: a submit, a deletion or a rollback.
        Submitted = "submitted",
        /// A step begins: its line of the plan, with the cause.
        Step = "step",
        /// A step has failed.
        StepFailed = "step-failed",
        /// A container has exited or was removed, and not by this manager.
        Ended = "ended",
        /// The health check of a container fails.
        Unhealthy = "unhealthy",
        /// An object has entered another phase; the text is the reason.
        Phase = "phase",
        /// The engine, or how far it can be trusted, has changed.
        Engine = "engine",
        /// The state cannot be written, or can be written again.
        Store = "store",
    }
}

/// One line of the event log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Event {
    /// Increases with each event, also across restarts; there may be gaps.
    pub(crate) id: u64,
    /// The time, RFC 3339 in UTC.
    pub(crate) at: String,
    /// What it is about.
    pub(crate) kind: EventKind,
    /// The object, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) object: Option<String>,
    /// The generation of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) generation: Option<u64>,
    /// Who requested it: the subject of the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<String>,
    /// What happened: a sentence, or a line of a plan.
    pub text: String,
}

words! {
    /// The kind of [`Missed`].
    pub(crate) enum MissedKind {
        /// The only one.
        Missed = "missed",
    }
}

/// A gap in the events of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Missed {
    /// Always `missed`.
    pub(crate) kind: MissedKind,
    /// How many events are missing.
    pub(crate) missed: u64,
    /// The same in a sentence.
    pub(crate) text: String,
}
