//! Which object to ask about next.
//!
//! If there are few objects, each has a long-running question in flight all the time, and its outcome is known
//! immediately. If there are many, a bounded number of short questions is in flight; a hint from the watch says which
//! object is worth one, and without hints each has its turn after a while. So a wait for thousands of objects stays far
//! below the daemon's limits per client.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::question::{MONITOR, Question, Spec};
use crate::api::change::Receipt;
use crate::api::status::{ObjectStatus, Phase};

/// The most questions in flight, and the most objects that each have one all the time. The daemon allows a single client
/// 200 waits.
const FEW: usize = 16;
/// The longest that one question waits: less than the minute after which proxies drop an idle connection, and short enough
/// to notice a daemon that vanished.
const SLICE: Duration = Duration::from_secs(30);
/// With many objects, the time between two questions: the daemon allows 200 requests per second.
const PACE: Duration = Duration::from_millis(8);
/// With many objects, the longest time between two turns of one: the greater of a fixed time and a time per object.
const ROUND: Duration = Duration::from_secs(30);
const ROUND_EACH: Duration = Duration::from_millis(30);
/// The same for a deleted object that still existed.
const ROUND_OF_DELETED: Duration = Duration::from_secs(3);
/// With many objects, the shortest time between two questions about one, whatever the hints.
const APART: Duration = Duration::from_secs(1);

/// The objects being waited for.
pub(super) struct Queue {
    objects: Vec<Pending>,
    places: HashMap<String, usize>,
    unsettled: usize,
    under_way: usize,
    /// The specs have been fetched, if there are many.
    begun: bool,
    /// With many objects, the time of the next question.
    paced: Instant,
}

struct Pending {
    receipt: Receipt,
    spec: Option<Spec>,
    state: QuestionState,
    /// The first question, right after the submit, has not been asked yet.
    fresh: bool,
    /// Its turn, if it is one of many.
    due: Instant,
    /// Never before this.
    not_before: Instant,
    phase: Option<Phase>,
    /// The last known reason.
    reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QuestionState {
    Idle,
    /// A question is in flight; `again` if a newer hint arrived.
    Asked {
        again: bool,
    },
    Settled,
}

impl Queue {
    pub(super) fn new(receipts: &[Receipt], now: Instant) -> Queue {
        let pending = |receipt: &Receipt| Pending {
            receipt: receipt.clone(),
            spec: None,
            state: QuestionState::Idle,
            fresh: receipts.len() <= FEW,
            // The watch does not report objects that are gone before it begins.
            due: if receipt.deleted() { now } else { now + ROUND },
            not_before: now,
            phase: None,
            reason: "its state is unknown so far".to_owned(),
        };
        let places = receipts.iter().enumerate().map(|(i, receipt)| (receipt.name.clone(), i)).collect();
        let unsettled = receipts.len();
        let objects: Vec<Pending> = receipts.iter().map(pending).collect();
        Queue { objects, places, unsettled, under_way: 0, begun: unsettled <= FEW, paced: now }
    }

    /// More objects than may each have a question in flight.
    pub(super) fn many(&self) -> bool {
        self.unsettled > FEW
    }

    /// The specs have been fetched, as far as possible.
    pub(super) fn begin(&mut self) {
        self.begun = true;
    }

    /// No more answers are expected: after the wait, only questions that were due before are asked.
    pub(super) fn drained(&self, until: Instant) -> bool {
        self.begun && self.under_way == 0 && (!self.many() || self.turn(until).is_none())
    }

