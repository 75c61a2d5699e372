//! What an observation changes in the memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::core::backoff;
use crate::core::container::{Container, ContainerState, Health, Signalled, Visibility};
use crate::core::memory::doubt::DOUBT_LIFETIME;
use crate::core::memory::ends::{self, EndKind};
use crate::core::memory::failures::{Failures, Says};
use crate::core::memory::tries::Tries;
use crate::core::memory::{Memory, Seen};
use crate::core::object::Object;
use crate::core::signal::Signal;
use crate::core::time::Time;

/// A container that a user stopped is replaced after this long, unless it runs again: `docker restart` stops it first, and
/// starts it some tenths of a second later, on a busy machine some seconds.
pub(crate) const RESTART_GRACE: Duration = Duration::from_secs(3);
/// Docker's default grace period.
const DEFAULT_GRACE: Duration = Duration::from_secs(10);
/// How long after its grace period an end may be observed and still be explained by a signal.
const END_SLACK: Duration = Duration::from_secs(5);

impl Memory {
    /// Records an observation: a new generation resets all streaks of failures, an ended container adds a failure, and a run
    /// of [`backoff::STABLE_RUN`] resets its slot's streak.
    pub(crate) fn observe(&mut self, object: &Object, containers: &[Arc<Container>], now: Time) {
        self.follow(object, now);
        let first = !std::mem::replace(&mut self.observed, true);

        let mut newest: BTreeMap<u32, u32> = BTreeMap::new();
        for identity in containers.iter().map(|container| &container.identity) {
            let attempt = newest.entry(identity.slot).or_default();
            *attempt = identity.attempt.max(*attempt);
        }
        for container in containers {
            self.doubts.remove(&(container.identity.slot, container.identity.attempt));
            let newest = newest.get(&container.identity.slot) == Some(&container.identity.attempt);
            self.observe_one(object, container, newest, first, now);
        }
        self.forget_gone(containers, now);
        self.doubts.retain(|_, doubt| now.since(doubt.since) < DOUBT_LIFETIME);
        self.held.retain(|_, until| *until > now);
    }

    /// The same spec was submitted again: failures are reset, and everything may be retried at once.
    fn retry_all(&mut self, now: Time) {
        let failed: BTreeSet<u32> = self.present.slots.keys().copied().collect();
        self.ends.forgive();
        self.present.forgive();
        self.fallback.iter_mut().for_each(Tries::forgive);
        for seen in self.seen.values_mut() {
            seen.removal = Failures::default();
            // A container that ends after each start, and is running now, has to prove itself again.
            if failed.contains(&seen.slot) {
                seen.running_since = seen.running_since.map(|_| now);
                seen.ready_since = seen.ready_since.map(|_| now);
            }
        }
        self.doubts.values_mut().for_each(|doubt| doubt.retry_at = now);
    }

    /// Records what is wanted now.
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
            self.retry_all(now);
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

    /// Records one container; `newest` means the newest of its slot.
    fn observe_one(&mut self, object: &Object, container: &Container, newest: bool, first: bool, now: Time) {
        let slot = container.identity.slot;
        let present = container.identity.template == object.spec.template.hash;
        let new = || Seen { adopted: first, ..Seen::default() };
        let seen = self.seen.entry(container.id.clone()).or_insert_with(new);
        seen.slot = slot;
        seen.name.clone_from(&container.name);
        seen.template = Some(container.identity.template.clone());
        seen.live = container.live();
        let started = std::mem::take(&mut seen.start_done);
        let started_in_vain = started && container.state == ContainerState::Created;
        // Its restart policy starts it again: the next run is a new one.
        if container.state == ContainerState::Restarting {
            seen.running_since = None;
        }
        let mut ran = seen.running_since.map_or(Duration::ZERO, |since| now.since(since));
        // A restart by the engine is a failure too, unless it happened before this process started.
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
            // An older container that still runs, perhaps unreachable, says nothing about newer ones.
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
            // An engine reports a container that is being killed as unhealthy; that is no failure.
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
        // A container on a lost host or in a disputed state did not fail.
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
            let error =
                format!("the engine reports that {} was started, but it does not run", container.name);
            tries.failed(Says::Nothing, error, self.seed, now);
        }
        // A container found ended at the start may have ended long ago, and one that a user stopped did not fail: no
        // back-off.
        let stopped = ended && (ending || stopped_by_a_user(container, now));
        // A user may stop it with a longer grace period than its own.
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
            found: first,
            at: now,
        });
        let failed = (ended && !first && !stopped) || restarted > 0 || turned_unhealthy;
        if let Some(end) = end.as_ref().filter(|_| failed) {
            if !first {
                self.ends.count(slot, restarted.max(1), ran, now);
            }
            let tries = tries_of(&mut self.present, &mut self.fallback, container);
            let says = match tries.are_of(&container.identity.template) {
                true => Says::Failed,
                false => Says::Nothing,
            };
            tries.slot_failed(slot, ran, says, ends::message(end, Some(container)), self.seed, now);
        }
        self.report(container, end);
    }

    /// Reports an end once an inspect has explained it.
    fn report(&mut self, container: &Container, end: Option<ends::Seen>) {
        let Some(seen) = self.seen.get_mut(&container.id) else { return };
        seen.unreported = end.or(seen.unreported.take());
        let detail = container.detail.as_ref();
        let known = |end: &mut ends::Seen| match end.kind {
            EndKind::Unhealthy => {
                container.health != Health::Unhealthy || detail.is_some_and(|d| d.health_output.is_some())
            }
            EndKind::Ended | EndKind::Restarted | EndKind::Vanished => detail.is_some(),
        };
        if let Some(end) = seen.unreported.take_if(known) {
            self.ends.report(end, Some(container));
        }
    }

    /// Records containers that are gone. One that vanished soon after its start, not by us and without an observed end, has
    /// failed: otherwise an engine or a user that removes each container would keep us creating them.
    fn forget_gone(&mut self, containers: &[Arc<Container>], now: Time) {
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
            if let Some(end) = seen.unreported.take() {
                self.ends.report(end, None);
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
                self.ends.report(end, None);
            }
            let ran = ran.filter(|ran| unexplained && *ran < backoff::STABLE_RUN);
            if let (Some(ran), Some(template)) = (ran, seen.template) {
                let (slot, seed) = (seen.slot, self.seed);
                let error = format!("the container of slot {slot} was removed by someone else");
                self.tries_mut(&template).slot_failed(slot, ran, Says::Nothing, error, seed, now);
            }
        }
    }
}

/// The tries that a container belongs to: the fallback's, or the present template's, to which still older templates count
/// as well.
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

/// Whether a user asked for a container's end: by a signal that ends a process, shortly before. A program that ends after
/// another signal, or much later, ended by itself.
fn stopped_by_a_user(container: &Container, now: Time) -> bool {
    let Some(Signalled { signal, at, .. }) = container.signalled else { return false };
    let detail = container.detail.as_ref();
    let stop_signal = detail.and_then(|detail| detail.stop_signal).unwrap_or(Signal::TERM);
    let grace = detail.and_then(|detail| detail.stop_timeout).unwrap_or(DEFAULT_GRACE);
    let asks = [stop_signal, Signal::TERM, Signal::INT, Signal::KILL].contains(&signal);
    asks && now.since(at) <= grace + END_SLACK
}
