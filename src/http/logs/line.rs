//! The format of a line of a log, for programs and for people.

use std::borrow::Cow;
use std::fmt::Write;

use bytes::Bytes;

use crate::api;
use crate::api::logs::{LogNote, LogNoteKind};
use crate::core::sanitize;
use crate::engine::logs::{LogLine, LogStream};
use crate::http::stream::Item;
use crate::logs::LogItem;

/// As JSON.
pub(super) fn json(item: &LogItem) -> Item {
    let item = match item {
        LogItem::Line { container, line: LogLine { stream, at, text } } => {
            let at = at.map(|at| at.to_string());
            let stream = match stream {
                LogStream::Stdout => api::logs::LogStream::Stdout,
                LogStream::Stderr => api::logs::LogStream::Stderr,
            };
            let line = api::logs::LogLine {
                container: (&**container).into(),
                stream,
                at: at.clone(),
                line: text.into(),
            };
            Item::new(at, "line", &line)
        }
        LogItem::Note { container, text } => note(LogNoteKind::Note, container.as_deref(), text),
        LogItem::Gone { text } => note(LogNoteKind::Gone, None, text),
    };
    Item { json: harmless(item.json), ..item }
}

fn note(kind: LogNoteKind, container: Option<&str>, text: &str) -> Item {
    let note = LogNote { kind, container: container.map(Cow::from), text: text.into() };
    Item::new(None, note.kind.to_string(), &note)
}

/// As `web.1.1 | line`. Notes about the stream itself have another mark, which no container can write.
pub(super) fn text(item: &LogItem, timestamps: bool) -> Item {
    let (kind, text) = match item {
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
    Item { id: None, kind: kind.into(), json: text.into() }
}

/// Equivalent JSON that is safe for a terminal: JSON itself escapes only some control characters.
fn harmless(json: Bytes) -> Bytes {
    let Ok(text) = std::str::from_utf8(&json) else { return json };
    let body = text.trim_end_matches('\n');
    match escaped(body) {
        Cow::Borrowed(_) => json,
        Cow::Owned(escaped) => (escaped + "\n").into(),
    }
}

/// Characters that are not harmless occur only within strings.
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
    use crate::engine::logs::LogTime;

    fn item(text: &str) -> LogItem {
        let line = LogLine { stream: LogStream::Stderr, at: Some(LogTime(1)), text: text.to_owned() };
        LogItem::Line { container: "web.1.1".into(), line }
    }

    fn written(item: &Item) -> &str {
        std::str::from_utf8(&item.json).unwrap()
    }

    #[test]
    fn json_keeps_the_text_of_a_container_without_control_characters() {
        let wrote = "plain — 日本 \t\u{1b}[2J \u{9b}31m \u{7f}\u{202e}\u{e0041}\u{fffd}\\\"";
        let item = json(&item(wrote));
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
        let line = |text: &str| written(&super::text(&item(text), false)).to_owned();
        assert_eq!(line("\ta\u{1b}[2J\rb"), "web.1.1 | \ta\\u{1b}[2J\\rb\n");
        assert_eq!(written(&text(&item("a"), true)), "web.1.1 | 1970-01-01T00:00:00.000000001Z a\n");
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
