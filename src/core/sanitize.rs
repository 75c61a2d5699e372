//! Makes external text harmless: bounded in bytes, and without characters that control a terminal or a log.
//!
//! Engines repeat submitted text in their errors, and certificates contain arbitrary names. Such text goes into the log, the
//! event log, the status and onto terminals. It is sanitized once where it enters; the client does it again, as its daemon
//! may be an older version.
//!
//! All functions are idempotent.

use std::borrow::Cow;

/// The most bytes of a message, such as an engine's error: several sentences, and a long path in each.
pub const MESSAGE_MAX_BYTES: usize = 1024;
/// The most bytes of a name, a version, a state word: four times the longest host name label.
pub(crate) const NAME_MAX_BYTES: usize = 256;
/// The most characters of a given value that a message repeats.
const SHOWN_CHARS: usize = 64;
/// Room for the mark at the end of a text that was cut.
const MARK_MAX_BYTES: usize = 32;

/// A message: escaped, and cut to [`MESSAGE_MAX_BYTES`].
pub(crate) fn message(text: &str) -> String {
    bounded(text.trim(), MESSAGE_MAX_BYTES)
}

/// A name or another short text: escaped, and cut to [`NAME_MAX_BYTES`].
pub(crate) fn name(text: &str) -> String {
    bounded(text.trim(), NAME_MAX_BYTES)
}

/// Escapes a text and cuts it to `max` bytes, with its whole length as a mark: `… (1048576 bytes)`.
pub(crate) fn bounded(text: &str, max: usize) -> String {
    let mut bounded = String::with_capacity(text.len().min(max));
    let mut kept = 0;
    for c in text.chars() {
        push_escaped(&mut bounded, c);
        if bounded.len() > max {
            bounded.truncate(kept);
            bounded.push_str(&format!("… ({} bytes)", text.len()));
            return bounded;
        }
        if bounded.len() + MARK_MAX_BYTES <= max {
            kept = bounded.len();
        }
    }
    bounded
}

/// The beginning of a text, as much of it as a message repeats. Not escaped.
pub(crate) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Writes characters that are not [`harmless`] as escapes, such as `\n` and `\u{1b}`.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if text.chars().all(harmless) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    text.chars().for_each(|c| push_escaped(&mut escaped, c));
    Cow::Owned(escaped)
}

/// As [`escape`], for a line of its own rather than a part of one: tabs stay as they are.
pub(crate) fn escape_line(line: &str) -> Cow<'_, str> {
    if line.chars().all(|c| c == '\t' || harmless(c)) {
        return Cow::Borrowed(line);
    }
    Cow::Owned(line.split('\t').map(escape).collect::<Vec<_>>().join("\t"))
}

fn push_escaped(text: &mut String, c: char) {
    if harmless(c) {
        text.push(c);
    } else {
        text.extend(c.escape_default());
    }
}

/// False for characters that a terminal interprets, that end a line, or that reorder or hide text:
/// control characters (C0, DEL, C1), line and paragraph separators, bidirectional controls, zero-width characters.
pub fn harmless(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_control_a_terminal_or_a_log_are_escaped() {
        for (given, escaped) in [
            ("plain — ünïcode 日本", "plain — ünïcode 日本"),
            ("a\nERROR forged", "a\\nERROR forged"),
            ("\r\t\0", "\\r\\t\\u{0}"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("\u{7f}\u{9b}31m", "\\u{7f}\\u{9b}31m"),
            ("\u{202e}abc\u{2066}", "\\u{202e}abc\\u{2066}"),
            ("\u{2028}\u{2029}\u{200b}\u{feff}", "\\u{2028}\\u{2029}\\u{200b}\\u{feff}"),
        ] {
            assert_eq!(escape(given), escaped);
            assert_eq!(escape(escaped), escaped, "idempotent");
        }
        assert_eq!(escape_line("\tat a\tb"), "\tat a\tb");
        assert_eq!(escape_line("\ta\u{1b}[2J\r\tb"), "\ta\\u{1b}[2J\\r\tb");
    }

    #[test]
    fn long_text_is_cut_at_a_character_boundary_and_shows_its_length() {
        for filler in ["x", "é", "日", "\u{1b}", "🦀"] {
            for length in [1020, 1024, 1025, 4096, 1 << 20] {
                let text = filler.repeat(length / filler.len() + 1);
                let cut = message(&text);
                assert!(cut.len() <= MESSAGE_MAX_BYTES, "{filler:?} {length}: {}", cut.len());
                assert_eq!(message(&cut), cut, "idempotent");
                if text.len() > MESSAGE_MAX_BYTES {
                    assert!(cut.ends_with(&format!("… ({} bytes)", text.len())), "{cut}");
                    assert!(
                        cut.len() > MESSAGE_MAX_BYTES - 64,
                        "no more is lost than need be: {}",
                        cut.len()
                    );
                }
            }
        }
        assert_eq!(name("  x\n"), "x");
        assert_eq!(message(&"x".repeat(1024)), "x".repeat(1024));
    }
}
