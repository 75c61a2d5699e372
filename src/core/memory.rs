//! What an object's worker remembers between two looks.
//!
//! Pure data, fed with what was observed and with how steps ended, read by the planner. It holds only what the
//! world itself does not show: how often a slot failed and when it may be tried again, since when a container
//! runs, which creates are in doubt. All of it may be lost with the process: then the first look finds a world
//! without history, and everything may be tried at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::core::backoff;
use crate::core::container::{Container, ContainerId, ContainerState, Health, Signalled, Visibility};
use crate::core::labels::ContainerIdentity;
use crate::core::memory::doubt::{DOUBT_LIFETIME, Doubt};
use crate::core::memory::ends::{EndKind, Ends};
use crate::core::memory::failures::{Failures, Says};
use crate::core::memory::report::Report;
use crate::core::memory::tries::Tries;
use crate::core::object::Object;
use crate::core::outcome::{Outcome, Refusal, RefusalKind};
use crate::core::plan::Action;
use crate::core::signal::Signal;
use crate::core::spec::TemplateHash;
use crate::core::time::Time;

pub mod doubt;
pub mod ends;
pub mod failures;
pub mod report;
pub mod tries;

/// A container that a user has stopped is replaced after this long, unless it runs again: `docker restart` stops it
/// first. The engine takes some tenths of a second between the two, on a busy machine some seconds.
pub const RESTART_GRACE: Duration = Duration::from_secs(3);
/// Docker's grace period where a container has none of its own.
const DEFAULT_GRACE: Duration = Duration::from_secs(10);
/// How much later than its grace period allows an end may be seen that a signal explains.
const END_SLACK: Duration = Duration::from_secs(5);

/// What is remembered of one container.
#[derive(Debug, Clone, Default)]
struct Seen {
    slot: u32,
    /// What it was made from, once it was seen.
    template: Option<TemplateHash>,
    /// It was not ended when it was seen last.
    live: bool,
    /// We are ending it: its end is nobody's failure and nobody's wish but ours.
    ending: bool,
    running_since: Option<Time>,
    /// Since when it runs and is not known to be unwell.
    ready_since: Option<Time>,
    unhealthy_since: Option<Time>,
    removing_since: Option<Time>,
    end_counted: bool,
    start_refused: bool,
    /// A start of it was answered with success, and it has not been seen running since.
    start_done: bool,
    /// Of its last end, while it runs again by its restart policy.
    exit_code: Option<i64>,
    /// It was there when we came.
    adopted: bool,
    /// Restarts by the engine that are counted already.
    restarts: Option<u64>,
    removal: Failures,
    stops_unanswered: u32,
    /// An end of it that an inspect has to explain before it is told of.
    untold: Option<ends::Seen>,
    name: String,
}

/// What an object's worker remembers.
#[derive(Debug, Clone)]
pub struct Memory {
    generation: u64,
    /// Which submit of that generation was looked at last.
    asked: u64,
    present: Tries,
    /// Of the template that worked last, while the present one is another and has not converged.
    fallback: Option<Tries>,
    /// Slots that are the present template's: it has proven itself there, or we ended the old container for it.
    updated: BTreeSet<u32>,
    /// Slots whose container a user has stopped, perhaps to start it again: until when nothing is created there.
    held: BTreeMap<u32, Time>,
    seen: BTreeMap<ContainerId, Seen>,
    doubts: BTreeMap<(u32, u32), Doubt>,
    taken: BTreeSet<(u32, u32)>,
    ends: Ends,
    looked: bool,
    confident: bool,
    seed: u64,
}

impl Memory {
    /// An empty history. The seed spreads the waits of different objects.
    pub fn new(seed: u64) -> Memory {
        Memory {
            generation: 0,
            asked: 0,
            present: Tries::default(),
            fallback: None,
            updated: BTreeSet::new(),
            held: BTreeMap::new(),
            seen: BTreeMap::new(),
            doubts: BTreeMap::new(),
            taken: BTreeSet::new(),
            ends: Ends::default(),
            looked: false,
            confident: false,
            seed,
        }
    }

    /// The same; what ended before `told_until` is no news, as an earlier process has told of it.
    pub fn resuming(seed: u64, told_until: Option<Time>) -> Memory {
        Memory { ends: Ends::told_until(told_until), ..Memory::new(seed) }
    }

