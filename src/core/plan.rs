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
pub enum Action {
    /// See to it that the image is there.
    Pull {
        /// The image.
        image: String,
        /// When to pull it.
        pull: Pull,
    },
    /// Make a container and start it.
    Create {
        /// Which one.
        identity: ContainerIdentity,
        /// Its image, for people.
        image: String,
    },
    /// Start a container that was made and does not run.
    Start {
        /// Its id.
        id: ContainerId,
        /// Its name, for people.
        name: String,
        /// The template that it was made from.
        template: TemplateHash,
    },
    /// Stop a container gracefully and remove it.
    Remove {
        /// Its id.
        id: ContainerId,
        /// Its name, for people.
        name: String,
        /// End its process at once: asking it to stop got no answer, again and again.
        force: bool,
    },
}

impl Action {
    /// The word that its line begins with.
    pub fn word(&self) -> &'static str {
        self.into()
    }
}

/// A step and why it is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What to do.
    pub action: Action,
    /// Why.
    pub cause: String,
}

/// A plan prints as one line a step.
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

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The steps to begin now.
    pub steps: Vec<Step>,
    /// When to look again even if nothing happens.
    pub wake_at: Option<Time>,
    /// How the object is doing.
    pub condition: Condition,
}
