//! Lines as they come, of containers that come and go.
//!
//! What an object has is looked at again whenever that changes. A container whose log ends while it runs is asked for
//! again, from its last line on: its engine may have been restarted, or the container by its restart policy.

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

/// Before a log is asked for again for the first time; doubled with each time that gave no line.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Before it is looked again for a place to read a log.
const NO_PLACE: Duration = Duration::from_secs(5);
/// The last lines of containers that are gone have this long to arrive.
const LAST_LINES: Duration = Duration::from_secs(5);

/// The logs that are followed.
pub(super) struct Follow {
    streams: SelectAll<BoxStream<'static, (ContainerId, LogEvent)>>,
    known: BTreeMap<ContainerId, Known>,
    begun: LogTime,
    /// Something may have changed.
    look: bool,
    /// When to look again anyhow.
    wake: Option<Instant>,
    /// What is followed is gone, and its last lines are waited for until then.
    closing: Option<Instant>,
    told_limit: bool,
    told_places: bool,
}

enum LogEvent {
    Line(LogLine),
    Failed(LogsError),
    Ended,
}

/// A container that was seen with something to read.
pub(super) struct Known {
    /// What of its log was told.
    pub(super) seen: Seen,
    name: Arc<str>,
    state: FollowState,
    /// What is asked for as long as no line was told.
    first: (Option<u32>, Option<LogTime>),
    /// It was asked for.
    asked: bool,
    /// What was told when its log was asked for last: lines that come again.
    before: Seen,
    pause: Duration,
    /// What was last said to be wrong with it.
    complaint: Option<String>,
}

enum FollowState {
    /// Its lines come.
    Streaming { _place: LogPermit },
    /// It has ended and all of it was told, or nothing of it is wanted.
    Ended,
    /// It is asked for at this time.
    Due(Instant),
    /// As many as may be are followed already.
    LeftOut,
    /// Its node does not answer.
    Away,
    /// Its log cannot be read at all.
    Unreadable,
}

impl Known {
    fn new(container: &Container, first: (Option<u32>, Option<LogTime>)) -> Known {
        Known {
            seen: Seen::default(),
            name: container.name.as_str().into(),
            state: FollowState::Due(clock::monotonic()),
            first,
            asked: false,
            before: Seen::default(),
            pause: PAUSE,
            complaint: None,
        }
    }

    /// One that was there at the beginning, and of which nothing was told.
    pub(super) fn left_out(container: &Container, asked: &LogQuery) -> Known {
        let known = Known::new(container, (Some(asked.tail), asked.since));
        if runs(container) { known } else { Known { state: FollowState::Ended, ..known } }
    }

    /// Its past lines are told: what comes after them is wanted, also where there are none.
    pub(super) fn past_is_told(&mut self, asked: &LogQuery) {
        self.first = (Some(if asked.tail == 0 { 0 } else { MAX_TAIL }), asked.since);
    }

    /// Its log could not be read. Returns what to say about that, if it has not been said.
    pub(super) fn failed(&mut self, error: &LogsError) -> Option<String> {
        self.state = match error {
            LogsError::Gone => FollowState::Ended,
            LogsError::NotReadable(_) => FollowState::Unreadable,
            LogsError::Silent(_) => FollowState::Due(clock::monotonic()),
            LogsError::NodeAway(_) | LogsError::Failed(_) => self.after_a_pause(),
        };
        match error {
            LogsError::Gone | LogsError::Silent(_) => None,
            error => self.complain(error.to_string()),
        }
    }

    /// Its node does not answer. Returns what to say about that, if it has not been said.
    pub(super) fn away(&mut self, container: &Container) -> Option<String> {
        self.state = FollowState::Away;
        let node = container.node.as_deref().unwrap_or("unknown");
        self.complain(LogsError::NodeAway(format!("node {node}")).to_string())
    }

    fn complain(&mut self, complaint: String) -> Option<String> {
        let news = self.complaint.as_ref() != Some(&complaint);
        self.complaint = Some(complaint);
        self.complaint.clone().filter(|_| news)
    }

    fn after_a_pause(&mut self) -> FollowState {
        let at = clock::monotonic() + self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        FollowState::Due(at)
    }

    fn is_streaming(&self) -> bool {
        matches!(self.state, FollowState::Streaming { .. })
    }

