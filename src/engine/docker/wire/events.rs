//! The event stream: JSON objects one after the other, with or without newlines between them.
//!
//! Each byte is looked at once. An engine that floods the stream is read no faster than [`WINDOW`] allows: events are
//! hints, and what they hint at is listed at most a hundred times a second anyhow.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, sleep_until};

use super::framing::{Frame, Framer, FramingError, Shape};
use super::lenient::Json;
use crate::clock;
use crate::core::labels::{LABEL_CLUSTER, LABEL_OBJECT};
use crate::core::name::ObjectName;
use crate::core::sanitize::NAME_MAX_BYTES;
use crate::core::signal::Signal;
use crate::engine::EngineEvent;
use crate::engine::error::EngineError;

/// One event with many labels is far smaller; what is longer is not an event.
const EVENT_MAX_BYTES: usize = 1024 * 1024;
/// The stretch of time in which no more than [`WINDOW_FRAMES`] and [`WINDOW_BYTES`] are read.
const WINDOW: Duration = Duration::from_millis(10);
/// The most pieces of the stream in a window, however small: 20,000 a second.
const WINDOW_FRAMES: usize = 200;
/// The most bytes of the stream in a window, give or take one piece: 25 MB a second, or 25,000 usual events.
const WINDOW_BYTES: usize = 256 * 1024;

/// The hints of an event stream.
pub(in crate::engine::docker) fn events(
    body: Incoming,
    cluster: String,
) -> BoxStream<'static, Result<EngineEvent, EngineError>> {
    let start = (body, Reader::new(cluster), Pace::new());
    stream::try_unfold(start, |(mut body, mut reader, mut pace)| async move {
        loop {
            if let Some(hint) = reader.ready.pop_front() {
                return Ok(Some((hint, (body, reader, pace))));
            }
            pace.keep().await;
            let Some(frame) = body.frame().await else { return Ok(None) };
            let frame = frame.map_err(|e| EngineError::new(format!("its event stream broke off: {e}")))?;
            let Ok(data) = frame.into_data() else { continue };
            pace.count(data.len());
            reader.push(&data)?;
        }
    })
    .boxed()
}

/// Keeps a stream from taking more than its share of the time.
#[derive(Debug)]
struct Pace {
    until: Instant,
    frames: usize,
    bytes: usize,
}

impl Pace {
    fn new() -> Pace {
        Pace { until: clock::monotonic() + WINDOW, frames: 0, bytes: 0 }
    }

    fn count(&mut self, bytes: usize) {
        let now = clock::monotonic();
        if now >= self.until {
            *self = Pace::new();
        }
        self.frames += 1;
        self.bytes += bytes;
    }

    async fn keep(&self) {
        if self.frames >= WINDOW_FRAMES || self.bytes >= WINDOW_BYTES {
            sleep_until(self.until).await;
        }
    }
}

/// Reads events out of the pieces of the stream.
#[derive(Debug)]
pub(super) struct Reader {
    framer: Framer,
    cluster: String,
    pub(super) ready: VecDeque<EngineEvent>,
}

impl Reader {
    pub(super) fn new(cluster: String) -> Reader {
        Reader { framer: Framer::new(Shape::Objects, EVENT_MAX_BYTES), cluster, ready: VecDeque::new() }
    }

    pub(super) fn push(&mut self, piece: &[u8]) -> Result<(), EngineError> {
        let Reader { framer, cluster, ready } = self;
        let pushed = framer.push(piece, |frame| {
            let Frame::Value(event) = frame else { return };
            // What repeats itself says no more than the first time.
            ready.extend(read_event(event, cluster).filter(|hint| ready.back() != Some(hint)));
        });
        pushed
            .map_err(|e: FramingError| EngineError::new(format!("its event stream cannot be read: {e}")))?;
        if framer.is_too_long() {
            return Err(EngineError::new(format!(
                "one event in its stream is longer than {EVENT_MAX_BYTES} bytes"
            )));
        }
        Ok(())
    }
}

