//! The rules, one function each, in the order in which they apply: see the story of [`planner`](super).
//!
//! Each rule reads the slots as the rules before it left them and adds its steps. What already has a step, or
//! is under way, is spoken for and gets no second one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::core::availability::Availability;
use crate::core::backoff::STABLE_RUN;
use crate::core::condition::Phase;
use crate::core::container::{Container, ContainerId, ContainerState, Health, Visibility};
use crate::core::labels::ContainerIdentity;
use crate::core::memory::tries::Tries;
use crate::core::plan::{Action, Plan, Step};
use crate::core::spec::{OnNodeLost, Order, Pull, Template, TemplateHash};
use crate::core::time::Time;
use crate::planner::condition;
use crate::planner::input::Input;

/// The most removals of one object under way at once, so that one with thousands of containers that take long to
/// stop leaves places for the others.
const MAX_REMOVALS: usize = 32;
/// A removal by the engine that takes longer than this is asked for again: large filesystems take some seconds.
const REMOVAL_PATIENCE: Duration = Duration::from_secs(30);
/// A container whose stop got no answer this often is ended by force. Each of them waited for longer than it may
/// take to stop.
const STOPS_BEFORE_FORCE: u32 = 3;

/// The period of health checks where neither object nor image says any.
const DOCKER_CHECK_INTERVAL: Duration = Duration::from_secs(30);

/// Applies all rules.
pub(super) fn apply(input: Input<'_>) -> Plan {
    let mut planning = Planning::new(input);
    planning.settle_duplicates();
    planning.remove_surplus();
    planning.fill_missing();
    planning.update_stale();
    planning.replace_unhealthy();
    planning.clear_away_the_dead();
    planning.start_what_does_not_run();
    planning.finish()
}

/// A slot as observed.
#[derive(Debug, Default)]
pub(super) struct Slot<'a> {
    /// Live containers of the present template, best first.
    pub(super) current: Vec<&'a Container>,
    /// Live containers of another template, best first.
    pub(super) stale: Vec<&'a Container>,
    /// Live, and being removed: still there, not to be counted on.
    leaving: Vec<&'a Container>,
    /// Ended, newest attempt first.
    pub(super) dead: Vec<&'a Container>,
    /// Made, and never to run: refused to start, or stale before it was started; and what the engine could not
    /// remove.
    misfits: Vec<&'a Container>,
    /// The engine is removing them.
    removing: Vec<&'a Container>,
    /// On nodes that are lost: they count no more.
    lost: Vec<&'a Container>,
    /// A create is under way.
    creating: bool,
    /// A create whose outcome is not known.
    in_doubt: Option<u32>,
    /// The highest attempt there is.
    highest_attempt: u32,
}

impl Slot<'_> {
    /// Holds a container, or may: it counts.
    fn held(&self) -> bool {
        !self.current.is_empty() || !self.stale.is_empty() || self.creating || self.in_doubt.is_some()
    }
}

pub(super) struct Planning<'a> {
    pub(super) input: Input<'a>,
    pub(super) slots: BTreeMap<u32, Slot<'a>>,
    /// Slots that stay, after the surplus is gone.
    pub(super) staying: BTreeSet<u32>,
    /// Slots that go.
    surplus: BTreeSet<u32>,
    /// Slots that want a container and have none: to be filled now or, after a failure, later.
    pub(super) missing: BTreeSet<u32>,
    /// What is in the way of a container that would be made now.
    pub(super) waits_for: Option<&'a str>,
    /// Containers whose removal failed, and is wanted still.
    pub(super) removal_waits: Vec<&'a Container>,
    /// Containers that already have their step, or that must not get one.
    spoken_for: BTreeSet<&'a ContainerId>,
    /// How far the nodes of containers may be believed, where that is not wholly.
    availabilities: BTreeMap<&'a ContainerId, Availability>,
    pub(super) steps: Vec<Step>,
    pub(super) wake_at: Option<Time>,
    /// Creates that may still be begun, by template.
    room: BTreeMap<&'a TemplateHash, usize>,
    /// Removals that may still be begun.
    removals: usize,
}

