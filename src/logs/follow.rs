//! Follows the logs of containers that come and go.
//!
//! The object's containers are checked again whenever they change. If a log ends while its container runs, it is requested again
//! from its last line on: the engine may have been restarted, or the container by its restart policy.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream, SelectAll};
use tokio::time::{Instant, sleep_until};

use super::query::{LogItem, LogPermit, LogQuery, MAX_CONTAINERS, MAX_TAIL, runs};
use super::reader::Reader;
use super::seen::Seen;
use crate::clock;
use crate::core::container::{Container, ContainerId, Visibility};
use crate::engine::Engine;
use crate::engine::logs::{LogLine, LogRequest, LogTime, LogsError};

/// The first pause before a log is requested again; it doubles with each request that gives no line.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The pause before another attempt to get a permit.
const NO_PERMIT: Duration = Duration::from_secs(5);
/// How long the last lines of ended containers may take to arrive.
const LAST_LINES: Duration = Duration::from_secs(5);

/// The followed logs.
pub(super) struct Follow {
    streams: SelectAll<BoxStream<'static, (ContainerId, LogEvent)>>,
    known: BTreeMap<ContainerId, FollowedLog>,
    begun: LogTime,
    /// Something may have changed.
    look: bool,
    /// When to check again in any case.
    wake: Option<Instant>,
    /// The followed containers are gone; until when their last lines are awaited.
    closing: Option<Instant>,
    noted_limit: bool,
    noted_permits: bool,
}

enum LogEvent {
    Line(LogLine),
    Failed(LogsError),
    Ended,
}

/// A container whose log may be read.
pub(super) struct FollowedLog {
    /// How far its log was read.
    pub(super) seen: Seen,
    name: Arc<str>,
    state: FollowState,
    /// What to request as long as no line was read.
    first: (Option<u32>, Option<LogTime>),
    /// It was requested before.
    asked: bool,
    /// How far it was read at the last request: lines up to there are repeated.
    before: Seen,
    pause: Duration,
    /// The last reported problem.
    problem: Option<String>,
}

enum FollowState {
    /// Its lines are arriving.
    Streaming { _permit: LogPermit },
    /// It has ended and was read completely, or none of it is wanted.
    Ended,
    /// To be requested at this time.
    Due(Instant),
    /// The limit of followed logs is reached.
    LeftOut,
    /// Its node does not answer.
    Away,
    /// Its log is not readable.
    Unreadable,
}

impl FollowedLog {
    fn new(container: &Container, first: (Option<u32>, Option<LogTime>)) -> FollowedLog {
        FollowedLog {
            seen: Seen::default(),
            name: container.name.as_str().into(),
            state: FollowState::Due(clock::monotonic()),
            first,
            asked: false,
            before: Seen::default(),
            pause: PAUSE,
            problem: None,
        }
    }

    /// A container that existed at the beginning and whose past lines are not shown.
    pub(super) fn left_out(container: &Container, asked: &LogQuery) -> FollowedLog {
        let known = FollowedLog::new(container, (Some(asked.tail), asked.since));
        if runs(container) { known } else { FollowedLog { state: FollowState::Ended, ..known } }
    }

    /// Its past lines are shown: the lines after them are wanted, even if there were none.
    pub(super) fn skip_past(&mut self, asked: &LogQuery) {
        self.first = (Some(if asked.tail == 0 { 0 } else { MAX_TAIL }), asked.since);
    }

    /// Records that its log could not be read. Returns the problem, unless it was reported before.
    pub(super) fn failed(&mut self, error: &LogsError) -> Option<String> {
        self.state = match error {
            LogsError::Gone => FollowState::Ended,
            LogsError::NotReadable(_) => FollowState::Unreadable,
            LogsError::Silent(_) => FollowState::Due(clock::monotonic()),
            LogsError::NodeAway(_) | LogsError::Failed(_) => self.due_after_pause(),
        };
        match error {
            LogsError::Gone | LogsError::Silent(_) => None,
            error => self.new_problem(error.to_string()),
        }
    }

