//! Whether an observed snapshot can be trusted.

use crate::core::time::Time;

/// Whether an observed snapshot can be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// It can: it is complete and current.
    Good,
    /// It cannot yet.
    Waiting {
        /// Why, as a whole sentence.
        reason: String,
        /// When that may change by itself.
        until: Option<Time>,
    },
}
