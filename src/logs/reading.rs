//! One stream of an object's log lines, from its beginning to its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::follow::{Follow, FollowedLog, NO_PERMIT_LEFT, too_many};
use super::merge::{Merge, Merged};
use super::query::{LogItem, LogPermits, LogQuery, MAX_CONTAINERS, runs};
use super::reader::Reader;
use super::source::Logs;
use crate::control::engine_state::EngineState;
use crate::core::container::{Container, ContainerId, Visibility};
use crate::core::evidence::Evidence;
use crate::engine::logs::LogRequest;

/// How long to wait for the engine before reporting that it does not answer.
const ENGINE: Duration = Duration::from_secs(5);

/// A stream and where it is.
pub(super) struct Reading {
    reader: Reader,
    engine: watch::Receiver<Arc<EngineState>>,
    phase: ReadPhase,
}

enum ReadPhase {
    /// The containers are not known yet; `noted` if the wait for the engine was reported.
    Begin { noted: bool },
    /// Past lines are read.
    Past {
        merge: Merge,
        known: BTreeMap<ContainerId, FollowedLog>,
        /// How many lines were read per container, by name.
        lines: BTreeMap<Arc<str>, u32>,
    },
    /// New lines are followed.
    Follow(Box<Follow>),
    /// The end.
    Over,
}

impl Reading {
    pub(super) fn new(logs: Logs, query: LogQuery, permits: LogPermits) -> Reading {
        Reading {
            engine: logs.sources.cache.engine(),
            reader: Reader::new(logs, query, permits),
            phase: ReadPhase::Begin { noted: false },
        }
    }

    /// The next item, as soon as there is one; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<LogItem> {
        loop {
            if let Some(item) = self.reader.ready.pop_front() {
                return Some(item);
            }
            self.phase = match std::mem::replace(&mut self.phase, ReadPhase::Over) {
                ReadPhase::Begin { noted } => self.begin(noted).await,
                ReadPhase::Past { merge, known, lines } => self.past(merge, known, lines).await,
                ReadPhase::Follow(mut follow) => match follow.step(&mut self.reader).await {
                    true => ReadPhase::Follow(follow),
                    false => ReadPhase::Over,
                },
                ReadPhase::Over => return None,
            };
        }
    }

    async fn begin(&mut self, noted: bool) -> ReadPhase {
        let connected = self.engine.wait_for(|state| state.connected());
        let answers = match noted {
            true => connected.await.is_ok(),
            false => matches!(timeout(ENGINE, connected).await, Ok(Ok(_))),
        };
        if answers {
            return self.choose();
        }
        if noted {
            return ReadPhase::Over;
        }
        let state = self.engine.borrow().clone();
        let text = match state.evidence(self.reader.logs.sources.clock.offset()) {
            Evidence::Waiting { reason, .. } => reason,
            Evidence::Good => format!("waiting for the engine at {}", state.endpoint),
        };
        self.reader.note(None, text);
        if self.reader.query.follow { ReadPhase::Begin { noted: true } } else { ReadPhase::Over }
    }

    /// Chooses the containers whose past lines are read.
    fn choose(&mut self) -> ReadPhase {
        let there = self.reader.logs.containers(&self.reader.query);
        let wanted = |c: &&Arc<Container>| match (&self.reader.query.container, self.reader.query.previous) {
            (Some(_), _) => c.dead() || runs(c),
            (None, false) => runs(c),
            (None, true) => c.dead() || (self.reader.query.follow && runs(c)),
        };
        let mut chosen: Vec<_> = there.iter().filter(wanted).cloned().collect();
        // If not all can be read, running ones come first.
        chosen.sort_by_key(|c| !runs(c));
        if chosen.is_empty() {
            self.note_none(&there);
        }
        // Running containers that are followed may join later.
        if chosen.iter().skip(MAX_CONTAINERS).any(|c| !self.reader.query.follow || !runs(c)) {
            self.reader.note(None, too_many(chosen.len()));
        }
        let mut known: BTreeMap<ContainerId, FollowedLog> = there
            .iter()
            .filter(|c| c.dead() || runs(c))
            .map(|c| (c.id.clone(), FollowedLog::left_out(c, &self.reader.query)))
            .collect();
        let (mut read, mut refused) = (Vec::new(), false);
        for container in chosen.into_iter().take(MAX_CONTAINERS) {
            let Some(known) = known.get_mut(&container.id) else { continue };
            if container.visibility == Visibility::HostDown {
                let text = known.away(&container);
                let name = Some(container.name.as_str().into());
                self.reader.ready.extend(text.map(|text| LogItem::Note { container: name, text }));
                continue;
            }
            match (self.reader.permits)() {
                Some(permit) => {
                    known.skip_past(&self.reader.query);
                    read.push((container, permit));
                }
                None => refused = true,
            }
        }
        if refused && !self.reader.query.follow {
            self.reader.note(None, format!("{NO_PERMIT_LEFT}: ask again, or name one with container=NAME"));
        }
        if self.reader.query.tail == 0 {
            read.clear();
        }
        let request =
            LogRequest { tail: Some(self.reader.query.tail), since: self.reader.query.since, follow: false };
        let merge = Merge::new(self.reader.logs.engine.clone(), request, read);
        ReadPhase::Past { merge, known, lines: BTreeMap::new() }
    }

    fn note_none(&mut self, there: &[Arc<Container>]) {
        let object = &self.reader.query.object;
        let ended = there.iter().filter(|c| c.dead()).count();
        let text = match (self.reader.query.previous, ended) {
            _ if self.reader.query.container.is_some() => "it has not been started".to_owned(),
            (true, _) => {
                format!("{object} has no exited container; its field History sets how many are kept per slot")
            }
            (false, 0) => format!("no container of {object} is running; its status says why"),
            (false, _) => format!(
                "no container of {object} is running; previous=true (--previous) shows the logs of the exited ones: {ended}"
            ),
        };
        self.reader.note(self.reader.query.container.as_deref().map(Arc::from), text);
    }

    /// Notes which containers may have had more lines since the requested time.
    fn note_cut(&mut self, lines: &BTreeMap<Arc<str>, u32>) {
        let tail = self.reader.query.tail;
        let cut = lines.iter().filter(|(_, shown)| self.reader.query.since.is_some() && **shown >= tail);
        for container in cut.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.reader.note(
                Some(container),
                format!("its last {tail} lines are shown; there may be older ones since then"),
            );
        }
    }

    async fn past(
        &mut self,
        mut merge: Merge,
        mut known: BTreeMap<ContainerId, FollowedLog>,
        mut lines: BTreeMap<Arc<str>, u32>,
    ) -> ReadPhase {
        match merge.next().await {
            Some(Merged::Line(id, container, line)) => {
                if let Some(known) = known.get_mut(&id) {
                    known.seen.note(line.at);
                }
                *lines.entry(container.clone()).or_default() += 1;
                self.reader.ready.push_back(LogItem::Line { container, line });
                ReadPhase::Past { merge, known, lines }
            }
            Some(Merged::Failed(id, container, error)) => {
                // A followed log is requested again, and the problem is reported once.
                if let Some(known) = known.get_mut(&id).filter(|_| self.reader.query.follow) {
                    known.failed(&error);
                }
                self.reader.note(Some(container), error.to_string());
                ReadPhase::Past { merge, known, lines }
            }
            None if self.reader.query.follow => {
                self.note_cut(&lines);
                ReadPhase::Follow(Box::new(Follow::new(known, self.reader.logs.sources.clock.wall().into())))
            }
            None => {
                self.note_cut(&lines);
                ReadPhase::Over
            }
        }
    }
}
