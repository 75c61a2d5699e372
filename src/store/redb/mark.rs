//! A small file beside the state that names the last commit, so that an older copy of the state is detected.
//!
//! It names the store and its last acknowledged commit, and is overwritten in place with each commit, without waiting for the
//! disk. After a power cut it may lag behind, which only makes the check more lenient; it is never ahead.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The file's name in the data directory.
pub(super) const FILE: &str = "state.mark";

/// A store and its last acknowledged commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Identifies the store.
    pub(super) store: u64,
    /// The number of the commit.
    pub(super) commit: u64,
}

impl Mark {
    /// Reads the mark of a directory. `None` if there is none, or if a power cut left it incomplete.
    pub(super) fn read(dir: &Path) -> io::Result<Option<Mark>> {
        match std::fs::read(dir.join(FILE)) {
            Ok(bytes) => Ok(parse(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Overwrites the former mark: all marks have the same length.
    pub(super) fn write(self, file: &File) -> io::Result<()> {
        file.write_all_at(format!("store {:016x} commit {:020}\n", self.store, self.commit).as_bytes(), 0)
    }

    /// Opens the file for writing.
    pub(super) fn open(dir: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create(true).truncate(false).open(dir.join(FILE))
    }
}

fn parse(bytes: &[u8]) -> Option<Mark> {
    let text = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?;
    let (store, commit) = text.strip_prefix("store ")?.split_once(" commit ")?;
    Some(Mark { store: u64::from_str_radix(store, 16).ok()?, commit: commit.parse().ok()? })
}
