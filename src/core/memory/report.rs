//! How a step ended, as the actuator reports it.

use crate::core::container::ContainerId;
use crate::core::outcome::Outcome;

/// How a step ended, as the actuator tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// The image is there, or not.
    Image(Outcome<()>),
    /// A create, and then the start of what was created.
    Created(Outcome<ContainerId>),
    /// The name is taken, and nobody is seen to hold it: an earlier create of it is still under way. The text is the
    /// engine's.
    CreateInFlight(String),
    /// A container was made, then its start went wrong.
    CreatedNotStarted(ContainerId, Outcome<()>),
    /// A start.
    Started(Outcome<()>),
    /// A stop that got no answer for longer than it may take, and so no removal.
    NotStopped(Outcome<()>),
    /// A stop and removal.
    Removed(Outcome<()>),
}

impl Report {
    /// The word for how it ended in metrics; see [`Outcome::word`].
    pub fn word(&self) -> &'static str {
        match self {
            Report::Created(outcome) => outcome.word(),
            Report::CreateInFlight(_) => "in_doubt",
            Report::Image(outcome)
            | Report::CreatedNotStarted(_, outcome)
            | Report::Started(outcome)
            | Report::NotStopped(outcome)
            | Report::Removed(outcome) => outcome.word(),
        }
    }
}