    /// Records that its node does not answer. Returns the problem, unless it was reported before.
    pub(super) fn away(&mut self, container: &Container) -> Option<String> {
        self.state = FollowState::Away;
        let node = container.node.as_deref().unwrap_or("unknown");
        self.new_problem(LogsError::NodeAway(format!("node {node}")).to_string())
    }

    fn new_problem(&mut self, problem: String) -> Option<String> {
        let news = self.problem.as_ref() != Some(&problem);
        self.problem = Some(problem);
        self.problem.clone().filter(|_| news)
    }

    fn due_after_pause(&mut self) -> FollowState {
        let at = clock::monotonic() + self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        FollowState::Due(at)
    }

    fn is_streaming(&self) -> bool {
        matches!(self.state, FollowState::Streaming { .. })
    }

    /// Whether its log is to be requested now.
    fn is_due(&mut self, container: &Container) -> bool {
        match self.state {
            FollowState::Streaming { .. } | FollowState::Unreadable => false,
            FollowState::Ended => {
                if runs(container) {
                    self.state = self.due_after_pause();
                }
                false
            }
            FollowState::Due(at) => at <= clock::monotonic(),
            FollowState::LeftOut => true,
            FollowState::Away => container.visibility != Visibility::HostDown,
        }
    }

    /// The request for lines that were not read yet.
    fn request(&mut self, begun: LogTime) -> LogRequest {
        self.before = self.seen;
        let again = std::mem::replace(&mut self.asked, true);
        let (tail, since) = match self.seen.last() {
            Some(last) => (Some(MAX_TAIL), Some(last)),
            // No past lines were wanted, but lines since the beginning may be past by now.
            None if again && self.first.0 == Some(0) => (Some(MAX_TAIL), self.first.1.max(Some(begun))),
            None => self.first,
        };
        LogRequest { tail, since, follow: true }
    }
}

impl Follow {
    /// Follows these containers from where their logs were read to.
    pub(super) fn new(known: BTreeMap<ContainerId, FollowedLog>, begun: LogTime) -> Follow {
        Follow {
            streams: SelectAll::new(),
            known,
            begun,
            look: true,
            wake: None,
            closing: None,
            noted_limit: false,
            noted_permits: false,
        }
    }

