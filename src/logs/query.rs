//! What is asked for, and what the answer is made of.

use std::sync::Arc;

use crate::core::container::{Container, ContainerState};
use crate::core::name::ObjectName;
use crate::engine::logs::{LogLine, LogTime};

/// The most containers whose logs one stream reads at once: each takes a connection to the engine.
pub const MAX_CONTAINERS: usize = 64;
/// The most past lines per container.
pub const MAX_TAIL: u32 = 10_000;
/// Past lines per container by default.
pub const DEFAULT_TAIL: u32 = 100;

/// Which lines are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    /// Of this object's containers.
    pub object: ObjectName,
    /// Only of the container of this name, running or not.
    pub container: Option<String>,
    /// The last lines of each container, this many.
    pub tail: u32,
    /// No lines from before this time.
    pub since: Option<LogTime>,
    /// Then follow new lines.
    pub follow: bool,
    /// Lines of ended containers instead of running ones; with `follow`, of both.
    pub previous: bool,
}

/// Hands out permits to read one log each; `None` if none is left.
pub type LogPermits = Arc<dyn Fn() -> Option<LogPermit> + Send + Sync>;

/// A permit to read one log, returned when it is dropped.
pub type LogPermit = Box<dyn Send>;

/// One item of the stream.
#[derive(Debug, Clone, PartialEq)]
pub enum LogItem {
    /// A container wrote a line.
    Line {
        /// The container's name.
        container: Arc<str>,
        /// The line.
        line: LogLine,
    },
    /// About the stream itself: what is missing from it, and what to do about it.
    Note {
        /// The container that it is about, if any.
        container: Option<Arc<str>>,
        /// In a sentence.
        text: String,
    },
    /// What was followed is gone: the stream ends.
    Gone {
        /// What it was.
        text: String,
    },
}

/// What was asked for and does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// The object.
    Object,
    /// The object's container of that name; these exist.
    Container(Vec<String>),
}

/// Whether a container's process exists.
pub(super) fn runs(container: &Container) -> bool {
    matches!(container.state, ContainerState::Running | ContainerState::Paused | ContainerState::Restarting)
}
