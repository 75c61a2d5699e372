//! What an object's worker remembers between two looks.
//!
//! Pure data, fed with what was observed and with how steps ended, read by the planner. It holds only what the
//! world itself does not show: how often a slot failed and when it may be tried again, since when a container
//! runs, which creates are in doubt. All of it may be lost with the process: then the first look finds a world
//! without history, and everything may be tried at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::backoff;
use crate::clock::Time;
use crate::engine::{Outcome, RefusalKind};
use crate::model::{Container, ContainerId, Health, Marks, Object, Sight, State, TemplateHash};
use crate::planner::Action;

/// The most creates of one object under way at once; engine calls have a common limit besides. Small enough that
/// an object with thousands of containers to make queues only these few before everybody else's.
pub const MAX_WINDOW: u32 = 16;
/// A create in doubt that no list has shown for this long is forgotten: should it land yet, the list says so.
const DOUBT_LIFETIME: Duration = Duration::from_secs(300);

/// So many definite failures in a row, and whoever waits is told that it has failed. The first may be bad luck and
/// the second its echo; with the waits between them the third comes some seconds after the first. It is tried
/// further all the same, for the world may change.
pub const FAILED_AFTER: u32 = 3;

/// A row of failures.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Failures {
    /// How many in a row.
    pub count: u32,
    /// How many of these, counted back from the last one, say something of the spec itself: the engine said no, or
    /// a container of the present template ended or turned unhealthy. An engine that cannot be reached says nothing.
    pub definite: u32,
    /// When it may be tried again.
    pub retry_at: Time,
    /// The last one, in the engine's own words where it had any.
    pub error: String,
}

impl Failures {
    /// True where it does not seem to work at all: [`FAILED_AFTER`].
    pub fn failing(&self) -> bool {
        self.definite >= FAILED_AFTER
    }

    fn add(&mut self, definite: bool) {
        self.count += 1;
        self.definite = if definite { self.definite + 1 } else { 0 };
    }
}

/// What is remembered of one container.
#[derive(Debug, Clone, Default)]
struct Seen {
    running_since: Option<Time>,
    unhealthy_since: Option<Time>,
    end_counted: bool,
    start_refused: bool,
    removal: Failures,
    stops_unanswered: u32,
}

/// A create whose outcome is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// Why it is not known.
    pub why: String,
    /// When the same name may be tried again.
    pub retry_at: Time,
    since: Time,
    tries: u32,
}

/// How a step ended, as the actuator tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// The image is there, or not.
    Image(Outcome<()>),
    /// A create, and then the start of what was created.
    Created(Outcome<ContainerId>),
    /// The name is taken, and nobody is seen to hold it: an earlier create of it is still under way. The text is the
    /// engine's.
    Landing(String),
    /// A container was made, then its start went wrong.
    CreatedNotStarted(ContainerId, Outcome<()>),
    /// A start.
    Started(Outcome<()>),
    /// A stop that got no answer for longer than it may take, and so no removal.
    NotStopped(Outcome<()>),
    /// A stop and removal.
    Removed(Outcome<()>),
}

impl Report {
    /// The word for how it ended in metrics; see [`Outcome::word`].
    pub fn word(&self) -> &'static str {
        match self {
            Report::Created(outcome) => outcome.word(),
            Report::Landing(_) => "in_doubt",
            Report::Image(outcome)
            | Report::CreatedNotStarted(_, outcome)
            | Report::Started(outcome)
            | Report::NotStopped(outcome)
            | Report::Removed(outcome) => outcome.word(),
        }
    }
}

/// What an object's worker remembers.
#[derive(Debug, Clone)]
pub struct History {
    generation: u64,
    template: Option<TemplateHash>,
    image: String,
    image_provided: bool,
    template_works: bool,
    window: u32,
    whole: Failures,
    slots: BTreeMap<u32, Failures>,
    seen: BTreeMap<ContainerId, Seen>,
    doubts: BTreeMap<(u32, u32), Doubt>,
    taken: BTreeSet<(u32, u32)>,
    looked: bool,
    confident: bool,
    seed: u64,
}

impl History {
    /// An empty history. The seed spreads the waits of different objects.
    pub fn new(seed: u64) -> History {
        History {
            generation: 0,
            template: None,
            image: String::new(),
            image_provided: false,
            template_works: false,
            window: MAX_WINDOW,
            whole: Failures::default(),
            slots: BTreeMap::new(),
            seen: BTreeMap::new(),
            doubts: BTreeMap::new(),
            taken: BTreeSet::new(),
            looked: false,
            confident: false,
            seed,
        }
    }

