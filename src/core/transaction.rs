//! Applies a transaction to a snapshot: a pure function.
//!
//! Every store commits through [`apply`], so that all agree on generations, preconditions and bounds.

use std::collections::BTreeSet;
use std::sync::Arc;

use strum::IntoStaticStr;

use crate::core::desired::{Desired, Quarantined};
use crate::core::name::ObjectName;
use crate::core::object::{
    Converged, MAX_OBJECTS, MAX_REVISIONS, MAX_TOMBSTONE_BYTES, Object, Objects, Revision,
};
use crate::core::policy;
use crate::core::spec::Spec;
use crate::core::submission::{self, Generations};
use crate::core::time::Time;

/// The most tombstones kept; the oldest are dropped first. As many as objects, so that all may be deleted at once.
pub const MAX_TOMBSTONES: usize = MAX_OBJECTS;

/// The most bytes of the specs of all objects and tombstones: 10,000 objects with ten specs of 1.3 KiB. They need several times
/// as much memory.
pub const MAX_STATE_BYTES: usize = 128 * 1024 * 1024;

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
    fn name(&self) -> &ObjectName {
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
    pub changes: Vec<Change>,
    /// What must hold for each changed object.
    pub precondition: Precondition,
    /// The generations that objects must have as well, from their submitted `Generation`; 0 means that the object must not
    /// exist.
    pub generations: Generations,
    /// Objects whose names have this prefix and that `changes` does not name are deleted as well.
    pub prune: Option<String>,
    /// The author: the subject of a certificate.
    pub by: Arc<str>,
    /// An unchanged spec triggers no immediate retry and resets no failures.
    pub quiet: bool,
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
pub enum Precondition {
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
    pub fn submitted(generation: u64) -> Precondition {
        match generation {
            0 => Precondition::Absent,
            generation => Precondition::Generation(generation),
        }
    }

    /// Whether both can hold.
    pub fn agrees_with(self, other: Precondition) -> bool {
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
pub enum Effect {
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
    pub fn word(self) -> &'static str {
        self.into()
    }
}

/// A committed change.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The object after the change.
    pub object: Arc<Object>,
    /// The effect.
    pub effect: Effect,
}

impl Committed {
    /// The generation whose spec was restored, if this change was a rollback.
    pub fn rolled_back_to(&self) -> Option<u64> {
        let last = self.object.revisions.last().filter(|r| r.generation == self.object.generation)?;
        last.rolled_back_to.filter(|_| matches!(self.effect, Effect::Created | Effect::Updated))
    }
}

/// Why a transaction is rejected. Nothing of it was taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// There is no such object.
    #[error("there is no object '{0}'")]
    NotFound(ObjectName),
    /// A precondition does not hold.
    #[error("the precondition on '{name}' does not hold: {found}")]
    Precondition {
        /// The object.
        name: ObjectName,
        /// What was found instead.
        found: String,
    },
    /// The object never had that spec, or it is no longer kept.
    #[error("'{name}' cannot go back to {wanted}: {known}")]
    NoRevision {
        /// The object.
        name: ObjectName,
        /// The requested revision, for the message.
        wanted: String,
        /// What exists instead, for the message.
        known: String,
    },
    /// This version cannot read the stored form of the object, and left it unchanged.
    #[error("'{name}' is stored in a form that this version cannot read ({why}); submit it again")]
    Quarantined {
        /// The object.
        name: ObjectName,
        /// Why it cannot be read.
        why: String,
    },
    /// More than [`MAX_OBJECTS`].
    #[error("there are {MAX_OBJECTS} objects already; delete one first")]
    Full,
    /// More than [`MAX_STATE_BYTES`].
    #[error(
        "the specs of all objects, with their history, would take more than {} MiB; delete objects, or submit smaller ones",
        MAX_STATE_BYTES >> 20
    )]
    TooLarge,
}

impl Rejected {
    /// Adds the submitted `Generation` to the message.
    fn with_submitted(self, generation: u64) -> Rejected {
        match self {
            Rejected::Precondition { name, found } => {
                let wanted = match generation {
                    0 => "0, which asks for a new object".to_owned(),
                    generation => generation.to_string(),
                };
                let found = format!(
                    "{found}; the Generation in the submitted object is {wanted}: read it again (GET /objects/{name}), or \
                     leave Generation out to submit unconditionally"
                );
                Rejected::Precondition { name, found }
            }
            error => error,
        }
    }
}