    /// The history of a world in which nothing fails: there a template need not be tried with one container first.
    pub fn of_success() -> Memory {
        Memory { confident: true, ..Memory::new(0) }
    }

    /// Takes note of a look at the world: a new generation ends all rows of failures, a container that is
    /// found ended counts as one, a run of [`backoff::STABLE_RUN`] ends its slot's row.
    pub fn observe(&mut self, object: &Object, containers: &[Arc<Container>], now: Time) {
        self.follow(object, now);
        let first_look = !std::mem::replace(&mut self.looked, true);

        let mut newest: BTreeMap<u32, u32> = BTreeMap::new();
        for identity in containers.iter().map(|container| &container.identity) {
            let attempt = newest.entry(identity.slot).or_default();
            *attempt = identity.attempt.max(*attempt);
        }
        for container in containers {
            self.doubts.remove(&(container.identity.slot, container.identity.attempt));
            let newest = newest.get(&container.identity.slot) == Some(&container.identity.attempt);
            self.observe_one(object, container, newest, first_look, now);
        }
        self.forget_what_is_gone(containers, now);
        self.doubts.retain(|_, doubt| now.since(doubt.since) < DOUBT_LIFETIME);
        self.held.retain(|_, until| *until > now);
    }

    /// The same was submitted again: what failed may be tried at once, and failures are counted anew.
    fn try_anew(&mut self, now: Time) {
        let failed: BTreeSet<u32> = self.present.slots.keys().copied().collect();
        self.ends.forgive();
        self.present.forgive();
        self.fallback.iter_mut().for_each(Tries::forgive);
        for seen in self.seen.values_mut() {
            seen.removal = Failures::default();
            // One that ends after each start, and runs at this moment, has to prove itself again.
            if failed.contains(&seen.slot) {
                seen.running_since = seen.running_since.map(|_| now);
                seen.ready_since = seen.ready_since.map(|_| now);
            }
        }
        self.doubts.values_mut().for_each(|doubt| doubt.retry_at = now);
    }

    /// Takes note of what is wanted now.
    fn follow(&mut self, object: &Object, now: Time) {
        if self.generation != object.generation {
            self.generation = object.generation;
            self.ends.forgive();
            self.present.forgive();
            self.fallback.iter_mut().for_each(Tries::forgive);
            self.updated.clear();
            for seen in self.seen.values_mut() {
                (seen.start_refused, seen.removal) = (false, Failures::default());
            }
            self.taken.clear();
            self.asked = object.asked;
        }
        if std::mem::replace(&mut self.asked, object.asked) != object.asked {
            self.try_anew(now);
        }
        let mut known: Vec<Tries> = Vec::new();
        if !self.present.are_of(&object.spec.template.hash) {
            known.push(std::mem::replace(&mut self.present, Tries::of(&object.spec.template)));
            self.updated.clear();
        }
        let fallback = object.fallback();
        if self.fallback.as_ref().and_then(|tries| tries.hash.as_ref()) != fallback.map(|t| &t.hash) {
            known.extend(self.fallback.take());
            self.fallback = fallback.map(|template| {
                known
                    .into_iter()
                    .find(|tries| tries.are_of(&template.hash))
                    .unwrap_or_else(|| Tries::of(template))
            });
        }
    }

