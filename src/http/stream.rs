//! Answers that go on for as long as their client stays: `?watch`, `/events` and logs.
//!
//! A source gives one [`Item`] after the other, each JSON with a name of its own, and is only asked for the next
//! one when the connection has room for it. What leaves is one of two forms of the same: a JSON text a line, for
//! curl and scripts, or server-sent events, for browsers and whoever asks for them with `Accept`. In both forms
//! something is sent each [`KEEP_ALIVE`], so that everything between here and the client sees that it lives.
//!
//! A stream ends with its client's certificate, and after [`LONGEST`]: an item of the kind `end` says so, and is the
//! last one.
//!
//! A stream holds its place among the long answers until its body is dropped: when the client has left or takes
//! nothing, or the server stops, which are all for the connection to find out.

use std::convert::Infallible;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;

use super::negotiate;
use super::problem::Problem;
use super::query::{self, Query};
use crate::clock::{self, Clock};
use crate::core::submission::strict::shown;
use crate::server::fair_share::Permit;
use crate::server::peer::Peer;

/// Without anything to say for this long, that is said: proxies cut what is silent for 60 s, and often for 30 s.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The longest that a stream lasts. Who follows it connects again, and shows a certificate and rights as they are then.
pub(super) const LONGEST: Duration = Duration::from_secs(12 * 60 * 60);
/// A certificate's end is noticed within this long, also where the wall clock was moved.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(5);

/// Where a client says what it had last: a browser does so by itself when it connects again.
pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// One thing that is told.
pub(super) struct Item {
    /// To be given as `since` or `Last-Event-ID` for what comes after it; none where it has no place in the row.
    pub(super) id: Option<String>,
    /// The name of the event.
    pub(super) kind: &'static str,
    /// JSON in one line, and a newline.
    pub(super) json: Bytes,
}

impl Item {
    /// Writes it.
    pub(super) fn new(id: Option<String>, kind: &'static str, told: &impl Serialize) -> Item {
        let mut json = serde_json::to_vec(told).unwrap_or_else(|error| {
            tracing::error!(%error, "an item of a stream cannot be written");
            b"{}".to_vec()
        });
        json.push(b'\n');
        Item { id, kind, json: json.into() }
    }
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A JSON text a line.
    Lines,
    /// For browsers.
    ServerSentEvents,
    /// Lines for people: only for sources whose items hold these in place of JSON.
    Text,
}

impl Form {
    /// The form that `Accept` asks for.
    pub(super) fn asked_for(headers: &HeaderMap) -> Form {
        match negotiate::prefers(headers, "text/event-stream", "application/x-ndjson") {
            true => Form::ServerSentEvents,
            false => Form::Lines,
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Form::Lines => "application/x-ndjson",
            Form::ServerSentEvents => "text/event-stream",
            Form::Text => "text/plain; charset=utf-8",
        }
    }

    /// An item in pieces: its JSON is shared by all who read it, and not copied.
    fn pieces(self, item: Item) -> Vec<Bytes> {
        if self != Form::ServerSentEvents {
            return vec![item.json];
        }
        let id = item.id.map(|id| format!("id: {id}\n")).unwrap_or_default();
        let head = format!("{id}event: {}\ndata: ", item.kind);
        vec![head.into(), item.json, Bytes::from_static(b"\n")]
    }

    fn keep_alive(self) -> Vec<Bytes> {
        match self {
            Form::Lines => vec![Bytes::from_static(b"\n")],
            Form::ServerSentEvents => vec![Bytes::from_static(b": keep-alive\n\n")],
            // It would be a line of its own. Of a machine that has vanished TCP tells.
            Form::Text => Vec::new(),
        }
    }

    fn end(self, text: String) -> Vec<Bytes> {
        match self {
            Form::Text => vec![format!("# {text}\n").into()],
            form => form.pieces(Item::new(None, "end", &Ended { kind: "end", text })),
        }
    }
}

/// When a stream ends by itself.
pub(super) struct End {
    peer: Arc<Peer>,
    clock: Clock,
    longest: Instant,
}

