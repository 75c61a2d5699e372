//! How far this directory has come: a small file beside the state, so that an older copy of the state is noticed.
//!
//! It names the store and its last acknowledged commit, and is overwritten in place with each commit, without a
//! wait for the disk. So after a power cut it may lag behind, which only makes it forgiving; it never runs ahead.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The file's name in the data directory.
pub(super) const FILE: &str = "state.mark";

/// A store and its last acknowledged commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Tells this store from any other.
    pub(super) store: u64,
    /// Counts commits.
    pub(super) commit: u64,
}

impl Mark {
    /// Reads the mark of a directory. `None` where there is none, or one that a power cut left half-written.
    pub(super) fn read(dir: &Path) -> io::Result<Option<Mark>> {
        match std::fs::read(dir.join(FILE)) {
            Ok(bytes) => Ok(parse(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes it where the one before it was: it always has the same length.
    pub(super) fn write(self, file: &File) -> io::Result<()> {
        file.write_all_at(format!("store {:016x} commit {:020}\n", self.store, self.commit).as_bytes(), 0)
    }

    /// The file to write into.
    pub(super) fn open(dir: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create(true).truncate(false).open(dir.join(FILE))
    }
}

fn parse(bytes: &[u8]) -> Option<Mark> {
    let text = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?;
    let (store, commit) = text.strip_prefix("store ")?.split_once(" commit ")?;
    Some(Mark { store: u64::from_str_radix(store, 16).ok()?, commit: commit.parse().ok()? })
}
