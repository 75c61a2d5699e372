//! The identity of this manager, and which containers are ours.
//!
//! [`claim`](claim::claim) decides. What it needs to know is in [`Ownership`], a handle that the store, the cache and the
//! observer share: this manager's id and those it took over, the cluster and the engine that the state is for, and the ids of
//! the containers that it created or adopted. The cache and the observer update it at once, without waiting for a disk; a
//! durable store writes the changes soon after, like the event log. Records lost with the process are reconstructed from names
//! and labels at the next start.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tracing::{info, warn};

use crate::core::claim::{self, Claim, LabelledContainer, Maker};
use crate::core::container::{Container, ContainerId};
use crate::core::identity::{EngineIdentity, Identity, MAX_TAKEN_OVER};
use crate::core::labels::ContainerIdentity;
use crate::core::manager_id::ManagerId;
use crate::core::time::Time;
use crate::store::manager_id;

/// The most recorded container ids: ten objects of the greatest `Count`, about 10 MB of memory and of disk. Further containers
/// are identified by their names.
pub(crate) const MAX_RECORDED: usize = 100_000;

/// The identity of this manager and its recorded containers. Clones share it.
#[derive(Debug, Clone)]
pub struct Ownership {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    data: Mutex<Data>,
    /// Grows with every change to write.
    version: watch::Sender<u64>,
}

#[derive(Debug)]
struct Data {
    identity: Identity,
    take_over_any: bool,
    /// When this process first observed its engine.
    began: Option<Time>,
    identity_unwritten: bool,
    recorded: BTreeSet<ContainerId>,
    /// Records that changed since they were last written: whether they exist.
    unwritten: BTreeMap<ContainerId, bool>,
    full: bool,
}

/// Changes since the last write.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Unwritten {
    /// The identity, if it changed.
    pub(crate) identity: Option<Identity>,
    /// Records: whether they shall exist.
    pub(crate) records: BTreeMap<ContainerId, bool>,
}

impl Ownership {
    /// The ownership of a manager with this identity and these recorded containers.
    pub fn new(identity: Identity, recorded: BTreeSet<ContainerId>, take_over_any: bool) -> Ownership {
        let data = Data {
            identity,
            take_over_any,
            began: None,
            identity_unwritten: false,
            recorded,
            unwritten: BTreeMap::new(),
            full: false,
        };
        Ownership { inner: Arc::new(Inner { data: Mutex::new(data), version: watch::Sender::new(0) }) }
    }

    /// The ownership of a manager that lives as long as its process.
    pub fn ephemeral(cluster: &str) -> Ownership {
        let manager = manager_id::random();
        let identity =
            Identity { manager, taken_over: BTreeSet::new(), cluster: cluster.to_owned(), engine: None };
        Ownership::new(identity, BTreeSet::new(), false)
    }