    /// Takes note of one container; `newest` says that it is the newest of its slot.
    fn observe_one(
        &mut self,
        object: &Object,
        container: &Container,
        newest: bool,
        first_look: bool,
        now: Time,
    ) {
        let slot = container.identity.slot;
        let present = container.identity.template == object.spec.template.hash;
        let new = || Seen { adopted: first_look, ..Seen::default() };
        let seen = self.seen.entry(container.id.clone()).or_insert_with(new);
        seen.slot = slot;
        seen.name.clone_from(&container.name);
        seen.template = Some(container.identity.template.clone());
        seen.live = container.live();
        let started = std::mem::take(&mut seen.start_done);
        let started_in_vain = started && container.state == ContainerState::Created;
        // By its own restart policy: its next run is another one.
        if container.state == ContainerState::Restarting {
            seen.running_since = None;
        }
        let mut ran = seen.running_since.map_or(Duration::ZERO, |since| now.since(since));
        // What the engine restarts by itself has failed all the same. What it did before we came is old news.
        let restarted = container.detail.as_ref().map_or(0, |detail| {
            let counted = seen.restarts.replace(detail.restarts);
            let counted = counted.unwrap_or(if seen.adopted { detail.restarts } else { 0 });
            detail.restarts.saturating_sub(counted)
        });
        if restarted > 0 {
            (seen.running_since, seen.ready_since) = (None, None);
        }
        seen.ready_since = container.ready().then(|| seen.ready_since.unwrap_or(now));
        seen.exit_code = container.detail.as_ref().and_then(|detail| detail.exit_code).or(seen.exit_code);
        let exit_code = seen.exit_code;
        let clear = container.visibility == Visibility::Clear;
        if container.state == ContainerState::Running {
            seen.end_counted = false;
            if seen.running_since.is_none() && newest {
                self.ends.replaced(slot);
            }
            let since = *seen.running_since.get_or_insert(now);
            let good_at = seen.ready_since.filter(|_| present && newest && clear);
            if good_at.is_some_and(|since| since + object.spec.update.monitor <= now) {
                self.updated.insert(slot);
            }
            let tries = tries_of(&mut self.present, &mut self.fallback, container);
            tries.works |= tries.are_of(&container.identity.template);
            // An older container that still runs, perhaps out of reach, says nothing of those after it.
            let speaks = clear && tries.are_of(&container.identity.template) && newest;
            let stable = now.since(since) >= backoff::STABLE_RUN && container.health != Health::Unhealthy;
            if speaks && stable {
                tries.slots.remove(&slot);
            }
        }
        if container.live() && clear && newest {
            self.held.remove(&slot);
        }
        let turned_unhealthy = match container.health {
            // An engine calls what is being killed unhealthy: somebody asked for that.
            Health::Unhealthy => {
                seen.unhealthy_since.replace(seen.unhealthy_since.unwrap_or(now)).is_none()
                    && !stopped_by_a_user(container, now)
            }
            _ => {
                seen.unhealthy_since = None;
                false
            }
        };
        seen.removing_since =
            (container.state == ContainerState::Removing).then(|| seen.removing_since.unwrap_or(now));
        // What a lost host or a contradiction hides did not fail.
        let ended = container.dead() && clear && !std::mem::replace(&mut seen.end_counted, true);
        if ended {
            ran = seen.running_since.take().map_or(ran, |since| now.since(since));
        }
        let ending = seen.ending;
        if started && !started_in_vain {
            tries_of(&mut self.present, &mut self.fallback, container).succeeded();
        }
        if started_in_vain {
            let tries = tries_of(&mut self.present, &mut self.fallback, container);
            let error = format!("{} was started, says the engine, and still does not run", container.name);
            tries.failed(Says::Nothing, error, self.seed, now);
        }
        // What lay there when we came may have ended long ago, and what a user stopped did not fail: no reason to
        // back off.
        let stopped = ended && (ending || stopped_by_a_user(container, now));
        // It may take longer to stop than its own grace period: whoever stops or restarts it can give it more time.
        if let Some(signalled) = container.signalled.filter(|s| ended && s.stop && newest && !ending) {
            self.held.insert(slot, signalled.at.max(now) + RESTART_GRACE);
        }
        let kind = match (ended, restarted, turned_unhealthy) {
            (true, ..) => Some(EndKind::Ended),
            (_, 1.., _) => Some(EndKind::Restarted),
            (_, _, true) => Some(EndKind::Unhealthy),
            _ => None,
        };
        let end = kind.filter(|_| !ending).map(|kind| ends::Seen {
            kind,
            container: container.name.clone(),
            slot,
            asked: stopped,
            ran: Some(ran).filter(|ran| !ran.is_zero()),
            exit_code,
            found: first_look,
            at: now,
        });
        let failed = (ended && !first_look && !stopped) || restarted > 0 || turned_unhealthy;
        if let Some(end) = end.as_ref().filter(|_| failed) {
            if !first_look {
                self.ends.count(slot, restarted.max(1), ran, now);
            }
            let tries = tries_of(&mut self.present, &mut self.fallback, container);
            let says = match tries.are_of(&container.identity.template) {
                true => Says::Failed,
                false => Says::Nothing,
            };
            tries.slot_failed(slot, ran, says, ends::words(end, Some(container)), self.seed, now);
        }
        self.tell(container, end);
    }

