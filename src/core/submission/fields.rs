//! Our own fields of an object.

/// The most ended containers that may be kept per slot.
pub(crate) const MAX_HISTORY: u32 = 100;
/// Ended containers kept per slot by default.
pub(super) const DEFAULT_HISTORY: u32 = 1;
/// The field that names the generation that the object must have. It is a precondition of the submit, not part of the spec.
pub(crate) const GENERATION: &str = "Generation";
/// Our own fields, in addition to Docker's.
pub(crate) const OWN: [&str; 8] =
    ["Name", "Count", "Update", "OnNodeLost", "Pull", "Constraints", "History", GENERATION];
/// Our own fields whose change needs no new container.
pub(super) const NOT_IN_TEMPLATE: [&str; 6] = ["Name", "Count", "Update", "OnNodeLost", "Pull", "History"];