    /// Waits for the next event, and puts the resulting items into `reader.ready`. False at the end.
    pub(super) async fn step(&mut self, reader: &mut Reader) -> bool {
        if std::mem::take(&mut self.look) {
            self.open_due(reader);
            if let Some(text) = self.gone(reader) {
                reader.ready.push_back(LogItem::Gone { text });
                return false;
            }
            if !reader.ready.is_empty() {
                return true;
            }
        }
        let wake = self.wake.into_iter().chain(self.closing).min();
        let timer = async {
            match wake {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let Reader { containers, objects, .. } = &mut *reader;
        tokio::select! {
            Some((id, event)) = self.streams.next(), if !self.streams.is_empty() => {
                self.record(reader, &id, event);
                true
            }
            changed = containers.changed() => {
                self.look = true;
                changed.is_ok()
            }
            changed = objects.changed() => {
                self.look = true;
                changed.is_ok()
            }
            () = timer => {
                self.look = true;
                true
            }
        }
    }

    fn record(&mut self, reader: &mut Reader, id: &ContainerId, event: LogEvent) {
        let Some(known) = self.known.get_mut(id) else { return };
        match event {
            LogEvent::Line(line) => {
                if known.before.covers(line.at) {
                    return;
                }
                known.seen.note(line.at);
                (known.pause, known.problem) = (PAUSE, None);
                reader.ready.push_back(LogItem::Line { container: known.name.clone(), line });
            }
            LogEvent::Failed(error) => {
                if let Some(text) = known.failed(&error) {
                    let name = known.name.clone();
                    reader.note(Some(name), text);
                }
                self.look = true;
            }
            LogEvent::Ended => {
                known.state = FollowState::Ended;
                self.look = true;
            }
        }
    }

    /// Requests the logs of containers that have joined, or whose logs are due again.
    fn open_due(&mut self, reader: &mut Reader) {
        let there = reader.logs.containers(&reader.query);
        let here = reader.logs.sources.cache.containers(&reader.query.object).borrow().clone();
        self.known.retain(|id, known| known.is_streaming() || here.contains_key(id));
        let mut streaming = self.known.values().filter(|known| known.is_streaming()).count();
        for container in &there {
            if !runs(container) && !container.dead() && !self.known.contains_key(&container.id) {
                continue;
            }
            // A new container is read from its beginning.
            let first = (None, reader.query.since);
            let known =
                self.known.entry(container.id.clone()).or_insert_with(|| FollowedLog::new(container, first));
            if !known.is_due(container) {
                continue;
            }
            if container.visibility == Visibility::HostDown {
                if let Some(text) = known.away(container) {
                    let name = known.name.clone();
                    reader.note(Some(name), text);
                }
                continue;
            }
            if streaming >= MAX_CONTAINERS {
                known.state = FollowState::LeftOut;
                if !std::mem::replace(&mut self.noted_limit, true) {
                    reader.note(None, too_many(there.len()));
                }
                continue;
            }
            let Some(permit) = (reader.permits)() else {
                known.state = FollowState::Due(clock::monotonic() + NO_PERMIT);
                if !std::mem::replace(&mut self.noted_permits, true) {
                    reader.note(
                        None,
                        format!("{NO_PERMIT_LEFT}; the missing ones follow when others have ended"),
                    );
                }
                continue;
            };
            let request = known.request(self.begun);
            known.state = FollowState::Streaming { _permit: permit };
            streaming += 1;
            self.streams.push(open(reader.logs.engine.clone(), container.id.clone(), request));
        }
        let due = |known: &FollowedLog| match known.state {
            FollowState::Due(at) => Some(at),
            _ => None,
        };
        self.wake = self.known.values().filter_map(due).min();
    }

    /// Why no more lines will come, if so.
    fn gone(&mut self, reader: &Reader) -> Option<String> {
        let LogQuery { object, container, .. } = &reader.query;
        let text = match container {
            _ if !reader.logs.is_there(object) => format!("the object {object} is gone"),
            Some(name) => {
                let mut there = reader.logs.containers(&reader.query).into_iter();
                let over = |c: Arc<Container>| {
                    let ended = |known: &FollowedLog| {
                        matches!(known.state, FollowState::Ended | FollowState::Unreadable)
                    };
                    c.dead() && self.known.get(&c.id).is_none_or(ended)
                };
                if !there.all(over) {
                    self.closing = None;
                    return None;
                }
                format!("the container {name} has ended")
            }
            None => {
                self.closing = None;
                return None;
            }
        };
        let until = *self.closing.get_or_insert_with(|| clock::monotonic() + LAST_LINES);
        (self.streams.is_empty() || until <= clock::monotonic()).then_some(text)
    }
}

/// The note that there are more containers than are read at once.
pub(super) fn too_many(there: usize) -> String {
    format!(
        "the logs of {MAX_CONTAINERS} of {there} containers are read at once: name one of the others with container=NAME"
    )
}

/// The note that no permit is left.
pub(super) const NO_PERMIT_LEFT: &str =
    "too many logs are read at once, by all clients or by this one, to read those of all containers";

/// The events of one log; the last one is a failure or the end.
fn open(
    engine: Arc<dyn Engine>,
    id: ContainerId,
    request: LogRequest,
) -> BoxStream<'static, (ContainerId, LogEvent)> {
    let of = id.clone();
    let opened = stream::once(async move { engine.logs(&of, request).await });
    let events = opened.flat_map(|opened| match opened {
        Ok(lines) => lines.map(|line| line.map_or_else(LogEvent::Failed, LogEvent::Line)).boxed(),
        Err(error) => stream::once(std::future::ready(LogEvent::Failed(error))).boxed(),
    });
    let ended = stream::once(std::future::ready(LogEvent::Ended));
    let until_last = |over: &mut bool, event: LogEvent| {
        let before = std::mem::replace(over, !matches!(event, LogEvent::Line(_)));
        std::future::ready((!before).then_some(event))
    };
    events.chain(ended).scan(false, until_last).map(move |event| (id.clone(), event)).boxed()
}