    /// The history of a world in which nothing fails: there a template need not be tried with one container first.
    pub fn of_success() -> History {
        History { confident: true, ..History::new(0) }
    }

    /// Takes note of a look at the world: a new generation ends all rows of failures, a container that is
    /// found ended counts as one, a run of [`backoff::STABLE_RUN`] ends its slot's row.
    pub fn observe(&mut self, object: &Object, containers: &[Arc<Container>], now: Time) {
        if self.generation != object.generation {
            self.generation = object.generation;
            self.whole = Failures::default();
            self.slots.clear();
            self.window = MAX_WINDOW;
            self.seen.values_mut().for_each(|seen| seen.start_refused = false);
            self.taken.clear();
        }
        if self.template.as_ref() != Some(&object.spec.template.hash) {
            self.template = Some(object.spec.template.hash.clone());
            self.image.clone_from(&object.spec.template.image);
            self.image_provided = false;
            self.template_works = false;
        }
        let first_look = !std::mem::replace(&mut self.looked, true);

        let mut newest: BTreeMap<u32, u32> = BTreeMap::new();
        for marks in containers.iter().map(|container| &container.marks) {
            let attempt = newest.entry(marks.slot).or_default();
            *attempt = marks.attempt.max(*attempt);
        }
        for container in containers {
            let slot = container.marks.slot;
            self.doubts.remove(&(slot, container.marks.attempt));
            let seen = self.seen.entry(container.id.clone()).or_default();
            // By its own restart policy: its next run is another one.
            if container.state == State::Restarting {
                seen.running_since = None;
            }
            if container.state == State::Running {
                self.template_works |= container.marks.template == object.spec.template.hash;
                let since = *seen.running_since.get_or_insert(now);
                // An older container that still runs, perhaps out of reach, says nothing of those after it.
                let speaks = container.sight == Sight::Clear
                    && container.marks.template == object.spec.template.hash
                    && newest.get(&slot) == Some(&container.marks.attempt);
                let stable = now.since(since) >= backoff::STABLE_RUN && container.health != Health::Unhealthy;
                if speaks && stable {
                    self.slots.remove(&slot);
                }
            }
            let turned_unhealthy = match container.health {
                Health::Unhealthy => {
                    seen.unhealthy_since.replace(seen.unhealthy_since.unwrap_or(now)).is_none()
                }
                _ => {
                    seen.unhealthy_since = None;
                    false
                }
            };
            // What a lost host or a contradiction hides did not fail.
            let ended = container.dead()
                && container.sight == Sight::Clear
                && !std::mem::replace(&mut seen.end_counted, true);
            // What lay there when we came may have ended long ago, and what somebody stopped did not fail: no
            // reason to wait.
            if (ended && !first_look && !container.signalled) || turned_unhealthy {
                let ran = seen.running_since.map_or(Duration::ZERO, |since| now.since(since));
                let present = container.marks.template == object.spec.template.hash;
                self.slot_failed(slot, ran, present, how_it_failed(container), now);
            }
        }
        let there: BTreeSet<_> = containers.iter().map(|c| &c.id).collect();
        self.seen.retain(|id, _| there.contains(id));
        self.doubts.retain(|_, doubt| now.since(doubt.since) < DOUBT_LIFETIME);
    }

    /// Takes over what another history remembers of one container.
    #[cfg(test)]
    pub fn adopt_memory(&mut self, other: History, id: &ContainerId) {
        self.seen.extend(other.seen.into_iter().filter(|(seen, _)| seen == id));
    }

    /// A container ended or turned unhealthy; `present` says that it was made from the present template.
    fn slot_failed(&mut self, slot: u32, ran: Duration, present: bool, error: String, now: Time) {
        let failures = self.slots.entry(slot).or_default();
        if ran >= backoff::STABLE_RUN {
            *failures = Failures::default();
        }
        failures.add(present);
        failures.retry_at = now + backoff::after_exit(failures.count, self.seed ^ u64::from(slot));
        failures.error = error;
        self.window = 1;
    }

    fn object_failed(&mut self, definite: bool, error: String, now: Time) {
        self.window = 1;
        // Steps that were under way together fail together: that is one failure, and one wait.
        if self.whole.count > 0 && now < self.whole.retry_at {
            self.whole.definite = if definite { self.whole.definite.max(1) } else { 0 };
            self.whole.error = error;
            return;
        }
        self.whole.add(definite);
        self.whole.retry_at = now + backoff::after_refusal(self.whole.count, self.seed);
        self.whole.error = error;
    }

