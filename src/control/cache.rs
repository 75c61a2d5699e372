//! A cache of our own containers, and whether it can be trusted.
//!
//! The [`Cache`] is written from two sides. The observer brings complete lists of the whole
//! cluster or of one object; the actuator brings the outcomes of our own calls, which are newer
//! than any list that began before them. Each entry knows when it was written, so that a late list never undoes what is known
//! better: the rule "newer than our last write", per container.
//!
//! Workers and the status read snapshots. Every object has its own channel; a worker is woken when something about its object
//! changed, but does not learn what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use self::entry::{Entry, forget_old_output};
use crate::control::engine_state::EngineState;
use crate::core::container::{Container, ContainerId, ContainerState, Signalled, Visibility};
use crate::core::name::ObjectName;
use crate::core::signal::Signal;
use crate::core::time::Time;
use crate::engine::Lookup;
use crate::store::ownership::Ownership;

mod claims;
mod entry;
mod others;

pub(crate) use entry::Mark;
pub(crate) use others::{CopySeen, Rivals};

/// The most removed containers remembered: as many as one object may have.
const MAX_REMOVED: usize = 10_000;

/// An object's containers.
pub(crate) type Containers = BTreeMap<ContainerId, Arc<Container>>;

#[derive(Debug, Default)]
struct Inner {
    mark: u64,
    entries: BTreeMap<ContainerId, Entry>,
    /// Removed containers, so that an old list does not bring them back.
    removed: BTreeMap<ContainerId, Mark>,
    objects: BTreeMap<ObjectName, watch::Sender<Arc<Containers>>>,
    /// Containers that merely carry our labels.
    copies: BTreeMap<ContainerId, Arc<CopySeen>>,
}

/// The cache of our own containers.
#[derive(Debug)]
pub struct Cache {
    inner: Mutex<Inner>,
    engine: watch::Sender<Arc<EngineState>>,
    /// The names of objects that have containers of ours.
    present: watch::Sender<Arc<BTreeSet<ObjectName>>>,
    /// How many containers other managers have in this cluster.
    rivals: watch::Sender<Arc<Rivals>>,
    /// Signals that some object's containers have changed.
    changes: watch::Sender<()>,
    ownership: Ownership,
}

impl Default for Cache {
    fn default() -> Self {
        Cache::new()
    }
}

impl Cache {
    /// An empty cache of a manager that lives as long as its process.
    pub(crate) fn new() -> Cache {
        Cache::of(Ownership::ephemeral(""), Arc::default())
    }

    /// An empty cache, from which nothing may be concluded yet.
    pub(crate) fn of(ownership: Ownership, endpoint: Arc<str>) -> Cache {
        Cache {
            inner: Mutex::default(),
            engine: watch::Sender::new(Arc::new(EngineState::unknown(endpoint))),
            present: watch::Sender::new(Arc::default()),
            rivals: watch::Sender::new(Arc::default()),
            changes: watch::Sender::new(()),
            ownership,
        }
    }

