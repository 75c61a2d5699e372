//! The log of what the manager did and why, which `/events` shows.
//!
//! A tail in memory, bounded in events and in bytes. Readers remember an event number and read the events after it, in batches,
//! whenever they are notified of new ones. So a slow reader costs nothing: one that falls behind the tail learns how many events
//! it missed. A durable store writes the tail to disk and restores it at the next start; numbers grow across restarts and may
//! have gaps.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::api::event::{Event, EventKind};
use crate::clock::Clock;
use crate::core::name::ObjectName;
use crate::core::sanitize;
use crate::core::time::Time;
use crate::core::transaction::{Committed, Effect};

/// The most events kept: some days of a quiet cluster, about 3 MB.
pub(crate) const MAX_EVENTS: usize = 10_000;
/// The most bytes of all kept events, without their fixed fields: twice what [`MAX_EVENTS`] usually have.
pub(crate) const MAX_EVENT_BYTES: usize = 4 * 1024 * 1024;
/// The most bytes of an event's text: an engine's message and the step that it is about.
const TEXT_MAX_BYTES: usize = 2 * 1024;

/// A batch of events for a reader.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// How many events the reader missed: they are no longer kept.
    pub(crate) missed: u64,
    /// The next events, oldest first.
    pub events: Vec<Arc<Event>>,
}

/// The log. Clones share it.
#[derive(Debug, Clone)]
pub struct EventLog {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    tail: Mutex<Tail>,
    /// The number of the last event.
    last: watch::Sender<u64>,
    /// The time of the last event of an earlier process.
    resumed_after: Option<Time>,
    clock: Clock,
}

/// The kept events.
#[derive(Debug, Default)]
struct Tail {
    events: VecDeque<Arc<Event>>,
    /// The size of their texts.
    bytes: usize,
}

impl Tail {
    /// Adds an event; the oldest ones are dropped if there are too many or too large ones.
    fn push(&mut self, mut event: Event) {
        // An older version wrote texts of any length.
        event.text = sanitize::bounded(&event.text, TEXT_MAX_BYTES);
        event.by = event.by.map(|by| sanitize::message(&by));
        self.bytes += bytes(&event);
        self.events.push_back(Arc::new(event));
        while self.events.len() > MAX_EVENTS || self.bytes > MAX_EVENT_BYTES {
            let Some(gone) = self.events.pop_front() else { return };
            self.bytes -= bytes(&gone);
        }
    }
}

fn bytes(event: &Event) -> usize {
    let text = |text: &Option<String>| text.as_deref().map_or(0, str::len);
    event.text.len() + text(&event.object) + text(&event.by)
}

impl EventLog {
    /// An empty log.
    pub(crate) fn new(clock: Clock) -> EventLog {
        EventLog::resuming(Vec::new(), 0, clock)
    }

    /// A log that continues after `tail`, with numbers greater than `last`.
    pub(crate) fn resuming(tail: Vec<Event>, last: u64, clock: Clock) -> EventLog {
        let newest = tail.last().and_then(|event| humantime::parse_rfc3339(&event.at).ok());
        let resumed_after = newest.map(Time::of_system);
        let last = tail.last().map_or(0, |event| event.id).max(last);
        let mut kept = Tail::default();
        tail.into_iter().for_each(|event| kept.push(event));
        let (tail, last) = (Mutex::new(kept), watch::Sender::new(last));
        EventLog { inner: Arc::new(Inner { tail, last, resumed_after, clock }) }
    }

    /// The time of the last event of an earlier process, if there was one: earlier happenings were reported.
    pub(crate) fn resumed_after(&self) -> Option<Time> {
        self.inner.resumed_after
    }

    /// Adds an event about an object.
    pub(crate) fn note(
        &self,
        kind: EventKind,
        object: &ObjectName,
        generation: u64,
        text: impl Into<String>,
    ) {
        self.push(kind, Some((object, generation)), None, text.into());
    }

    /// Adds an event about the manager or the engine.
    pub(crate) fn note_general(&self, kind: EventKind, text: impl Into<String>) {
        self.push(kind, None, None, text.into());
    }

    /// Adds the events of a committed transaction.
    pub(crate) fn committed(&self, committed: &[Committed], by: &str) {
        let wanted = |one: &&Committed| !matches!(one.effect, Effect::Unchanged | Effect::Converged);
        for one in committed.iter().filter(wanted) {
            let object = &one.object;
            let text = match (one.effect, one.rolled_back_to()) {
                (Effect::Deleted, _) => "deleted".to_owned(),
                (_, Some(to)) => format!("rolled back to the spec of generation {to}"),
                (effect, None) => format!(
                    "{}: image={} count={}",
                    effect.word(),
                    object.spec.template.image,
                    object.spec.count
                ),
            };
            let by = Some(by.to_owned()).filter(|by| !by.is_empty());
            self.push(EventKind::Submitted, Some((&object.spec.name, object.generation)), by, text);
        }
    }

