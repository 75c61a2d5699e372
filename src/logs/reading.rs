//! One stream of an object's lines, from its beginning to its end.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::follow::{Follow, Known, NO_PLACE_LEFT, too_many};
use super::merge::{Merge, Merged};
use super::{Asked, Logs, MAX_CONTAINERS, Places, Told, runs};
use crate::control::cache::Containers;
use crate::control::engine_state::EngineState;
use crate::core::container::{Container, ContainerId, Visibility};
use crate::core::evidence::Evidence;
use crate::core::object::Objects;
use crate::engine::logs::LogRequest;

/// How long the engine is waited for, before it is said that it does not answer.
const ENGINE: Duration = Duration::from_secs(5);

/// See the module's story.
pub(super) struct Reading {
    pub(super) logs: Logs,
    pub(super) asked: Asked,
    pub(super) places: Places,
    pub(super) containers: watch::Receiver<Arc<Containers>>,
    pub(super) objects: watch::Receiver<Arc<Objects>>,
    engine: watch::Receiver<Arc<EngineState>>,
    /// Found out, and not told yet.
    pub(super) ready: VecDeque<Told>,
    phase: Phase,
}

enum Phase {
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
    pub(super) fn new(logs: Logs, asked: Asked, places: Places) -> Reading {
        Reading {
            containers: logs.sources.cache.containers(&asked.object),
            objects: logs.sources.objects.clone(),
            engine: logs.sources.cache.engine(),
            logs,
            asked,
            places,
            ready: VecDeque::new(),
            phase: Phase::Begin { told: false },
        }
    }

    /// The next thing to tell, as soon as there is one; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some(told) = self.ready.pop_front() {
                return Some(told);
            }
            self.phase = match std::mem::replace(&mut self.phase, Phase::Over) {
                Phase::Begin { told } => self.begin(told).await,
                Phase::Past { merge, known, lines } => self.past(merge, known, lines).await,
                Phase::Follow(mut follow) => match follow.step(self).await {
                    true => Phase::Follow(follow),
                    false => Phase::Over,
                },
                Phase::Over => return None,
            };
        }
    }

    pub(super) fn note(&mut self, container: Option<Arc<str>>, text: impl Into<String>) {
        self.ready.push_back(Told::Note { container, text: text.into() });
    }

    async fn begin(&mut self, told: bool) -> Phase {
        let connected = self.engine.wait_for(|state| state.connected());
        let answers = match told {
            true => connected.await.is_ok(),
            false => matches!(timeout(ENGINE, connected).await, Ok(Ok(_))),
        };
        if answers {
            return self.choose();
        }
        if told {
            return Phase::Over;
        }
        let state = self.engine.borrow().clone();
        let text = match state.evidence(self.logs.sources.clock.offset()) {
            Evidence::Waiting { reason, .. } => reason,
            Evidence::Good => format!("waiting for the engine at {}", state.endpoint),
        };
        self.note(None, text);
        if self.asked.follow { Phase::Begin { told: true } } else { Phase::Over }
    }

    /// Chooses the containers whose past lines are told.
    fn choose(&mut self) -> Phase {
        let there = self.logs.containers(&self.asked);
        let wanted = |c: &&Arc<Container>| match (&self.asked.container, self.asked.previous) {
            (Some(_), _) => c.dead() || runs(c),
            (None, false) => runs(c),
            (None, true) => c.dead() || (self.asked.follow && runs(c)),
        };
        let mut chosen: Vec<_> = there.iter().filter(wanted).cloned().collect();
        // Where not all can be read, it is those that run.
        chosen.sort_by_key(|c| !runs(c));
        if chosen.is_empty() {
            self.note_none(&there);
        }
        // Those that run and are to be followed may find room later.
        if chosen.iter().skip(MAX_CONTAINERS).any(|c| !self.asked.follow || !runs(c)) {
            self.note(None, too_many(chosen.len()));
        }
        let mut known: BTreeMap<ContainerId, Known> = there
            .iter()
            .filter(|c| c.dead() || runs(c))
            .map(|c| (c.id.clone(), Known::left_out(c, &self.asked)))
            .collect();
        let (mut read, mut refused) = (Vec::new(), false);
        for container in chosen.into_iter().take(MAX_CONTAINERS) {
            let Some(known) = known.get_mut(&container.id) else { continue };
            if container.visibility == Visibility::HostDown {
                let text = known.away(&container);
                let name = Some(container.name.as_str().into());
                self.ready.extend(text.map(|text| Told::Note { container: name, text }));
                continue;
            }
            match (self.places)() {
                Some(place) => {
                    known.past_is_told(&self.asked);
                    read.push((container, place));
                }
                None => refused = true,
            }
        }
        if refused && !self.asked.follow {
            self.note(None, format!("{NO_PLACE_LEFT}: ask again, or name one with container=NAME"));
        }
        if self.asked.tail == 0 {
            read.clear();
        }
        let request = LogRequest { tail: Some(self.asked.tail), since: self.asked.since, follow: false };
        let merge = Merge::new(self.logs.engine.clone(), request, read);
        Phase::Past { merge, known, lines: BTreeMap::new() }
    }

    fn note_none(&mut self, there: &[Arc<Container>]) {
        let object = &self.asked.object;
        let ended = there.iter().filter(|c| c.dead()).count();
        let text = match (self.asked.previous, ended) {
            _ if self.asked.container.is_some() => "it has not been started".to_owned(),
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
        self.note(self.asked.container.as_deref().map(Arc::from), text);
    }

    /// Says of which containers there were more lines since the time that was asked for.
    fn note_cut(&mut self, lines: &BTreeMap<Arc<str>, u32>) {
        let tail = self.asked.tail;
        let cut = lines.iter().filter(|(_, told)| self.asked.since.is_some() && **told >= tail);
        for container in cut.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.note(
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
    ) -> Phase {
        match merge.next().await {
            Some(Merged::Line(id, container, line)) => {
                if let Some(known) = known.get_mut(&id) {
                    known.seen.note(line.at);
                }
                *lines.entry(container.clone()).or_default() += 1;
                self.ready.push_back(Told::Line { container, line });
                Phase::Past { merge, known, lines }
            }
            Some(Merged::Failed(id, container, error)) => {
                // One that is followed is asked again, and it is said once.
                if let Some(known) = known.get_mut(&id).filter(|_| self.asked.follow) {
                    known.failed(&error);
                }
                self.note(Some(container), error.to_string());
                Phase::Past { merge, known, lines }
            }
            None if self.asked.follow => {
                self.note_cut(&lines);
                Phase::Follow(Box::new(Follow::new(known, self.logs.sources.clock.wall().into())))
            }
            None => {
                self.note_cut(&lines);
                Phase::Over
            }
        }
    }
}
