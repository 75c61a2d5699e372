use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use super::*;
use crate::api::event::EventKind;
use crate::clock::Clock;
use crate::core::time::Time;

fn note(event_log: &EventLog, count: usize) {
    (0..count).for_each(|i| event_log.note_general(EventKind::Engine, format!("{i}")));
}

fn reading(event_log: &EventLog, since: Option<u64>, tail: usize, follow: bool) -> Reading {
    let parameters = EventParameters { since: since.map(EventId), tail, follow, object: None };
    Reading::begin(event_log.clone(), parameters)
}

/// All items until none is ready: ids, or the number of missed events; and whether the stream has ended.
async fn received(reading: &mut Reading) -> (Vec<String>, bool) {
    let mut items = Vec::new();
    loop {
        match timeout(Duration::from_secs(1), reading.next()).await {
            Ok(Some(item)) => {
                let json: Value = serde_json::from_slice(&item.json).unwrap();
                assert_eq!(json["Kind"], &*item.kind);
                items.push(match item.id {
                    Some(id) => id,
                    None => format!("missed {}", json["Missed"]),
                });
            }
            Ok(None) => return (items, true),
            Err(_) => return (items, false),
        }
    }
}

fn numbers(range: std::ops::RangeInclusive<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn all_batches_arrive_in_order_followed_by_new_events() {
    let event_log = EventLog::new(Clock::starting_at(Time(0)));
    note(&event_log, 3 * BATCH + 1);
    let mut all = reading(&event_log, Some(0), TAIL, true);
    assert_eq!(received(&mut all).await, (numbers(1..=301), false));
    assert_eq!(received(&mut reading(&event_log, None, TAIL, false)).await, (numbers(202..=301), true));
    assert_eq!(received(&mut reading(&event_log, None, 0, false)).await, (vec![], true));
    let mut to_here = reading(&event_log, Some(299), TAIL, false);
    note(&event_log, 2);
    assert_eq!(received(&mut all).await, (numbers(302..=303), false));
    assert_eq!(received(&mut to_here).await, (numbers(300..=301), true), "no further than at the request");
    assert_eq!(received(&mut reading(&event_log, Some(303), TAIL, false)).await, (vec![], true));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_missed_events_gets_their_number_and_the_rest() {
    let event_log = EventLog::new(Clock::starting_at(Time(0)));
    note(&event_log, 5);
    let mut slow = reading(&event_log, Some(2), TAIL, true);
    assert_eq!(slow.next().await.unwrap().id.as_deref(), Some("3"));
    note(&event_log, MAX_EVENTS + 7);
    // It has received a batch with 4 and 5, which are not lost.
    let (items, _) = received(&mut slow).await;
    assert_eq!(items[..4], ["4", "5", "missed 7", "13"].map(str::to_owned));
    assert_eq!(items.last().unwrap(), &(MAX_EVENTS + 12).to_string());
    let (items, _) = received(&mut reading(&event_log, Some(2), TAIL, false)).await;
    assert_eq!((&*items[0], &*items[1], items.len()), ("missed 10", "13", MAX_EVENTS + 1));
    // A reader that requests everything has missed nothing, and one with an Id of another log gets everything.
    for everything in
        [reading(&event_log, None, MAX_EVENTS, false), reading(&event_log, Some(99_999), 0, false)]
    {
        let (items, _) = received(&mut { everything }).await;
        assert_eq!((&*items[0], items.len()), ("13", MAX_EVENTS));
    }
}
