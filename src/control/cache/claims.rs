//! Decides who owns the containers that enter the cache.
//!
//! Every container of a list passes through here: a copy that merely carries our labels is set aside and never reaches a
//! worker, another manager's container is marked as a rival's, and our own are recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;
use tracing::info;

use crate::control::cache::others::{CopySeen, Rivals};
use crate::control::cache::{Cache, Inner};
use crate::core::availability::Availability;
use crate::core::claim::{Claim, NotOurs};
use crate::core::container::{Container, ContainerId};
use crate::core::identity::EngineIdentity;
use crate::core::labels::ContainerIdentity;
use crate::core::name::ObjectName;
use crate::engine::{EngineInfo, Lookup};
use crate::store::ownership::Ownership;

/// The most copies kept for the status; others are ignored as well.
const MAX_COPIES: usize = 1_000;

/// The present names of recorded containers that were renamed, by their labels.
struct Renamed(BTreeMap<ContainerIdentity, (ContainerId, String)>);

impl Renamed {
    fn among<'a>(ownership: &Ownership, containers: impl Iterator<Item = &'a Container>) -> Renamed {
        let renamed = containers
            .filter(|c| !c.identity.names(&c.name) && ownership.is_recorded(&c.id))
            .map(|c| (c.identity.clone(), (c.id.clone(), c.name.clone())));
        Renamed(renamed.collect())
    }

    fn name(&self, identity: &ContainerIdentity) -> Option<String> {
        self.0.get(identity).map(|(_, name)| name.clone())
    }
}

/// A copy that took the name of one of our containers stays a copy after that container is gone.
fn sticky(claim: Claim, known: Option<&CopySeen>) -> Claim {
    match (claim, known.map(|copy| &copy.reason)) {
        (Claim::Ours, Some(reason @ NotOurs::OriginalRenamed { .. })) => Claim::Copy(reason.clone()),
        (claim, _) => claim,
    }
}

impl Cache {
    /// This manager's identity and its recorded containers.
    pub(crate) fn ownership(&self) -> &Ownership {
        &self.ownership
    }

    /// How many containers other managers have in this cluster, now and whenever that changes.
    pub(crate) fn rivals(&self) -> watch::Receiver<Arc<Rivals>> {
        self.rivals.subscribe()
    }

    /// Containers that merely carry our labels.
    pub(crate) fn copies(&self) -> Vec<Arc<CopySeen>> {
        self.lock().copies.values().cloned().collect()
    }

    /// Decides who owns the container that a name or an id stands for. A copy is foreign.
    pub(crate) fn resolve_owner(&self, holder: Lookup) -> Lookup {
        let Lookup::Ours(mut found) = holder else { return holder };
        let (renamed, known) = {
            let inner = self.lock();
            let cached = inner.entries.values().map(|entry| &*entry.container);
            (Renamed::among(&self.ownership, cached), inner.copies.get(&found.id).cloned())
        };
        match sticky(self.ownership.claim(&found, |identity| renamed.name(identity)), known.as_deref()) {
            Claim::Copy(_) => Lookup::Foreign,
            claim => {
                found.rival = claim == Claim::Rival;
                Lookup::Ours(found)
            }
        }
    }

    /// Decides who owns the containers of a list, of one object or of all. Returns those that count.
    pub(super) fn take_claims(
        &self,
        inner: &mut Inner,
        object: Option<&ObjectName>,
        list: Vec<Container>,
    ) -> Vec<Container> {
        let ownership = &self.ownership;
        // The list is newer than the cache.
        let listed: BTreeSet<&ContainerId> = list.iter().map(|c| &c.id).collect();
        let cached =
            inner.entries.values().map(|entry| &*entry.container).filter(|c| !listed.contains(&c.id));
        let renamed = Renamed::among(ownership, cached.chain(&list));
        let of_object = |copy: &CopySeen| object.is_none_or(|name| copy.container.identity.object == *name);
        let before: BTreeMap<_, _> = std::mem::take(&mut inner.copies);
        let (concerned, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
            before.into_iter().partition(|(_, copy)| of_object(copy));
        inner.copies = others;
        let mut counted = Vec::with_capacity(list.len());
        for mut container in list {
            let known = concerned.get(&container.id).map(|copy| &**copy);
            match sticky(ownership.claim(&container, |identity| renamed.name(identity)), known) {
                Claim::Copy(reason) => {
                    if known.is_none() {
                        info!(container = %container.name, id = container.id.short(), "{reason}");
                    }
                    if inner.copies.len() < MAX_COPIES {
                        let copy = CopySeen { container, reason };
                        inner.copies.insert(copy.container.id.clone(), Arc::new(copy));
                    }
                }
                claim => {
                    container.rival = claim == Claim::Rival;
                    if !container.rival {
                        ownership.record(&container.id);
                    }
                    counted.push(container);
                }
            }
        }
        counted
    }

    /// Publishes how many containers other managers have.
    pub(super) fn announce_rivals(&self, inner: &Inner) {
        let mut rivals = Rivals::new();
        for entry in inner.entries.values().filter(|entry| entry.container.rival) {
            if let Some(manager) = &entry.container.manager {
                *rivals.entry(manager.clone()).or_default() += 1;
            }
        }
        self.rivals.send_if_modified(|before| {
            let changed = **before != rivals;
            if changed {
                *before = Arc::new(rivals);
            }
            changed
        });
    }

    /// Drops the records of containers that are gone, after a complete list of an engine whose nodes are all up.
    pub(crate) fn forget_vanished(&self) {
        let engine = self.engine.borrow().clone();
        let complete = engine.other_engine.is_none()
            && engine.nodes.all().all(|tracked| tracked.availability == Availability::Up);
        if complete {
            let inner = self.lock();
            self.ownership.forget_all_but(|id| inner.entries.contains_key(id));
        }
    }

    /// Checks the engine that answers against the one that the state is for.
    pub(crate) fn meet_engine(&self, info: &EngineInfo) {
        let endpoint = self.endpoint();
        let found = EngineIdentity::new(info.kind, &info.id);
        let other_engine = self.ownership.meet(found.clone()).err().map(|stored| {
            format!(
                "another engine answers at {endpoint} ({}) than the one that the state is for ({}): nothing is created or \
                 removed until that one is back. If this one has taken its place for good, start once with --adopt-state={}",
                found.word(),
                stored.word(),
                stored.word()
            )
        });
        self.set_engine(|state| state.other_engine = other_engine);
    }
}
