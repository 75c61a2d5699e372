//! Whether an observed snapshot may be believed.

use crate::core::time::Time;

/// Whether an observed snapshot may be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// It is complete and current.
    Good,
    /// It is not.
    Waiting {
        /// Why: a whole sentence.
        reason: String,
        /// When that may change by itself.
        until: Option<Time>,
    },
}
