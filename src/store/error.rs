//! Why a transaction was not committed.

use std::time::Duration;

use crate::core::transaction::Rejected;

/// Why a transaction was not committed. Nothing of it was, except where [`StoreError::Unsettled`] says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The transaction cannot be applied to what is stored.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The disk is full.
    #[error("the state cannot be written, the disk is full: {0}; make room and try again")]
    NoSpace(String),
    /// The commit failed, or an earlier one did and it is not yet known what the disk holds. `GET /objects` shows whether a
    /// change was taken as soon as the store can be written again.
    #[error("the state cannot be written: {0}; nothing is acknowledged until it can be")]
    Unsettled(String),
    /// The state cannot be written, for this reason. The next attempt is made within this time.
    #[error("{error}; the daemon tries again within {}", humantime::format_duration(*.retry))]
    Failing { error: Box<StoreError>, retry: Duration },
    /// The daemon is stopping.
    #[error("the daemon is stopping; nothing was changed")]
    Stopping,
}
