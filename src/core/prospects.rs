//! What a create would meet now, for a dry run.

/// What a create would meet now, as far as questions tell that change nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prospects {
    /// Whether the image is there; `None` where that is unknown.
    pub image: Option<bool>,
    /// Why the create would be refused.
    pub refusal: Option<String>,
}
