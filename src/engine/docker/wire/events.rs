//! The event stream: a sequence of JSON objects, with or without newlines in between.
//!
//! Each byte is examined once. A flood of events is read no faster than [`WINDOW`] allows: events are only hints, and each
//! leads to at most a hundred lists per second anyway.

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

/// The longest event; one with many labels is far smaller.
const EVENT_MAX_BYTES: usize = 1024 * 1024;
/// The period in which at most [`WINDOW_FRAMES`] and [`WINDOW_BYTES`] are read.
const WINDOW: Duration = Duration::from_millis(10);
/// The most pieces per window, however small: 20,000 per second.
const WINDOW_FRAMES: usize = 200;
/// The most bytes per window, plus one piece: 25 MB per second, or 25,000 usual events.
const WINDOW_BYTES: usize = 256 * 1024;

/// The events of a stream.
pub(in crate::engine::docker) fn events(
    body: Incoming,
    cluster: String,
) -> BoxStream<'static, Result<EngineEvent, EngineError>> {
    let start = (body, Reader::new(cluster), Pace::new());
    stream::try_unfold(start, |(mut body, mut reader, mut pace)| async move {
        loop {
            if let Some(event) = reader.ready.pop_front() {
                return Ok(Some((event, (body, reader, pace))));
            }
            pace.keep().await;
            let Some(frame) = body.frame().await else { return Ok(None) };
            let frame =
                frame.map_err(|e| EngineError::unanswered(format!("its event stream was cut off: {e}")))?;
            let Ok(data) = frame.into_data() else { continue };
            pace.count(data.len());
            reader.push(&data)?;
        }
    })
    .boxed()
}

/// Limits the rate of a stream.
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

/// Decodes events from the pieces of the stream.
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
            // A repeated event adds nothing.
            ready.extend(read_event(event, cluster).filter(|event| ready.back() != Some(event)));
        });
        pushed.map_err(|e: FramingError| EngineError::new(format!("cannot read its event stream: {e}")))?;
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
    // Something happened, but it is unclear what.
    let Some(fields) = Json::new(&event).fields(wanted) else { return Some(EngineEvent::Everything) };
    // An event of a Swarm manager: an engine joined or left.
    if fields.text("Type", NAME_MAX_BYTES).as_deref() == Some("swarm") {
        return Some(EngineEvent::Everything);
    }
    let action = fields.text("Action", NAME_MAX_BYTES).or_else(|| fields.text("status", NAME_MAX_BYTES));
    let action = action.unwrap_or_default();
    // Health checks are execs, and would cause an event for each check of each container.
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
    fn events_arrive_in_pieces_and_without_newlines() {
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
    fn events_of_other_shapes_do_not_end_the_stream() {
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
            "repeated events are dropped"
        );
    }

    #[test]
    fn an_endless_event_is_an_error_and_a_long_one_takes_linear_time() {
        let mut endless = reader();
        endless.push(b"{\"a\": \"").unwrap();
        let piece = vec![b'x'; 64 * 1024];
        let error = (0..100).find_map(|_| endless.push(&piece).err()).unwrap();
        assert!(error.to_string().contains("longer than 1048576 bytes"), "{error}");
        // One byte per piece: reading the event from its beginning each time would take hours.
        let long = event("web", &format!("die{}", "y".repeat(EVENT_MAX_BYTES / 2)));
        let mut slow = reader();
        long.as_bytes().chunks(1).for_each(|byte| slow.push(byte).unwrap());
        assert_eq!(slow.ready, [EngineEvent::Object(web())]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_small_pieces_is_read_at_a_bounded_rate() {
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
        assert!(begun.elapsed().is_zero(), "no flood, no wait");
    }
}