    fn succeeded(&mut self) {
        self.template_works = true;
        self.whole = Failures::default();
        self.window = (self.window * 2).min(MAX_WINDOW);
    }

    /// Takes note of how a step ended.
    pub fn ended(&mut self, action: &Action, report: Report, now: Time) {
        match (action, report) {
            // What was begun for a template that is no longer wanted says nothing about the present one.
            (Action::Pull { image, .. }, Report::Image(_)) if *image != self.image => {}
            (Action::Create { marks, .. }, report) if Some(&marks.template) != self.template.as_ref() => {
                match report {
                    Report::Created(Outcome::InDoubt(why)) | Report::Landing(why) => {
                        self.doubtful(marks, why, now);
                    }
                    Report::Created(Outcome::Refused(_) | Outcome::NotSent(_)) => {}
                    _ => drop(self.doubts.remove(&(marks.slot, marks.attempt))),
                }
            }
            (Action::Pull { .. }, Report::Image(Outcome::Done(()))) => {
                self.image_provided = true;
                self.whole = Failures::default();
            }
            (Action::Pull { image, .. }, Report::Image(outcome)) => {
                let definite = definite(&outcome);
                self.object_failed(
                    definite,
                    format!("the image {image} cannot be had: {}", why(outcome)),
                    now,
                );
            }
            (Action::Create { marks, .. }, Report::Created(Outcome::Done(id))) => {
                self.doubts.remove(&(marks.slot, marks.attempt));
                self.seen.entry(id).or_default();
                self.succeeded();
            }
            (Action::Create { marks, .. }, Report::CreatedNotStarted(id, outcome)) => {
                self.doubts.remove(&(marks.slot, marks.attempt));
                self.start_ended(id, &marks.container_name(), outcome, now);
            }
            // Slow is not broken: other slots may go on.
            (Action::Create { marks, .. }, Report::Landing(why)) => self.doubtful(marks, why, now),
            (Action::Create { marks, .. }, Report::Created(Outcome::InDoubt(why))) => {
                self.doubtful(marks, why.clone(), now);
                self.object_failed(false, why, now);
            }
            // A definite no to a second try says nothing of the first: only who holds the name does.
            (Action::Create { marks, .. }, Report::Created(outcome)) => {
                match outcome {
                    // Somebody else's container has the name. It stays; the next attempt has another name.
                    Outcome::Refused(refusal) if refusal.kind == RefusalKind::NameTaken => {
                        self.doubts.remove(&(marks.slot, marks.attempt));
                        self.taken.insert((marks.slot, marks.attempt));
                    }
                    Outcome::Refused(refusal) if refusal.kind == RefusalKind::NoImage => {
                        self.image_provided = false;
                        self.object_failed(true, refusal.words, now);
                    }
                    other => self.object_failed(definite(&other), why(other), now),
                }
            }
            (Action::Start { id, name, .. }, Report::Started(outcome)) => {
                self.start_ended(id.clone(), name, outcome, now);
            }
            (Action::Remove { id, .. }, Report::Removed(Outcome::Done(()))) => {
                self.seen.remove(id);
            }
            (Action::Remove { id, .. }, Report::NotStopped(outcome)) => {
                if matches!(outcome, Outcome::InDoubt(_)) {
                    self.seen.entry(id.clone()).or_default().stops_unanswered += 1;
                }
                self.removal_failed(id, why(outcome), now);
            }
            (Action::Remove { id, .. }, Report::Removed(outcome)) => {
                self.removal_failed(id, why(outcome), now);
            }
            // A report that does not fit its action cannot come from the actuator.
            (action, report) => tracing::error!(?action, ?report, "a step was reported as another"),
        }
    }

    fn doubtful(&mut self, marks: &Marks, why: String, now: Time) {
        let seed = self.seed ^ u64::from(marks.slot);
        let fresh = Doubt { why: String::new(), retry_at: now, since: now, tries: 0 };
        let doubt = self.doubts.entry((marks.slot, marks.attempt)).or_insert(fresh);
        doubt.tries += 1;
        doubt.retry_at = now + backoff::after_refusal(doubt.tries, seed);
        doubt.why = why;
        self.window = 1;
    }

