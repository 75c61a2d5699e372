//! A stream of changes of the status.
//!
//! One task reads the desired state, the published progress and the cache, builds the status of what has changed, and writes it
//! as a line with its own number. The newest line of each object and of the engine form a snapshot, which all readers share. A
//! [`Watching`](reader::Watching) reader keeps one number, that of the last line it read, and reads the lines with greater numbers from the newest
//! snapshot, in order. So there is no queue: a slow reader costs nothing, never sees outdated lines, and always reaches the
//! newest.
//!
//! The task is woken by changes of its sources, and by each new reader: the first snapshot of a reader is built after it arrived.
//! Changes within [`PAUSE`] are one line. Without readers the task sleeps, and keeps the number and a digest of each object's
//! line; so a returning reader gets only what is new.
//!
//! It never waits for a reader, and never calls the engine.

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

pub(crate) use reader::Feed;

/// The pause between two refreshes: short for a user, and a bound on the work for a busy cluster.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);
/// The most `gone` lines kept: as many as objects, so that all may be deleted at once. A reader that was away for longer starts
/// over.
pub(crate) const MAX_GONE: usize = crate::core::object::MAX_OBJECTS;

/// The id of a line: `EPOCH-NUMBER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineId {
    /// Identifies the process: its start, in milliseconds since the Unix epoch.
    pub(crate) epoch: u64,
    /// Grows from line to line, from 1.
    pub(crate) number: u64,
}

impl std::fmt::Display for LineId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.epoch, self.number)
    }
}

/// A text that is no [`LineId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("allowed is the Id of a line, such as 1764021600000-7")]
pub(crate) struct NoLineId;

impl std::str::FromStr for LineId {
    type Err = NoLineId;

    fn from_str(text: &str) -> Result<LineId, NoLineId> {
        let (epoch, number) = text.split_once('-').ok_or(NoLineId)?;
        let read = |digits: &str| digits.parse().map_err(|_| NoLineId);
        Ok(LineId { epoch: read(epoch)?, number: read(number)? })
    }
}

/// The kind of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum LineKind {
    /// The status of an object.
    Object,
    /// Nothing is left of an object.
    Gone,
    /// The status of the engine.
    Engine,
}

impl LineKind {
    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        self.into()
    }
}

/// One change.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// Its id.
    pub(crate) id: LineId,
    /// Its kind.
    pub(crate) kind: LineKind,
    /// JSON, and a newline.
    pub(crate) json: Bytes,
    /// The object; `None` for the engine.
    subject: Option<ObjectName>,
}

/// The newest line of each subject, by number.
#[derive(Debug, Clone, Default)]
struct LinesSnapshot {
    lines: BTreeMap<u64, Line>,
    /// The greatest number so far.
    last: u64,
    /// The greatest number of a dropped line.
    forgotten: u64,
    /// How many readers had begun before this snapshot.
    begun: u64,
}

/// What is remembered of an object or of the engine.
#[derive(Debug)]
struct LastLine {
    /// The number of its newest line.
    number: u64,
    /// The digest of that line's content; `None` if nothing is left.
    digest: Option<u64>,
    /// The parts of its line, while there are readers: if they are the same, so is the line.
    made_from: Option<Parts>,
}

/// The parts of an object's status.
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

/// The task that writes the lines; readers always get the newest.
pub(crate) struct Reporter {
    sources: StatusReader,
    engine: watch::Receiver<Arc<EngineState>>,
    containers: watch::Receiver<()>,
    begun: watch::Receiver<u64>,
    published: watch::Sender<Arc<LinesSnapshot>>,
    epoch: u64,
    snapshot: LinesSnapshot,
    known: BTreeMap<Option<ObjectName>, LastLine>,
    /// The numbers of the `gone` lines.
    gone: BTreeSet<u64>,
}

/// A feed for readers, and the task that writes it.
pub(crate) fn new(sources: StatusReader) -> (Feed, Reporter) {
    let epoch = sources.clock.now().0;
    let (begun, published) = (watch::Sender::new(0), watch::Sender::new(Arc::default()));
    let reporter = Reporter {
        engine: sources.cache.engine(),
        containers: sources.cache.changes(),
        begun: begun.subscribe(),
        published: published.clone(),
        epoch,
        snapshot: LinesSnapshot::default(),
        known: BTreeMap::new(),
        gone: BTreeSet::new(),
        sources,
    };
    (Feed::new(epoch, begun, published), reporter)
}

impl Reporter {
    /// Runs until one of its sources ends.
    pub(crate) async fn run(mut self) {
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

    /// Drops everything that can be recreated.
    fn rest(&mut self) {
        self.snapshot.lines.retain(|_, line| line.kind == LineKind::Gone);
        self.known.values_mut().for_each(|known| known.made_from = None);
        self.published
            .send_replace(Arc::new(LinesSnapshot { begun: self.snapshot.begun, ..LinesSnapshot::default() }));
    }

    /// Writes a line for everything that has changed, and publishes.
    fn refresh(&mut self) {
        self.snapshot.begun = *self.begun.borrow_and_update();
        self.containers.mark_unchanged();
        let objects = self.sources.objects.borrow_and_update().clone();
        let progresses = self.sources.progresses.borrow_and_update().clone();
        self.engine.mark_unchanged();
        self.line(None, None, &without_times(self.sources.engine()));

        let nodes = self.sources.cache.engine().borrow().nodes.clone();
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
            let progress = parts.progress.as_deref();
            let status = object_status(object, progress, &containers, &nodes, self.sources.clock.offset());
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

    /// Writes a status, under a new number if it differs from the last one.
    fn line(&mut self, subject: Option<ObjectName>, made_from: Option<Parts>, status: &impl Serialize) {
        let json = match serde_json::to_string(status) {
            Ok(json) => json,
            Err(error) => return error!(%error, "a status cannot be serialized"),
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
        self.known.insert(subject, LastLine { number, digest, made_from });
    }

    /// Writes that nothing is left of an object.
    fn gone(&mut self, name: ObjectName) {
        let what = format!(r#""Name":"{name}""#);
        let subject = Some(name);
        let number = self.next_number(&subject);
        self.write(number, LineKind::Gone, subject.clone(), &what);
        self.known.insert(subject, LastLine { number, digest: None, made_from: None });
        self.gone.insert(number);
        if self.gone.len() > MAX_GONE
            && let Some(oldest) = self.gone.pop_first()
            && let Some(line) = self.snapshot.lines.remove(&oldest)
        {
            self.known.remove(&line.subject);
            self.snapshot.forgotten = oldest;
        }
    }

    /// A number for a new line, which replaces the former one.
    fn next_number(&mut self, subject: &Option<ObjectName>) -> u64 {
        if let Some(before) = self.known.get(subject) {
            self.snapshot.lines.remove(&before.number);
            self.gone.remove(&before.number);
        }
        self.snapshot.last += 1;
        self.snapshot.last
    }

    /// Adds a line to the snapshot.
    fn write(&mut self, number: u64, kind: LineKind, subject: Option<ObjectName>, what: &str) {
        let id = LineId { epoch: self.epoch, number };
        let json = format!("{{\"Id\":\"{id}\",\"Kind\":\"{}\",{what}}}\n", kind.word()).into();
        self.snapshot.lines.insert(number, Line { id, kind, json, subject });
    }
}

/// The engine's status without times that change by themselves: they would cause a line per resync or retry. `GET /status` has
/// them.
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
