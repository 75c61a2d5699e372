//! One stream of an object's lines, from its beginning to its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::follow::{Follow, Known, NO_PLACE_LEFT, too_many};
use super::merge::{Merge, Merged};
use super::query::{LogItem, LogPermits, LogQuery, MAX_CONTAINERS, runs};
use super::reader::Reader;
use super::source::Logs;
use crate::control::engine_state::EngineState;
use crate::core::container::{Container, ContainerId, Visibility};
use crate::core::evidence::Evidence;
use crate::engine::logs::LogRequest;

/// How long the engine is waited for, before it is said that it does not answer.
const ENGINE: Duration = Duration::from_secs(5);

/// A stream and where it is.
pub(super) struct Reading {
    reader: Reader,
    engine: watch::Receiver<Arc<EngineState>>,
    phase: ReadPhase,
}

enum ReadPhase {
    /// Which containers there are is not known yet; that the engine is waited for was told, or was not.
    Begin { told: bool },
    /// The past lines are told.
    Past {
        merge: Merge,
        known: BTreeMap<ContainerId, Known>,
        /// How many lines of each container, by its name, were told.
        lines: BTreeMap<Arc<str>, u32>,
    },
    /// Lines are told as they come.
    Follow(Box<Follow>),
    /// There is nothing more.
    Over,
}

impl Reading {
    pub(super) fn new(logs: Logs, asked: LogQuery, places: LogPermits) -> Reading {
        Reading {
            engine: logs.sources.cache.engine(),
            reader: Reader::new(logs, asked, places),
            phase: ReadPhase::Begin { told: false },
        }
    }

    /// The next thing to tell, as soon as there is one; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<LogItem> {
        loop {
            if let Some(told) = self.reader.ready.pop_front() {
                return Some(told);
            }
            self.phase = match std::mem::replace(&mut self.phase, ReadPhase::Over) {
                ReadPhase::Begin { told } => self.begin(told).await,
                ReadPhase::Past { merge, known, lines } => self.past(merge, known, lines).await,
                ReadPhase::Follow(mut follow) => match follow.step(&mut self.reader).await {
                    true => ReadPhase::Follow(follow),
                    false => ReadPhase::Over,
                },
                ReadPhase::Over => return None,
            };
        }
    }

    async fn begin(&mut self, told: bool) -> ReadPhase {
        let connected = self.engine.wait_for(|state| state.connected());
        let answers = match told {
            true => connected.await.is_ok(),
            false => matches!(timeout(ENGINE, connected).await, Ok(Ok(_))),
        };
        if answers {
            return self.choose();
        }
        if told {
            return ReadPhase::Over;
        }
        let state = self.engine.borrow().clone();
        let text = match state.evidence(self.reader.logs.sources.clock.offset()) {
            Evidence::Waiting { reason, .. } => reason,
            Evidence::Good => format!("waiting for the engine at {}", state.endpoint),
        };
        self.reader.note(None, text);
        if self.reader.asked.follow { ReadPhase::Begin { told: true } } else { ReadPhase::Over }
    }

    /// Chooses the containers whose past lines are told.
    fn choose(&mut self) -> ReadPhase {
        let there = self.reader.logs.containers(&self.reader.asked);
        let wanted = |c: &&Arc<Container>| match (&self.reader.asked.container, self.reader.asked.previous) {
            (Some(_), _) => c.dead() || runs(c),
            (None, false) => runs(c),
            (None, true) => c.dead() || (self.reader.asked.follow && runs(c)),
        };
        let mut chosen: Vec<_> = there.iter().filter(wanted).cloned().collect();
        // Where not all can be read, it is those that run.
        chosen.sort_by_key(|c| !runs(c));
        if chosen.is_empty() {
            self.note_none(&there);
        }
        // Those that run and are to be followed may find room later.
        if chosen.iter().skip(MAX_CONTAINERS).any(|c| !self.reader.asked.follow || !runs(c)) {
            self.reader.note(None, too_many(chosen.len()));
        }
        let mut known: BTreeMap<ContainerId, Known> = there
            .iter()
            .filter(|c| c.dead() || runs(c))
            .map(|c| (c.id.clone(), Known::left_out(c, &self.reader.asked)))
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
            match (self.reader.places)() {
                Some(place) => {
                    known.past_is_told(&self.reader.asked);
                    read.push((container, place));
                }
                None => refused = true,
            }
        }
        if refused && !self.reader.asked.follow {
            self.reader.note(None, format!("{NO_PLACE_LEFT}: ask again, or name one with container=NAME"));
        }
        if self.reader.asked.tail == 0 {
            read.clear();
        }
        let request =
            LogRequest { tail: Some(self.reader.asked.tail), since: self.reader.asked.since, follow: false };
        let merge = Merge::new(self.reader.logs.engine.clone(), request, read);
        ReadPhase::Past { merge, known, lines: BTreeMap::new() }
    }

    fn note_none(&mut self, there: &[Arc<Container>]) {
        let object = &self.reader.asked.object;
        let ended = there.iter().filter(|c| c.dead()).count();
        let text = match (self.reader.asked.previous, ended) {
            _ if self.reader.asked.container.is_some() => "it has not been started".to_owned(),
            (true, _) => format!(
                "no ended container of {object} is kept: its field History says how many are, of those that end by themselves"
            ),
            (false, 0) => format!("no container of {object} runs"),
            (false, _) => {
                format!(
                    "no container of {object} runs; {ended} that ended are kept: previous=true shows their lines"
                )
            }
        };
        self.reader.note(self.reader.asked.container.as_deref().map(Arc::from), text);
    }

    /// Says of which containers there were more lines since the time that was asked for.
    fn note_cut(&mut self, lines: &BTreeMap<Arc<str>, u32>) {
        let tail = self.reader.asked.tail;
        let cut = lines.iter().filter(|(_, told)| self.reader.asked.since.is_some() && **told >= tail);
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
        mut known: BTreeMap<ContainerId, Known>,
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
                // One that is followed is asked again, and it is said once.
                if let Some(known) = known.get_mut(&id).filter(|_| self.reader.asked.follow) {
                    known.failed(&error);
                }
                self.reader.note(Some(container), error.to_string());
                ReadPhase::Past { merge, known, lines }
            }
            None if self.reader.asked.follow => {
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