/// Applies a transaction: returns the new snapshot and what happened to each object.
pub fn apply(
    before: &Desired,
    transaction: &Transaction,
    now: Time,
) -> Result<(Desired, Vec<Committed>), Rejected> {
    let mut after = Objects::clone(&before.objects);
    let mut quarantined = before.quarantined.clone();
    let mut committed = Vec::with_capacity(transaction.changes.len());
    let by = &transaction.by;
    let pruned = pruned(&before.objects, transaction).map(Change::Delete);
    for change in transaction.changes.iter().cloned().chain(pruned) {
        let name = change.name().clone();
        let known = after.get(&name).cloned();
        let unreadable = quarantined.get(&name);
        let live = known.as_ref().filter(|o| o.deleted.is_none());
        if let Change::Converged { generation, .. } = change {
            if let Some(object) = live.and_then(|object| converged(object, generation)) {
                after.insert(name, object.clone());
                committed.push(Committed { object, effect: Effect::Converged });
            }
            continue;
        }
        check(&name, live, unreadable, transaction.precondition)?;
        if let Some(generation) = transaction.generations.get(&name) {
            check(&name, live, unreadable, Precondition::submitted(*generation))
                .map_err(|error| error.with_submitted(*generation))?;
        }
        let next =
            1 + known.as_ref().map(|o| o.generation).max(unreadable.map(|q| q.generation)).unwrap_or(0);
        let (object, effect) = match change {
            Change::Delete(_) | Change::Rollback { .. } if unreadable.is_some() => {
                let why = unreadable.map(|q| q.why.clone()).unwrap_or_default();
                return Err(Rejected::Quarantined { name, why });
            }
            Change::Put(spec) => match put(known.as_ref(), *spec, None, next, by, now) {
                (object, Effect::Unchanged) if !transaction.quiet => {
                    let asked = object.asked + 1;
                    (Arc::new(Object { asked, ..Object::clone(&object) }), Effect::Unchanged)
                }
                put => put,
            },
            Change::Rollback { to, .. } => {
                let known = known.as_ref().ok_or_else(|| Rejected::NotFound(name.clone()))?;
                let (to, spec) = earlier(known, to)?;
                put(Some(known), spec, Some(to), next, by, now)
            }
            Change::Delete(_) => {
                let object = live.ok_or_else(|| Rejected::NotFound(name.clone()))?;
                let mut tombstone =
                    Object { generation: next, deleted: Some(now), converged: None, ..Object::clone(object) };
                tombstone.forget(MAX_REVISIONS, MAX_TOMBSTONE_BYTES);
                (Arc::new(tombstone), Effect::Deleted)
            }
            // Handled above.
            Change::Converged { .. } => continue,
        };
        if unreadable.is_some() {
            Arc::make_mut(&mut quarantined).remove(&name);
        }
        after.insert(name, object.clone());
        committed.push(Committed { object, effect });
    }
    if committed.iter().any(|c| c.effect == Effect::Created) && count_live(&after) > MAX_OBJECTS {
        return Err(Rejected::Full);
    }
    drop_old_tombstones(&mut after);
    // A transaction that does not grow the state is accepted, so that a state that is too large can shrink.
    let taken = |objects: &Objects| -> usize {
        let changed = committed.iter().filter_map(|one| objects.get(&one.object.spec.name));
        changed.map(|object| object.bytes).sum()
    };
    if bytes(&after) > MAX_STATE_BYTES && taken(&after) > taken(&before.objects) {
        return Err(Rejected::TooLarge);
    }
    Ok((Desired { objects: Arc::new(after), quarantined }, committed))
}

/// The object with a generation recorded as converged; `None` if there is nothing to record.
fn converged(object: &Object, generation: u64) -> Option<Arc<Object>> {
    if object.converged.as_ref().is_some_and(|known| known.generation >= generation) {
        return None;
    }
    let spec = match object.generation.checked_sub(generation)? {
        0 => None,
        // It got another spec meanwhile. A generation before a deletion does not count for the present object.
        newer => {
            let later = object.revisions.iter().filter(|revision| revision.generation > generation).count();
            let revision = object.revisions.iter().find(|revision| revision.generation == generation)?;
            let unbroken = u64::try_from(later) == Ok(newer);
            Some(Arc::new(submission::object(&revision.submitted).ok().filter(|_| unbroken)?))
        }
    };
    let converged = Some(Converged { generation, spec });
    Some(Arc::new(Object { converged, ..object.clone() }))
}

/// Sets a spec: a new generation, unless the object exists with the same spec.
fn put(
    known: Option<&Arc<Object>>,
    spec: Spec,
    rolled_back_to: Option<u64>,
    generation: u64,
    by: &Arc<str>,
    at: Time,
) -> (Arc<Object>, Effect) {
    let live = known.filter(|o| o.deleted.is_none());
    let spec = known.and_then(|object| with_known_text(object, &spec)).unwrap_or(spec);
    if let Some(object) = live.filter(|o| is_equivalent(&o.spec, &spec)) {
        return (object.clone(), Effect::Unchanged);
    }
    let revisions = known.map(|o| o.revisions.clone()).unwrap_or_default();
    let submitted = spec.submitted.clone();
    let converged = live.and_then(|object| object.converged_before());
    let bytes = known.map(|o| o.bytes).unwrap_or_default();
    let mut object = Object { spec, generation, deleted: None, revisions, converged, bytes, asked: 0 };
    object.remember(Revision { generation, at, by: by.clone(), rolled_back_to, submitted });
    let effect = if live.is_some() { Effect::Updated } else { Effect::Created };
    (Arc::new(object), effect)
}

