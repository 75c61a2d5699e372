//! `GET /events`: what the manager did, and why.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use futures_util::stream;
use serde::Serialize;
use tokio::sync::watch;
use utoipa::ToSchema;

use super::problem::Problem;
use super::query::{Query, bad};
use super::stream::{End, Item};
use super::{Api, stream as answers};
use crate::api::event::Event;
use crate::core::name::ObjectName;
use crate::server::peer::Peer;
use crate::store::event_log::{EventLog, MAX_EVENTS};

/// Where nobody says how many: so many events are shown before those to come.
const TAIL: usize = 100;
/// Events taken out of the log at once; what a reader holds that does not read, about 30 kB.
const BATCH: usize = 100;

/// What was done, and why
///
/// The last events, oldest first, and then those to come.
#[utoipa::path(
    get,
    path = "/events",
    params(
        ("tail" = Option<u32>, Query, maximum = 10000, description = "How many of the past are shown; 100 by default."),
        ("since" = Option<u64>, Query, description = "The Id of an event: what comes after it is shown, not the tail."),
        ("follow" = Option<bool>, Query, description = "false: ends with the last event there is."),
        ("object" = Option<String>, Query, description = "Only events of this object."),
        ("Last-Event-ID" = Option<u64>, Header, description = "As since, for clients that connect again."),
    ),
    responses(
        (
            status = 200, description = "An event a line, or server-sent events where Accept asks for them.",
            content(
                (ref("#/components/schemas/EventLine") = "application/x-ndjson"),
                (String = "text/event-stream"),
            )
        ),
        (status = 400, description = "A query parameter or Last-Event-ID cannot be read."),
        (status = 503, description = "Too many wait or watch already, or the daemon is busy or stopping."),
    )
)]
pub(super) async fn events(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
    Extension(peer): Extension<Arc<Peer>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = Query::read(query.as_deref(), &["tail", "since", "follow", "object"])?;
    let tail: Option<usize> = query.number("tail")?;
    if let Some(tail) = tail.filter(|tail| *tail > MAX_EVENTS) {
        return Err(bad(
            "tail",
            &format!("given {tail}; allowed is up to {MAX_EVENTS}, which is all there is"),
        ));
    }
    if tail.is_some() && query.text("since").is_some() {
        return Err(bad("tail", "given beside 'since'; allowed is one of them"));
    }
    let object = match query.text("object") {
        Some(name) if ObjectName::parse(name).is_none() => {
            return Err(bad("object", &format!("no name of an object; allowed is {}", ObjectName::ALLOWED)));
        }
        name => name.map(str::to_owned),
    };
    let follow = query.text("follow").is_none() || query.flag("follow")?;
    let since: Option<EventId> = answers::since(&headers, &query)?;
    let place = api.long_answer(&peer)?;
    let reading = Reading::begin(api.store.event_log().clone(), since, tail.unwrap_or(TAIL), follow, object);
    let items = stream::unfold(reading, |mut reading| async move {
        let item = reading.next().await?;
        Some((item, reading))
    });
    Ok(answers::answer(&headers, items, place, End::of(&peer, api.sources.clock)))
}

/// The number of an event, as a client gives it.
struct EventId(u64);

impl std::str::FromStr for EventId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<EventId, Self::Err> {
        text.parse().map(EventId).map_err(|_| "allowed is the Id of an event, a whole number")
    }
}

/// A place in the log.
struct Reading {
    event_log: EventLog,
    last: watch::Receiver<u64>,
    /// The number of the last event that was taken out.
    taken: u64,
    /// Where to end.
    until: Option<u64>,
    /// Only this object's events.
    object: Option<String>,
    /// Taken out, and not told yet.
    ready: VecDeque<Item>,
}

/// What is told to one who was away, or did not read, for so long that events are gone.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Missed {
    /// Always `missed`.
    kind: &'static str,
    /// How many events.
    missed: u64,
    /// The same in a sentence.
    text: String,
}

impl Reading {
    fn begin(
        event_log: EventLog,
        since: Option<EventId>,
        tail: usize,
        follow: bool,
        object: Option<String>,
    ) -> Reading {
        let last = event_log.last();
        let newest = *last.borrow();
        let taken = match since {
            Some(EventId(id)) if id <= newest => id,
            // Of a log that is no more: all of this one is new.
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
                wanted.map(|event| Item::new(Some(event.id.to_string()), event.kind.word(), &**event)),
            );
        }
    }
}

fn concerns(object: &Option<String>, event: &Event) -> bool {
    object.is_none() || *object == event.object
}

fn missed(count: u64) -> Item {
    let text = format!("{count} events were not seen and are gone: at most the last {MAX_EVENTS} are kept");
    Item::new(None, "missed", &Missed { kind: "missed", missed: count, text })
}

#[cfg(test)]
mod tests;
