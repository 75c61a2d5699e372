//! `GET /events`: what was done, and why.

use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;
use utoipa::ToSchema;

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// The daemon has started.
    Started,
    /// What is wanted has changed: a submit, a deletion, a rollback.
    Submitted,
    /// A step begins: the line of the plan, with its cause.
    Step,
    /// A step has failed.
    StepFailed,
    /// A container has ended, or was removed, without this manager's doing.
    Ended,
    /// A container's health check fails.
    Unhealthy,
    /// An object has entered another phase; the text is its reason.
    Phase,
    /// The engine, or what may be believed of it, has changed.
    Engine,
    /// The state could not be written, or can be again.
    Store,
}

impl EventKind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Event {
    /// Grows with each event, also over restarts; there may be gaps.
    pub id: u64,
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// What it is about.
    pub kind: EventKind,
    /// The object, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The object's generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// Who asked for it: the subject of the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What happened, in a sentence or as a line of a plan.
    pub text: String,
}
