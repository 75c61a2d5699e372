//! What changes in the status, told to everybody who watches it.
//!
//! One task looks at what is wanted, at the workers' board and at the cache, makes the status of what has
//! changed, and writes it down as a line with a number of its own. The newest line of each object and of the
//! engine make up a snapshot, which all readers share. A [`Watching`] reader keeps one number, that of the
//! last line it took, and takes from the newest snapshot what has greater ones, in their order. So there is no
//! queue: a slow reader costs nothing, never sees what is out of date, and always gets to what is newest.
//!
//! It is woken by those snapshots, and by each reader that begins: what a reader gets first was looked at after it
//! came. Changes within [`PAUSE`] are told as one. While nobody watches it sleeps, and keeps of each object the
//! number of its line and a digest; so a reader that was away for a while is told what is new, and no more.
//!
//! It never waits for a reader, and never asks the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use strum::IntoStaticStr;
use tokio::sync::watch;
use tokio::sync::watch::error::RecvError;
use tokio::time::sleep;
use tracing::error;

use crate::api::status::EngineStatus;
use crate::control::cache::Containers;
use crate::control::engine_state::EngineState;
use crate::control::progress::Progress;
use crate::core::name::ObjectName;
use crate::core::object::Object;
use crate::status::{StatusReader, object_status};

mod reader;

pub use reader::{Feed, Watching};

/// Between two looks: short for a person, and a bound for the work that a busy cluster makes.
pub const PAUSE: Duration = Duration::from_millis(100);
/// The most lines kept that say of an object that it is gone: as many as objects, so that all may be deleted at
/// once. A reader that was away for longer begins anew.
pub const MAX_GONE: usize = crate::core::object::MAX_OBJECTS;

/// The name of a line: `EPOCH-NUMBER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineId {
    /// Tells this process from others: its start, in milliseconds since the Unix epoch.
    pub epoch: u64,
    /// Grows from line to line, from 1.
    pub number: u64,
}

impl std::fmt::Display for LineId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.epoch, self.number)
    }
}

/// A text that is no [`LineId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("allowed is the Id of a line, such as 1764021600000-7")]
pub struct NoLineId;

impl std::str::FromStr for LineId {
    type Err = NoLineId;

    fn from_str(text: &str) -> Result<LineId, NoLineId> {
        let (epoch, number) = text.split_once('-').ok_or(NoLineId)?;
        let read = |digits: &str| digits.parse().map_err(|_| NoLineId);
        Ok(LineId { epoch: read(epoch)?, number: read(number)? })
    }
}

/// What a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum LineKind {
    /// How an object is.
    Object,
    /// That nothing is left of an object.
    Gone,
    /// How the engine is.
    Engine,
}

impl LineKind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

/// One change.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its name.
    pub id: LineId,
    /// What it says.
    pub kind: LineKind,
    /// JSON, and a newline.
    pub json: Bytes,
    /// The object; `None` for the engine.
    subject: Option<ObjectName>,
}

/// The newest line of everything, by number.
#[derive(Debug, Clone, Default)]
struct Snapshot {
    lines: BTreeMap<u64, Line>,
    /// The greatest number so far.
    last: u64,
    /// The greatest number of a line that was forgotten.
    forgotten: u64,
    /// So many readers had begun when this was looked at.
    begun: u64,
}

/// What is remembered of an object, or of the engine.
#[derive(Debug)]
struct Known {
    /// Of its newest line.
    number: u64,
    /// Of what that says; `None` where it says that nothing is left.
    digest: Option<u64>,
    /// What its line was made from, while somebody watches: if that is the same, so is the line.
    made_from: Option<Parts>,
}

/// What an object's status is made from.
#[derive(Debug)]
struct Parts {
    object: Arc<Object>,
    progress: Option<Arc<Progress>>,
    containers: Arc<Containers>,
}

impl Parts {
    fn same(&self, other: &Parts) -> bool {
        let progress = match (&self.progress, &other.progress) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        };
        progress
            && Arc::ptr_eq(&self.object, &other.object)
            && Arc::ptr_eq(&self.containers, &other.containers)
    }
}

/// The task that writes the lines, of which readers always have the newest.
pub struct Reporter {
    sources: StatusReader,
    engine: watch::Receiver<Arc<EngineState>>,
    containers: watch::Receiver<()>,
    begun: watch::Receiver<u64>,
    published: watch::Sender<Arc<Snapshot>>,
    epoch: u64,
    snapshot: Snapshot,
    known: BTreeMap<Option<ObjectName>, Known>,
    /// The numbers of lines that say that nothing is left.
    gone: BTreeSet<u64>,
}

/// A feed, for whoever wants to watch, and the task that writes it.
pub fn new(sources: StatusReader) -> (Feed, Reporter) {
    let epoch = sources.clock.now().0;
    let (begun, published) = (watch::Sender::new(0), watch::Sender::new(Arc::default()));
    let reporter = Reporter {
        engine: sources.cache.engine(),
        containers: sources.cache.changes(),
        begun: begun.subscribe(),
        published: published.clone(),
        epoch,
        snapshot: Snapshot::default(),
        known: BTreeMap::new(),
        gone: BTreeSet::new(),
        sources,
    };
    (Feed::new(epoch, begun, published), reporter)
}