    /// Tells of an end as soon as an inspect has said how it came.
    fn tell(&mut self, container: &Container, end: Option<ends::Seen>) {
        let Some(seen) = self.seen.get_mut(&container.id) else { return };
        seen.untold = end.or(seen.untold.take());
        let detail = container.detail.as_ref();
        let known = |end: &mut ends::Seen| match end.kind {
            EndKind::Unhealthy => {
                container.health != Health::Unhealthy || detail.is_some_and(|d| d.health_output.is_some())
            }
            EndKind::Ended | EndKind::Restarted | EndKind::Vanished => detail.is_some(),
        };
        if let Some(end) = seen.untold.take_if(known) {
            self.ends.tell(end, Some(container));
        }
    }

    /// Containers that are not there any more. One that we started and that vanished soon after, without an end that
    /// was seen and not by us, has failed: else an engine, or a user, that takes each one away keeps us making them.
    fn forget_what_is_gone(&mut self, containers: &[Arc<Container>], now: Time) {
        let there: BTreeSet<_> = containers.iter().map(|c| &c.id).collect();
        let mut gone = Vec::new();
        self.seen.retain(|id, seen| {
            let stays = there.contains(id);
            if !stays {
                gone.push(std::mem::take(seen));
            }
            stays
        });
        for mut seen in gone {
            if let Some(end) = seen.untold.take() {
                self.ends.tell(end, None);
            }
            let unexplained = !seen.ending && !seen.end_counted && seen.removing_since.is_none();
            let ran = seen.running_since.map(|since| now.since(since));
            if ran.is_some() && !seen.ending && !seen.end_counted {
                let (container, slot, kind) = (seen.name, seen.slot, EndKind::Vanished);
                let end = ends::Seen {
                    kind,
                    container,
                    slot,
                    asked: true,
                    ran,
                    exit_code: None,
                    found: false,
                    at: now,
                };
                self.ends.tell(end, None);
            }
            let ran = ran.filter(|ran| unexplained && *ran < backoff::STABLE_RUN);
            if let (Some(ran), Some(template)) = (ran, seen.template) {
                let (slot, seed) = (seen.slot, self.seed);
                let error = format!("the container of slot {slot} was removed, and not by this manager");
                self.tries_mut(&template).slot_failed(slot, ran, Says::Nothing, error, seed, now);
            }
        }
    }

    /// Takes over what another history remembers of one container.
    #[cfg(test)]
    pub fn adopt_memory(&mut self, other: Memory, id: &ContainerId) {
        self.seen.extend(other.seen.into_iter().filter(|(seen, _)| seen == id));
    }

    /// Takes note that a step begins. A slot whose old container we end is the present template's from then on.
    pub fn begun(&mut self, action: &Action) {
        let Action::Remove { id, .. } = action else { return };
        let seen = self.seen.entry(id.clone()).or_default();
        seen.ending = true;
        if seen.live && seen.unhealthy_since.is_none() {
            self.ends.replaced(seen.slot);
        }
        if seen.live && seen.template.as_ref().is_some_and(|template| !self.present.are_of(template)) {
            self.updated.insert(seen.slot);
        }
    }

