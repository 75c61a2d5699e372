//! The durable store: redb in the data directory, one writer, and answers only after the data is on disk.
//!
//! [`RedbStore::commit`] hands a transaction to the [`Writer`], a separate task, and waits. The writer takes all waiting
//! transactions as one batch, writes it with one commit, publishes the new snapshot, then answers. Reads use the published
//! snapshot and touch no disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};

use self::file::{Batch, Content, StateFile};
use self::guard::Guard;
use crate::clock::Clock;
use crate::core::desired::{Desired, Quarantined};
use crate::core::identity::{self, Claims, Identity, Settled};
use crate::core::name::ObjectName;
use crate::core::object::{Objects, Revision};
use crate::core::time::Time;
use crate::core::transaction::{Committed, Transaction};
use crate::store::Store;
use crate::store::event_log::EventLog;
use crate::store::ownership::Ownership;
use crate::store::{StoreError, manager_id};

mod file;
mod guard;
mod inode;
mod lock;
mod mark;
mod place;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use file::OpenError;
pub(crate) use lock::Lock;
pub(crate) use place::{place, prepare};
pub(crate) use writer::Writer;

/// Transactions that may be queued for the writer; further ones wait for room in the queue.
const QUEUE: usize = 1_024;
/// Event numbers reserved ahead: an event between two commits that is lost with the process has a number that no later event
/// gets.
const EVENTS_AHEAD: u64 = 10_000;

/// The name that the former state gets when another is restored.
const REPLACED: &str = "state.redb.replaced";

type Answer = Result<Vec<Committed>, StoreError>;

struct Request {
    transaction: Transaction,
    answer: oneshot::Sender<Answer>,
}

/// Shared by the store and its writer.
struct Shared {
    objects: watch::Sender<Arc<Objects>>,
    quarantined: Mutex<Arc<BTreeMap<ObjectName, Quarantined>>>,
    /// Why nothing can be written at present.
    trouble: Mutex<Option<String>>,
    event_log: EventLog,
    ownership: Ownership,
    path: PathBuf,
}

/// Keeps the desired state on disk.
pub(crate) struct RedbStore {
    shared: Arc<Shared>,
    requests: mpsc::Sender<Request>,
}

impl RedbStore {
    /// Opens the state of a data directory that is locked with [`Lock`], or creates an empty one. The caller runs the [`Writer`].
    /// A state for another cluster than that of `claims` is refused and left unchanged.
    pub(crate) fn open(
        dir: &Path,
        lock: Option<&Lock>,
        claims: &Claims,
        clock: Clock,
    ) -> Result<(RedbStore, Writer), OpenError> {
        let path = dir.join(file::FILE);
        let (mut file, mut content) = StateFile::open(dir)?;
        let settled = identity::settle(
            content.identity.clone(),
            manager_id::random,
            claims,
            &dir.display().to_string(),
        )?;
        let identity = take_identity(&mut file, &mut content, settled).map_err(|error| match error {
            redb::Error::Io(error) => OpenError::Io { path: path.clone(), what: "written", error },
            other => OpenError::damaged(&path, other),
        })?;
        let guard = Guard::over(&path, lock).map_err(OpenError::io(&path, "read"))?;
        let ownership = Ownership::new(identity, content.recorded, claims.take_over_any);
        let event_log = EventLog::resuming(content.events, content.last_event, clock);
        let Desired { objects, quarantined } = content.desired.clone();
        for (name, found) in quarantined.iter() {
            tracing::error!(object = %name, "what is stored of it cannot be read and is put aside: {}", found.why);
        }
        let shared = Arc::new(Shared {
            objects: watch::Sender::new(objects),
            quarantined: Mutex::new(quarantined),
            trouble: Mutex::default(),
            event_log,
            ownership,
            path,
        });
        let (requests, queue) = mpsc::channel(QUEUE);
        let writer = Writer::new(dir, file, guard, content.desired, shared.clone(), queue, clock);
        Ok((RedbStore { shared, requests }, writer))
    }
}

#[async_trait]
impl Store for RedbStore {
    async fn commit(&self, transaction: Transaction) -> Answer {
        let (answer, answered) = oneshot::channel();
        let request = Request { transaction, answer };
        self.requests.send(request).await.map_err(|_| StoreError::Stopping)?;
        let unknown = |_| StoreError::Unsettled("the writer ended before it answered".to_owned());
        answered.await.map_err(unknown)?
    }

    fn objects(&self) -> watch::Receiver<Arc<Objects>> {
        self.shared.objects.subscribe()
    }

