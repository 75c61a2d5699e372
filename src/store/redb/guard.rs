//! Checks that the open state file is still the one in the data directory, with the content last written.
//!
//! An open file outlives its name: after `rm -r`, `mv` or an unmount, writes to it still succeed, but the next start finds
//! nothing. So device and inode of the file, and of the lock file, are compared with those at their paths, before and after each
//! commit and periodically. Size and modification time of the file are those of the last commit, unless another program
//! truncated or overwrote it in place.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::inode::Inode;
use super::lock::Lock;

/// A file and its path.
#[derive(Debug, Clone)]
struct GuardedFile {
    path: PathBuf,
    inode: Inode,
}

impl GuardedFile {
    fn at(path: &Path) -> io::Result<GuardedFile> {
        Ok(GuardedFile { path: path.to_owned(), inode: path.metadata()?.into() })
    }

    /// What is at its path.
    fn found(&self) -> FileAtPath {
        match self.path.metadata().map(Inode::from) {
            Ok(inode) if inode == self.inode => FileAtPath::Itself,
            Ok(_) => FileAtPath::Another,
            Err(error) if error.kind() == io::ErrorKind::NotFound => FileAtPath::Nothing,
            Err(error) => FileAtPath::Unknown(error.to_string()),
        }
    }
}

enum FileAtPath {
    Itself,
    Another,
    Nothing,
    Unknown(String),
}

/// The metadata that a write changes.
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

/// The guarded files.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    state: GuardedFile,
    /// As left by the last commit.
    written: Stamp,
    /// The lock of the data directory, if it was taken.
    lock: Option<GuardedFile>,
}

/// What happened to the data directory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Displaced {
    /// The state file was removed, and the directory is still locked: the file can be written again.
    #[error("{0} was removed")]
    Removed(PathBuf),
    /// The file has different content. The state is in memory, and can be written again.
    #[error("{0} was truncated or overwritten by another program")]
    Altered(PathBuf),
    /// Another file has its name.
    #[error(
        "{0} was replaced by another file: move that file away, and the state is written again; or, if that file is the \
         right state, restart the daemon"
    )]
    Replaced(PathBuf),
    /// The lock file is gone, so another process may use the directory.
    #[error(
        "the data directory {0} was removed, moved or replaced: put it back, or save what this daemon knows with `backup`, \
         stop it, `restore` that, and start it again"
    )]
    Directory(PathBuf),
    /// It cannot be checked.
    #[error("{path} cannot be checked: {why}")]
    Unknown {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
}

impl Guard {
    /// Guards the state file at this path, which was just opened or created.
    pub(super) fn over(state: &Path, lock: Option<&Lock>) -> io::Result<Guard> {
        let watched = |lock: &Lock| Ok(GuardedFile { path: lock.path().to_owned(), inode: lock.inode()? });
        let lock: io::Result<Option<GuardedFile>> = lock.map(watched).transpose();
        Ok(Guard { state: GuardedFile::at(state)?, written: Stamp::of(state)?, lock: lock? })
    }

    /// Guards the file that has just replaced the former one.
    pub(super) fn renew(&mut self) -> io::Result<()> {
        self.state = GuardedFile::at(&self.state.path)?;
        self.written = Stamp::of(&self.state.path)?;
        Ok(())
    }

    /// Whether the state file may be replaced: the directory is locked, and contains no other file.
    pub(super) fn allows_recreation(&self) -> Result<(), Displaced> {
        match self.check() {
            Ok(()) | Err(Displaced::Removed(_) | Displaced::Altered(_)) => Ok(()),
            Err(displaced) => Err(displaced),
        }
    }

    /// Checks that the files are in place and as the last commit left them.
    pub(super) fn check(&self) -> Result<(), Displaced> {
        self.check_place()?;
        if self.stamp()? == self.written { Ok(()) } else { Err(Displaced::Altered(self.state.path.clone())) }
    }

    /// After a commit: checks that the files are in place. From then on [`Guard::check`] expects what the commit left.
    pub(super) fn committed(&mut self) -> Result<(), Displaced> {
        self.check_place()?;
        self.written = self.stamp()?;
        Ok(())
    }

    /// Reads the stamp of the state file. If the file disappeared since its place was checked, the error says how.
    fn stamp(&self) -> Result<Stamp, Displaced> {
        Stamp::of(&self.state.path).map_err(|error| match self.check_place() {
            Err(displaced) => displaced,
            Ok(()) => Displaced::Unknown { path: self.state.path.clone(), why: error.to_string() },
        })
    }

    fn check_place(&self) -> Result<(), Displaced> {
        if let Some(lock) = &self.lock {
            match lock.found() {
                FileAtPath::Itself => {}
                FileAtPath::Another | FileAtPath::Nothing => {
                    let directory = lock.path.parent().unwrap_or(&lock.path);
                    return Err(Displaced::Directory(directory.to_owned()));
                }
                FileAtPath::Unknown(why) => return Err(Displaced::Unknown { path: lock.path.clone(), why }),
            }
        }
        let path = || self.state.path.clone();
        match self.state.found() {
            FileAtPath::Itself => Ok(()),
            FileAtPath::Nothing => Err(Displaced::Removed(path())),
            FileAtPath::Another => Err(Displaced::Replaced(path())),
            FileAtPath::Unknown(why) => Err(Displaced::Unknown { path: path(), why }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_disappears_during_a_check_is_reported_as_removed() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state.redb");
        fs::write(&state, "state").unwrap();
        let guard = Guard::over(&state, None).unwrap();
        fs::remove_file(&state).unwrap();
        assert!(matches!(guard.stamp(), Err(Displaced::Removed(_))), "{:?}", guard.check());
    }
}
