//! The state file: its tables, a paranoid open, and one transaction per batch.
//!
//! `state.redb` holds the objects and the tail of the event log. Every page is checked when it is opened, so that external damage
//! is detected and never misread. A new file is written beside the old one and replaces it by a rename, so it is always
//! complete.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{Builder, Database, DatabaseError};

use self::batch::write;
use self::content::read;
#[cfg(test)]
use self::tables::{META, OBJECTS};
use super::mark::{self, Mark};
use crate::crash_points;
use crate::store::ownership::Unwritten;

mod batch;
mod content;
mod error;
mod tables;

pub(super) use batch::Batch;
pub(super) use content::Content;
pub(crate) use error::OpenError;

/// The file's name in the data directory.
pub(super) const FILE: &str = "state.redb";
/// A state file that is not complete yet.
const NEW: &str = "state.redb.new";
/// Pages that redb keeps in memory: few, as the file is read only once, at the start.
const CACHE_BYTES: usize = 1 << 20;

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