    fn quarantined(&self) -> Arc<BTreeMap<ObjectName, Quarantined>> {
        self.shared.quarantined.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn event_log(&self) -> &EventLog {
        &self.shared.event_log
    }

    fn ownership(&self) -> &Ownership {
        &self.shared.ownership
    }

    fn trouble(&self) -> Option<String> {
        self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn durability(&self) -> String {
        let path = self.shared.path.display();
        match &*self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner) {
            None => format!("durable, in {path}"),
            Some(why) => format!("{path} CANNOT BE WRITTEN ({why}): submits are refused until it can be"),
        }
    }
}

/// Commits the settled identity, if it is new.
fn take_identity(
    file: &mut StateFile,
    content: &mut Content,
    settled: Settled,
) -> Result<Identity, redb::Error> {
    let Settled { identity, other_cluster } = settled;
    if content.identity.as_ref() == Some(&identity) {
        return Ok(identity);
    }
    let mut batch = Batch { promised_event: content.last_event, ..Batch::default() };
    batch.ownership.identity = Some(identity.clone());
    if other_cluster {
        // Tombstones and recorded containers of the other cluster do not apply to this one.
        let objects = Arc::make_mut(&mut content.desired.objects);
        let deleted = objects.iter().filter(|(_, object)| object.deleted.is_some());
        batch.forgotten = deleted.map(|(name, _)| name.clone()).collect();
        batch.forgotten.iter().for_each(|name| drop(objects.remove(name)));
        let recorded = std::mem::take(&mut content.recorded);
        batch.ownership.records = recorded.into_iter().map(|id| (id, false)).collect();
    }
    file.commit(&batch)?;
    Ok(identity)
}

/// The content and the identity of a directory's state, for a backup; the directory must not be in use.
pub(crate) fn export(dir: &Path) -> Result<(Desired, Option<Identity>), OpenError> {
    let path = dir.join(file::FILE);
    path.metadata().map_err(OpenError::io(&path, "read"))?;
    let (file, content) = StateFile::open(dir)?;
    if let Err(error) = file.close() {
        tracing::warn!(%error, "the state file was not closed in order: the next start checks it");
    }
    Ok((content.desired, content.identity))
}

/// Replaces a directory's state with a restored one. The former state is kept beside it under the returned name.
///
/// Generations never decrease if the former state can be read: a client that remembers a newer generation must not mistake
/// the restored object for it.
///
/// The restored state continues as the manager that it was saved from; the manager of the former state is taken over. The
/// engine stays that of the directory, or the first one that answers.
pub(crate) fn restore(
    dir: &Path,
    desired: Desired,
    identity: Option<Identity>,
    now: Time,
) -> Result<Option<PathBuf>, OpenError> {
    let (path, aside) = (dir.join(file::FILE), dir.join(REPLACED));
    let gone = |tried: std::io::Result<()>| match tried {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        other => other.map(|()| true),
    };
    gone(std::fs::remove_file(&aside)).map_err(OpenError::io(&aside, "removed"))?;
    let kept = gone(std::fs::hard_link(&path, &aside)).map_err(OpenError::io(&aside, "made"))?;
    let (present, commit) = match StateFile::open(dir) {
        Ok((file, content)) => (content, file.last_commit()),
        // The former state is unreadable; the time is greater than any number that its events had.
        Err(_) => (Content { last_event: now.0, ..Content::default() }, 0),
    };
    let mut objects = Objects::clone(&desired.objects);
    for (name, object) in &mut objects {
        if let Some(newer) = present.desired.objects.get(name).filter(|o| o.generation > object.generation) {
            let (from, generation) = (object.generation, newer.generation + 1);
            let object = Arc::make_mut(object);
            object.generation = generation;
            if let (None, Some(last)) = (object.deleted, object.revisions.last().cloned()) {
                let again = Revision {
                    generation,
                    at: now,
                    by: "restore".into(),
                    rolled_back_to: Some(from),
                    ..last
                };
                object.remember(again);
            }
        }
    }
    let desired = Desired { objects: Arc::new(objects), ..desired };
    let identity = match (identity, present.identity.clone()) {
        (Some(restored), before) => Some(restored_identity(restored, before)),
        (None, before) => before,
    };
    let file = StateFile::create(dir, &Content { desired, identity, ..present }, commit + 1)?;
    file.close().map_err(|error| OpenError::damaged(&path, error))?;
    Ok(kept.then_some(aside))
}

/// The identity of a restored state in a directory that may have had a different one.
fn restored_identity(restored: Identity, before: Option<Identity>) -> Identity {
    let Some(before) = before else { return Identity { engine: None, ..restored } };
    let mut taken_over = restored.taken_over;
    taken_over.extend(before.taken_over);
    taken_over.insert(before.manager);
    taken_over.remove(&restored.manager);
    Identity { taken_over, engine: before.engine, ..restored }
}
