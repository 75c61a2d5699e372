//! Responses to a change: a submit, a deletion or a rollback.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::words::words;
use crate::core::transaction::Effect;

words! {
    /// What a change did to an object.
    pub(crate) enum ChangeResult {
        /// It is new, or was deleted before.
        Created = "created",
        /// Its spec has changed.
        Updated = "updated",
        /// Its spec is the same.
        Unchanged = "unchanged",
        /// It is deleted.
        Deleted = "deleted",
    }
}

impl From<Effect> for ChangeResult {
    fn from(effect: Effect) -> ChangeResult {
        match effect {
            Effect::Created => ChangeResult::Created,
            Effect::Updated => ChangeResult::Updated,
            Effect::Unchanged => ChangeResult::Unchanged,
            Effect::Deleted => ChangeResult::Deleted,
            // No request has this effect.
            Effect::Converged => ChangeResult::Other(effect.word().to_owned()),
        }
    }
}

/// What a change did to one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Receipt {
    /// The name of the object.
    pub(crate) name: String,
    /// Its present generation.
    pub(crate) generation: u64,
    /// What the change did.
    pub(crate) result: ChangeResult,
    /// The generation whose spec it has again, after a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rolled_back_to: Option<u64>,
}

impl Receipt {
    /// Whether the change deletes the object.
    pub(crate) fn deleted(&self) -> bool {
        self.result == ChangeResult::Deleted
    }
}

words! {
    /// How a wait for an object has ended.
    pub(crate) enum WaitOutcome {
        /// It has converged and stayed so for `Update.Monitor`; of a deleted object, nothing is left.
        Converged = "converged",
        /// Not yet.
        TimedOut = "timed_out",
        /// Not yet, and the daemon is stopping.
        Stopping = "stopping",
        /// A later generation has an earlier spec again.
        RolledBack = "rolled_back",
        /// It does not work, or a later generation has replaced it.
        Failed = "failed",
    }
}

/// The result of a wait for one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Settled {
    /// What the change did.
    #[serde(flatten)]
    pub(crate) receipt: Receipt,
    /// How the wait has ended.
    pub(crate) outcome: WaitOutcome,
    /// One sentence, with the engine's own message.
    pub(crate) reason: String,
}

/// The result of a wait for an array of objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AllSettled {
    /// The worst outcome.
    pub(crate) outcome: WaitOutcome,
    /// Each object.
    pub(crate) objects: Vec<Settled>,
}

/// One, or an array: a response has the form of its request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany<T> {
    /// One.
    One(T),
    /// An array.
    Many(Vec<T>),
}

impl<T> From<OneOrMany<T>> for Vec<T> {
    fn from(given: OneOrMany<T>) -> Vec<T> {
        match given {
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
        }
    }
}
