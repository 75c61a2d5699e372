//! A plan: steps, each with its cause, and the condition of the object.

use std::fmt;

use strum::IntoStaticStr;

use crate::core::condition::Condition;
use crate::core::container::ContainerId;
use crate::core::labels::ContainerIdentity;
use crate::core::spec::{Pull, TemplateHash};
use crate::core::time::Time;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Action {
    /// Ensure that the image exists.
    Pull {
        /// The image.
        image: String,
        /// When to pull it.
        pull: Pull,
    },
    /// Create a container and start it.
    Create {
        /// Which one.
        identity: ContainerIdentity,
        /// Its image, for the plan's line.
        image: String,
    },
    /// Start a container that was created and does not run.
    Start {
        /// Its id.
        id: ContainerId,
        /// Its name, for the plan's line.
        name: String,
        /// Its template.
        template: TemplateHash,
    },
    /// Stop a container gracefully and remove it.
    Remove {
        /// Its id.
        id: ContainerId,
        /// Its name, for the plan's line.
        name: String,
        /// Kill it: several stops got no answer.
        force: bool,
    },
}

impl Action {
    /// The first word of its line.
    pub(crate) fn word(&self) -> &'static str {
        self.into()
    }
}

/// A step and its cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// The action.
    pub(crate) action: Action,
    /// Its cause.
    pub(crate) cause: String,
}

/// A plan prints as one line per step.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.action {
            Action::Pull { image, pull: Pull::Never } => write!(f, "find {image}")?,
            Action::Pull { image, .. } => write!(f, "pull {image}")?,
            Action::Create { identity, image } => {
                write!(f, "create {} image={image}", identity.container_name())?
            }
            Action::Start { id, name, .. } => write!(f, "start {name} id={}", id.short())?,
            Action::Remove { id, name, force } => {
                write!(f, "remove {name} id={}{}", id.short(), if *force { " force" } else { "" })?;
            }
        }
        write!(f, " cause={:?}", self.cause)
    }
}

/// The plan for one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The steps to begin now.
    pub(crate) steps: Vec<Step>,
    /// When to plan again even if nothing happens.
    pub(crate) wake_at: Option<Time>,
    /// The condition of the object.
    pub(crate) condition: Condition,
}
