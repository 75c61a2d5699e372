//! The state file: its tables, a paranoid open, and one transaction per batch.
//!
//! `state.redb` holds the objects and the tail of the event log. Every page is checked when it is opened, so that external damage
//! is detected and never misread. A new file is written beside the old one and replaces it by a rename, so it is always
//! complete.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{
    Builder, Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, TableDefinition,
    TableError,
};

use super::mark::{self, Mark};
use crate::api::event::Event;
use crate::core::container::ContainerId;
use crate::core::desired::{Desired, Quarantined};
use crate::core::identity::{Identity, IdentityError};
use crate::core::name::ObjectName;
use crate::core::object::{Object, Objects};
use crate::crash_points;
use crate::store::ownership::Unwritten;
use crate::store::record;

/// The file's name in the data directory.
pub(super) const FILE: &str = "state.redb";
/// A state file that is not complete yet.
const NEW: &str = "state.redb.new";
/// The version of the tables. Raise it whenever an older program would misread them.
const FORMAT: u64 = 2;
/// The previous format, without identity and records of containers.
const FORMAT_WITHOUT_IDENTITY: u64 = 1;
/// Pages that redb keeps in memory: few, as the file is read only once, at the start.
const CACHE_BYTES: usize = 1 << 20;

/// Numbers by name: the format, the store's number, its commits, and the last reserved event number.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// Objects by name, see [`record`].
const OBJECTS: TableDefinition<'_, &str, &str> = TableDefinition::new("objects");
/// The tail of the event log by number, as JSON.
const EVENTS: TableDefinition<'_, u64, &str> = TableDefinition::new("events");

/// The identity, as JSON, under one key.
const IDENTITY: TableDefinition<'_, &str, &str> = TableDefinition::new("identity");
const IDENTITY_KEY: &str = "identity";
/// The ids of containers that were created or adopted.
const CONTAINERS: TableDefinition<'_, &str, ()> = TableDefinition::new("containers");

/// Why the state cannot be opened. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process uses the directory.
    #[error(
        "the data directory {dir} is in use by process {by}: stop that one first, or give this one another --data-dir"
    )]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// The process id that it recorded.
        by: String,
    },
    /// The file is missing although there was one.
    #[error(
        "{path} is missing, and yet {commit} commits were acknowledged here: put it back, or `restore` a backup; to begin \
         empty, delete {mark} beside it (what runs goes on running, and is taken over when it is submitted again)"
    )]
    Missing {
        /// The state file.
        path: PathBuf,
        /// The last acknowledged commit.
        commit: u64,
        /// The mark's name.
        mark: &'static str,
    },
    /// An older copy of the file.
    #[error(
        "{path} is an old copy: it ends with commit {found}, and commit {acknowledged} was acknowledged here. Put the newer one \
         back. If the old state is what you want, bring it in with `restore`, from a file that `backup` made, or delete \
         {mark} beside it to take this copy as it is"
    )]
    Older {
        /// The state file.
        path: PathBuf,
        /// Its last commit.
        found: u64,
        /// The last acknowledged commit.
        acknowledged: u64,
        /// The mark's name.
        mark: &'static str,
    },
    /// The file of another store.
    #[error(
        "{path} is not the state that this directory had, but another manager's: put the right one back, or delete \
         {mark} beside it to take this one as it is"
    )]
    Foreign {
        /// The state file.
        path: PathBuf,
        /// The mark's name.
        mark: &'static str,
    },
    /// Refused because of its identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Written by a newer version.
    #[error(
        "{path} was written by a newer version of this program (format {found}; this one knows {FORMAT}): run that version, \
         or `restore` a backup that this version made"
    )]
    Newer {
        /// The state file.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// Damaged.
    #[error(
        "{path} is damaged ({why}): `restore` a backup; without one, move it and {mark} away to begin empty (what runs \
         goes on running, and is taken over when it is submitted again)"
    )]
    Damaged {
        /// The state file.
        path: PathBuf,
        /// What is wrong.
        why: String,
        /// The mark's name.
        mark: &'static str,
    },
    /// The file system failed.
    #[error("{path} cannot be {what}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// The error.
        error: io::Error,
    },
}

