//! Why a transaction is rejected.

use super::MAX_STATE_BYTES;
use crate::core::name::ObjectName;
use crate::core::object::MAX_OBJECTS;

/// Why a transaction is rejected. Nothing of it was taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// There is no such object.
    #[error("there is no object '{0}'")]
    NotFound(ObjectName),
    /// A precondition does not hold.
    #[error("the precondition on '{name}' does not hold: {found}")]
    Precondition {
        /// The object.
        name: ObjectName,
        /// What was found instead.
        found: String,
    },
    /// The object never had that spec, or it is no longer kept.
    #[error("'{name}' cannot go back to {wanted}: {known}")]
    NoRevision {
        /// The object.
        name: ObjectName,
        /// The requested revision, for the message.
        wanted: String,
        /// What exists instead, for the message.
        known: String,
    },
    /// This version cannot read the stored form of the object, and left it unchanged.
    #[error("'{name}' is stored in a form that this version cannot read ({why}); submit it again")]
    Quarantined {
        /// The object.
        name: ObjectName,
        /// Why it cannot be read.
        why: String,
    },
    /// More than [`MAX_OBJECTS`].
    #[error("there are {MAX_OBJECTS} objects already; delete one first")]
    Full,
    /// More than [`MAX_STATE_BYTES`].
    #[error(
        "the specs of all objects, with their history, would take more than {} MiB; delete objects, or submit smaller ones",
        MAX_STATE_BYTES >> 20
    )]
    TooLarge,
}

impl Rejected {
    /// Adds the submitted `Generation` to the message.
    pub(super) fn with_submitted(self, generation: u64) -> Rejected {
        match self {
            Rejected::Precondition { name, found } => {
                let wanted = match generation {
                    0 => "0, which asks for a new object".to_owned(),
                    generation => generation.to_string(),
                };
                let found = format!(
                    "{found}; the Generation in the submitted object is {wanted}: read it again (GET /objects/{name}), or \
                     leave Generation out to submit unconditionally"
                );
                Rejected::Precondition { name, found }
            }
            error => error,
        }
    }
}
