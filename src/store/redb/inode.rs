//! What identifies a file, whatever its name.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// Identifies a file independently of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Inode {
    device: u64,
    number: u64,
}

impl From<Metadata> for Inode {
    fn from(metadata: Metadata) -> Inode {
        Inode { device: metadata.dev(), number: metadata.ino() }
    }
}