fn read_event(event: &[u8], cluster: &str) -> Option<EngineEvent> {
    let event = String::from_utf8_lossy(event);
    let wanted = |name: &str| matches!(name, "Type" | "Action" | "status" | "Actor");
    // Something happened, and it is not said what.
    let Some(fields) = Json::new(&event).fields(wanted) else { return Some(EngineEvent::Everything) };
    // A Swarm manager's own events: an engine behind it came or went.
    if fields.text("Type", NAME_MAX_BYTES).as_deref() == Some("swarm") {
        return Some(EngineEvent::Everything);
    }
    let action = fields.text("Action", NAME_MAX_BYTES).or_else(|| fields.text("status", NAME_MAX_BYTES));
    let action = action.unwrap_or_default();
    // Health checks are execs: they would wake us with each check of each container.
    let idle = ["exec_", "top", "attach", "detach", "resize", "copy", "archive", "export", "commit"];
    if idle.iter().any(|prefix| action.starts_with(prefix)) {
        return None;
    }
    let actor = fields.get("Actor")?.fields(|name| matches!(name, "ID" | "Attributes"))?;
    let wanted = |name: &str| matches!(name, LABEL_CLUSTER | LABEL_OBJECT | "signal");
    let labels = actor.get("Attributes")?.fields(wanted)?;
    if labels.text(LABEL_CLUSTER, NAME_MAX_BYTES)? != cluster {
        return None;
    }
    let object = ObjectName::parse(&labels.text(LABEL_OBJECT, NAME_MAX_BYTES)?)?;
    let id = actor.get("ID").and_then(super::container::read_id);
    Some(match id {
        Some(id) if action == "die" => EngineEvent::Ended(object, id),
        Some(id) if action == "destroy" => EngineEvent::Destroyed(object, id),
        Some(id) if action == "kill" => {
            match labels.text("signal", NAME_MAX_BYTES).and_then(|signal| Signal::parse(&signal)) {
                Some(signal) => EngineEvent::Signalled(id, signal),
                None => EngineEvent::Object(object),
            }
        }
        _ => EngineEvent::Object(object),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(object: &str, action: &str) -> String {
        format!(
            r#"{{"Type":"container","Action":"{action}","Actor":{{"ID":"x","Attributes":{{"{LABEL_CLUSTER}":"c","{LABEL_OBJECT}":"{object}"}}}}}}"#
        )
    }

    fn reader() -> Reader {
        Reader::new("c".to_owned())
    }

    fn web() -> ObjectName {
        ObjectName::parse("web").unwrap()
    }

    #[test]
    fn events_come_in_pieces_and_without_newlines() {
        let stream = format!(
            "{}{}\n{}{}{}",
            event("web", "die"),
            r#"{"Type":"swarm","Action":"engine_disconnect"}"#,
            event("web", "exec_start: sh"),
            event("web", "kill").replace("\"Attributes\":{", "\"Attributes\":{\"signal\":\"15\","),
            event("db", "start")
        );
        let db = ObjectName::parse("db").unwrap();
        let wanted = [
            EngineEvent::Ended(web(), "x".into()),
            EngineEvent::Everything,
            EngineEvent::Signalled("x".into(), Signal::TERM),
            EngineEvent::Object(db),
        ];
        for piece in [1, 2, 7, 100, 1000] {
            let mut reader = reader();
            stream.as_bytes().chunks(piece).for_each(|piece| reader.push(piece).unwrap());
            assert_eq!(reader.ready, wanted, "in pieces of {piece}");
        }
        let mut foreign = Reader::new("other".to_owned());
        foreign.push(event("web", "die").as_bytes()).unwrap();
        assert!(foreign.ready.is_empty());
        assert!(reader().push(b"nonsense").is_err());
    }

    #[test]
    fn events_of_other_shapes_end_nothing() {
        let mut reader = reader();
        for odd in [
            r#"{"Type": null, "Action": 7, "Actor": null}"#,
            r#"{"Type": "container", "Action": "die", "Actor": {"Attributes": "?"}}"#,
            r#"{"Type": {"a": [[[[[[[[[[]]]]]]]]]]}, "time": 1e999}"#,
            "{}",
        ] {
            reader.push(odd.as_bytes()).unwrap();
        }
        assert!(reader.ready.is_empty());
        reader.push(b"{\"Type\": }").unwrap();
        reader.push(event("web", "die").replace("\"x\"", "\"../x\"").as_bytes()).unwrap();
        reader.push(event("web", "d\u{e9}").as_bytes().split_last().unwrap().1).unwrap();
        reader.push(b"}").unwrap();
        assert_eq!(
            reader.ready,
            [EngineEvent::Everything, EngineEvent::Object(web())],
            "the same again is no news"
        );
    }

    #[test]
    fn an_event_without_end_is_refused_and_a_long_stream_takes_linear_time() {
        let mut endless = reader();
        endless.push(b"{\"a\": \"").unwrap();
        let piece = vec![b'x'; 64 * 1024];
        let error = (0..100).find_map(|_| endless.push(&piece).err()).unwrap();
        assert!(error.to_string().contains("longer than 1048576 bytes"), "{error}");
        // One byte a piece: were the event looked at from its beginning each time, this would take hours.
        let long = event("web", &format!("die{}", "y".repeat(EVENT_MAX_BYTES / 2)));
        let mut slow = reader();
        long.as_bytes().chunks(1).for_each(|byte| slow.push(byte).unwrap());
        assert_eq!(slow.ready, [EngineEvent::Object(web())]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_small_pieces_is_read_at_a_bounded_pace() {
        let begun = Instant::now();
        let mut pace = Pace::new();
        for _ in 0..WINDOW_FRAMES * 10 {
            pace.keep().await;
            pace.count(1);
        }
        assert!(begun.elapsed() >= WINDOW * 9, "{:?}", begun.elapsed());
        let begun = Instant::now();
        let mut pace = Pace::new();
        for _ in 0..WINDOW_FRAMES - 1 {
            pace.keep().await;
            pace.count(1);
        }
        assert!(begun.elapsed().is_zero(), "what is no flood does not wait");
    }
}
