//! How a step ended, as the actuator reports it.

use crate::core::container::ContainerId;
use crate::core::outcome::Outcome;

/// How a step ended, as the actuator reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Report {
    /// The image was ensured.
    Image(Outcome<()>),
    /// A create, followed by the start of the container.
    Created(Outcome<ContainerId>),
    /// The name is taken, but no container has it: an earlier create is still under way. The text is the engine's message.
    CreateInFlight(String),
    /// A container was created, and its start failed.
    CreatedNotStarted(ContainerId, Outcome<()>),
    /// A start.
    Started(Outcome<()>),
    /// A stop that got no answer for longer than it may take, so there was no removal.
    NotStopped(Outcome<()>),
    /// A stop and removal.
    Removed(Outcome<()>),
}

impl Report {
    /// The word for its outcome in metrics; see [`Outcome::word`].
    pub(crate) fn word(&self) -> &'static str {
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