impl OpenError {
    pub(super) fn io(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> OpenError {
        let path = path.to_owned();
        move |error| OpenError::Io { path, what, error }
    }

    pub(super) fn damaged(path: &Path, why: impl ToString) -> OpenError {
        OpenError::Damaged { path: path.to_owned(), why: why.to_string(), mark: mark::FILE }
    }
}

/// The content of a state file.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) desired: Desired,
    /// The tail of the event log, oldest first.
    pub(super) events: Vec<Event>,
    /// No event has a greater number.
    pub(super) last_event: u64,
    /// The identity; `None` in a state of a version without identities.
    pub(super) identity: Option<Identity>,
    /// Recorded containers.
    pub(super) recorded: BTreeSet<ContainerId>,
}

/// One transaction.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Changed objects.
    pub(super) objects: Vec<Arc<Object>>,
    /// Names of dropped tombstones.
    pub(super) forgotten: Vec<ObjectName>,
    /// New events.
    pub(super) events: Vec<Arc<Event>>,
    /// The first event that is kept.
    pub(super) oldest_event: u64,
    /// No event before the next batch will have a greater number.
    pub(super) promised_event: u64,
    /// Changes of the identity and of the recorded containers.
    pub(super) ownership: Unwritten,
}

/// An open state file and its mark.
pub(super) struct StateFile {
    database: Database,
    mark: Mark,
    mark_file: File,
}

impl StateFile {
    /// Opens the file of a directory and reads all of it; creates an empty one if there never was one.
    pub(super) fn open(dir: &Path) -> Result<(StateFile, Content), OpenError> {
        let path = dir.join(FILE);
        let mark_path = dir.join(mark::FILE);
        let known = Mark::read(dir).map_err(OpenError::io(&mark_path, "read"))?;
        match (path.try_exists(), known) {
            (Err(error), _) => return Err(OpenError::Io { path, what: "looked at", error }),
            (Ok(false), Some(Mark { commit, .. })) => {
                return Err(OpenError::Missing { path, commit, mark: mark::FILE });
            }
            (Ok(false), None) => {
                return Ok((StateFile::create(dir, &Content::default(), 0)?, Content::default()));
            }
            (Ok(true), _) => {}
        }
        let database = unless_it_panics(&path, || open_existing(&path))?;
        let (store, commit, content) = unless_it_panics(&path, || read(&database, &path))?;
        let found = Mark { store, commit };
        if let Some(known) = known {
            if known.store != store {
                return Err(OpenError::Foreign { path, mark: mark::FILE });
            }
            if commit < known.commit {
                let (found, acknowledged) = (commit, known.commit);
                return Err(OpenError::Older { path, found, acknowledged, mark: mark::FILE });
            }
        }
        let mark_file = Mark::open(dir).map_err(OpenError::io(&mark_path, "opened"))?;
        found.write(&mark_file).map_err(OpenError::io(&mark_path, "written"))?;
        Ok((StateFile { database, mark: found, mark_file }, content))
    }

    /// Creates a file with this content, as commit `commit` of a new store, and replaces any existing file with it.
    pub(super) fn create(dir: &Path, content: &Content, commit: u64) -> Result<StateFile, OpenError> {
        let (path, new, mark_path) = (dir.join(FILE), dir.join(NEW), dir.join(mark::FILE));
        let storage = |error: redb::Error| match error {
            redb::Error::Io(error) => OpenError::Io { path: new.clone(), what: "written", error },
            other => OpenError::damaged(&new, other),
        };
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(OpenError::Io { path: new, what: "removed", error });
            }
            _ => {}
        }
        // Objects may contain secrets.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let new_file = options.open(&new).map_err(OpenError::io(&new, "made"))?;
        let backend = FileBackend::new(new_file).map_err(|e| storage(e.into()))?;
        let mut builder = Builder::new();
        let database = builder
            .set_cache_size(CACHE_BYTES)
            .create_with_backend(backend)
            .map_err(|e| storage(e.into()))?;
        let batch = Batch {
            objects: content.desired.objects.values().cloned().collect(),
            events: content.events.iter().cloned().map(Arc::new).collect(),
            promised_event: content.last_event,
            ownership: Unwritten {
                identity: content.identity.clone(),
                records: content.recorded.iter().map(|id| (id.clone(), true)).collect(),
            },
            ..Batch::default()
        };
        let mark = Mark { store: RandomState::new().build_hasher().finish(), commit };
        write(&database, mark, &batch, &content.desired.quarantined).map_err(storage)?;
        // Until the rename the old file counts, and matches the old mark; afterwards a mark of the old file would refuse the new
        // one, so the mark is removed first.
        match std::fs::remove_file(&mark_path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(OpenError::Io { path: mark_path, what: "removed", error });
            }
            _ => {}
        }
        std::fs::rename(&new, &path).map_err(OpenError::io(&path, "put in place"))?;
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(OpenError::io(dir, "synced"))?;
        let mark_file = Mark::open(dir).map_err(OpenError::io(&mark_path, "opened"))?;
        mark.write(&mark_file).map_err(OpenError::io(&mark_path, "written"))?;
        Ok(StateFile { database, mark, mark_file })
    }

    /// Commits a batch: it is on disk when this returns.
    pub(super) fn commit(&mut self, batch: &Batch) -> Result<(), redb::Error> {
        crash_points::point("before-commit");
        let mark = Mark { commit: self.mark.commit + 1, ..self.mark };
        write(&self.database, mark, batch, &BTreeMap::new())?;
        crash_points::point("after-commit");
        self.mark = mark;
        // It only guards against old copies: the commit is valid without it.
        if let Err(error) = mark.write(&self.mark_file) {
            tracing::warn!(%error, "{} cannot be written: an old copy of the state would not be noticed", mark::FILE);
        }
        Ok(())
    }

    /// The last commit.
    pub(super) fn last_commit(&self) -> u64 {
        self.mark.commit
    }

    /// Closes the file, so that the next start needs no repair.
    pub(super) fn close(self) -> Result<(), DatabaseError> {
        self.database.close()
    }
}

