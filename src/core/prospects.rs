//! What a create would meet now, for a dry run.

/// What a create would meet now, as far as read-only requests show.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prospects {
    /// Whether the image exists; `None` if unknown.
    pub(crate) image: Option<bool>,
    /// Why the create would be refused.
    pub(crate) refusal: Option<String>,
}
