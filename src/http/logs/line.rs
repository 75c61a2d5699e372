//! How a line of a log is written, for programs and for people.

use std::borrow::Cow;
use std::fmt::Write;

use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use crate::core::sanitize;
use crate::engine::logs::{LogLine, LogStream, LogTime};
use crate::http::stream::Item;
use crate::logs::LogItem;

/// A line that a container wrote.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = LogLine)]
pub(in crate::http) struct Line<'a> {
    /// The container.
    container: &'a str,
    /// Where it wrote it to. A container with a terminal has only standard output.
    stream: LogStream,
    /// When, RFC 3339 in UTC with nanoseconds, by the clock of its node; left out where the engine does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    at: Option<LogTime>,
    /// The line without its end. It holds whatever the container wrote, but for bytes that are not UTF-8. Of one that is
    /// longer than 16 KiB the beginning, with its whole length in bytes as a mark.
    line: &'a str,
}

/// Something about the stream itself.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = LogNote)]
pub(in crate::http) struct Note<'a> {
    /// `note`, or `gone` for the last line of a stream whose object or container is gone.
    kind: &'static str,
    /// The container that it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<&'a str>,
    /// What is missing in the stream, and the way out.
    text: &'a str,
}

/// As JSON.
pub(super) fn json(told: &LogItem) -> Item {
    let item = match told {
        LogItem::Line { container, line: LogLine { stream, at, text } } => {
            let line = Line { container, stream: *stream, at: *at, line: text };
            Item::new(at.map(|at| at.to_string()), "line", &line)
        }
        LogItem::Note { container, text } => {
            Item::new(None, "note", &Note { kind: "note", container: container.as_deref(), text })
        }
        LogItem::Gone { text } => Item::new(None, "gone", &Note { kind: "gone", container: None, text }),
    };
    Item { json: harmless(item.json), ..item }
}

/// As `web.1.1 | line`. What is about the stream itself has another mark, which no container can write.
pub(super) fn text(told: &LogItem, timestamps: bool) -> Item {
    let (kind, text) = match told {
        LogItem::Line { container, line: LogLine { at, text, .. } } => {
            let at = at.filter(|_| timestamps).map(|at| format!("{at} ")).unwrap_or_default();
            ("line", format!("{container} | {at}{}\n", sanitize::escape_line(text)))
        }
        LogItem::Note { container: Some(container), text } => {
            ("note", format!("{container} # {}\n", sanitize::escape(text)))
        }
        LogItem::Note { container: None, text } => ("note", format!("# {}\n", sanitize::escape(text))),
        LogItem::Gone { text } => ("gone", format!("# {}\n", sanitize::escape(text))),
    };
    Item { id: None, kind, json: text.into() }
}

/// JSON with the same meaning, which a terminal can be shown: JSON itself escapes only some of what a terminal obeys.
fn harmless(json: Bytes) -> Bytes {
    let Ok(text) = std::str::from_utf8(&json) else { return json };
    let body = text.trim_end_matches('\n');
    match escaped(body) {
        Cow::Borrowed(_) => json,
        Cow::Owned(escaped) => (escaped + "\n").into(),
    }
}

/// All that is not harmless stands within strings, as it is no part of JSON.
fn escaped(json: &str) -> Cow<'_, str> {
    if json.chars().all(sanitize::harmless) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        match sanitize::harmless(c) {
            true => escaped.push(c),
            // Writing to a string cannot fail.
            false => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                let _ = write!(escaped, "\\u{unit:04x}");
            }),
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> LogItem {
        let line = LogLine { stream: LogStream::Stderr, at: Some(LogTime(1)), text: text.to_owned() };
        LogItem::Line { container: "web.1.1".into(), line }
    }

    fn written(item: &Item) -> &str {
        std::str::from_utf8(&item.json).unwrap()
    }

    #[test]
    fn json_keeps_what_a_container_wrote_and_holds_nothing_that_a_terminal_obeys() {
        let wrote = "plain — 日本 \t\u{1b}[2J \u{9b}31m \u{7f}\u{202e}\u{e0041}\u{fffd}\\\"";
        let item = json(&told(wrote));
        let line = written(&item).strip_suffix('\n').unwrap();
        assert!(line.chars().all(sanitize::harmless), "{line}");
        let read: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            read,
            serde_json::json!({
                "Container": "web.1.1", "Stream": "stderr", "At": "1970-01-01T00:00:00.000000001Z", "Line": wrote,
            })
        );
        assert_eq!(item.id.as_deref(), Some("1970-01-01T00:00:00.000000001Z"));
    }

    #[test]
    fn text_is_a_line_that_cannot_be_mistaken_for_a_note() {
        let line = |text: &str| written(&super::text(&told(text), false)).to_owned();
        assert_eq!(line("\ta\u{1b}[2J\rb"), "web.1.1 | \ta\\u{1b}[2J\\rb\n");
        assert_eq!(written(&text(&told("a"), true)), "web.1.1 | 1970-01-01T00:00:00.000000001Z a\n");
        let note = |container: Option<&str>| LogItem::Note {
            container: container.map(Into::into),
            text: "a\nb".to_owned(),
        };
        assert_eq!(written(&text(&note(Some("web.1.1")), true)), "web.1.1 # a\\nb\n");
        assert_eq!(written(&text(&note(None), true)), "# a\\nb\n");
        let gone = LogItem::Gone { text: "it is gone".to_owned() };
        assert_eq!(written(&text(&gone, true)), "# it is gone\n");
        assert_eq!(written(&json(&gone)), "{\"Kind\":\"gone\",\"Text\":\"it is gone\"}\n");
    }
}