fn open_existing(path: &Path) -> Result<Database, OpenError> {
    // redb would initialize an empty file.
    let length = path.metadata().map_err(OpenError::io(path, "read"))?.len();
    if length == 0 {
        return Err(OpenError::damaged(path, "it is empty"));
    }
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder.open(path).map_err(|error| match error {
        // System errors are about the disk; redb's own errors, such as a file that ends too early, are about the file.
        DatabaseError::Storage(redb::StorageError::Io(error)) if error.raw_os_error().is_some() => {
            OpenError::Io { path: path.to_owned(), what: "opened", error }
        }
        DatabaseError::DatabaseAlreadyOpen => {
            let error = io::Error::other("another process has it open");
            OpenError::Io { path: path.to_owned(), what: "opened", error }
        }
        other => OpenError::damaged(path, other),
    })
}

/// redb may panic on bytes that it did not write.
fn unless_it_panics<T>(path: &Path, read: impl FnOnce() -> Result<T, OpenError>) -> Result<T, OpenError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(OpenError::damaged(path, "it cannot be read at all")))
}

/// Reads everything, with the store's number and its last commit.
fn read(database: &Database, path: &Path) -> Result<(u64, u64, Content), OpenError> {
    let damaged = |error: redb::Error| OpenError::damaged(path, error);
    let reading = database.begin_read().map_err(|e| damaged(e.into()))?;
    let meta = reading.open_table(META).map_err(|e| damaged(e.into()))?;
    let number = |name: &str| {
        let found = meta.get(name).map_err(|e| damaged(e.into()))?;
        found.map(|n| n.value()).ok_or_else(|| OpenError::damaged(path, format!("it has no '{name}'")))
    };
    match number("format")? {
        FORMAT | FORMAT_WITHOUT_IDENTITY => {}
        found if found > FORMAT => return Err(OpenError::Newer { path: path.to_owned(), found }),
        found => return Err(OpenError::damaged(path, format!("its format is {found}"))),
    }
    let (mut objects, mut quarantined) = (Objects::new(), BTreeMap::new());
    let table = reading.open_table(OBJECTS).map_err(|e| damaged(e.into()))?;
    for entry in table.iter().map_err(|e| damaged(e.into()))? {
        let (name, stored) = entry.map_err(|e| damaged(e.into()))?;
        let name = ObjectName::parse(name.value())
            .ok_or_else(|| OpenError::damaged(path, format!("{:?} is no name", name.value())))?;
        match record::decode(&name, stored.value()) {
            Ok(object) => drop(objects.insert(name, Arc::new(object))),
            Err(unreadable) => drop(quarantined.insert(name, unreadable)),
        }
    }
    let mut events = Vec::new();
    let table = reading.open_table(EVENTS).map_err(|e| damaged(e.into()))?;
    for entry in table.iter().map_err(|e| damaged(e.into()))? {
        let (id, text) = entry.map_err(|e| damaged(e.into()))?;
        // An event of a newer version is no reason to refuse the state.
        match serde_json::from_str::<Event>(text.value()) {
            Ok(event) => events.push(event),
            Err(error) => {
                tracing::warn!(id = id.value(), %error, "an event in the state cannot be read: left out")
            }
        }
    }
    let desired = Desired { objects: Arc::new(objects), quarantined: Arc::new(quarantined) };
    let (identity, recorded) = read_ownership(&reading, path)?;
    let content = Content { desired, events, last_event: number("last-event")?, identity, recorded };
    Ok((number("store")?, number("commit")?, content))
}

