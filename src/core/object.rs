//! A submitted object as the store holds it, with its revisions.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::core::name::ObjectName;
use crate::core::spec::{OnNodeLost, Spec, Template, TemplateHash};
use crate::core::time::Time;

/// The most objects at one time: a bound for memory and for the status page.
pub(crate) const MAX_OBJECTS: usize = 10_000;

/// The most specs of an object that are kept, the present one included.
pub(crate) const MAX_REVISIONS: usize = 10;

/// The most bytes that the kept specs of an object may have together, the present one included: two of the longest
/// that a submit can have, or the last ten of 200 KiB.
pub(crate) const MAX_REVISION_BYTES: usize = 2 * 1024 * 1024;

/// The same for a deleted object.
pub(crate) const MAX_TOMBSTONE_BYTES: usize = 64 * 1024;

/// A spec that an object has or had.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Revision {
    /// Its generation.
    pub(crate) generation: u64,
    /// When it was submitted.
    pub(crate) at: Time,
    /// Who submitted it: the subject of the certificate.
    pub(crate) by: Arc<str>,
    /// The generation that a rollback took this spec from.
    pub(crate) rolled_back_to: Option<u64>,
    /// The submitted JSON, canonical.
    pub(crate) submitted: Arc<Value>,
}

impl Revision {
    /// Its approximate size as JSON.
    pub(crate) fn bytes(&self) -> usize {
        fn of(value: &Value) -> usize {
            match value {
                Value::String(text) => text.len() + 2,
                Value::Array(items) => 2 + items.iter().map(|item| of(item) + 1).sum::<usize>(),
                Value::Object(map) => {
                    2 + map.iter().map(|(name, value)| name.len() + of(value) + 4).sum::<usize>()
                }
                _ => 8,
            }
        }
        of(&self.submitted) + self.by.len()
    }
}

/// A submitted object as the store holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Its content.
    pub(crate) spec: Spec,
    /// Grows by one with each changed spec, and across deletions.
    pub(crate) generation: u64,
    /// When it was deleted: its containers are removed, also those that appear later.
    pub deleted: Option<Time>,
    /// The last [`MAX_REVISIONS`] specs, oldest first. The last one is `spec`.
    pub(crate) revisions: Vec<Revision>,
    /// The last spec that converged.
    pub(crate) converged: Option<Converged>,
    /// The approximate size of its revisions as JSON.
    pub(crate) bytes: usize,
    /// How often this generation was submitted again: each time asks to retry at once and to reset the count of failures. Not
    /// durable: a process that has just started retries at once anyway.
    pub(crate) asked: u64,
}

/// The last spec of an object that is recorded as converged.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Converged {
    /// Its generation.
    pub(crate) generation: u64,
    /// Its content; `None` if it is the object's present spec.
    pub(crate) spec: Option<Arc<Spec>>,
}

impl Object {
    /// An object at its first generation, without revisions.
    #[cfg(test)]
    pub(crate) fn new(spec: Spec) -> Object {
        Object {
            spec,
            generation: 1,
            deleted: None,
            revisions: Vec::new(),
            converged: None,
            bytes: 0,
            asked: 0,
        }
    }

    /// Adds a revision, and forgets the oldest ones if they get too many or too large.
    pub(crate) fn remember(&mut self, revision: Revision) {
        self.bytes += revision.bytes();
        self.revisions.push(revision);
        self.forget(MAX_REVISIONS, MAX_REVISION_BYTES);
    }

    /// Forgets the oldest revisions until at most `most` are left with at most `bytes`. The last one is kept, and the one
    /// that converged last.
    pub(crate) fn forget(&mut self, most: usize, bytes: usize) {
        let converged = self.converged.as_ref().map(|converged| converged.generation);
        while self.revisions.len() > most || self.bytes > bytes {
            let past = self.revisions.len().saturating_sub(1);
            let mut past = self.revisions.iter().take(past);
            let Some(oldest) = past.position(|revision| Some(revision.generation) != converged) else {
                break;
            };
            self.bytes -= self.revisions.remove(oldest).bytes();
        }
    }

    /// The last spec that converged, for an object that is about to get another spec.
    pub(crate) fn converged_before(&self) -> Option<Converged> {
        let mut converged = self.converged.clone()?;
        converged.spec.get_or_insert_with(|| Arc::new(self.spec.clone()));
        Some(converged)
    }

    /// The template that worked last, while the present one is another and has not converged: a slot that loses its old
    /// container during a rollout gets it.
    pub(crate) fn fallback(&self) -> Option<&Template> {
        let spec = self.converged.as_ref()?.spec.as_deref()?;
        (spec.template.hash != self.spec.template.hash).then_some(&spec.template)
    }

    /// The template of this hash: the present one, or the one that worked last.
    pub(crate) fn template(&self, hash: &TemplateHash) -> Option<&Template> {
        [Some(&self.spec.template), self.fallback()].into_iter().flatten().find(|t| t.hash == *hash)
    }

    /// What to do with containers on a lost node. A deleted object holds nothing.
    pub(crate) fn on_node_lost(&self) -> OnNodeLost {
        if self.deleted.is_some() { OnNodeLost::Replace } else { self.spec.on_node_lost }
    }

    /// Whether it is shown to users: it is not deleted, or containers of ours are `left` of it.
    pub(crate) fn is_shown(&self, left: bool) -> bool {
        self.deleted.is_none() || left
    }

    /// How many containers are wanted: `Count`, or none once deleted.
    pub(crate) fn wanted(&self) -> u32 {
        if self.deleted.is_some() { 0 } else { self.spec.count }
    }
}

/// All submitted objects, by name; deleted ones stay as tombstones.
pub(crate) type Objects = BTreeMap<ObjectName, Arc<Object>>;
