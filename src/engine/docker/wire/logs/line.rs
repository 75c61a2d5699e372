//! One line of a log, with its timestamp.

use std::collections::VecDeque;

use crate::engine::logs::{LINE_MAX_BYTES, LogLine, LogStream, LogTime, line_text};

/// The longest timestamp before a line: `2026-11-26T16:14:12.123456789+02:00`, and a blank.
const STAMP_MAX_BYTES: usize = 36;

/// The incomplete line of one output.
#[derive(Debug)]
pub(super) struct Line {
    stream: LogStream,
    at: Option<LogTime>,
    /// The beginning of a timestamp, if one may come next.
    pub(super) stamp: Option<Vec<u8>>,
    /// The beginning of the text.
    pub(super) kept: Vec<u8>,
    /// The bytes of the text so far.
    total: usize,
}

impl Line {
    pub(super) fn new(stream: LogStream) -> Line {
        Line { stream, at: None, stamp: Some(Vec::new()), kept: Vec::new(), total: 0 }
    }

    /// A timestamp may come next, even within a line.
    pub(super) fn message_begins(&mut self) {
        self.stamp.get_or_insert_default();
    }

    /// A timestamp would be complete by now.
    pub(super) fn message_ended(&mut self) {
        if self.stamp.as_ref().is_some_and(|stamp| !stamp.is_empty()) {
            self.settle_stamp();
        }
    }

    pub(super) fn push(&mut self, mut part: &[u8], ready: &mut VecDeque<LogLine>) {
        while let Some((first, rest)) = part.split_first() {
            match &mut self.stamp {
                Some(stamp) if stamp.len() < STAMP_MAX_BYTES && !matches!(first, b' ' | b'\n') => {
                    stamp.push(*first);
                    part = rest;
                }
                Some(_) => {
                    // The blank after a timestamp is not part of the text.
                    if self.settle_stamp() && *first == b' ' {
                        part = rest;
                    }
                }
                None => {
                    let end = part.iter().position(|byte| *byte == b'\n');
                    self.keep(part.get(..end.unwrap_or(part.len())).unwrap_or_default());
                    let Some(end) = end else { return };
                    self.end(ready);
                    part = part.get(end + 1..).unwrap_or_default();
                }
            }
        }
    }

    /// Parses the text before a blank as a timestamp; otherwise it is text.
    fn settle_stamp(&mut self) -> bool {
        let stamp = self.stamp.take().unwrap_or_default();
        match std::str::from_utf8(&stamp).ok().and_then(LogTime::parse) {
            Some(at) => {
                // The timestamp of the first message counts.
                self.at.get_or_insert(at);
                true
            }
            None => {
                self.keep(&stamp);
                false
            }
        }
    }

    fn keep(&mut self, text: &[u8]) {
        let room = LINE_MAX_BYTES - self.kept.len();
        self.kept.extend_from_slice(text.get(..room).unwrap_or(text));
        self.total = self.total.saturating_add(text.len());
    }

    fn end(&mut self, ready: &mut VecDeque<LogLine>) {
        // A terminal ends lines with CR LF.
        if self.total == self.kept.len() && self.kept.last() == Some(&b'\r') {
            self.kept.pop();
            self.total -= 1;
        }
        let text = line_text(&self.kept, self.total);
        ready.push_back(LogLine { stream: self.stream, at: self.at.take(), text });
        (self.stamp, self.total) = (Some(Vec::new()), 0);
        self.kept.clear();
    }

    pub(super) fn finish(&mut self, ready: &mut VecDeque<LogLine>) {
        self.message_ended();
        if self.at.is_some() || self.total > 0 {
            self.end(ready);
        }
    }
}
