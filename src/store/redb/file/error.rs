//! Why the state cannot be opened.

use std::io;
use std::path::{Path, PathBuf};

use super::tables::FORMAT;
use crate::core::identity::IdentityError;
use crate::store::redb::mark;

/// Why the state cannot be opened. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
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
    /// The directory cannot be used.
    #[error(
        "the data directory {dir} cannot be made ({error}): --data-dir must be a directory, or a path to make one at"
    )]
    NoDirectory {
        /// The directory.
        dir: PathBuf,
        /// The error.
        error: io::Error,
    },
    /// The file is missing although there was one.
    #[error(
        "{path} is missing, and yet {commit} commits were acknowledged here: put it back, or `restore` a backup; to start \
         empty, delete {mark} beside it (containers keep running, and are adopted when their objects are submitted again)"
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
         back. If you want the old state, `restore` a backup of that time, or delete {mark} beside it to use this copy \
         as it is"
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
         {mark} beside it to use this one as it is"
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
        "{path} is damaged ({why}): `restore` a backup; without one, move it and {mark} away to start empty (containers \
         keep running, and are adopted when their objects are submitted again)"
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
    pub(in crate::store::redb) fn io(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> OpenError {
        let path = path.to_owned();
        move |error| OpenError::Io { path, what, error }
    }

    pub(in crate::store::redb) fn no_directory(dir: &Path) -> impl FnOnce(io::Error) -> OpenError {
        let dir = dir.to_owned();
        move |error| OpenError::NoDirectory { dir, error }
    }

    pub(in crate::store::redb) fn damaged(path: &Path, why: impl ToString) -> OpenError {
        OpenError::Damaged { path: path.to_owned(), why: why.to_string(), mark: mark::FILE }
    }
}
