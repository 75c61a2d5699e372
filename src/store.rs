//! What was submitted, and how it changes.
//!
//! A [`Store`] keeps the desired state: it takes one transaction at a time, makes it as durable as it can,
//! then publishes the new snapshot, then answers. Whoever reads holds a snapshot; nobody ever waits for a
//! writer. What a transaction does to a snapshot is the pure function [`apply`], the same for every store.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::clock::Time;
use crate::model::{Object, ObjectName, Objects, Spec};

pub mod memory;

/// The most objects at one time: a bound for memory and for the status page.
pub const MAX_OBJECTS: usize = 10_000;
/// The most tombstones kept; the oldest goes first. As many as objects, so that all may be deleted at once.
pub const MAX_TOMBSTONES: usize = MAX_OBJECTS;

/// One change of a transaction.
#[derive(Debug, Clone)]
pub enum Change {
    /// Take this spec for the object of its name.
    Put(Box<Spec>),
    /// Delete the object.
    Delete(ObjectName),
}

/// What must hold for a transaction to be taken: `If-Match` and `If-None-Match`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precondition {
    /// Nothing.
    #[default]
    None,
    /// The object exists and has this generation.
    Generation(u64),
    /// The object exists, in whatever generation.
    Exists,
    /// The object does not exist.
    Absent,
}

/// What a change did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// A new object.
    Created,
    /// A new generation of an object.
    Updated,
    /// The same spec again.
    Unchanged,
    /// The object is deleted; its containers go.
    Deleted,
}

/// One change as it was committed.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The object as it is now.
    pub object: Arc<Object>,
    /// What the change did.
    pub effect: Effect,
}

/// Why a transaction was not taken. Nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
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
    /// One object more than [`MAX_OBJECTS`].
    #[error("there are {MAX_OBJECTS} objects already; delete one first")]
    Full,
}

/// Keeps the desired state.
#[async_trait]
pub trait Store: Send + Sync {
    /// Takes all of `changes` or none. When it returns, the changes are as durable as this store makes them,
    /// visible in [`Store::objects`] and announced to the subscribers.
    async fn commit(
        &self,
        changes: Vec<Change>,
        precondition: Precondition,
    ) -> Result<Vec<Committed>, StoreError>;

    /// The present snapshot, and word of each new one.
    fn objects(&self) -> watch::Receiver<Arc<Objects>>;

    /// How lasting this store is, for the status page and the log: one clause.
    fn durability(&self) -> &'static str;
}

/// What a transaction makes of a snapshot: the new one, and what happened to each object.
pub fn apply(
    before: &Objects,
    changes: Vec<Change>,
    precondition: Precondition,
    now: Time,
) -> Result<(Objects, Vec<Committed>), StoreError> {
    let mut after = before.clone();
    let mut committed = Vec::with_capacity(changes.len());
    for change in changes {
        let name = match &change {
            Change::Put(spec) => spec.name.clone(),
            Change::Delete(name) => name.clone(),
        };
        let known = after.get(&name);
        let live = known.filter(|o| o.deleted.is_none());
        check(&name, live, precondition)?;
        let next = known.map_or(1, |o| o.generation + 1);
        let (object, effect) = match (change, live) {
            (Change::Put(spec), Some(object)) if object.spec.submitted == spec.submitted => {
                (object.clone(), Effect::Unchanged)
            }
            (Change::Put(spec), live) => {
                let effect = if live.is_some() { Effect::Updated } else { Effect::Created };
                (Arc::new(Object { spec: *spec, generation: next, deleted: None }), effect)
            }
            (Change::Delete(_), Some(object)) => {
                let tombstone = Object { generation: next, deleted: Some(now), spec: object.spec.clone() };
                (Arc::new(tombstone), Effect::Deleted)
            }
            (Change::Delete(name), None) => return Err(StoreError::NotFound(name)),
        };
        after.insert(name, object.clone());
        committed.push(Committed { object, effect });
    }
    if committed.iter().any(|c| c.effect == Effect::Created) && live(&after) > MAX_OBJECTS {
        return Err(StoreError::Full);
    }
    drop_old_tombstones(&mut after);
    Ok((after, committed))
}

fn live(objects: &Objects) -> usize {
    objects.values().filter(|o| o.deleted.is_none()).count()
}

