//! Streams: responses that go on until their client leaves, for `?watch`, `/events` and logs.
//!
//! A source yields one [`Item`] after the other, and is only polled for the next one when the connection has room for it.
//! Items are sent as one line of JSON each, for curl and scripts, or as server-sent events, for browsers and clients that
//! ask for them with `Accept`. After [`KEEP_ALIVE`] without an item a keep-alive is sent, so that no proxy cuts the
//! connection.
//!
//! A stream ends when its client's certificate expires, and after [`LONGEST`]. The last item, of the kind `end`, says why.
//!
//! A stream holds its permit for a long-running request until its body is dropped. The connection does that when the
//! client has left or reads nothing, or when the server stops.

use std::borrow::Cow;
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

use super::negotiate;
use super::query::{self, Query};
use crate::api::problem::{Problem, ProblemKind};
use crate::api::stream::{StreamEnd, StreamEndKind};
use crate::clock::{self, Clock};
use crate::core::sanitize::shown;
use crate::server::fair_share::Permit;
use crate::server::peer::Peer;

/// The time without an item after which a keep-alive is sent: proxies cut connections that are silent for 60 s, some for
/// 30 s.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The longest that a stream lasts. A client that reconnects shows its present certificate.
pub(super) const LONGEST: Duration = Duration::from_secs(12 * 60 * 60);
/// The expiry of a certificate is noticed within this time, even if the wall clock was set.
const CLOCK_CHECK: Duration = Duration::from_secs(5);

/// The header with the last item that the client has received; browsers send it when they reconnect.
pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// One item of a stream.
pub(super) struct Item {
    /// The value of `since` or `Last-Event-ID` that continues after this item, if it has a position in the stream.
    pub(super) id: Option<String>,
    /// The name of the event.
    pub(super) kind: Cow<'static, str>,
    /// JSON in one line, and a newline.
    pub(super) json: Bytes,
}

impl Item {
    /// Serializes an item.
    pub(super) fn new(
        id: Option<String>,
        kind: impl Into<Cow<'static, str>>,
        content: &impl Serialize,
    ) -> Item {
        let mut json = serde_json::to_vec(content).unwrap_or_else(|error| {
            tracing::error!(%error, "an item of a stream cannot be serialized");
            b"{}".to_vec()
        });
        json.push(b'\n');
        Item { id, kind: kind.into(), json: json.into() }
    }
}

/// The format of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// One line of JSON per item.
    Lines,
    /// For browsers.
    ServerSentEvents,
    /// Lines for people, for sources whose items have these instead of JSON.
    Text,
}

impl Format {
    /// The format that `Accept` asks for.
    pub(super) fn asked_for(headers: &HeaderMap) -> Format {
        match negotiate::prefers(headers, "text/event-stream", "application/x-ndjson") {
            true => Format::ServerSentEvents,
            false => Format::Lines,
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Format::Lines => "application/x-ndjson",
            Format::ServerSentEvents => "text/event-stream",
            Format::Text => "text/plain; charset=utf-8",
        }
    }

    /// An item in pieces: its JSON is shared by all readers, and not copied.
    fn pieces(self, item: Item) -> Vec<Bytes> {
        if self != Format::ServerSentEvents {
            return vec![item.json];
        }
        let id = item.id.map(|id| format!("id: {id}\n")).unwrap_or_default();
        let head = format!("{id}event: {}\ndata: ", item.kind);
        vec![head.into(), item.json, Bytes::from_static(b"\n")]
    }

    fn keep_alive(self) -> Vec<Bytes> {
        match self {
            Format::Lines => vec![Bytes::from_static(b"\n")],
            Format::ServerSentEvents => vec![Bytes::from_static(b": keep-alive\n\n")],
            // It would be a line. TCP notices a client that has vanished.
            Format::Text => Vec::new(),
        }
    }

    fn end(self, text: String) -> Vec<Bytes> {
        match self {
            Format::Text => vec![format!("# {text}\n").into()],
            form => form.pieces(Item::new(None, "end", &StreamEnd { kind: StreamEndKind::End, text })),
        }
    }
}