/// The spec with the template text of the newest known one that asks for the same containers: a submit that only states a
/// default keeps the existing containers.
fn with_known_text(object: &Object, spec: &Spec) -> Option<Spec> {
    let present = [&object.spec.submitted].into_iter();
    let converged = object.converged.iter().filter_map(|c| c.spec.as_ref()).map(|spec| &spec.submitted);
    let past = object.revisions.iter().rev().map(|revision| &revision.submitted);
    let stored =
        present.chain(converged).chain(past).find(|s| submission::same_template(s, &spec.submitted))?;
    submission::with_template_text_of(spec, stored)
}

/// Whether two specs ask for the same, even if one states a default that the other leaves out.
fn is_equivalent(one: &Spec, other: &Spec) -> bool {
    let Spec { name, count, template, update, on_node_lost, pull, history, submitted } = one;
    *submitted == other.submitted
        || (template.hash == other.template.hash
            && (name, count, update) == (&other.name, &other.count, &other.update)
            && (on_node_lost, pull, history) == (&other.on_node_lost, &other.pull, &other.history))
}

/// An earlier spec of an object, and its generation.
fn earlier(object: &Object, to: Option<u64>) -> Result<(u64, Spec), Rejected> {
    let deleted = object.deleted.is_some();
    let differs = |r: &&Revision| deleted || r.submitted != object.spec.submitted;
    let found = match to {
        Some(generation) => object.revisions.iter().find(|r| r.generation == generation),
        None => object.revisions.iter().rev().find(differs),
    };
    let refusal = |known: String| Rejected::NoRevision {
        name: object.spec.name.clone(),
        wanted: to.map_or("an earlier spec".to_owned(), |to| format!("generation {to}")),
        known,
    };
    let Some(revision) = found else {
        let all: Vec<String> = object.revisions.iter().map(|r| r.generation.to_string()).collect();
        return Err(refusal(match to {
            Some(_) => format!("kept are {}", all.join(", ")),
            None => "it never had another one; delete it to undo the submit".to_owned(),
        }));
    };
    let refused = |why: String| refusal(format!("what was accepted then is refused now: {why}"));
    let spec = submission::submitted(&revision.submitted).map_err(|error| refused(error.with_field()))?;
    policy::authorize_spec(&spec).map_err(|violation| refused(violation.to_string()))?;
    Ok((revision.generation, spec))
}

/// The names that `prune` deletes.
fn pruned<'a>(before: &'a Objects, transaction: &'a Transaction) -> impl Iterator<Item = ObjectName> + 'a {
    let named: BTreeSet<&ObjectName> = transaction.changes.iter().map(Change::name).collect();
    let prefix = transaction.prune.as_deref();
    before
        .iter()
        .filter(move |(name, object)| {
            prefix.is_some_and(|prefix| name.as_str().starts_with(prefix))
                && object.deleted.is_none()
                && !named.contains(name)
        })
        .map(|(name, _)| name.clone())
}

fn count_live(objects: &Objects) -> usize {
    objects.values().filter(|o| o.deleted.is_none()).count()
}

fn bytes(objects: &Objects) -> usize {
    objects.values().map(|object| object.bytes).sum()
}

/// Drops the oldest tombstones if there are too many, or if they leave no room for objects.
fn drop_old_tombstones(objects: &mut Objects) {
    let mut tombstones: Vec<_> =
        objects.iter().filter_map(|(name, o)| o.deleted.map(|at| (at, name.clone()))).collect();
    tombstones.sort();
    let (mut left, mut size) = (tombstones.len(), bytes(objects));
    for (_, name) in tombstones {
        if left <= MAX_TOMBSTONES && size <= MAX_STATE_BYTES {
            return;
        }
        size -= objects.remove(&name).map_or(0, |object| object.bytes);
        left -= 1;
    }
}

fn check(
    name: &ObjectName,
    live: Option<&Arc<Object>>,
    unreadable: Option<&Quarantined>,
    precondition: Precondition,
) -> Result<(), Rejected> {
    let holds = match precondition {
        Precondition::None => true,
        Precondition::Exists => live.is_some() || unreadable.is_some(),
        Precondition::Absent => live.is_none() && unreadable.is_none(),
        Precondition::Generation(wanted) => live.is_some_and(|o| o.generation == wanted),
    };
    if holds {
        return Ok(());
    }
    let found = match live {
        Some(object) if precondition == Precondition::Absent => {
            format!("it exists already, at generation {}", object.generation)
        }
        Some(object) => format!("it is at generation {}", object.generation),
        None if unreadable.is_some() => "its stored form cannot be read".to_owned(),
        None => "there is no such object".to_owned(),
    };
    Err(Rejected::Precondition { name: name.clone(), found })
}

#[cfg(test)]
mod tests;