/// The identity and the recorded containers. States of older versions lack these tables.
fn read_ownership(
    reading: &redb::ReadTransaction,
    path: &Path,
) -> Result<(Option<Identity>, BTreeSet<ContainerId>), OpenError> {
    let damaged = |error: redb::Error| OpenError::damaged(path, error);
    let identity = match reading.open_table(IDENTITY) {
        Ok(table) => {
            let stored = table.get(IDENTITY_KEY).map_err(|e| damaged(e.into()))?;
            let read = |text: &str| {
                serde_json::from_str(text)
                    .map_err(|error| OpenError::damaged(path, format!("its identity: {error}")))
            };
            stored.map(|text| read(text.value())).transpose()?
        }
        Err(TableError::TableDoesNotExist(_)) => None,
        Err(error) => return Err(damaged(error.into())),
    };
    let mut recorded = BTreeSet::new();
    match reading.open_table(CONTAINERS) {
        Ok(table) => {
            for entry in table.iter().map_err(|e| damaged(e.into()))? {
                let (id, _) = entry.map_err(|e| damaged(e.into()))?;
                recorded.insert(ContainerId::from(id.value()));
            }
        }
        Err(TableError::TableDoesNotExist(_)) => {}
        Err(error) => return Err(damaged(error.into())),
    }
    Ok((identity, recorded))
}

/// Commits one transaction, which is on disk when this returns.
fn write(
    database: &Database,
    mark: Mark,
    batch: &Batch,
    quarantined: &BTreeMap<ObjectName, Quarantined>,
) -> Result<(), redb::Error> {
    let json = |error: serde_json::Error| redb::Error::Io(error.into());
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_two_phase_commit(true);
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert("format", FORMAT)?;
        meta.insert("store", mark.store)?;
        meta.insert("commit", mark.commit)?;
        meta.insert("last-event", batch.promised_event)?;
        let mut objects = transaction.open_table(OBJECTS)?;
        for object in &batch.objects {
            objects.insert(object.spec.name.as_str(), record::encode(object).map_err(json)?.as_str())?;
        }
        for (name, unreadable) in quarantined {
            objects.insert(name.as_str(), &*unreadable.stored)?;
        }
        for name in &batch.forgotten {
            objects.remove(name.as_str())?;
        }
        if let Some(identity) = &batch.ownership.identity {
            let text = serde_json::to_string(identity).map_err(json)?;
            transaction.open_table(IDENTITY)?.insert(IDENTITY_KEY, text.as_str())?;
        }
        if !batch.ownership.records.is_empty() {
            let mut containers = transaction.open_table(CONTAINERS)?;
            for (id, there) in &batch.ownership.records {
                match there {
                    true => drop(containers.insert(&*id.0, ())?),
                    false => drop(containers.remove(&*id.0)?),
                }
            }
        }
        let mut events = transaction.open_table(EVENTS)?;
        for event in &batch.events {
            events.insert(event.id, serde_json::to_string(&**event).map_err(json)?.as_str())?;
        }
        let gone: RangeInclusive<u64> = 0..=batch.oldest_event.saturating_sub(1);
        if batch.oldest_event > 0 {
            events.retain_in(gone, |_, _| false)?;
        }
    }
    crash_points::point("amid-commit");
    transaction.commit()?;
    Ok(())
}

/// Makes a closed file claim another format.
#[cfg(test)]
pub(super) fn claim_format(path: &Path, format: u64) {
    alter(path, |transaction| drop(transaction.open_table(META).unwrap().insert("format", format).unwrap()));
}

/// Makes a closed file hold something else under a name.
#[cfg(test)]
pub(super) fn claim_object(path: &Path, name: &str, stored: &str) {
    alter(path, |transaction| drop(transaction.open_table(OBJECTS).unwrap().insert(name, stored).unwrap()));
}

#[cfg(test)]
fn alter(path: &Path, change: impl FnOnce(&redb::WriteTransaction)) {
    let database = Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    change(&transaction);
    transaction.commit().unwrap();
}