/// When the daemon ends a stream.
pub(super) struct End {
    peer: Arc<Peer>,
    clock: Clock,
    longest: Instant,
}

impl End {
    /// Of a stream to this client that begins now.
    pub(super) fn of(peer: &Arc<Peer>, clock: Clock) -> End {
        End { peer: peer.clone(), clock, longest: clock::monotonic() + LONGEST }
    }

    /// Why the stream has ended, if it has.
    fn reached(&self) -> Option<String> {
        if self.peer.expired(self.clock.wall().system()) {
            return Some("the client certificate has expired: reconnect with a new one".to_owned());
        }
        let longest = humantime::format_duration(LONGEST);
        (clock::monotonic() >= self.longest)
            .then(|| format!("a stream lasts {longest} at most: reconnect to continue"))
    }

    /// The time until the next check.
    fn next_check(&self) -> Duration {
        let certificate = self.peer.validity_left(self.clock.wall().system()) + Duration::from_millis(1);
        let longest = self.longest.saturating_duration_since(clock::monotonic());
        certificate.min(longest).min(CLOCK_CHECK)
    }
}

/// What a stream sends next.
enum Next {
    Item(Option<Item>),
    KeepAlive,
    End(String),
}

/// The next item, or what is sent instead.
async fn next(items: &mut (impl Stream<Item = Item> + Unpin), end: &End) -> Next {
    let keep_alive = clock::monotonic() + KEEP_ALIVE;
    loop {
        if let Some(why) = end.reached() {
            return Next::End(why);
        }
        let check = clock::monotonic() + end.next_check();
        match timeout_at(check.min(keep_alive), items.next()).await {
            Ok(item) => return Next::Item(item),
            Err(_) if clock::monotonic() >= keep_alive => return Next::KeepAlive,
            Err(_) => {}
        }
    }
}

/// A stream of all `items` in the format that the client asks for, until `end`.
pub(super) fn response(
    headers: &HeaderMap,
    items: impl Stream<Item = Item> + Send + 'static,
    permit: Permit,
    end: End,
) -> Response {
    response_as(Format::asked_for(headers), items, permit, end)
}

/// A stream of all `items` in this format, until `end`.
pub(super) fn response_as(
    form: Format,
    items: impl Stream<Item = Item> + Send + 'static,
    permit: Permit,
    end: End,
) -> Response {
    let source = Some((Box::pin(items), permit, end));
    let pieces = stream::unfold(source, move |source| async move {
        let (mut items, permit, end) = source?;
        let (pieces, over) = match next(&mut items, &end).await {
            Next::Item(item) => (form.pieces(item?), false),
            Next::KeepAlive => (form.keep_alive(), false),
            Next::End(text) => (form.end(text), true),
        };
        Some((pieces, (!over).then_some((items, permit, end))))
    });
    let body = Body::from_stream(pieces.flat_map(stream::iter).map(Ok::<Bytes, Infallible>));
    let head = [(header::CONTENT_TYPE, form.content_type()), (header::CACHE_CONTROL, "no-cache")];
    (StatusCode::OK, head, body).into_response()
}

/// Where the client continues: by the header, as a browser that reconnects does not change its URL, else by the parameter
/// `since`.
pub(super) fn since<Id>(headers: &HeaderMap, query: &Query) -> Result<Option<Id>, Problem>
where
    Id: FromStr<Err: Display>,
{
    if let Some(value) = headers.get(LAST_EVENT_ID) {
        let text = value.to_str().unwrap_or("bytes that are not text");
        return text.parse().map(Some).map_err(|error| {
            let detail = format!("Last-Event-ID: given {:?}; {error}", shown(text));
            Problem::new(ProblemKind::BadHeader, detail).at("Last-Event-ID")
        });
    }
    let Some(text) = query.text("since") else { return Ok(None) };
    text.parse().map(Some).map_err(|error| query::bad("since", &format!("given {:?}; {error}", shown(text))))
}

#[cfg(test)]
mod tests;
