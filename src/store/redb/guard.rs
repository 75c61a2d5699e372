//! Whether the state file is still the one that the data directory shows, with what was last written to it.
//!
//! An open file outlives its name: after `rm -r`, `mv` or an unmount every write to it succeeds, and the next start finds
//! nothing of it. So device and inode of the file, and of the lock that keeps other processes out, are compared
//! with what their paths lead to, before and after each commit and from time to time. Size and modification time of the
//! file are those of the last commit, unless another program has truncated or overwritten it in place.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::inode::Inode;
use super::lock::Lock;

/// A file and where it belongs.
#[derive(Debug, Clone)]
struct Watched {
    path: PathBuf,
    inode: Inode,
}

impl Watched {
    fn at(path: &Path) -> io::Result<Watched> {
        Ok(Watched { path: path.to_owned(), inode: path.metadata()?.into() })
    }

    /// Why it is not what its path leads to.
    fn found(&self) -> Found {
        match self.path.metadata().map(Inode::from) {
            Ok(inode) if inode == self.inode => Found::Itself,
            Ok(_) => Found::Another,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Found::Nothing,
            Err(error) => Found::Unknown(error.to_string()),
        }
    }
}

enum Found {
    Itself,
    Another,
    Nothing,
    Unknown(String),
}

/// What a write to a file changes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    /// In bytes.
    size: u64,
    /// Seconds and nanoseconds of the wall clock.
    modified: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Stamp> {
        let metadata = path.metadata()?;
        Ok(Stamp { size: metadata.len(), modified: (metadata.mtime(), metadata.mtime_nsec()) })
    }
}

/// The files that must stay where they are.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    state: Watched,
    /// What the last commit left.
    written: Stamp,
    /// The lock of the data directory, where it was taken.
    lock: Option<Watched>,
}

/// What was done to the data directory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Displaced {
    /// The state file has no name any more, and the directory is ours still: it can be written again.
    #[error("{0} was removed")]
    Removed(PathBuf),
    /// It is the file that it was, with something else in it. What it held is in memory, and can be written again.
    #[error("{0} was truncated or overwritten by another program")]
    Altered(PathBuf),
    /// Another file has its name.
    #[error(
        "{0} was replaced by another file: move that file away, and the state is written again; or, if that file is the \
         state to go on with, restart the daemon"
    )]
    Replaced(PathBuf),
    /// The directory's lock is gone, so that another process may have the directory.
    #[error(
        "the data directory {0} was removed, moved or replaced: put it back, or save what this daemon knows with `backup`, \
         stop it, `restore` that, and start it again"
    )]
    Directory(PathBuf),
    /// It cannot be looked at.
    #[error("{path} cannot be looked at: {why}")]
    Unknown {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
}

impl Guard {
    /// Watches the state file at this path, which was just opened or put there.
    pub(super) fn over(state: &Path, lock: Option<&Lock>) -> io::Result<Guard> {
        let watched = |lock: &Lock| Ok(Watched { path: lock.path().to_owned(), inode: lock.inode()? });
        let lock: io::Result<Option<Watched>> = lock.map(watched).transpose();
        Ok(Guard { state: Watched::at(state)?, written: Stamp::of(state)?, lock: lock? })
    }

    /// Watches the file that has just taken the place of the one before.
    pub(super) fn renew(&mut self) -> io::Result<()> {
        self.state = Watched::at(&self.state.path)?;
        self.written = Stamp::of(&self.state.path)?;
        Ok(())
    }

    /// Whether a state file may be put in its place: the directory is ours, and no other file is there.
    pub(super) fn allows_writing_anew(&self) -> Result<(), Displaced> {
        match self.check() {
            Ok(()) | Err(Displaced::Removed(_) | Displaced::Altered(_)) => Ok(()),
            Err(displaced) => Err(displaced),
        }
    }

    /// Whether all is where it was, and as the last commit left it.
    pub(super) fn check(&self) -> Result<(), Displaced> {
        self.check_place()?;
        match Stamp::of(&self.state.path) {
            Ok(stamp) if stamp == self.written => Ok(()),
            Ok(_) => Err(Displaced::Altered(self.state.path.clone())),
            Err(error) => Err(Displaced::Unknown { path: self.state.path.clone(), why: error.to_string() }),
        }
    }

    /// After a commit: whether all is where it was. What the commit left is what [`Guard::check`] expects from now on.
    pub(super) fn committed(&mut self) -> Result<(), Displaced> {
        self.check_place()?;
        self.written = Stamp::of(&self.state.path)
            .map_err(|error| Displaced::Unknown { path: self.state.path.clone(), why: error.to_string() })?;
        Ok(())
    }

    fn check_place(&self) -> Result<(), Displaced> {
        if let Some(lock) = &self.lock {
            match lock.found() {
                Found::Itself => {}
                Found::Another | Found::Nothing => {
                    let directory = lock.path.parent().unwrap_or(&lock.path);
                    return Err(Displaced::Directory(directory.to_owned()));
                }
                Found::Unknown(why) => return Err(Displaced::Unknown { path: lock.path.clone(), why }),
            }
        }
        let path = || self.state.path.clone();
        match self.state.found() {
            Found::Itself => Ok(()),
            Found::Nothing => Err(Displaced::Removed(path())),
            Found::Another => Err(Displaced::Replaced(path())),
            Found::Unknown(why) => Err(Displaced::Unknown { path: path(), why }),
        }
    }
}
