//! Applies a transaction to a snapshot: a pure function.
//!
//! Every store commits through [`apply()`], so that all agree on generations, preconditions and bounds.

use std::sync::Arc;

use strum::IntoStaticStr;

use crate::core::name::ObjectName;
use crate::core::object::{MAX_OBJECTS, Object};
use crate::core::spec::Spec;
use crate::core::submission::Generations;

mod apply;
mod change;
mod rejected;

pub(crate) use apply::apply;
pub(crate) use rejected::Rejected;

/// The most tombstones kept; the oldest are dropped first. As many as objects, so that all may be deleted at once.
pub(crate) const MAX_TOMBSTONES: usize = MAX_OBJECTS;

/// The most bytes of the specs of all objects and tombstones: 10,000 objects with ten specs of 1.3 KiB. They need several times
/// as much memory.
pub(crate) const MAX_STATE_BYTES: usize = 128 * 1024 * 1024;

/// One change of a transaction.
#[derive(Debug, Clone)]
pub enum Change {
    /// Set the spec of the object with its name.
    Put(Box<Spec>),
    /// Delete the object.
    Delete(ObjectName),
    /// Restore an earlier spec of the object, which may be deleted.
    Rollback {
        /// The object.
        name: ObjectName,
        /// The generation whose spec to restore; if `None`, the last spec that differs from the present one.
        to: Option<u64>,
    },
    /// Record that this generation of the object has converged. Does nothing if a later one has, or if the object is gone.
    Converged {
        /// The object.
        name: ObjectName,
        /// The generation.
        generation: u64,
    },
}

impl Change {
    /// The object.
    pub(crate) fn name(&self) -> &ObjectName {
        match self {
            Change::Put(spec) => &spec.name,
            Change::Delete(name) | Change::Rollback { name, .. } | Change::Converged { name, .. } => name,
        }
    }
}

/// Changes that are committed together or not at all.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// The changes.
    pub(crate) changes: Vec<Change>,
    /// What must hold for each changed object.
    pub(crate) precondition: Precondition,
    /// The generations that objects must have as well, from their submitted `Generation`; 0 means that the object must not
    /// exist.
    pub(crate) generations: Generations,
    /// Objects whose names have this prefix and that `changes` does not name are deleted as well.
    pub(crate) prune: Option<String>,
    /// The author: the subject of a certificate.
    pub(crate) by: Arc<str>,
    /// An unchanged spec triggers no immediate retry and resets no failures.
    pub(crate) quiet: bool,
}

impl Transaction {
    /// Changes without preconditions and without an author.
    pub fn of(changes: impl Into<Vec<Change>>) -> Transaction {
        Transaction {
            changes: changes.into(),
            precondition: Precondition::None,
            generations: Generations::new(),
            prune: None,
            by: Arc::default(),
            quiet: false,
        }
    }
}

/// The precondition of a transaction: `If-Match` and `If-None-Match`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Precondition {
    /// None.
    #[default]
    None,
    /// The object exists and has this generation.
    Generation(u64),
    /// The object exists, in any generation.
    Exists,
    /// The object does not exist.
    Absent,
}

impl Precondition {
    /// The precondition of the `Generation` of a submitted object.
    pub(crate) fn submitted(generation: u64) -> Precondition {
        match generation {
            0 => Precondition::Absent,
            generation => Precondition::Generation(generation),
        }
    }

    /// Whether both can hold.
    pub(crate) fn agrees_with(self, other: Precondition) -> bool {
        use Precondition::{Exists, Generation, None};
        match (self, other) {
            (None, _) | (_, None) => true,
            (Exists, Generation(_)) | (Generation(_), Exists) => true,
            (one, other) => one == other,
        }
    }
}

/// The effect of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Effect {
    /// A new object.
    Created,
    /// A new generation of an object.
    Updated,
    /// The spec is the same.
    Unchanged,
    /// The object is deleted; its containers are removed.
    Deleted,
    /// A generation is recorded as converged; the spec is the same.
    Converged,
}

impl Effect {
    /// The word for it in responses and logs.
    pub(crate) fn word(self) -> &'static str {
        self.into()
    }
}

/// A committed change.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The object after the change.
    pub(crate) object: Arc<Object>,
    /// The effect.
    pub(crate) effect: Effect,
}

impl Committed {
    /// The generation whose spec was restored, if this change was a rollback.
    pub(crate) fn rolled_back_to(&self) -> Option<u64> {
        let last = self.object.revisions.last().filter(|r| r.generation == self.object.generation)?;
        last.rolled_back_to.filter(|_| matches!(self.effect, Effect::Created | Effect::Updated))
    }
}

#[cfg(test)]
mod tests;
