//! The logs of an object: what its containers write, merged into one stream.
//!
//! [`Logs::read`] begins with the last lines of each container, in order of time (`merge`), and then follows
//! (`follow`): containers that the object gets join by themselves, and those that end leave. The lines of a container
//! are asked for anew where the connection to the engine broke, and none is told twice (`seen`).
//!
//! A stream of this module is only worked on while it is polled, and asks the engine for no more than is taken: a reader
//! that stands still holds up nobody. It keeps a line a container. What cannot be read is told in the stream, as a note.

use std::sync::Arc;

use futures_util::stream::{self, Stream};

use self::reading::Reading;
use crate::core::container::{Container, ContainerState};
use crate::core::name::ObjectName;
use crate::engine::Engine;
use crate::engine::logs::{LogLine, LogTime};
use crate::status::StatusReader;

mod follow;
mod merge;
mod reading;
mod seen;

pub use seen::Seen;

/// The most containers whose logs one stream reads at once: each takes a connection to the engine.
pub const MAX_CONTAINERS: usize = 64;
/// The most logs that are read at once, over all streams.
const MAX_AT_ONCE: usize = 2 * MAX_CONTAINERS;
/// The fewest, however few files may be open.
const MIN_AT_ONCE: usize = 4;
/// The most past lines of a container.
pub const MAX_TAIL: u32 = 10_000;
/// Past lines of a container, where nobody says how many.
pub const DEFAULT_TAIL: u32 = 100;

/// How many logs are read at once where there is room for so many more connections.
pub fn at_once(descriptors: usize) -> usize {
    descriptors.clamp(MIN_AT_ONCE, MAX_AT_ONCE)
}

/// Which lines are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Of this object's containers.
    pub object: ObjectName,
    /// Only of the one of this name, whether or not it runs.
    pub container: Option<String>,
    /// The last so many of each container.
    pub tail: u32,
    /// None from before this time.
    pub since: Option<LogTime>,
    /// And then those to come.
    pub follow: bool,
    /// Of those that have ended, in place of those that run; with `follow` of both.
    pub previous: bool,
}

/// Gives a place to read one log, which is given back when it is dropped; `None` where there is none left.
pub type Places = Arc<dyn Fn() -> Option<Place> + Send + Sync>;

/// A place to read one log.
pub type Place = Box<dyn Send>;

/// One thing that is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// A container wrote a line.
    Line {
        /// The container's name.
        container: Arc<str>,
        /// The line.
        line: LogLine,
    },
    /// Something about the stream itself: what is missing in it, and the way out.
    Note {
        /// The container that it is about, if it is about one.
        container: Option<Arc<str>>,
        /// In a sentence.
        text: String,
    },
    /// What was followed is gone: nothing more will come.
    Gone {
        /// What it was.
        text: String,
    },
}

/// What is asked for and is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// The object.
    Object,
    /// The object's container of that name. These are there.
    Container(Vec<String>),
}

/// Reads logs.
#[derive(Clone)]
pub struct Logs {
    engine: Arc<dyn Engine>,
    sources: StatusReader,
}

impl Logs {
    /// Reads the logs of the containers that these sources know of.
    pub fn new(engine: Arc<dyn Engine>, sources: StatusReader) -> Logs {
        Logs { engine, sources }
    }

    /// Whether there is what is asked for. A container may be missing as long as nothing was listed.
    pub fn find(&self, asked: &Asked) -> Result<(), Missing> {
        if !self.is_there(&asked.object) {
            return Err(Missing::Object);
        }
        let listed = self.sources.cache.engine().borrow().listed.is_some();
        if asked.container.is_none() || !listed || !self.containers(asked).is_empty() {
            return Ok(());
        }
        let all = Asked { container: None, ..asked.clone() };
        Err(Missing::Container(self.containers(&all).iter().map(|c| c.name.clone()).collect()))
    }

    /// The lines, from now on. Nothing is done before the stream is polled.
    pub fn read(&self, asked: Asked, places: Places) -> impl Stream<Item = Told> + Send + use<> {
        stream::unfold(Reading::new(self.clone(), asked, places), |mut reading| async move {
            let told = reading.next().await?;
            Some((told, reading))
        })
    }

    /// Whether there is such an object, or containers are left of a deleted one.
    fn is_there(&self, name: &ObjectName) -> bool {
        match self.sources.objects.borrow().get(name) {
            None => false,
            Some(object) => {
                object.is_shown(self.sources.cache.containers(name).borrow().values().any(|c| !c.rival))
            }
        }
    }

    /// The object's own containers that are asked about, by slot and attempt.
    fn containers(&self, asked: &Asked) -> Vec<Arc<Container>> {
        let containers = self.sources.cache.containers(&asked.object).borrow().clone();
        let wanted =
            |c: &&Arc<Container>| !c.rival && asked.container.as_ref().is_none_or(|name| *name == c.name);
        let mut containers: Vec<_> = containers.values().filter(wanted).cloned().collect();
        containers.sort_by_key(|c| (c.identity.slot, c.identity.attempt, c.id.clone()));
        containers
    }
}

/// Whether a container's process exists.
fn runs(container: &Container) -> bool {
    matches!(container.state, ContainerState::Running | ContainerState::Paused | ContainerState::Restarting)
}