    /// Takes note of how a step ended.
    pub fn ended(&mut self, action: &Action, report: Report, now: Time) {
        match (action, report) {
            (Action::Pull { image, .. }, Report::Image(outcome)) => {
                self.pull_ended(image, outcome, now);
            }
            // What was begun for a template that is no longer wanted says nothing about the present one.
            (Action::Create { identity, .. }, report) if self.tries(&identity.template).is_none() => {
                match report {
                    Report::Created(Outcome::InDoubt(why)) | Report::CreateInFlight(why) => {
                        self.doubtful(identity, why, now);
                    }
                    Report::Created(Outcome::Refused(_) | Outcome::NotSent(_)) => {}
                    _ => drop(self.doubts.remove(&(identity.slot, identity.attempt))),
                }
            }
            (Action::Create { identity, .. }, Report::Created(Outcome::Done(id))) => {
                self.doubts.remove(&(identity.slot, identity.attempt));
                let seen = self.seen.entry(id).or_default();
                // Whether it did start, the next look tells.
                (seen.slot, seen.start_done) = (identity.slot, true);
            }
            (Action::Create { identity, .. }, Report::CreatedNotStarted(id, outcome)) => {
                self.doubts.remove(&(identity.slot, identity.attempt));
                let template = identity.template.clone();
                self.start_ended(id, &identity.container_name(), &template, outcome, now);
            }
            // Slow is not broken: other slots may go on.
            (Action::Create { identity, .. }, Report::CreateInFlight(why)) => {
                self.doubtful(identity, why, now)
            }
            (Action::Create { identity, .. }, Report::Created(Outcome::InDoubt(why))) => {
                self.doubtful(identity, why.clone(), now);
                let seed = self.seed;
                self.tries_mut(&identity.template).failed(Says::Nothing, why, seed, now);
            }
            // A definite no to a second try says nothing of the first: only who holds the name does.
            (Action::Create { identity, .. }, Report::Created(outcome)) => {
                let seed = self.seed;
                match outcome {
                    // Somebody else's container has the name. It stays; the next attempt has another name.
                    Outcome::Refused(refusal) if refusal.kind == RefusalKind::NameTaken => {
                        self.doubts.remove(&(identity.slot, identity.attempt));
                        self.taken.insert((identity.slot, identity.attempt));
                    }
                    Outcome::Refused(refusal) if refusal.kind == RefusalKind::NoImage => {
                        let tries = self.tries_mut(&identity.template);
                        tries.image_ensured = false;
                        tries.failed(Says::Failed, refusal.words, seed, now);
                    }
                    other => {
                        let says = says(&other);
                        self.tries_mut(&identity.template).failed(says, why(other), seed, now);
                    }
                }
            }
            (Action::Start { id, name, template }, Report::Started(outcome)) => {
                self.start_ended(id.clone(), name, template, outcome, now);
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
                if matches!(outcome, Outcome::NotSent(_)) {
                    self.seen.entry(id.clone()).or_default().ending = false;
                }
                self.removal_failed(id, why(outcome), now);
            }
            // The actuator reports each action with its own kind of report.
            (action, report) => debug_assert!(false, "{action:?} was reported as {report:?}"),
        }
    }

    /// A pull of an image that no template names any more says nothing.
    fn pull_ended(&mut self, image: &str, outcome: Outcome<()>, now: Time) {
        let concerned = std::iter::once(&mut self.present).chain(self.fallback.as_mut());
        for tries in concerned.filter(|tries| tries.image == image) {
            match &outcome {
                Outcome::Done(()) => {
                    tries.image_ensured = true;
                    tries.whole = Failures::default();
                }
                outcome => {
                    let error = format!("the image {image} cannot be had: {}", why(outcome.clone()));
                    tries.failed(says(outcome), error, self.seed, now);
                }
            }
        }
    }

    fn doubtful(&mut self, identity: &ContainerIdentity, why: String, now: Time) {
        let seed = self.seed ^ u64::from(identity.slot);
        let template = identity.template.clone();
        let fresh = Doubt { template, why: String::new(), retry_at: now, since: now, tries: 0 };
        let doubt = self.doubts.entry((identity.slot, identity.attempt)).or_insert(fresh);
        doubt.template.clone_from(&identity.template);
        doubt.tries += 1;
        doubt.retry_at = now + backoff::after_refusal(doubt.tries, seed);
        doubt.why = why;
        self.tries_mut(&identity.template).window = 1;
    }

    fn removal_failed(&mut self, id: &ContainerId, error: String, now: Time) {
        let seed = self.seed;
        let removal = &mut self.seen.entry(id.clone()).or_default().removal;
        removal.count += 1;
        removal.retry_at = now + backoff::after_refusal(removal.count, seed);
        removal.error = error;
    }

    fn start_ended(
        &mut self,
        id: ContainerId,
        name: &str,
        template: &TemplateHash,
        outcome: Outcome<()>,
        now: Time,
    ) {
        let seed = self.seed;
        match outcome {
            Outcome::Done(()) => self.seen.entry(id).or_default().start_done = true,
            // A definite no: the container will not run; it goes, and a new one may try.
            Outcome::Refused(refusal) => {
                self.seen.entry(id).or_default().start_refused = true;
                let says = says_of(&refusal);
                let error = format!("{name} was made but cannot start: {}", refusal.words);
                self.tries_mut(template).failed(says, error, seed, now);
            }
            // It may run yet. It stays, and is started again.
            other => {
                let error = format!("{name} was made; whether it started is not known: {}", why(other));
                self.tries_mut(template).failed(Says::Nothing, error, seed, now);
            }
        }
    }

    /// How containers ended without our doing.
    pub fn ends(&self) -> &Ends {
        &self.ends
    }