    /// The next question, if one may be asked now.
    pub(super) fn next(&mut self, now: Instant, until: Instant) -> Option<Question> {
        if self.wake(until).is_none_or(|wake| wake > now) {
            return None;
        }
        let many = self.many();
        if !many && now >= until {
            return None;
        }
        let place = self.turn(until)?.1;
        let one = self.objects.get_mut(place)?;
        let first = one.fresh;
        one.state = QuestionState::Asked { again: false };
        // Fetching the spec does not count.
        one.fresh &= one.spec.is_none() && !one.receipt.deleted();
        let wait = (!many).then(|| until.saturating_duration_since(now).min(SLICE));
        let question = Question { place, receipt: one.receipt.clone(), spec: one.spec.clone(), wait, first };
        self.under_way += 1;
        self.paced = now + PACE;
        Some(question)
    }

    /// When [`next`](Queue::next) may return a question, if nothing else happens.
    pub(super) fn wake(&self, until: Instant) -> Option<Instant> {
        if !self.begun || self.under_way >= FEW {
            return None;
        }
        let (turn, _) = self.turn(until)?;
        Some(if self.many() { turn.max(self.paced) } else { turn })
    }

    /// The object whose turn is next, and when, unless that is after the wait.
    fn turn(&self, until: Instant) -> Option<(Instant, usize)> {
        let many = self.many();
        let idle = self.objects.iter().enumerate().filter(|(_, one)| one.state == QuestionState::Idle);
        let (place, one) = idle.min_by_key(|(_, one)| one.turn(many))?;
        Some((one.turn(many), place)).filter(|(turn, _)| *turn <= until)
    }

    pub(super) fn know(&mut self, name: &str, spec: Spec) {
        if let Some(one) = self.object(name) {
            one.spec = Some(spec);
        }
    }

    pub(super) fn settle(&mut self, place: usize) {
        self.answered(place);
        if let Some(one) = self.objects.get_mut(place) {
            one.state = QuestionState::Settled;
            self.unsettled -= 1;
        }
    }

    pub(super) fn not_yet(&mut self, place: usize, reason: String, now: Instant) {
        let round = ROUND.max(ROUND_EACH * u32::try_from(self.unsettled).unwrap_or(u32::MAX));
        let (hinted, many) = (self.answered(place), self.many());
        if let Some(one) = self.objects.get_mut(place) {
            let round =
                if one.receipt.deleted() { round.min(ROUND_OF_DELETED.max(round - ROUND)) } else { round };
            one.reason = reason;
            one.not_before = if many { now + APART } else { now };
            one.due = match one.phase {
                _ if hinted => one.due,
                // It is settled once that has lasted.
                Some(Phase::Converged) => now + APART,
                _ => now + round,
            };
        }
    }

    /// Asks the next question about the same object.
    pub(super) fn go_on(&mut self, place: usize, now: Instant) {
        self.answered(place);
        if let Some(one) = self.objects.get_mut(place) {
            one.due = now;
        }
    }

    /// A question failed with a temporary error.
    pub(super) fn failed(&mut self, place: usize, reason: String, again: Instant) {
        self.answered(place);
        if let Some(one) = self.objects.get_mut(place) {
            one.reason = reason;
            (one.due, one.not_before) = (again, again);
        }
    }

    /// A question has ended. Returns whether a hint arrived meanwhile.
    fn answered(&mut self, place: usize) -> bool {
        let Some(one) = self.objects.get_mut(place) else { return false };
        let QuestionState::Asked { again } = one.state else { return false };
        one.state = QuestionState::Idle;
        self.under_way -= 1;
        again
    }

    /// The watch reports the status of an object.
    pub(super) fn hint(&mut self, status: &ObjectStatus, now: Instant) {
        let Some(one) = self.object(&status.name) else { return };
        let changed = one.phase.as_ref() != Some(&status.phase) || one.reason != status.reason;
        let known = one.phase.is_some();
        let converged = status.phase == Phase::Converged && one.phase != Some(Phase::Converged);
        one.phase = Some(status.phase.clone());
        one.reason.clone_from(&status.reason);
        match status.phase {
            _ if status.generation > one.receipt.generation => one.hinted(now),
            // An object has failed after several attempts, each of which changes the reason.
            Phase::Degraded | Phase::Blocked if changed => one.hinted(now),
            Phase::Converged if converged && known => {
                let monitor = one.spec.as_ref().map_or(MONITOR, |spec| spec.monitor);
                one.hinted(now + monitor);
            }
            // It may have been converged for long.
            Phase::Converged if converged => one.hinted(now),
            _ => {}
        }
    }