    fn push(&self, kind: EventKind, object: Option<(&ObjectName, u64)>, by: Option<String>, text: String) {
        let mut tail = self.tail();
        let id = *self.inner.last.borrow() + 1;
        tail.push(Event {
            id,
            at: self.inner.clock.wall().rfc3339(),
            kind,
            object: object.map(|(name, _)| name.to_string()),
            generation: object.map(|(_, generation)| generation),
            by,
            text,
        });
        // With the tail still locked, so that numbers are announced in order.
        self.inner.last.send_replace(id);
    }

    /// The events after number `id`, at most `limit` of them.
    pub fn after(&self, id: u64, limit: usize) -> Batch {
        let tail = &self.tail().events;
        let start = tail.partition_point(|event| event.id <= id);
        let missed = match tail.front() {
            Some(first) if start == 0 && id > 0 => first.id - id - 1,
            _ => 0,
        };
        Batch { missed, events: tail.iter().skip(start).take(limit).cloned().collect() }
    }

    /// The number before the last `count` events, from which to read them.
    pub(crate) fn before_last(&self, count: usize) -> u64 {
        self.before_last_of(count, |_| true)
    }

    /// The number before the last `count` events that are `wanted`.
    pub(crate) fn before_last_of(&self, count: usize, wanted: impl Fn(&Event) -> bool) -> u64 {
        let tail = &self.tail().events;
        let last = *self.inner.last.borrow();
        let first = tail.iter().rev().filter(|event| wanted(event)).take(count).last();
        first.map_or(last, |event| event.id - 1)
    }

    /// The number of the last event, now and whenever there is a new one.
    pub(crate) fn last(&self) -> watch::Receiver<u64> {
        self.inner.last.subscribe()
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        // No change panics half-way.
        self.inner.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::Time;

    fn filled(count: usize) -> EventLog {
        let event_log = EventLog::new(Clock::starting_at(Time(0)));
        (0..count).for_each(|i| event_log.note_general(EventKind::Engine, format!("{i}")));
        event_log
    }

    #[tokio::test]
    async fn readers_get_the_events_after_their_number() {
        let event_log = filled(5);
        let ids = |batch: Batch| batch.events.iter().map(|e| e.id).collect::<Vec<_>>();
        assert_eq!(ids(event_log.after(0, 100)), [1, 2, 3, 4, 5]);
        assert_eq!(ids(event_log.after(3, 1)), [4]);
        assert_eq!(ids(event_log.after(5, 1)), [0; 0]);
        assert_eq!((event_log.before_last(2), event_log.before_last(0), event_log.before_last(9)), (3, 5, 0));
        let even = |count| event_log.before_last_of(count, |event| event.id % 2 == 0);
        assert_eq!((even(1), even(2), even(9)), (3, 1, 1));
        assert_eq!(event_log.before_last_of(1, |_| false), 5);
    }

    #[tokio::test]
    async fn memory_is_bounded_and_a_late_reader_learns_how_many_events_it_missed() {
        let event_log = filled(MAX_EVENTS + 7);
        let batch = event_log.after(2, 1);
        assert_eq!((batch.missed, batch.events[0].id), (5, 8));
        // A new reader has missed no event.
        assert_eq!(event_log.after(0, 1).missed, 0);
        assert_eq!(event_log.after(7, 1).missed, 0);
    }

    #[tokio::test]
    async fn long_texts_are_cut_and_many_of_them_displace_the_oldest() {
        let event_log = EventLog::new(Clock::starting_at(Time(0)));
        let long = format!("a\n\u{1b}{}", "é".repeat(2 << 10));
        (0..MAX_EVENTS).for_each(|_| event_log.note_general(EventKind::StepFailed, long.as_str()));
        let events = event_log.after(0, usize::MAX).events;
        assert!(events.iter().all(|e| e.text.len() <= TEXT_MAX_BYTES && e.text.starts_with("a\\n\\u{1b}é")));
        let total: usize = events.iter().map(|e| e.text.len()).sum();
        assert!(total <= MAX_EVENT_BYTES && total > MAX_EVENT_BYTES / 2, "{total}");
        assert_eq!(events.last().map(|e| e.id), Some(MAX_EVENTS as u64));
        // The tail of an older version is bounded when it is restored; the numbers show where it begins.
        let event = |id| Event { id, text: long.clone(), by: Some(long.clone()), ..Event::clone(&events[0]) };
        let resumed = EventLog::resuming((1..=3000).map(event).collect(), 0, Clock::starting_at(Time(0)));
        let kept = resumed.after(0, usize::MAX).events;
        assert!(kept.iter().map(|e| bytes(e)).sum::<usize>() <= MAX_EVENT_BYTES);
        assert_eq!(resumed.before_last(MAX_EVENTS) + 1, kept[0].id);
        assert_eq!(kept.last().map(|e| e.id), Some(3000));
    }

    #[tokio::test]
    async fn numbers_continue_after_a_restart() {
        let event_log = EventLog::resuming(Vec::new(), 1_000, Clock::starting_at(Time(0)));
        event_log.note_general(EventKind::Started, "again");
        assert_eq!(event_log.after(0, 9).events[0].id, 1_001);
        assert_eq!(*event_log.last().borrow(), 1_001);
    }
}