impl Reporter {
    /// Writes for ever; ends where one of its sources does.
    pub async fn run(mut self) {
        loop {
            if self.published.receiver_count() == 0 {
                self.rest();
                if self.begun.changed().await.is_err() {
                    return;
                }
            }
            self.refresh();
            sleep(PAUSE).await;
            let published = self.published.clone();
            tokio::select! {
                changed = self.changed() => if changed.is_err() { return },
                () = published.closed() => {}
            }
        }
    }

    async fn changed(&mut self) -> Result<(), RecvError> {
        tokio::select! {
            changed = self.sources.objects.changed() => changed,
            changed = self.sources.progresses.changed() => changed,
            changed = self.containers.changed() => changed,
            changed = self.engine.changed() => changed,
            changed = self.begun.changed() => changed,
        }
    }

    /// Lets go of all that can be made anew.
    fn rest(&mut self) {
        self.snapshot.lines.retain(|_, line| line.kind == LineKind::Gone);
        self.known.values_mut().for_each(|known| known.made_from = None);
        self.published.send_replace(Arc::new(Snapshot { begun: self.snapshot.begun, ..Snapshot::default() }));
    }

    /// Writes a line for all that has changed, and publishes.
    fn refresh(&mut self) {
        self.snapshot.begun = *self.begun.borrow_and_update();
        self.containers.mark_unchanged();
        let objects = self.sources.objects.borrow_and_update().clone();
        let progresses = self.sources.progresses.borrow_and_update().clone();
        self.engine.mark_unchanged();
        self.line(None, None, &without_times(self.sources.engine()));

        let present = self.sources.cache.present().borrow().clone();
        let left = |name: &ObjectName, object: &Object| object.is_shown(present.contains(name));
        for (name, object) in objects.iter().filter(|(name, object)| left(name, object)) {
            let parts = Parts {
                object: Arc::clone(object),
                progress: progresses.get(name).cloned(),
                containers: self.sources.cache.containers(name).borrow().clone(),
            };
            let subject = Some(name.clone());
            let before = self.known.get(&subject).and_then(|known| known.made_from.as_ref());
            if before.is_some_and(|before| before.same(&parts)) {
                continue;
            }
            let containers: Vec<_> = parts.containers.values().cloned().collect();
            let status =
                object_status(object, parts.progress.as_deref(), &containers, self.sources.clock.offset());
            self.line(subject, Some(parts), &status);
        }
        let known = self.known.iter().filter(|(_, known)| known.digest.is_some());
        let gone: Vec<ObjectName> = known
            .filter_map(|(subject, _)| subject.clone())
            .filter(|name| objects.get(name).is_none_or(|object| !left(name, object)))
            .collect();
        gone.into_iter().for_each(|name| self.gone(name));
        let before = self.published.borrow().clone();
        if (before.last, before.begun) != (self.snapshot.last, self.snapshot.begun) {
            self.published.send_replace(Arc::new(self.snapshot.clone()));
        }
    }

    /// Writes how something is, under a new number if that differs from before.
    fn line(&mut self, subject: Option<ObjectName>, made_from: Option<Parts>, status: &impl Serialize) {
        let json = match serde_json::to_string(status) {
            Ok(json) => json,
            Err(error) => return error!(%error, "a status cannot be written"),
        };
        let mut hasher = DefaultHasher::new();
        json.hash(&mut hasher);
        let digest = Some(hasher.finish());
        let number = match self.known.get(&subject) {
            Some(known) if known.digest == digest => known.number,
            _ => self.next_number(&subject),
        };
        let (kind, field) =
            if subject.is_some() { (LineKind::Object, "Object") } else { (LineKind::Engine, "Engine") };
        self.write(number, kind, subject.clone(), &format!(r#""{field}":{json}"#));
        self.known.insert(subject, Known { number, digest, made_from });
    }

    /// Writes that nothing is left of an object.
    fn gone(&mut self, name: ObjectName) {
        let what = format!(r#""Name":"{name}""#);
        let subject = Some(name);
        let number = self.next_number(&subject);
        self.write(number, LineKind::Gone, subject.clone(), &what);
        self.known.insert(subject, Known { number, digest: None, made_from: None });
        self.gone.insert(number);
        if self.gone.len() > MAX_GONE
            && let Some(oldest) = self.gone.pop_first()
            && let Some(line) = self.snapshot.lines.remove(&oldest)
        {
            self.known.remove(&line.subject);
            self.snapshot.forgotten = oldest;
        }
    }

    /// A number for a new line, in place of the one before.
    fn next_number(&mut self, subject: &Option<ObjectName>) -> u64 {
        if let Some(before) = self.known.get(subject) {
            self.snapshot.lines.remove(&before.number);
            self.gone.remove(&before.number);
        }
        self.snapshot.last += 1;
        self.snapshot.last
    }

    /// Puts a line where readers find it.
    fn write(&mut self, number: u64, kind: LineKind, subject: Option<ObjectName>, what: &str) {
        let id = LineId { epoch: self.epoch, number };
        let json = format!("{{\"Id\":\"{id}\",\"Kind\":\"{}\",{what}}}\n", kind.word()).into();
        self.snapshot.lines.insert(number, Line { id, kind, json, subject });
    }
}

/// The engine's status without what changes all the time by itself: that would be a line each resync, or each
/// time an engine that does not answer is tried again. `GET /status` has it.
fn without_times(engine: EngineStatus) -> EngineStatus {
    EngineStatus {
        next_retry: None,
        last_complete_list: None,
        last_complete_list_age_seconds: None,
        ..engine
    }
}

#[cfg(test)]
mod tests;