    /// Whether its log is to be asked for now. Takes note of what became of it.
    fn is_due(&mut self, container: &Container) -> bool {
        match self.state {
            FollowState::Streaming { .. } | FollowState::Unreadable => false,
            FollowState::Ended => {
                if runs(container) {
                    self.state = self.after_a_pause();
                }
                false
            }
            FollowState::Due(at) => at <= clock::monotonic(),
            FollowState::LeftOut => true,
            FollowState::Away => container.visibility != Visibility::HostDown,
        }
    }

    /// What is asked for: what was not told yet.
    fn request(&mut self, begun: LogTime) -> LogRequest {
        self.before = self.seen;
        let again = std::mem::replace(&mut self.asked, true);
        let (tail, since) = match self.seen.last() {
            Some(last) => (Some(MAX_TAIL), Some(last)),
            // Nothing of the past was wanted, and some of what came since may be the past by now.
            None if again && self.first.0 == Some(0) => (Some(MAX_TAIL), self.first.1.max(Some(begun))),
            None => self.first,
        };
        LogRequest { tail, since, follow: true }
    }
}

impl Follow {
    /// Goes on behind what was told of these.
    pub(super) fn new(known: BTreeMap<ContainerId, Known>, begun: LogTime) -> Follow {
        Follow {
            streams: SelectAll::new(),
            known,
            begun,
            look: true,
            wake: None,
            closing: None,
            told_limit: false,
            told_places: false,
        }
    }

    /// Waits for the next event, and puts what there is to tell into `reader.ready`. False at the end.
    pub(super) async fn step(&mut self, reader: &mut Reader) -> bool {
        if std::mem::take(&mut self.look) {
            self.look_around(reader);
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
                self.happened(reader, &id, event);
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

    fn happened(&mut self, reader: &mut Reader, id: &ContainerId, event: LogEvent) {
        let Some(known) = self.known.get_mut(id) else { return };
        match event {
            LogEvent::Line(line) => {
                if known.before.covers(line.at) {
                    return;
                }
                known.seen.note(line.at);
                (known.pause, known.complaint) = (PAUSE, None);
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

    /// Asks for the logs of containers that have joined, or are to be asked again.
    fn look_around(&mut self, reader: &mut Reader) {
        let there = reader.logs.containers(&reader.asked);
        let here = reader.logs.sources.cache.containers(&reader.asked.object).borrow().clone();
        self.known.retain(|id, known| known.is_streaming() || here.contains_key(id));
        let mut streaming = self.known.values().filter(|known| known.is_streaming()).count();
        for container in &there {
            if !runs(container) && !container.dead() && !self.known.contains_key(&container.id) {
                continue;
            }
            // One that has come since is told from its beginning.
            let first = (None, reader.asked.since);
            let known =
                self.known.entry(container.id.clone()).or_insert_with(|| Known::new(container, first));
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
                if !std::mem::replace(&mut self.told_limit, true) {
                    reader.note(None, too_many(there.len()));
                }
                continue;
            }
            let Some(place) = (reader.places)() else {
                known.state = FollowState::Due(clock::monotonic() + NO_PLACE);
                if !std::mem::replace(&mut self.told_places, true) {
                    reader.note(
                        None,
                        format!("{NO_PLACE_LEFT}; those that are left out join when others are done"),
                    );
                }
                continue;
            };
            let request = known.request(self.begun);
            known.state = FollowState::Streaming { _place: place };
            streaming += 1;
            self.streams.push(open(reader.logs.engine.clone(), container.id.clone(), request));
        }
        let due = |known: &Known| match known.state {
            FollowState::Due(at) => Some(at),
            _ => None,
        };
        self.wake = self.known.values().filter_map(due).min();
    }

    /// Whether nothing will come any more, in a sentence.
    fn gone(&mut self, reader: &Reader) -> Option<String> {
        let LogQuery { object, container, .. } = &reader.asked;
        let text = match container {
            _ if !reader.logs.is_there(object) => format!("the object {object} is gone"),
            Some(name) => {
                let mut there = reader.logs.containers(&reader.asked).into_iter();
                let over = |c: Arc<Container>| {
                    let ended =
                        |known: &Known| matches!(known.state, FollowState::Ended | FollowState::Unreadable);
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

/// What is said where there are more containers than are read at once.
pub(super) fn too_many(there: usize) -> String {
    format!(
        "the logs of {MAX_CONTAINERS} of {there} containers are read at once: name one of the others with container=NAME"
    )
}

/// What is said where no log may be read beside those that are.
pub(super) const NO_PLACE_LEFT: &str =
    "too many logs are read at once, over all clients and by this one, to read those of all containers";

/// The events of one container, of which the last is a failure or the end.
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
