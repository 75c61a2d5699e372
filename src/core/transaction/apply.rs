//! Applies a transaction to a snapshot.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::change::{converged, earlier, put};
use super::rejected::Rejected;
use super::{Change, Committed, Effect, MAX_STATE_BYTES, MAX_TOMBSTONES, Precondition, Transaction};
use crate::core::desired::{Desired, Quarantined};
use crate::core::name::ObjectName;
use crate::core::object::{MAX_OBJECTS, MAX_REVISIONS, MAX_TOMBSTONE_BYTES, Object, Objects};
use crate::core::time::Time;

/// Applies a transaction: returns the new snapshot and what happened to each object.
pub(crate) fn apply(
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
