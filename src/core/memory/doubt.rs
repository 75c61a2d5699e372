//! A create whose outcome is unknown.

use std::time::Duration;

use crate::core::spec::TemplateHash;
use crate::core::time::Time;

/// A create in doubt that no list has shown for this long is forgotten; if it succeeds later, a list shows the container.
pub(super) const DOUBT_LIFETIME: Duration = Duration::from_secs(300);

/// A create whose outcome is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Doubt {
    /// The template of the container.
    pub(crate) template: TemplateHash,
    /// Why it is unknown.
    pub(crate) why: String,
    /// When the same name may be retried.
    pub(crate) retry_at: Time,
    pub(super) since: Time,
    pub(super) tries: u32,
}