fn drop_old_tombstones(objects: &mut Objects) {
    let mut tombstones: Vec<_> =
        objects.iter().filter_map(|(name, o)| o.deleted.map(|at| (at, name.clone()))).collect();
    tombstones.sort();
    for (_, name) in tombstones.iter().take(tombstones.len().saturating_sub(MAX_TOMBSTONES)) {
        objects.remove(name);
    }
}

fn check(
    name: &ObjectName,
    live: Option<&Arc<Object>>,
    precondition: Precondition,
) -> Result<(), StoreError> {
    let holds = match precondition {
        Precondition::None => true,
        Precondition::Exists => live.is_some(),
        Precondition::Absent => live.is_none(),
        Precondition::Generation(wanted) => live.is_some_and(|o| o.generation == wanted),
    };
    if holds {
        return Ok(());
    }
    let found = match live {
        Some(object) => format!("it is at generation {}", object.generation),
        None => "there is no such object".to_owned(),
    };
    Err(StoreError::Precondition { name: name.clone(), found })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::submission;

    fn put(name: &str, count: u32) -> Change {
        let text = format!(r#"{{"Name": "{name}", "Image": "a", "Count": {count}}}"#);
        match submission::read(text.as_bytes()).unwrap() {
            submission::Submission::One(spec) => Change::Put(spec),
            submission::Submission::Many(_) => unreachable!(),
        }
    }

    fn name(text: &str) -> ObjectName {
        ObjectName::parse(text).unwrap()
    }

    fn step(before: &Objects, change: Change) -> (Objects, Effect, u64) {
        let (after, committed) = apply(before, vec![change], Precondition::None, Time(1)).unwrap();
        (after, committed[0].effect, committed[0].object.generation)
    }

    #[test]
    fn generations_grow_with_changes_and_over_deletions() {
        let (s, e, g) = step(&Objects::new(), put("web", 1));
        assert_eq!((e, g), (Effect::Created, 1));
        let (s, e, g) = step(&s, put("web", 1));
        assert_eq!((e, g), (Effect::Unchanged, 1));
        let (s, e, g) = step(&s, put("web", 2));
        assert_eq!((e, g), (Effect::Updated, 2));
        let (s, e, g) = step(&s, Change::Delete(name("web")));
        assert_eq!((e, g), (Effect::Deleted, 3));
        assert_eq!(
            apply(&s, vec![Change::Delete(name("web"))], Precondition::None, Time(1)).unwrap_err(),
            StoreError::NotFound(name("web"))
        );
        let (_, e, g) = step(&s, put("web", 2));
        assert_eq!((e, g), (Effect::Created, 4));
    }

    #[test]
    fn a_transaction_is_taken_whole_or_not_at_all() {
        let (s, ..) = step(&Objects::new(), put("web", 1));
        let changes = vec![put("web", 5), Change::Delete(name("nothing"))];
        assert!(apply(&s, changes, Precondition::None, Time(1)).is_err());
        assert_eq!(s[&name("web")].spec.count, 1);
    }

    #[test]
    fn preconditions_guard_the_generation() {
        let (s, ..) = step(&Objects::new(), put("web", 1));
        assert!(apply(&s, vec![put("web", 2)], Precondition::Generation(1), Time(1)).is_ok());
        assert!(apply(&s, vec![put("web", 2)], Precondition::Generation(2), Time(1)).is_err());
        assert!(apply(&s, vec![put("web", 2)], Precondition::Absent, Time(1)).is_err());
        assert!(apply(&s, vec![put("new", 2)], Precondition::Absent, Time(1)).is_ok());
        assert!(apply(&s, vec![put("new", 2)], Precondition::Exists, Time(1)).is_err());
    }

    #[test]
    fn one_object_too_many_is_refused() {
        let (mut s, ..) = step(&Objects::new(), put("web", 1));
        let object = s[&name("web")].clone();
        s.extend((1..MAX_OBJECTS).map(|i| (name(&format!("o{i}")), object.clone())));
        assert_eq!(
            apply(&s, vec![put("more", 1)], Precondition::None, Time(1)).unwrap_err(),
            StoreError::Full
        );
        assert!(apply(&s, vec![put("web", 9)], Precondition::None, Time(1)).is_ok());
    }
}