    fn data(&self) -> MutexGuard<'_, Data> {
        // No change panics half-way.
        self.inner.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.inner.version.send_modify(|version| *version += 1);
    }

    /// The id that our containers carry.
    pub fn manager(&self) -> ManagerId {
        self.data().identity.manager.clone()
    }

    /// The identity of this manager.
    pub fn identity(&self) -> Identity {
        self.data().identity.clone()
    }

    /// Who created a container, by its manager label.
    fn maker(&self, manager: Option<&ManagerId>) -> Maker {
        let Some(manager) = manager else { return Maker::Unlabelled };
        let mut data = self.data();
        let known =
            |identity: &Identity| identity.manager == *manager || identity.taken_over.contains(manager);
        if known(&data.identity) {
            return Maker::Us;
        }
        if !data.take_over_any || data.identity.taken_over.len() >= MAX_TAKEN_OVER {
            return Maker::Other;
        }
        data.identity.taken_over.insert(manager.clone());
        data.identity_unwritten = true;
        drop(data);
        self.changed();
        warn!(%manager, "taking over the containers of another manager, as requested by --take-over=any");
        Maker::Us
    }

    /// Decides who owns a container. `renamed` finds the present name of a renamed recorded container with the same labels.
    pub(crate) fn claim(
        &self,
        container: &Container,
        renamed: impl Fn(&ContainerIdentity) -> Option<String>,
    ) -> Claim {
        let recorded = self.is_recorded(&container.id);
        let expected = container.identity.names(&container.name);
        let original = if recorded || !expected { None } else { renamed(&container.identity) };
        // A copy of another manager's container triggers no takeover.
        let theirs = !expected || self.is_of_a_live_rival(container);
        let maker = if theirs { Maker::Other } else { self.maker(container.manager.as_ref()) };
        claim::claim(LabelledContainer {
            name: &container.name,
            identity: &container.identity,
            maker,
            recorded,
            renamed_original: original.as_deref(),
        })
    }

    /// Records when this process first observes its engine.
    pub(crate) fn begin(&self, now: Time) {
        self.data().began.get_or_insert(now);
    }

    /// Whether another manager created the container since this process began: that manager is alive, even if its containers
    /// were taken over.
    fn is_of_a_live_rival(&self, container: &Container) -> bool {
        let data = self.data();
        let other = container.manager.as_ref().is_some_and(|manager| *manager != data.identity.manager);
        other && data.began.is_some_and(|began| container.created > began)
    }

    /// Whether a container is recorded as created or adopted by us.
    pub(crate) fn is_recorded(&self, id: &ContainerId) -> bool {
        self.data().recorded.contains(id)
    }

    /// Records a container as created or adopted by us.
    pub(crate) fn record(&self, id: &ContainerId) {
        let mut data = self.data();
        if data.recorded.contains(id) {
            return;
        }
        if data.recorded.len() >= MAX_RECORDED {
            if !std::mem::replace(&mut data.full, true) {
                warn!(
                    "{MAX_RECORDED} container ids are recorded: further containers are identified by their names only"
                );
            }
            return;
        }
        data.recorded.insert(id.clone());
        data.unwritten.insert(id.clone(), true);
        drop(data);
        self.changed();
    }

    /// Drops the record of a container that is gone.
    pub(crate) fn forget(&self, id: &ContainerId) {
        let mut data = self.data();
        if data.recorded.remove(id) {
            data.unwritten.insert(id.clone(), false);
            data.full = false;
            drop(data);
            self.changed();
        }
    }

    /// Drops the records of all containers that do not exist.
    pub(crate) fn forget_all_but(&self, there: impl Fn(&ContainerId) -> bool) {
        let gone: Vec<ContainerId> = self.data().recorded.iter().filter(|id| !there(id)).cloned().collect();
        gone.iter().for_each(|id| self.forget(id));
    }

    /// All recorded containers.
    pub(crate) fn recorded(&self) -> BTreeSet<ContainerId> {
        self.data().recorded.clone()
    }

    /// Checks the engine that answers against the one that the state is for; the first engine is stored. The error is the engine
    /// that the state is for.
    pub(crate) fn meet(&self, found: EngineIdentity) -> Result<(), EngineIdentity> {
        if found.kind.is_simulated() {
            // A simulated engine has its own state, and starts empty in each process.
            return Ok(());
        }
        let mut data = self.data();
        match &data.identity.engine {
            Some(stored) if stored.differs_from(&found) => return Err(stored.clone()),
            Some(stored) if !stored.id.is_empty() || found.id.is_empty() => return Ok(()),
            Some(_) | None => {}
        }
        info!(engine = found.word(), "the state is for this engine from now on");
        data.identity.engine = Some(found);
        data.identity_unwritten = true;
        drop(data);
        self.changed();
        Ok(())
    }

    /// The changes to write.
    pub(crate) fn unwritten(&self) -> Unwritten {
        let data = self.data();
        let identity = data.identity_unwritten.then(|| data.identity.clone());
        Unwritten { identity, records: data.unwritten.clone() }
    }

    /// Whether there are changes to write.
    pub(crate) fn has_unwritten(&self) -> bool {
        let data = self.data();
        data.identity_unwritten || !data.unwritten.is_empty()
    }

    /// Records what was written.
    pub(crate) fn written(&self, written: &Unwritten) {
        let mut data = self.data();
        if written.identity.as_ref() == Some(&data.identity) {
            data.identity_unwritten = false;
        }
        data.unwritten.retain(|id, there| written.records.get(id) != Some(there));
    }

    /// Notifies of new changes to write.
    pub(crate) fn versions(&self) -> watch::Receiver<u64> {
        self.inner.version.subscribe()
    }
}