    /// The endpoint's name in messages.
    pub(crate) fn endpoint(&self) -> Arc<str> {
        self.engine.borrow().endpoint.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No change panics half-way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An object's containers, now and whenever they change.
    pub(crate) fn containers(&self, object: &ObjectName) -> watch::Receiver<Arc<Containers>> {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let sender = inner.objects.entry(object.clone()).or_insert_with(|| {
            let there = inner.entries.values().map(|e| &e.container).filter(|c| c.identity.object == *object);
            watch::Sender::new(Arc::new(there.map(|c| (c.id.clone(), c.clone())).collect()))
        });
        sender.subscribe()
    }

    /// The endpoint's state, now and whenever it changes.
    pub fn engine(&self) -> watch::Receiver<Arc<EngineState>> {
        self.engine.subscribe()
    }

    /// The names of all objects that have containers of ours, now and whenever one comes or goes.
    pub(crate) fn present(&self) -> watch::Receiver<Arc<BTreeSet<ObjectName>>> {
        self.present.subscribe()
    }

    /// Notifies of every change of some object's containers, once it is visible.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// One container, if it exists.
    pub(crate) fn container(&self, id: &ContainerId) -> Option<Arc<Container>> {
        self.lock().entries.get(id).map(|entry| entry.container.clone())
    }

    /// All containers of the cluster, by id.
    pub(crate) fn all(&self) -> Vec<Arc<Container>> {
        self.lock().entries.values().map(|entry| entry.container.clone()).collect()
    }

    /// Updates the endpoint's state.
    pub(crate) fn set_engine(&self, change: impl FnOnce(&mut EngineState)) {
        self.engine.send_if_modified(|state| {
            let mut next = EngineState::clone(state);
            change(&mut next);
            let changed = next != **state;
            *state = Arc::new(next);
            changed
        });
    }

    /// To be called before a list or an inspect is requested; the answer goes to [`Cache::listed`] or
    /// [`Cache::inspected`].
    pub(crate) fn begin_list(&self) -> Mark {
        let mut inner = self.lock();
        inner.mark += 1;
        Mark(inner.mark)
    }

    /// Merges a list of one object, or of all. What was written since `begun` stays. A list never removes a container: those
    /// that it should contain and does not are returned, for the caller to confirm that they are missing.
    pub(crate) fn listed(
        &self,
        begun: Mark,
        object: Option<&ObjectName>,
        list: Vec<Container>,
    ) -> Vec<Arc<Container>> {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let in_scope = |c: &Container| object.is_none_or(|name| c.identity.object == *name);
        let mut changed = BTreeSet::new();
        let mut listed = BTreeSet::new();
        let list = list.into_iter().filter(in_scope).collect();
        for mut container in self.take_claims(inner, object, list) {
            listed.insert(container.id.clone());
            if inner.removed.contains_key(&container.id) {
                continue;
            }
            let mut inspected = None;
            match inner.entries.get(&container.id) {
                Some(entry) if entry.newer_than(begun, &container) => continue,
                Some(entry) => {
                    if entry.container.state == container.state {
                        container.detail = container.detail.or_else(|| entry.container.detail.clone());
                    }
                    forget_old_output(&mut container);
                    container.signalled =
                        entry.container.signalled.filter(|_| !(entry.container.dead() && container.live()));
                    // No container becomes unstarted again: such an answer is old.
                    let old = container.state == ContainerState::Created
                        && entry.container.state != ContainerState::Created;
                    if old || container.visibility == Visibility::Disputed {
                        (container.state, container.health) = (entry.container.state, entry.container.health);
                    }
                    if *entry.container == container {
                        continue;
                    }
                    inspected = entry.inspected.map(|_| container.state);
                }
                None => {}
            }
            changed.insert(container.identity.object.clone());
            let entry = Entry { inspected, ..Entry::new(container, begun) };
            inner.entries.insert(entry.container.id.clone(), entry);
        }
        let absent = |(id, entry): &(&ContainerId, &Entry)| {
            in_scope(&entry.container) && !listed.contains(*id) && entry.written <= begun
        };
        let absent = inner.entries.iter().filter(absent).map(|(_, e)| e.container.clone()).collect();
        self.announce(inner, changed);
        absent
    }

    /// Stores a container as one of our own calls left it.
    pub(crate) fn wrote(&self, container: Container) {
        let mut guard = self.lock();
        let inner = &mut *guard;
        inner.mark += 1;
        let object = container.identity.object.clone();
        let written = Mark(inner.mark);
        if !container.rival {
            self.ownership.record(&container.id);
        }
        inner.entries.insert(container.id.clone(), Entry::new(container, written));
        self.announce(inner, BTreeSet::from([object]));
    }

    /// Applies what one of our own calls changed about a known container.
    pub(crate) fn changed(&self, id: &ContainerId, change: impl FnOnce(&mut Container)) {
        let mut guard = self.lock();
        let inner = &mut *guard;
        inner.mark += 1;
        let written = Mark(inner.mark);
        let Some(entry) = inner.entries.get_mut(id) else { return };
        change(Arc::make_mut(&mut entry.container));
        entry.written = written;
        let object = entry.container.identity.object.clone();
        self.announce(inner, BTreeSet::from([object]));
    }

    /// Records that a user sent a container a signal. KILL does not cancel an earlier request to stop: that is how a stop
    /// ends.
    pub(crate) fn signalled(&self, id: &ContainerId, signal: Signal, at: Time) {
        if let Some(entry) = self.lock().entries.get_mut(id) {
            let before = entry.container.signalled.filter(|_| signal == Signal::KILL);
            let stop = signal != Signal::KILL || before.is_some_and(|before| before.stop);
            Arc::make_mut(&mut entry.container).signalled = Some(Signalled { signal, at, stop });
        }
    }

    /// Whether a listed container contradicts its last inspect: then only another inspect can settle it.
    pub(crate) fn contradicts(&self, listed: &Container) -> bool {
        let mut inner = self.lock();
        let Some(entry) = inner.entries.get_mut(&listed.id) else { return false };
        entry.inspected.take_if(|state| *state == listed.state);
        entry.inspected.is_some()
    }

    /// Records that an inspect contradicts the list about a container.
    pub(crate) fn overrule(&self, id: &ContainerId, state: ContainerState) {
        if let Some(entry) = self.lock().entries.get_mut(id) {
            entry.inspected = Some(state);
        }
    }

    /// Merges an inspect of one container. An unknown container is left to the lists; and "no such container" proves nothing by
    /// itself: a classic Swarm manager that has just started says so about everything on nodes it has not reached yet.
    pub(crate) fn inspected(&self, begun: Mark, id: &ContainerId, found: Lookup) {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let Some(entry) = inner.entries.get_mut(id) else { return };
        let object = entry.container.identity.object.clone();
        match found {
            Lookup::Ours(found)
                if found.visibility == Visibility::Clear && !entry.newer_than(begun, &found) =>
            {
                let container = Arc::make_mut(&mut entry.container);
                if container.dead() && found.live() {
                    container.signalled = None;
                }
                (container.state, container.health, container.detail) =
                    (found.state, found.health, found.detail);
                container.visibility = Visibility::Clear;
                entry.inspected = Some(container.state);
                entry.written = entry.written.max(begun);
            }
            Lookup::Ours(_) | Lookup::NotFound | Lookup::Foreign => return,
        }
        self.announce(inner, BTreeSet::from([object]));
    }

    /// Whether a container is recorded as removed: a list that shows it is old, or knows better.
    pub(crate) fn was_removed(&self, id: &ContainerId) -> bool {
        self.lock().removed.contains_key(id)
    }

    /// Records that a container which was recorded as removed exists.
    pub(crate) fn not_removed(&self, id: &ContainerId) {
        self.lock().removed.remove(id);
    }

    /// Records that a container was removed: by us, or as the engine announced.
    pub(crate) fn removed(&self, id: &ContainerId) {
        let mut guard = self.lock();
        let inner = &mut *guard;
        inner.mark += 1;
        let at = Mark(inner.mark);
        inner.removed.insert(id.clone(), at);
        inner.copies.remove(id);
        self.ownership.forget(id);
        if inner.removed.len() > 2 * MAX_REMOVED {
            let mut identity: Vec<Mark> = inner.removed.values().copied().collect();
            identity.sort_unstable();
            let oldest_kept = identity.get(identity.len() - MAX_REMOVED).copied();
            inner.removed.retain(|_, at| oldest_kept.is_none_or(|oldest| *at >= oldest));
        }
        if let Some(entry) = inner.entries.remove(id) {
            self.announce(inner, BTreeSet::from([entry.container.identity.object.clone()]));
        }
    }

    /// Removes containers that are missing from a list begun at `begun` and proven to be gone.
    pub(crate) fn gone(&self, begun: Mark, ids: &[ContainerId]) {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let mut changed = BTreeSet::new();
        for id in ids {
            if inner.entries.get(id).is_some_and(|entry| entry.written <= begun)
                && let Some(entry) = inner.entries.remove(id)
            {
                changed.insert(entry.container.identity.object.clone());
            }
        }
        self.announce(inner, changed);
    }

    /// Publishes new snapshots of the objects that changed.
    fn announce(&self, inner: &mut Inner, changed: BTreeSet<ObjectName>) {
        if changed.is_empty() {
            return;
        }
        let mut by_object: BTreeMap<&ObjectName, Containers> =
            changed.iter().map(|name| (name, Containers::new())).collect();
        self.announce_rivals(inner);
        for (id, entry) in &inner.entries {
            if let Some(containers) = by_object.get_mut(&entry.container.identity.object) {
                containers.insert(id.clone(), entry.container.clone());
            }
        }
        self.present.send_if_modified(|present| {
            let mut next = BTreeSet::clone(present);
            for (name, containers) in &by_object {
                if containers.values().all(|container| container.rival) {
                    next.remove(*name);
                } else {
                    next.insert((*name).clone());
                }
            }
            let differs = next != **present;
            if differs {
                *present = Arc::new(next);
            }
            differs
        });
        for (name, containers) in by_object {
            if let Some(sender) = inner.objects.get(name) {
                sender.send_replace(Arc::new(containers));
            }
        }
        // Channels without a receiver are created again on demand.
        inner.objects.retain(|_, sender| sender.receiver_count() > 0);
        self.changes.send_replace(());
    }
}

#[cfg(test)]
mod tests;