impl End {
    /// For a stream to this client that begins now.
    pub(super) fn of(peer: &Arc<Peer>, clock: Clock) -> End {
        End { peer: peer.clone(), clock, longest: clock::monotonic() + LONGEST }
    }

    /// Why the stream is over, if it is.
    fn reached(&self) -> Option<String> {
        if self.peer.expired(self.clock.wall().system()) {
            return Some("the client certificate has expired: connect again with a new one".to_owned());
        }
        let longest = humantime::format_duration(LONGEST);
        (clock::monotonic() >= self.longest)
            .then(|| format!("a stream lasts {longest} at most: connect again to go on"))
    }

    /// The next moment at which to look, as seen from now.
    fn look_in(&self) -> Duration {
        let certificate = self.peer.validity_left(self.clock.wall().system()) + Duration::from_millis(1);
        let longest = self.longest.saturating_duration_since(clock::monotonic());
        certificate.min(longest).min(LOOK_AT_CLOCK)
    }
}

/// The last item.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Ended {
    /// Always `end`.
    kind: &'static str,
    /// Why the stream is over.
    text: String,
}

/// One step of a stream.
enum Next {
    Item(Option<Item>),
    KeepAlive,
    End(String),
}

/// The next item, or what is sent in place of one.
async fn next(items: &mut (impl Stream<Item = Item> + Unpin), end: &End) -> Next {
    let keep_alive = clock::monotonic() + KEEP_ALIVE;
    loop {
        if let Some(why) = end.reached() {
            return Next::End(why);
        }
        let look = clock::monotonic() + end.look_in();
        match timeout_at(look.min(keep_alive), items.next()).await {
            Ok(item) => return Next::Item(item),
            Err(_) if clock::monotonic() >= keep_alive => return Next::KeepAlive,
            Err(_) => {}
        }
    }
}

/// An answer of all `items`, in the form asked for, until `end`.
pub(super) fn answer(
    headers: &HeaderMap,
    items: impl Stream<Item = Item> + Send + 'static,
    place: Permit,
    end: End,
) -> Response {
    answer_in(Form::asked_for(headers), items, place, end)
}

/// An answer of all `items`, in this form, until `end`.
pub(super) fn answer_in(
    form: Form,
    items: impl Stream<Item = Item> + Send + 'static,
    place: Permit,
    end: End,
) -> Response {
    let going_on = Some((Box::pin(items), place, end));
    let pieces = stream::unfold(going_on, move |going_on| async move {
        let (mut items, place, end) = going_on?;
        let (pieces, over) = match next(&mut items, &end).await {
            Next::Item(item) => (form.pieces(item?), false),
            Next::KeepAlive => (form.keep_alive(), false),
            Next::End(text) => (form.end(text), true),
        };
        Some((pieces, (!over).then_some((items, place, end))))
    });
    let body = Body::from_stream(pieces.flat_map(stream::iter).map(Ok::<Bytes, Infallible>));
    let head = [(header::CONTENT_TYPE, form.content_type()), (header::CACHE_CONTROL, "no-cache")];
    (StatusCode::OK, head, body).into_response()
}

/// What the client had last: the header's word, which a browser that connects again has newer than its address
/// says, else the parameter's `since`.
pub(super) fn since<Id>(headers: &HeaderMap, query: &Query) -> Result<Option<Id>, Problem>
where
    Id: FromStr<Err: Display>,
{
    if let Some(value) = headers.get(LAST_EVENT_ID) {
        let text = value.to_str().unwrap_or("bytes that are no text");
        return text.parse().map(Some).map_err(|error| {
            let detail = format!("Last-Event-ID: given {:?}; {error}", shown(text));
            Problem::new(StatusCode::BAD_REQUEST, "Bad header", detail).at("Last-Event-ID")
        });
    }
    let Some(text) = query.text("since") else { return Ok(None) };
    text.parse().map(Some).map_err(|error| query::bad("since", &format!("given {:?}; {error}", shown(text))))
}

#[cfg(test)]
mod tests;
