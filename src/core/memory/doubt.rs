//! A create whose outcome is unknown.

use std::time::Duration;

use crate::core::spec::TemplateHash;
use crate::core::time::Time;

/// A create in doubt that no list has shown for this long is forgotten: should it land yet, the list says so.
pub(super) const DOUBT_LIFETIME: Duration = Duration::from_secs(300);

/// A create whose outcome is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// The template of the container.
    pub template: TemplateHash,
    /// Why it is not known.
    pub why: String,
    /// When the same name may be tried again.
    pub retry_at: Time,
    pub(super) since: Time,
    pub(super) tries: u32,
}
