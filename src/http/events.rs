//! `GET /events`: what the manager did, and why.

use std::collections::VecDeque;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use tokio::sync::watch;

use super::caller::Caller;
use super::query::{FromQuery, Parameters, Query, bad};
use super::state::ApiState;
use super::stream::{self, End, Item};
use crate::api::event::{Event, Missed, MissedKind};
use crate::api::problem::Problem;
use crate::core::access::Access;
use crate::core::name::ObjectName;
use crate::store::event_log::{EventLog, MAX_EVENTS};

/// The default of `tail`.
const TAIL: usize = 100;
/// The most events that are read from the log at once: about 30 kB, which a slow client keeps in memory.
const BATCH: usize = 100;

/// What the manager did, and why
///
/// The last events, oldest first, followed by new ones.
#[utoipa::path(
    get,
    path = "/events",
    params(
        ("tail" = Option<u32>, Query, maximum = 10000, description = "The number of past events; 100 by default."),
        ("since" = Option<u64>, Query, description = "The Id of an event: starts after it, instead of with the tail."),
        ("follow" = Option<bool>, Query, description = "false: ends with the last past event."),
        ("object" = Option<String>, Query, description = "Only events of this object."),
        ("Last-Event-ID" = Option<u64>, Header, description = "Like since, for clients that reconnect."),
    ),
    responses(
        (
            status = 200, description = "One event per line, or server-sent events if Accept asks for them.",
            content(
                (ref("#/components/schemas/EventLine") = "application/x-ndjson"),
                (String = "text/event-stream"),
            )
        ),
        (status = 400, description = "A query parameter or Last-Event-ID is not allowed."),
        (status = 503, description = "Too many long-running requests, or the daemon is busy or stopping."),
    )
)]
pub(super) async fn events(
    State(state): State<ApiState>,
    caller: Caller,
    Parameters(parameters): Parameters<EventParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.authorize(Access::Read, None)?;
    let permit = state.long_running_permit(&caller)?;
    let reading = Reading::begin(state.store.event_log().clone(), parameters);
    let items = futures_util::stream::unfold(reading, |mut reading| async move {
        let item = reading.next().await?;
        Some((item, reading))
    });
    Ok(stream::response(&headers, items, permit, End::of(&caller.peer, state.status.clock)))
}

/// The parameters of `/events`.
pub(super) struct EventParameters {
    since: Option<EventId>,
    tail: usize,
    follow: bool,
    object: Option<ObjectName>,
}

impl FromQuery for EventParameters {
    const NAMES: &'static [&'static str] = &["tail", "since", "follow", "object"];

    fn from_query(query: &Query, headers: &HeaderMap) -> Result<EventParameters, Problem> {
        let tail: Option<usize> = query.number("tail")?;
        if let Some(tail) = tail.filter(|tail| *tail > MAX_EVENTS) {
            return Err(bad(
                "tail",
                &format!("given {tail}; allowed is up to {MAX_EVENTS}, the number of events that are kept"),
            ));
        }
        if tail.is_some() && query.text("since").is_some() {
            return Err(bad("tail", "given beside 'since'; allowed is one of them"));
        }
        let object = |name| {
            ObjectName::parse(name).ok_or_else(|| {
                bad("object", &format!("not a name of an object; allowed is {}", ObjectName::ALLOWED))
            })
        };
        Ok(EventParameters {
            since: stream::since(headers, query)?,
            tail: tail.unwrap_or(TAIL),
            follow: query.text("follow").is_none() || query.flag("follow")?,
            object: query.text("object").map(object).transpose()?,
        })
    }
}

/// The id of an event, as a client sends it.
struct EventId(u64);

impl std::str::FromStr for EventId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<EventId, Self::Err> {
        text.parse().map(EventId).map_err(|_| "allowed is the Id of an event, a whole number")
    }
}

/// A position in the event log.
struct Reading {
    event_log: EventLog,
    last: watch::Receiver<u64>,
    /// The id of the last event that was read.
    taken: u64,
    /// The id of the last event to send.
    until: Option<u64>,
    /// Only events of this object.
    object: Option<ObjectName>,
    /// Read, and not sent yet.
    ready: VecDeque<Item>,
}

impl Reading {
    fn begin(event_log: EventLog, parameters: EventParameters) -> Reading {
        let EventParameters { since, tail, follow, object } = parameters;
        let last = event_log.last();
        let newest = *last.borrow();
        let taken = match since {
            Some(EventId(id)) if id <= newest => id,
            // The id of another log: all events of this one are new.
            Some(_) => 0,
            None => event_log.before_last_of(tail, |event| concerns(&object, event)),
        };
        let until = Some(newest).filter(|_| !follow);
        Reading { event_log, last, taken, until, object, ready: VecDeque::new() }
    }

    /// The next item, as soon as there is one; `None` at the end.
    async fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(item);
            }
            if self.until.is_some_and(|until| self.taken >= until) {
                return None;
            }
            self.last.mark_unchanged();
            let batch = self.event_log.after(self.taken, BATCH);
            if batch.missed > 0 {
                self.ready.push_back(missed(batch.missed));
            }
            match batch.events.last() {
                Some(last) => self.taken = last.id,
                None => self.last.changed().await.ok()?,
            }
            let until = self.until.unwrap_or(u64::MAX);
            let wanted =
                batch.events.iter().filter(|event| event.id <= until && concerns(&self.object, event));
            self.ready.extend(
                wanted.map(|event| Item::new(Some(event.id.to_string()), event.kind.to_string(), &**event)),
            );
        }
    }
}

fn concerns(object: &Option<ObjectName>, event: &Event) -> bool {
    object.as_ref().is_none_or(|object| event.object.as_deref() == Some(object.as_str()))
}

fn missed(count: u64) -> Item {
    let text = format!("{count} events are missing: only the last {MAX_EVENTS} are kept");
    Item::new(None, "missed", &Missed { kind: MissedKind::Missed, missed: count, text })
}

#[cfg(test)]
mod tests;