    /// Ends that are to be told of, each once.
    pub fn take_untold(&mut self) -> Vec<(EndKind, String)> {
        self.ends.take_untold()
    }

    /// The generation that was looked at last.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// What is remembered of the present template.
    pub fn present(&self) -> &Tries {
        &self.present
    }

    /// What is remembered of the template that worked last, while the present one has not converged.
    pub fn fallback(&self) -> Option<&Tries> {
        self.fallback.as_ref()
    }

    /// What is remembered of a template that is still of interest.
    pub fn tries(&self, template: &TemplateHash) -> Option<&Tries> {
        let known = [Some(&self.present), self.fallback.as_ref()];
        known.into_iter().flatten().find(|tries| tries.are_of(template))
    }

    fn tries_mut(&mut self, template: &TemplateHash) -> &mut Tries {
        match &mut self.fallback {
            Some(fallback) if fallback.are_of(template) => fallback,
            _ => &mut self.present,
        }
    }

    /// How many creates of a template may be under way at once: one, until a container of it has started, so that a
    /// command that is wrong costs one attempt and not as many as there are replicas.
    pub fn window(&self, template: &TemplateHash) -> usize {
        if self.confident {
            return usize::MAX;
        }
        let tries = self.tries(template).filter(|tries| tries.works);
        tries.map_or(1, |tries| usize::try_from(tries.window).unwrap_or(1))
    }

    /// True where the present template has taken the slot over from the one that worked last.
    pub fn updated(&self, slot: u32) -> bool {
        self.updated.contains(&slot)
    }

    /// Until when a slot stays empty, since a user has stopped its container and may be starting it again.
    pub fn held(&self, slot: u32) -> Option<Time> {
        self.held.get(&slot).copied()
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

    /// Since when a container has been seen ready.
    pub fn ready_since(&self, id: &ContainerId) -> Option<Time> {
        self.seen.get(id)?.ready_since
    }

    /// Since when a container has been seen unhealthy.
    pub fn unhealthy_since(&self, id: &ContainerId) -> Option<Time> {
        self.seen.get(id)?.unhealthy_since
    }

    /// Since when a container has been seen in removal.
    pub fn removing_since(&self, id: &ContainerId) -> Option<Time> {
        self.seen.get(id)?.removing_since
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

/// The tries that a container is one of: the fallback's, or the present template's, to which those of still older
/// templates count as well.
fn tries_of<'a>(
    present: &'a mut Tries,
    fallback: &'a mut Option<Tries>,
    container: &Container,
) -> &'a mut Tries {
    match fallback {
        Some(fallback) if fallback.are_of(&container.identity.template) => fallback,
        _ => present,
    }
}

/// Whether a container's end was asked for: by a signal that asks a process to end, not long before. A program that
/// ends for another signal, or much later, has ended by itself.
fn stopped_by_a_user(container: &Container, now: Time) -> bool {
    let Some(Signalled { signal, at, .. }) = container.signalled else { return false };
    let detail = container.detail.as_ref();
    let stop_signal = detail.and_then(|detail| detail.stop_signal).unwrap_or(Signal::TERM);
    let grace = detail.and_then(|detail| detail.stop_timeout).unwrap_or(DEFAULT_GRACE);
    let asks = [stop_signal, Signal::TERM, Signal::INT, Signal::KILL].contains(&signal);
    asks && now.since(at) <= grace + END_SLACK
}

fn says<T>(outcome: &Outcome<T>) -> Says {
    match outcome {
        Outcome::Refused(refusal) => says_of(refusal),
        Outcome::Done(_) | Outcome::NotSent(_) | Outcome::InDoubt(_) => Says::Nothing,
    }
}

fn says_of(refusal: &Refusal) -> Says {
    match refusal.kind {
        RefusalKind::NoNode => Says::Nothing,
        RefusalKind::Impossible => Says::Impossible,
        RefusalKind::NameTaken | RefusalKind::NoImage | RefusalKind::NoPlace | RefusalKind::Other => {
            Says::Failed
        }
    }
}

fn why<T>(outcome: Outcome<T>) -> String {
    match outcome {
        Outcome::Done(_) => String::new(),
        Outcome::Refused(refusal) => refusal.words,
        Outcome::NotSent(why) => format!("the engine cannot be reached: {why}"),
        Outcome::InDoubt(why) => why,
    }
}