    fn removal_failed(&mut self, id: &ContainerId, error: String, now: Time) {
        let seed = self.seed;
        let removal = &mut self.seen.entry(id.clone()).or_default().removal;
        removal.count += 1;
        removal.retry_at = now + backoff::after_refusal(removal.count, seed);
        removal.error = error;
    }

    fn start_ended(&mut self, id: ContainerId, name: &str, outcome: Outcome<()>, now: Time) {
        match outcome {
            Outcome::Done(()) => self.succeeded(),
            // A definite no: the container will not run; it goes, and a new one may try.
            Outcome::Refused(refusal) => {
                self.seen.entry(id).or_default().start_refused = true;
                self.object_failed(true, format!("{name} was made but cannot start: {}", refusal.words), now);
            }
            // It may run yet. It stays, and is started again.
            other => self.object_failed(
                false,
                format!("{name} was made; whether it started is not known: {}", why(other)),
                now,
            ),
        }
    }

    /// The generation that was looked at last.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// True once the image of the present template was found or pulled.
    pub fn image_provided(&self) -> bool {
        self.image_provided
    }

    /// How many creates may be under way at once: one, until a container of the present template has started, so
    /// that a command that is wrong costs one attempt and not as many as there are replicas.
    pub fn window(&self) -> usize {
        if self.confident {
            return usize::MAX;
        }
        if self.template_works { usize::try_from(self.window).unwrap_or(1) } else { 1 }
    }

    /// The failures of the object as a whole: its image, its spec, the engine.
    pub fn whole(&self) -> Option<&Failures> {
        (self.whole.count > 0).then_some(&self.whole)
    }

    /// The failures of a slot.
    pub fn slot(&self, slot: u32) -> Option<&Failures> {
        self.slots.get(&slot)
    }

    /// Creates in doubt, by slot and attempt.
    pub fn doubts(&self) -> impl Iterator<Item = ((u32, u32), &Doubt)> {
        self.doubts.iter().map(|(key, doubt)| (*key, doubt))
    }

    /// The highest attempt of a slot whose name somebody else's container holds; 0 where there is none.
    pub fn highest_taken(&self, slot: u32) -> u32 {
        self.taken.range((slot, 0)..=(slot, u32::MAX)).next_back().map_or(0, |(_, attempt)| *attempt)
    }

    /// Since when a container has been seen running.
    pub fn running_since(&self, id: &ContainerId) -> Option<Time> {
        self.seen.get(id)?.running_since
    }

    /// Since when a container has been seen unhealthy.
    pub fn unhealthy_since(&self, id: &ContainerId) -> Option<Time> {
        self.seen.get(id)?.unhealthy_since
    }

    /// True where the engine refused to start it.
    pub fn start_refused(&self, id: &ContainerId) -> bool {
        self.seen.get(id).is_some_and(|seen| seen.start_refused)
    }

    /// How often a container was asked to stop and no answer came.
    pub fn stops_unanswered(&self, id: &ContainerId) -> u32 {
        self.seen.get(id).map_or(0, |seen| seen.stops_unanswered)
    }

    /// Failed removals of a container.
    pub fn removal(&self, id: &ContainerId) -> Option<&Failures> {
        self.seen.get(id).map(|seen| &seen.removal).filter(|failures| failures.count > 0)
    }
}

fn how_it_failed(container: &Container) -> String {
    let code = container.detail.as_ref().and_then(|d| d.exit_code);
    let error = container.detail.as_ref().and_then(|d| d.error.as_deref()).filter(|e| !e.is_empty());
    match (container.dead(), code, error) {
        (false, ..) => format!("{} is unhealthy", container.name),
        (true, Some(code), Some(error)) => {
            format!("{} ended with exit code {code} ({error})", container.name)
        }
        (true, Some(code), None) => format!("{} ended with exit code {code}", container.name),
        (true, None, _) => format!("{} ended", container.name),
    }
}

/// A no that is about what was asked for, and not about the state that the engine is in.
fn definite<T>(outcome: &Outcome<T>) -> bool {
    matches!(outcome, Outcome::Refused(refusal) if refusal.kind != RefusalKind::NoNode)
}

fn why<T>(outcome: Outcome<T>) -> String {
    match outcome {
        Outcome::Done(_) => String::new(),
        Outcome::Refused(refusal) => refusal.words,
        Outcome::NotSent(why) => format!("the engine cannot be reached: {why}"),
        Outcome::InDoubt(why) => why,
    }
}
