//! What the writer has of the disk, and how that fails.

use std::time::Duration;

use tokio::task::JoinError;
use tokio::time::Instant;

use crate::clock;
use crate::store::StoreError;
use crate::store::redb::file::StateFile;
use crate::store::redb::guard::Displaced;

pub(super) enum Disk {
    Good(StateFile),
    /// The file is not the one in the directory. It holds the acknowledged state.
    Displaced {
        file: StateFile,
        error: StoreError,
        retry_at: Instant,
    },
    /// A commit failed; the file has to be replaced.
    Failed {
        error: StoreError,
        commit: u64,
        retry_at: Instant,
        pause: Duration,
    },
    /// A blocking task uses it.
    Away,
}

impl Disk {
    /// The answer to transactions while nothing can be written.
    pub(super) fn failing(&self) -> Option<StoreError> {
        match self {
            Disk::Failed { error, retry_at, .. } | Disk::Displaced { error, retry_at, .. } => {
                let left = retry_at.saturating_duration_since(clock::monotonic());
                // Rounded up, so that it is never 0.
                let retry = Duration::from_secs(left.as_secs() + 1);
                Some(StoreError::Failing { error: Box::new(error.clone()), retry })
            }
            Disk::Good(_) | Disk::Away => None,
        }
    }
}

/// Why a batch is not on disk.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommitError {
    /// Nothing was written.
    #[error("{0}")]
    NotBegun(Displaced),
    #[error("{0}")]
    Failed(redb::Error),
    /// It was written to a file that has lost its name meanwhile.
    #[error("{0}")]
    Lost(Displaced),
}

pub(super) fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
}

pub(super) fn panicked(panic: &JoinError) -> String {
    format!("the write panicked: {panic}")
}
