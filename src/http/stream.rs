//! Answers that go on for as long as their client stays: `?watch` and `/events`.
//!
//! A source gives one [`Item`] after the other, each JSON with a name of its own, and is only asked for the next
//! one when the connection has room for it. What leaves is one of two forms of the same: a JSON text a line, for
//! curl and scripts, or server-sent events, for browsers and whoever asks for them with `Accept`. In both forms
//! something is sent each [`KEEP_ALIVE`], so that everything between here and the client sees that it lives.
//!
//! A stream holds its place among the long answers until its body is dropped: when the client has left or takes
//! nothing, or the server stops, which are all for the connection to find out.

use std::convert::Infallible;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use tokio::time::timeout;

use super::fair_share::Permit;
use super::negotiate;
use super::problem::Problem;
use super::query::{self, Query};
use crate::model::strict::shown;

/// Without anything to say for this long, that is said: proxies cut what is silent for 60 s, and often for 30 s.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Where a client says what it had last: a browser does so by itself when it connects again.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// One thing that is told.
pub(super) struct Item {
    /// To be given as `since` or `Last-Event-ID` for what comes after it; none where it has no place in the row.
    pub(super) id: Option<String>,
    /// The name of the event.
    pub(super) kind: &'static str,
    /// JSON in one line, and a newline.
    pub(super) json: Bytes,
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Lines,
    ServerSentEvents,
}

impl Form {
    /// The form that `Accept` asks for.
    fn asked_for(headers: &HeaderMap) -> Form {
        match negotiate::prefers(headers, "text/event-stream", "application/x-ndjson") {
            true => Form::ServerSentEvents,
            false => Form::Lines,
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Form::Lines => "application/x-ndjson",
            Form::ServerSentEvents => "text/event-stream",
        }
    }

    /// An item in pieces: its JSON is shared by all who read it, and not copied.
    fn pieces(self, item: Item) -> Vec<Bytes> {
        if self == Form::Lines {
            return vec![item.json];
        }
        let id = item.id.map(|id| format!("id: {id}\n")).unwrap_or_default();
        let head = format!("{id}event: {}\ndata: ", item.kind);
        vec![head.into(), item.json, Bytes::from_static(b"\n")]
    }

    fn keep_alive(self) -> Vec<Bytes> {
        vec![Bytes::from_static(match self {
            Form::Lines => b"\n",
            Form::ServerSentEvents => b": keep-alive\n\n",
        })]
    }
}

/// An answer of all `items`, in the form asked for.
pub(super) fn answer(
    headers: &HeaderMap,
    items: impl Stream<Item = Item> + Send + 'static,
    place: Permit,
) -> Response {
    let form = Form::asked_for(headers);
    let pieces = stream::unfold((Box::pin(items), place), move |(mut items, place)| async move {
        let pieces = match timeout(KEEP_ALIVE, items.next()).await {
            Ok(item) => form.pieces(item?),
            Err(_) => form.keep_alive(),
        };
        Some((pieces, (items, place)))
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