impl<'a> Planning<'a> {
    fn new(input: Input<'a>) -> Planning<'a> {
        let mut slots: BTreeMap<u32, Slot<'a>> = BTreeMap::new();
        let mut spoken_for = BTreeSet::new();
        let mut leaving = BTreeSet::new();
        let mut creates: BTreeMap<&'a TemplateHash, usize> = BTreeMap::new();
        for action in input.under_way {
            match action {
                Action::Create { identity, .. } => {
                    *creates.entry(&identity.template).or_default() += 1;
                    let slot = slots.entry(identity.slot).or_default();
                    slot.creating = true;
                    slot.highest_attempt = slot.highest_attempt.max(identity.attempt);
                }
                Action::Start { id, .. } => {
                    spoken_for.insert(id);
                }
                Action::Remove { id, .. } => {
                    spoken_for.insert(id);
                    leaving.insert(id);
                }
                Action::Pull { .. } => {}
            }
        }
        let mut availabilities = BTreeMap::new();
        let calm = input.nodes.all().all(|tracked| tracked.availability == Availability::Up);
        let hold = input.object.on_node_lost() == OnNodeLost::Hold;
        for container in input.containers {
            let container: &'a Container = container;
            let slot = slots.entry(container.identity.slot).or_default();
            slot.highest_attempt = slot.highest_attempt.max(container.identity.attempt);
            let availability = match (calm, container.visibility) {
                (true, Visibility::Clear) => Availability::Up,
                _ => input.nodes.availability(container),
            };
            if availability != Availability::Up {
                availabilities.insert(&container.id, availability);
            }
            if !availability.reachable() || container.visibility == Visibility::Disputed {
                spoken_for.insert(&container.id);
            }
            // What contradicts itself may run.
            let live = container.live() || container.visibility == Visibility::Disputed;
            if availability == Availability::Lost && !(hold && live) {
                slot.lost.push(container);
            } else if !live {
                match container.state {
                    ContainerState::Exited => slot.dead.push(container),
                    ContainerState::Dead => slot.misfits.push(container),
                    // By the engine; and if that does not end, once more by us.
                    _ => slot.removing.push(container),
                }
            } else if leaving.contains(&container.id) {
                slot.leaving.push(container);
            } else if container.state == ContainerState::Created && input.memory.start_refused(&container.id)
            {
                slot.misfits.push(container);
            } else if container.identity.template == input.object.spec.template.hash {
                slot.current.push(container);
            } else if container.state == ContainerState::Created && !slot.creating {
                slot.misfits.push(container);
            } else {
                slot.stale.push(container);
            }
        }
        for ((number, attempt), _) in input.memory.doubts() {
            let slot = slots.entry(number).or_default();
            slot.in_doubt = slot.in_doubt.max(Some(attempt));
            slot.highest_attempt = slot.highest_attempt.max(attempt);
        }
        // Ready, on a node that is believed, then the newer attempt; of two of one name, the older.
        let merit = |c: &&'a Container| {
            let availability = availabilities.get(&c.id).copied().unwrap_or(Availability::Up);
            let ready = c.ready() && availability.reachable() && c.visibility == Visibility::Clear;
            (
                !availability.reachable(),
                !ready,
                availability,
                std::cmp::Reverse(c.identity.attempt),
                c.created,
                &c.id,
            )
        };
        for slot in slots.values_mut() {
            slot.current.sort_by_key(merit);
            slot.stale.sort_by_key(merit);
            slot.misfits.sort_by_key(|c| (c.identity.attempt, &c.id));
            slot.dead.sort_by_key(|c| (std::cmp::Reverse(c.identity.attempt), &c.id));
        }
        let room = |template: &'a TemplateHash| {
            let under_way = creates.get(template).copied().unwrap_or_default();
            (template, input.memory.window(template).saturating_sub(under_way))
        };
        let templates = [Some(&input.object.spec.template), input.object.fallback()];
        let room = templates.into_iter().flatten().map(|template| room(&template.hash)).collect();
        Planning {
            input,
            slots,
            staying: BTreeSet::new(),
            surplus: BTreeSet::new(),
            missing: BTreeSet::new(),
            waits_for: None,
            removal_waits: Vec::new(),
            spoken_for,
            availabilities,
            steps: Vec::new(),
            wake_at: None,
            room,
            removals: MAX_REMOVALS.saturating_sub(leaving.len()),
        }
    }

    /// How many containers are wanted.
    pub(super) fn wanted(&self) -> usize {
        usize::try_from(self.input.object.wanted()).unwrap_or(usize::MAX)
    }

    /// How far the node of a container may be believed.
    pub(super) fn availability(&self, container: &Container) -> Availability {
        self.availabilities.get(&container.id).copied().unwrap_or(Availability::Up)
    }

    /// Ready, as far as can be seen.
    pub(super) fn ready(&self, container: &Container) -> bool {
        container.ready()
            && self.availability(container).reachable()
            && container.visibility == Visibility::Clear
    }

    fn look_again(&mut self, at: Time) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }

    fn remove(&mut self, container: &'a Container, cause: impl Into<String>) {
        if !self.spoken_for.insert(&container.id) {
            return;
        }
        let failures = self.input.memory.removal(&container.id);
        if let Some(failures) = failures {
            self.removal_waits.push(container);
            if failures.retry_at > self.input.now {
                self.look_again(failures.retry_at);
                return;
            }
        }
        let force = self.input.memory.stops_unanswered(&container.id) >= STOPS_BEFORE_FORCE;
        // One that ends makes room, and wakes us.
        if self.removals == 0 {
            return;
        }
        self.removals -= 1;
        let action = Action::Remove { id: container.id.clone(), name: container.name.clone(), force };
        self.steps.push(Step { action, cause: cause.into() });
    }

    /// Begins a create of the present template in a slot.
    fn create(&mut self, number: u32, cause: &str) {
        let object = self.input.object;
        self.create_of(&object.spec.template, number, cause);
    }

    /// Begins a create in a slot, if there is room, the image is there and no failure asks to wait.
    fn create_of(&mut self, template: &'a Template, number: u32, cause: &str) {
        let Input { object, memory, now, under_way, .. } = self.input;
        let slot = self.slots.entry(number).or_default();
        if slot.creating {
            return;
        }
        if let Some(what) = self.input.in_the_way.get(&template.hash) {
            self.waits_for = Some(what);
            return;
        }
        let doubt = memory.doubts().find(|((n, attempt), _)| *n == number && Some(*attempt) == slot.in_doubt);
        let tries = memory.tries(&template.hash);
        let waits = [
            tries.and_then(|tries| tries.retry_at(number)),
            memory.held(number),
            doubt.map(|(_, doubt)| doubt.retry_at),
        ];
        if let Some(until) = waits.into_iter().flatten().max()
            && until > now
        {
            self.look_again(until);
            return;
        }
        let spec = &object.spec;
        if !tries.is_some_and(Tries::image_ensured) {
            // Of the template that worked last there is no newer image to look for.
            let pull = match spec.pull {
                Pull::Always if template.hash != spec.template.hash => Pull::Missing,
                pull => pull,
            };
            let action = Action::Pull { image: template.image.clone(), pull };
            if !under_way.contains(&action) && !self.steps.iter().any(|step| step.action == action) {
                self.steps.push(Step { action, cause: format!("needed to create {}.{number}", spec.name) });
            }
            return;
        }
        let Some(room) = self.room.get_mut(&template.hash).filter(|room| **room > 0) else { return };
        *room -= 1;
        slot.creating = true;
        let (attempt, cause) = match doubt {
            // The same name again: if the last try did make it, the engine will say so.
            Some(((_, attempt), doubt)) => (attempt, format!("the last create is in doubt: {}", doubt.why)),
            None => (1 + slot.highest_attempt.max(memory.highest_taken(number)), cause.to_owned()),
        };
        let identity = ContainerIdentity {
            object: spec.name.clone(),
            slot: number,
            attempt,
            template: template.hash.clone(),
        };
        let action = Action::Create { identity, image: template.image.clone() };
        self.steps.push(Step { action, cause });
    }

    /// What a slot gets that has no container: see rule 4.
    fn template_for(&self, number: u32) -> &'a Template {
        let Input { object, memory, now, .. } = self.input;
        let present = &object.spec.template;
        let Some(fallback) = object.fallback() else { return present };
        let doubt = memory.doubts().find(|((slot, _), _)| *slot == number);
        if doubt.is_some_and(|(_, doubt)| doubt.template == present.hash) {
            return present;
        }
        // Once is bad luck.
        let fails = |template: &Template| {
            let tries = memory.tries(&template.hash);
            let failures = tries.into_iter().flat_map(|tries| [tries.whole(), tries.slot(number)]);
            failures.flatten().any(|failures| failures.count > 1)
        };
        let retry_at = |template: &Template| memory.tries(&template.hash).and_then(|t| t.retry_at(number));
        match (fails(present), fails(fallback)) {
            (false, _) if memory.updated(number) => present,
            // The old one was stopped for this try, or would be again.
            (true, _) if memory.updated(number) && retry_at(present) <= Some(now) => present,
            (_, false) => fallback,
            // The old one does not work any more, which may be why there is a new one.
            (false, true) => present,
            // Whichever may be tried first.
            (true, true) if retry_at(present) <= retry_at(fallback) => present,
            (true, true) => fallback,
        }
    }

    /// Rule 2.
    fn settle_duplicates(&mut self) {
        let mut extras = Vec::new();
        for slot in self.slots.values_mut() {
            for group in [&mut slot.current, &mut slot.stale] {
                let Some(best) = group.first().copied() else { continue };
                for extra in group.drain(1..) {
                    slot.leaving.push(extra);
                    extras.push((best, extra));
                }
            }
        }
        for (best, extra) in extras {
            // A node that has only just come back may go again.
            if self.availability(best) == Availability::Settling
                && self.availability(extra) == Availability::Up
            {
                continue;
            }
            self.remove(extra, format!("{} holds the slot already", best.name));
        }
    }

    /// Rule 3.
    fn remove_surplus(&mut self) {
        let mut held: Vec<u32> = self.slots.iter().filter(|(_, slot)| slot.held()).map(|(n, _)| *n).collect();
        let surplus = held.len().saturating_sub(self.wanted());
        if surplus > 0 {
            let crowd = self.crowd();
            held.sort_by_key(|number| std::cmp::Reverse(self.merit(*number, &crowd)));
            let cause = format!("surplus: {} there, {} wanted", held.len(), self.wanted());
            for number in held.split_off(held.len() - surplus) {
                self.surplus.insert(number);
                let Some(slot) = self.slots.get_mut(&number) else { continue };
                let going: Vec<_> = slot.current.drain(..).chain(slot.stale.drain(..)).collect();
                slot.leaving.extend(&going);
                // What is just being made and started is let land first.
                let landing = slot.creating;
                for container in going.into_iter().filter(|_| !landing) {
                    self.remove(container, cause.clone());
                }
            }
        }
        self.staying = held.into_iter().collect();
    }

    /// How many live containers of the object each node has.
    fn crowd(&self) -> BTreeMap<&'a str, usize> {
        let mut crowd = BTreeMap::new();
        for container in self.slots.values().flat_map(|slot| slot.current.iter().chain(&slot.stale)) {
            *crowd.entry(container.node.as_deref().unwrap_or_default()).or_default() += 1;
        }
        crowd
    }

    /// How good a slot is: the greatest stays longest.
    fn merit(&self, number: u32, crowd: &BTreeMap<&str, usize>) -> impl Ord + use<> {
        use std::cmp::Reverse;
        let slot = self.slots.get(&number);
        let current = slot.and_then(|s| s.current.first());
        let best = current.or(slot.and_then(|s| s.stale.first()));
        let ready = slot.is_some_and(|s| s.current.iter().chain(&s.stale).any(|c| self.ready(c)));
        let availability = best.map_or(Availability::Up, |c| self.availability(c));
        let health = best.map_or(0, |c| match (c.state, c.health) {
            (ContainerState::Running, Health::Unhealthy) => 1,
            (ContainerState::Running, _) => 3,
            _ => 2,
        });
        let node = best.and_then(|c| c.node.as_deref()).unwrap_or_default();
        let crowded = crowd.get(node).copied().unwrap_or_default();
        let within = usize::try_from(number).is_ok_and(|n| n <= self.wanted());
        let age = Reverse(best.map(|c| c.created));
        let reachable = availability.reachable();
        let believed = Reverse(availability);
        (
            reachable,
            ready,
            current.is_some(),
            health,
            believed,
            within,
            Reverse(crowded),
            age,
            Reverse(number),
        )
    }

    /// Rule 4.
    fn fill_missing(&mut self) {
        let stopping =
            |slot: &Slot<'_>| !slot.held() && slot.leaving.iter().any(|c| c.state != ContainerState::Created);
        let not_free: BTreeSet<u32> =
            self.slots.iter().filter(|(_, s)| s.held() || stopping(s)).map(|(n, _)| *n).collect();
        let there = self.staying.len() + self.slots.values().filter(|slot| stopping(slot)).count();
        let lacking = self.wanted().saturating_sub(there);
        self.missing = (1..).filter(|number| !not_free.contains(number)).take(lacking).collect();
        // A name in doubt is tried again first, so that the doubt ends.
        for number in self.staying.clone() {
            let doubtful =
                self.slots.get(&number).is_some_and(|s| s.in_doubt.is_some() && s.current.is_empty());
            if doubtful {
                self.create_of(self.template_for(number), number, "missing replica");
            }
        }
        for number in self.missing.clone() {
            let lost = self.slots.get(&number).and_then(|slot| slot.lost.iter().find(|c| c.live()));
            let cause = match lost.and_then(|c| Some((c, c.node.as_deref()?))) {
                Some((lost, node)) => format!("{} is lost with node {node}", lost.name),
                None => match self.input.memory.ends().cause_of(number) {
                    Some(end) => end.to_owned(),
                    None => "missing replica".to_owned(),
                },
            };
            let template = self.template_for(number);
            let cause = match template.hash == self.input.object.spec.template.hash {
                true => cause,
                false => format!("{cause}, while the rollout has not converged"),
            };
            self.create_of(template, number, &cause);
        }
    }

    /// Ready for as long as `Update.Monitor` asks.
    fn proven(&mut self, container: &Container) -> bool {
        if !self.ready(container) {
            return false;
        }
        let since = self.input.memory.ready_since(&container.id).unwrap_or(self.input.now);
        let good_at = since + self.input.object.spec.update.monitor;
        if good_at > self.input.now {
            self.look_again(good_at);
        }
        good_at <= self.input.now
    }

    /// Rule 5.
    fn update_stale(&mut self) {
        let update = &self.input.object.spec.update;
        let staying: Vec<u32> = self.staying.iter().copied().collect();
        let is_stale = |slot: &Slot<'_>| !slot.stale.is_empty();
        if !staying.iter().any(|n| self.slots.get(n).is_some_and(is_stale)) {
            return;
        }
        // The old one may still be stopping: until it has, there is one more than was asked for.
        let stops = |c: &&Container| c.state != ContainerState::Created && self.availability(c).reachable();
        let stopping: BTreeSet<u32> =
            self.slots.iter().filter(|(_, slot)| slot.leaving.iter().any(&stops)).map(|(n, _)| *n).collect();
        let mut unsettled = self.missing.len() + stopping.len();
        let mut waiting: Vec<(bool, u32)> = Vec::new();
        for number in staying {
            let Some(slot) = self.slots.get(&number) else { continue };
            let (current, stale) = (slot.current.first().copied(), slot.stale.first().copied());
            // What is on a node that does not answer waits for its node, and does not hold up the others for ever.
            let held = |c: Option<&Container>| c.is_some_and(|c| self.availability(c) == Availability::Lost);
            let out_of_reach = stale.is_some_and(|stale| !self.availability(stale).reachable());
            if held(current) || held(stale) || (current.is_none() && out_of_reach) {
                continue;
            }
            let failed =
                update.order == Order::StartFirst && self.input.memory.present().slot(number).is_some();
            let begun = slot.creating || slot.in_doubt.is_some() || failed;
            match (current, stale) {
                (Some(current), Some(stale)) => {
                    if self.proven(current) {
                        self.remove(stale, format!("replaced by {}", current.name));
                    }
                    unsettled += 1;
                }
                (Some(_), None) if stopping.contains(&number) => {}
                (Some(current), None) => unsettled += usize::from(!self.proven(current)),
                (None, Some(stale)) if begun => {
                    unsettled += 1;
                    if update.order == Order::StartFirst {
                        self.create(number, &format!("replaces {}, which is stale", stale.name));
                    }
                }
                (None, Some(stale)) => waiting.push((self.ready(stale), number)),
                (None, None) => unsettled += 1,
            }
        }
        // What is broken is replaced first.
        waiting.sort_unstable();
        let at_once = match update.parallelism {
            0 => waiting.len(),
            n => usize::try_from(n).unwrap_or(usize::MAX),
        };
        for (_, number) in waiting.into_iter().take(at_once.saturating_sub(unsettled)) {
            let Some(stale) = self.slots.get(&number).and_then(|s| s.stale.first().copied()) else {
                continue;
            };
            match update.order {
                Order::StartFirst => self.create(number, &format!("replaces {}, which is stale", stale.name)),
                // The image comes before anything is stopped.
                Order::StopFirst if !self.input.memory.present().image_ensured() => {
                    self.create(number, "update");
                }
                // One that works is not stopped for one that failed a moment ago.
                Order::StopFirst => match self.input.memory.present().retry_at(number) {
                    Some(at) if at > self.input.now => self.look_again(at),
                    _ => self.remove(stale, "stale: stopped before its replacement starts"),
                },
            }
        }
    }

    /// Rule 6.
    fn replace_unhealthy(&mut self) {
        let settling = |slot: &Slot<'_>| {
            let starting = slot.current.iter().any(|c| c.health == Health::Starting);
            slot.creating || starting || slot.leaving.iter().any(|c| self.availability(c).reachable())
        };
        if self.slots.values().any(settling) {
            return;
        }
        let of_spec = self.input.object.spec.template.check_cycle();
        // What the engine says of the container includes what its image defines.
        let cycle = |container: &Container| {
            let own = container.detail.as_ref().and_then(|detail| detail.check_interval);
            own.or(of_spec).unwrap_or(DOCKER_CHECK_INTERVAL)
        };
        let mut candidates: Vec<(Time, &'a Container)> = Vec::new();
        for number in self.staying.clone() {
            let Some(current) = self.slots.get(&number).and_then(|s| s.current.first().copied()) else {
                continue;
            };
            let since = self.input.memory.unhealthy_since(&current.id);
            if let Some(since) = since.filter(|_| !self.spoken_for.contains(&current.id)) {
                candidates.push((since + cycle(current), current));
            }
        }
        candidates.sort_by_key(|(due, container)| (*due, container.identity.slot));
        if let Some((due, container)) = candidates.first().copied() {
            if due <= self.input.now {
                self.remove(
                    container,
                    format!(
                        "unhealthy for longer than a check cycle of {}",
                        humantime::format_duration(cycle(container))
                    ),
                );
            } else {
                self.look_again(due);
            }
        }
    }

    /// Rule 7.
    fn clear_away_the_dead(&mut self) {
        let object = self.input.object;
        // One whose engine may start it again must not lie there: when the engine is restarted, it would.
        let restarts = [Some(&object.spec.template), object.fallback()];
        let restarts = restarts.into_iter().flatten().any(Template::restarts_by_itself);
        let keep = if restarts { 0 } else { usize::try_from(object.spec.history).unwrap_or(usize::MAX) };
        let (mut going, mut removals_end) = (Vec::new(), Vec::new());
        for (number, slot) in &self.slots {
            let stays =
                self.staying.contains(number) || self.missing.contains(number) || !slot.leaving.is_empty();
            let wanted = stays && !self.surplus.contains(number) && self.wanted() > 0;
            let kept = if wanted { keep } else { 0 };
            going.extend(slot.misfits.iter().map(|c| {
                match (c.state, self.input.memory.start_refused(&c.id)) {
                    (ContainerState::Dead, _) => (*c, "dead, as the engine could not remove it".to_owned()),
                    (_, true) => (*c, "it cannot start".to_owned()),
                    (_, false) => (*c, "stale, and it never ran".to_owned()),
                }
            }));
            for container in &slot.removing {
                let begun = self.input.memory.removing_since(&container.id).unwrap_or(self.input.now);
                let failed = self.input.memory.removal(&container.id).is_some();
                if failed || begun + REMOVAL_PATIENCE <= self.input.now {
                    going.push((*container, "its removal by the engine does not end".to_owned()));
                } else {
                    removals_end.push(begun + REMOVAL_PATIENCE);
                }
            }
            // Its user may be restarting it.
            let held = self.input.memory.held(*number).is_some_and(|until| until > self.input.now);
            let kept = if held && wanted { kept.max(1) } else { kept };
            going.extend(slot.dead.iter().skip(kept).map(|c| match wanted {
                true if restarts => (*c, "dead, and its restart policy may start it again".to_owned()),
                true => (*c, format!("dead, and {keep} kept a slot")),
                false => (*c, "dead, and its slot is not wanted".to_owned()),
            }));
        }
        for (container, cause) in going {
            self.remove(container, cause);
        }
        removals_end.into_iter().for_each(|at| self.look_again(at));
    }

    /// Starts what was made and not started: by us before a crash, or by a call that was cut.
    fn start_what_does_not_run(&mut self) {
        let Input { memory, now, .. } = self.input;
        for number in self.staying.clone() {
            let Some(slot) = self.slots.get(&number) else { continue };
            let Some(container) =
                slot.current.first().copied().filter(|c| c.state == ContainerState::Created)
            else {
                continue;
            };
            if slot.creating || self.spoken_for.contains(&container.id) {
                continue;
            }
            if let Some(failures) = memory.present().whole().filter(|failures| failures.retry_at > now) {
                self.look_again(failures.retry_at);
                continue;
            }
            self.spoken_for.insert(&container.id);
            let action = Action::Start {
                id: container.id.clone(),
                name: container.name.clone(),
                template: container.identity.template.clone(),
            };
            self.steps.push(Step { action, cause: "made and not started".to_owned() });
        }
    }

    /// When all that stays will have been ready for `Update.Monitor`.
    fn proven_at(&self) -> Time {
        let Input { memory, now, object, .. } = self.input;
        let staying = self.staying.iter().filter_map(|number| self.slots.get(number)?.current.first());
        let newest = staying.map(|c| memory.ready_since(&c.id).unwrap_or(now)).max();
        newest.map_or(now, |since| since + object.spec.update.monitor)
    }

    /// How often the containers of a slot ended of late, and when the present one, which is ready, will have run for long
    /// enough for the slot to count as steady; `None` where it does.
    pub(super) fn proven_steady_at(&self, number: u32) -> Option<(usize, Time)> {
        let Input { memory, now, .. } = self.input;
        let current = self.slots.get(&number)?.current.first().filter(|c| self.ready(c))?;
        let (ends, run) = memory.ends().unsteady(number)?;
        let steady_at = memory.running_since(&current.id).unwrap_or(now) + run;
        (steady_at > now).then_some((ends, steady_at))
    }

    /// When the ready container of a slot that failed again and again will have run for long enough to be believed;
    /// `None` where it has, or need not. One that ends soon after each start is ready in between.
    pub(super) fn steady_at(&self, number: u32) -> Option<Time> {
        let Input { memory, now, .. } = self.input;
        let current = self.slots.get(&number)?.current.first().filter(|c| self.ready(c))?;
        memory.present().slot(number).filter(|failures| failures.count > 1)?;
        let steady_at = memory.running_since(&current.id).unwrap_or(now) + STABLE_RUN;
        (steady_at > now).then_some(steady_at)
    }

    fn finish(mut self) -> Plan {
        let steady_at: Vec<Time> = self.staying.iter().filter_map(|number| self.steady_at(*number)).collect();
        let proven_at: Vec<Time> =
            self.staying.iter().filter_map(|number| Some(self.proven_steady_at(*number)?.1)).collect();
        steady_at.into_iter().chain(proven_at).for_each(|at| self.look_again(at));
        let mut condition = condition::condition(&self);
        if condition.phase == Phase::Converged {
            let at = self.proven_at();
            condition.proven = at <= self.input.now;
            if !condition.proven {
                self.look_again(at);
            }
        }
        Plan { steps: self.steps, wake_at: self.wake_at, condition }
    }
}
