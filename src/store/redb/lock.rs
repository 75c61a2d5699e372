//! One process per data directory: a file lock, which the kernel releases when its holder ends.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::file::OpenError;
use super::inode::Inode;

const FILE: &str = "lock";

/// The lock on a data directory, released when dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Locks the directory, and creates it if necessary; fails if another process has the lock.
    pub(crate) fn take(dir: &Path) -> Result<Lock, OpenError> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(OpenError::no_directory(dir))?;
        let path = dir.join(FILE);
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(OpenError::io(&path, "opened"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut by = String::new();
                // Only for the message.
                let _ = file.read_to_string(&mut by);
                return Err(OpenError::InUse { dir: dir.to_owned(), by: by.trim().to_owned() });
            }
            Err(TryLockError::Error(error)) => return Err(OpenError::io(&path, "locked")(error)),
        }
        let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(OpenError::io(&path, "written"))?;
        Ok(Lock { file, path })
    }

    /// The path of the lock file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The inode of the lock file.
    pub(super) fn inode(&self) -> io::Result<Inode> {
        self.file.metadata().map(Inode::from)
    }
}