    /// The watch reports that nothing is left of an object.
    pub(super) fn gone(&mut self, name: &str, now: Instant) {
        if let Some(one) = self.object(name) {
            one.hinted(now);
        }
    }

    /// The unsettled objects, with the last known reason.
    pub(super) fn unsettled(&self) -> Vec<(usize, String)> {
        let open = self.objects.iter().enumerate().filter(|(_, one)| one.state != QuestionState::Settled);
        open.map(|(place, one)| (place, one.reason())).collect()
    }

    fn object(&mut self, name: &str) -> Option<&mut Pending> {
        self.objects.get_mut(*self.places.get(name)?)
    }
}

impl Pending {
    /// When to ask about it.
    fn turn(&self, many: bool) -> Instant {
        if many { self.due.max(self.not_before) } else { self.not_before }
    }

    fn hinted(&mut self, at: Instant) {
        self.due = at;
        if let QuestionState::Asked { again } = &mut self.state {
            *again = true;
        }
    }

    fn reason(&self) -> String {
        match (&self.phase, &self.spec) {
            (Some(Phase::Converged), Some(spec)) if !self.reason.contains("Update.Monitor") => {
                let monitor = humantime::format_duration(spec.monitor);
                format!("{}, but not yet for the {monitor} of Update.Monitor", self.reason)
            }
            _ => self.reason.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A queue of objects whose specs are known.
    fn queue(objects: usize, now: Instant) -> Queue {
        let receipt = |i| {
            let receipt = json!({"Name": format!("web-{i}"), "Generation": 2, "Result": "updated"});
            serde_json::from_value(receipt).unwrap()
        };
        let mut queue = Queue::new(&(0..objects).map(receipt).collect::<Vec<Receipt>>(), now);
        for i in 0..objects {
            queue.know(&format!("web-{i}"), Spec::sample());
        }
        queue.begin();
        queue
    }

    fn hint(queue: &mut Queue, place: usize, phase: &str, reason: &str, now: Instant) {
        let status = json!({"Name": format!("web-{place}"), "Image": "nginx", "Count": 1, "Generation": 2, "Ready": 1,
                            "Phase": phase, "Reason": reason});
        queue.hint(&serde_json::from_value(status).unwrap(), now);
    }

    /// The questions asked up to a moment, if none is answered.
    fn asked(queue: &mut Queue, from: Instant, to: Instant, until: Instant) -> Vec<Question> {
        let mut all = Vec::new();
        let mut now = from;
        loop {
            all.extend(std::iter::from_fn(|| queue.next(now, until)));
            match queue.wake(until) {
                Some(wake) if wake <= to => now = wake.max(now + Duration::from_nanos(1)),
                _ => return all,
            }
        }
    }

    #[test]
    fn few_objects_each_have_a_long_running_question_all_the_time() {
        let now = Instant::now();
        let until = now + Duration::from_secs(100);
        let mut queue = queue(FEW, now);
        let first = asked(&mut queue, now, now, until);
        assert_eq!(first.len(), FEW);
        assert!(first.iter().all(|asked| asked.wait == Some(SLICE) && asked.first));
        queue.not_yet(3, "so".to_owned(), now + SLICE);
        let next = asked(&mut queue, now + SLICE, now + SLICE, until);
        let [next] = next.as_slice() else { panic!("{next:?}") };
        assert_eq!((next.place, next.first), (3, false));
        // An unknown spec is fetched first.
        queue.objects[5].spec = None;
        queue.objects[5].fresh = true;
        queue.go_on(5, now);
        assert!(queue.next(now, until).unwrap().first);
        queue.know("web-5", Spec::sample());
        queue.go_on(5, now);
        assert!(queue.next(now, until).unwrap().first, "the submit is still the first one");
        // After a failure it waits for the pause.
        queue.failed(3, "broken".to_owned(), now + SLICE * 2);
        assert!(asked(&mut queue, now + SLICE, now + SLICE * 2 - PACE, until).is_empty());
        assert_eq!(asked(&mut queue, now + SLICE, now + SLICE * 2, until).len(), 1);
        // The last question ends with the wait, and none follows.
        queue.not_yet(4, "so".to_owned(), until - PACE);
        assert_eq!(queue.next(until - PACE, until).unwrap().wait, Some(PACE));
        queue.not_yet(5, "so".to_owned(), until);
        assert!(queue.next(until, until).is_none() && !queue.drained(until));
        (0..FEW).for_each(|place| queue.not_yet(place, "so".to_owned(), until));
        assert!(queue.drained(until));
    }

    #[test]
    fn with_many_objects_hints_decide_which_one_is_next() {
        let now = Instant::now();
        let until = now + Duration::from_secs(1000);
        let mut queue = queue(100, now);
        assert!(asked(&mut queue, now, now + ROUND - PACE, until).is_empty(), "no hint");
        hint(&mut queue, 40, "progressing", "0 of 1 run", now);
        hint(&mut queue, 50, "degraded", "failed once", now);
        let soon = now + APART;
        let hinted = asked(&mut queue, now, soon, until);
        let [hinted] = hinted.as_slice() else { panic!("{hinted:?}") };
        assert_eq!((hinted.place, hinted.wait, hinted.first), (50, None, false));
        queue.not_yet(50, "failed once".to_owned(), soon);
        // A repeated status is no hint; another failure is, and so is an object that has converged for long enough.
        hint(&mut queue, 50, "degraded", "failed once", soon);
        assert!(asked(&mut queue, soon, soon + APART, until).is_empty());
        hint(&mut queue, 50, "degraded", "failed 2 times", soon);
        hint(&mut queue, 40, "converged", "1 of 1 run", soon);
        assert!(asked(&mut queue, soon, soon + MONITOR - PACE, until).iter().all(|asked| asked.place == 50));
        assert_eq!(asked(&mut queue, soon, soon + MONITOR, until)[0].place, 40);
    }

    #[test]
    fn with_many_objects_the_rate_is_bounded_and_each_has_its_turn() {
        let now = Instant::now();
        let until = now + Duration::from_secs(1000);
        let mut queue = queue(1000, now);
        let turn = now + ROUND;
        assert_eq!(asked(&mut queue, turn, turn + ROUND, until).len(), FEW, "none is answered");
        (0..FEW).for_each(|place| queue.not_yet(place, "so".to_owned(), turn));
        let mut places = Vec::new();
        let mut at = turn;
        while places.len() < 1000 - FEW {
            let next = queue.next(at, until).or_else(|| {
                at = queue.wake(until).unwrap();
                queue.next(at, until)
            });
            let place = next.unwrap().place;
            queue.not_yet(place, "so".to_owned(), at);
            places.push(place);
        }
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), 1000 - FEW, "each once");
        assert!(at >= turn + PACE * 983, "{:?}", at - turn);
    }

    #[test]
    fn after_the_wait_only_questions_due_before_are_asked() {
        let now = Instant::now();
        let until = now + Duration::from_secs(3);
        let mut queue = queue(100, now);
        for place in 0..30 {
            hint(&mut queue, place, "converged", "1 of 1 run", now);
        }
        assert!(!queue.drained(until));
        for _ in 0..30 {
            let at = queue.wake(until).unwrap().max(until);
            let place = queue.next(at, until).unwrap().place;
            queue.settle(place);
        }
        assert!(queue.drained(until) && queue.wake(until).is_none());
        assert_eq!(queue.unsettled().len(), 70);
    }
}
