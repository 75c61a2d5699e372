//! A container's log, out of a stream that arrives in pieces of any size.
//!
//! Without a terminal the engine sends frames: eight bytes that name the output and the length, and then as many bytes.
//! With one it sends what the terminal showed. In both forms each line begins with its time, as that was asked for; and a
//! long line comes in several messages, each a frame and each with a time of its own. No more is kept of a line than
//! [`LINE_MAX_BYTES`], however long it is.

use std::collections::VecDeque;

use crate::core::sanitize;
use crate::engine::logs::{LINE_MAX_BYTES, LogLine, LogStream, LogTime, line_text};

/// The length of a frame's header.
const HEADER_BYTES: usize = 8;
/// The longest time before a line: `2026-11-26T16:14:12.123456789+02:00`, and a blank.
const STAMP_MAX_BYTES: usize = 36;
/// As much as is read of an error inside the stream.
const ERROR_MAX_BYTES: usize = 4 * 1024;

/// How the outputs are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine::docker) enum Framing {
    /// Each message with a header.
    Multiplexed,
    /// Not at all: it is what a terminal showed.
    Raw,
}

/// Why a log stream cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::engine::docker) enum LogReadError {
    /// No frame begins where one has to.
    #[error("its stream is not one of frames")]
    NotFramed,
    /// It ended within a frame.
    #[error("its stream broke off")]
    BrokeOff,
    /// The engine's own word that it cannot read on.
    #[error("{0}")]
    Engine(String),
}

/// Reads lines out of the pieces of a stream.
#[derive(Debug)]
pub(in crate::engine::docker) struct LogReader {
    framing: Framing,
    header: Vec<u8>,
    frame: Option<Frame>,
    stdout: Line,
    stderr: Line,
    /// What the engine says went wrong, where it says so inside the stream.
    error: Vec<u8>,
    ready: VecDeque<LogLine>,
}

/// The frame under way.
#[derive(Debug, Clone, Copy)]
struct Frame {
    of: Output,
    left: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    Line(LogStream),
    Error,
}

impl LogReader {
    pub(in crate::engine::docker) fn new(framing: Framing) -> LogReader {
        LogReader {
            framing,
            header: Vec::with_capacity(HEADER_BYTES),
            frame: None,
            stdout: Line::new(LogStream::Stdout),
            stderr: Line::new(LogStream::Stderr),
            error: Vec::new(),
            ready: VecDeque::new(),
        }
    }

    /// The next line that is whole.
    pub(in crate::engine::docker) fn next(&mut self) -> Option<LogLine> {
        self.ready.pop_front()
    }

    /// Takes the next piece.
    pub(in crate::engine::docker) fn push(&mut self, mut piece: &[u8]) -> Result<(), LogReadError> {
        if self.framing == Framing::Raw {
            self.stdout.push(piece, &mut self.ready);
            return Ok(());
        }
        while !piece.is_empty() {
            let Some(frame) = self.frame else {
                let (part, rest) = piece.split_at(piece.len().min(HEADER_BYTES - self.header.len()));
                self.header.extend_from_slice(part);
                piece = rest;
                if self.header.len() == HEADER_BYTES {
                    let frame = read_header(&self.header).ok_or(LogReadError::NotFramed)?;
                    self.header.clear();
                    if let Output::Line(stream) = frame.of {
                        self.line(stream).message_begins();
                    }
                    self.begin(frame)?;
                }
                continue;
            };
            let (part, rest) = piece.split_at(piece.len().min(frame.left));
            piece = rest;
            match frame.of {
                Output::Line(LogStream::Stdout) => self.stdout.push(part, &mut self.ready),
                Output::Line(LogStream::Stderr) => self.stderr.push(part, &mut self.ready),
                Output::Error => {
                    let room = ERROR_MAX_BYTES.saturating_sub(self.error.len());
                    self.error.extend_from_slice(part.get(..room).unwrap_or(part));
                }
            }
            self.begin(Frame { left: frame.left - part.len(), ..frame })?;
        }
        Ok(())
    }

    /// The stream has ended: what is left of its lines ends as well.
    pub(in crate::engine::docker) fn finish(&mut self) -> Result<(), LogReadError> {
        let whole = self.frame.is_none() && self.header.is_empty();
        for line in [&mut self.stdout, &mut self.stderr] {
            if !whole {
                // Half a time is no text.
                line.stamp = None;
            }
            line.finish(&mut self.ready);
        }
        if whole { Ok(()) } else { Err(LogReadError::BrokeOff) }
    }

    /// Goes on with a frame, or ends it where nothing is left of it.
    fn begin(&mut self, frame: Frame) -> Result<(), LogReadError> {
        self.frame = Some(frame).filter(|frame| frame.left > 0);
        if self.frame.is_some() {
            return Ok(());
        }
        match frame.of {
            Output::Error => {
                let message = sanitize::message(&String::from_utf8_lossy(&self.error));
                Err(LogReadError::Engine(message))
            }
            Output::Line(stream) => {
                self.line(stream).message_ended();
                Ok(())
            }
        }
    }

    fn line(&mut self, stream: LogStream) -> &mut Line {
        match stream {
            LogStream::Stdout => &mut self.stdout,
            LogStream::Stderr => &mut self.stderr,
        }
    }
}

fn read_header(header: &[u8]) -> Option<Frame> {
    let [output, 0, 0, 0, a, b, c, d] = *header else { return None };
    let of = match output {
        0 | 1 => Output::Line(LogStream::Stdout),
        2 => Output::Line(LogStream::Stderr),
        3 => Output::Error,
        _ => return None,
    };
    Some(Frame { of, left: usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()? })
}

/// The line of one output that is under way.
#[derive(Debug)]
struct Line {
    stream: LogStream,
    at: Option<LogTime>,
    /// What has come of a time, where one may come next.
    stamp: Option<Vec<u8>>,
    /// The beginning of the text.
    kept: Vec<u8>,
    /// The bytes of the text so far.
    total: usize,
}

impl Line {
    fn new(stream: LogStream) -> Line {
        Line { stream, at: None, stamp: Some(Vec::new()), kept: Vec::new(), total: 0 }
    }

    /// A time comes next, also within a line.
    fn message_begins(&mut self) {
        self.stamp.get_or_insert_default();
    }

    /// A time would be whole by now.
    fn message_ended(&mut self) {
        if self.stamp.as_ref().is_some_and(|stamp| !stamp.is_empty()) {
            self.settle_stamp();
        }
    }

    fn push(&mut self, mut part: &[u8], ready: &mut VecDeque<LogLine>) {
        while let Some((first, rest)) = part.split_first() {
            match &mut self.stamp {
                Some(stamp) if stamp.len() < STAMP_MAX_BYTES && !matches!(first, b' ' | b'\n') => {
                    stamp.push(*first);
                    part = rest;
                }
                Some(_) => {
                    // The blank after a time is not of the text.
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

    /// Takes what has come before a blank for a time, if it is one; else it is text.
    fn settle_stamp(&mut self) -> bool {
        let stamp = self.stamp.take().unwrap_or_default();
        match std::str::from_utf8(&stamp).ok().and_then(LogTime::parse) {
            Some(at) => {
                // That of a line's first message is the line's.
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
        // A terminal ends its lines with two characters.
        if self.total == self.kept.len() && self.kept.last() == Some(&b'\r') {
            self.kept.pop();
            self.total -= 1;
        }
        let text = line_text(&self.kept, self.total);
        ready.push_back(LogLine { stream: self.stream, at: self.at.take(), text });
        (self.stamp, self.total) = (Some(Vec::new()), 0);
        self.kept.clear();
    }

    fn finish(&mut self, ready: &mut VecDeque<LogLine>) {
        self.message_ended();
        if self.at.is_some() || self.total > 0 {
            self.end(ready);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "2026-11-26T16:14:12.123456789Z";

    fn frame(output: u8, text: &[u8]) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap().to_be_bytes();
        [&[output, 0, 0, 0][..], &length, text].concat()
    }

    /// `STREAM TIME TEXT` of each line, with the time in nanoseconds of its second.
    fn shown(reader: &mut LogReader) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(LogLine { stream, at, text }) = reader.next() {
            let at = at.map_or("-".to_owned(), |at| at.parts().1.to_string());
            lines.push(format!("{stream:?} {at} {text}"));
        }
        lines
    }

    fn read(framing: Framing, stream: &[u8], piece: usize) -> Result<Vec<String>, LogReadError> {
        let mut reader = LogReader::new(framing);
        for piece in stream.chunks(piece) {
            reader.push(piece)?;
        }
        reader.finish()?;
        Ok(shown(&mut reader))
    }

    fn stamped(nanos: u32, text: &str) -> String {
        format!("2026-11-26T16:14:12.{nanos:09}Z {text}")
    }

    #[test]
    fn lines_are_the_same_however_the_stream_is_cut_up() {
        let stream = [
            frame(1, stamped(1, "one\n").as_bytes()),
            frame(2, stamped(2, "two\n").as_bytes()),
            frame(1, stamped(3, "\n").as_bytes()),
            frame(1, b""),
            frame(0, stamped(4, "  indented  \r\n").as_bytes()),
            // A long line comes in messages, and others in between.
            frame(1, stamped(5, "be").as_bytes()),
            frame(2, stamped(6, "between\n").as_bytes()),
            frame(1, stamped(7, "gin").as_bytes()),
            frame(1, stamped(8, "ning\n").as_bytes()),
            frame(1, stamped(9, "2026-11-26T16:14:12Z of its own\n").as_bytes()),
            frame(1, "2026-11-26T18:14:12.000000010+02:00 elsewhere\n".as_bytes()),
            frame(1, b"without a time\n"),
            frame(1, b"short\nand another\n"),
            frame(1, stamped(11, "the last one has no end").as_bytes()),
        ]
        .concat();
        let lines = [
            "Stdout 1 one",
            "Stderr 2 two",
            "Stdout 3 ",
            "Stdout 4   indented  ",
            "Stderr 6 between",
            "Stdout 5 beginning",
            "Stdout 9 2026-11-26T16:14:12Z of its own",
            "Stdout 10 elsewhere",
            "Stdout - without a time",
            "Stdout - short",
            "Stdout - and another",
            "Stdout 11 the last one has no end",
        ];
        for piece in 1..=stream.len() {
            assert_eq!(read(Framing::Multiplexed, &stream, piece).unwrap(), lines, "{piece}");
        }
    }

    #[test]
    fn what_a_terminal_showed_is_all_standard_output() {
        let stream = [
            stamped(1, "one\r\n"),
            stamped(2, "\u{1b}[1mtwo\r\n"),
            stamped(3, "50%\r100%\r\n"),
            stamped(4, "\r\n"),
            "no time at all, and longer than any time is\r\n".to_owned(),
            stamped(5, "$ "),
        ]
        .concat();
        let lines = [
            "Stdout 1 one",
            "Stdout 2 \u{1b}[1mtwo",
            "Stdout 3 50%\r100%",
            "Stdout 4 ",
            "Stdout - no time at all, and longer than any time is",
            "Stdout 5 $ ",
        ];
        for piece in 1..=stream.len() {
            assert_eq!(read(Framing::Raw, stream.as_bytes(), piece).unwrap(), lines, "{piece}");
        }
    }

    #[test]
    fn a_line_without_end_takes_no_more_memory_than_the_longest() {
        for framing in [Framing::Multiplexed, Framing::Raw] {
            let mut reader = LogReader::new(framing);
            let part = vec![b'x'; LINE_MAX_BYTES];
            for _ in 0..640 {
                let message = [AT.as_bytes(), b" ", &part].concat();
                match framing {
                    Framing::Multiplexed => reader.push(&frame(1, &message)).unwrap(),
                    // A terminal's messages are not told apart.
                    Framing::Raw => reader.push(&part).unwrap(),
                }
                assert!(reader.ready.is_empty());
                assert!(reader.stdout.kept.capacity() <= 2 * LINE_MAX_BYTES);
            }
            reader.finish().unwrap();
            let line = reader.next().unwrap();
            assert!(line.text.len() <= LINE_MAX_BYTES && line.text.ends_with("x… (10485760 bytes)"));
            assert_eq!(line.at.is_some(), framing == Framing::Multiplexed);
        }
        // A header may promise whatever it likes.
        let mut reader = LogReader::new(Framing::Multiplexed);
        reader.push(&[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]).unwrap();
        (0..1000).for_each(|_| reader.push(&[b'x'; 4096]).unwrap());
        assert!(reader.stdout.kept.capacity() <= 2 * LINE_MAX_BYTES);
    }

    #[test]
    fn what_is_something_else_breaks_off_or_failed_is_said() {
        let multiplexed = |stream: &[u8]| read(Framing::Multiplexed, stream, 3).unwrap_err();
        assert_eq!(multiplexed(b"<html>It works!</html>"), LogReadError::NotFramed);
        assert_eq!(multiplexed(&frame(4, b"x")), LogReadError::NotFramed);
        assert_eq!(multiplexed(&[1, 0, 0]), LogReadError::BrokeOff);
        assert_eq!(multiplexed(&frame(1, b"line\n")[..10]), LogReadError::BrokeOff);
        let said = [b"no such\nfile".to_vec(), vec![b'x'; 10_000]].concat();
        let LogReadError::Engine(message) = multiplexed(&frame(3, &said)) else { panic!("no error") };
        assert!(message.starts_with("no such\\nfilexxx") && message.len() <= sanitize::MESSAGE_MAX_BYTES);
    }

    #[test]
    fn the_lines_before_a_break_are_not_lost() {
        let mut reader = LogReader::new(Framing::Multiplexed);
        let stream =
            [frame(1, stamped(1, "whole\n").as_bytes()), frame(2, stamped(2, "half").as_bytes())].concat();
        reader.push(&stream[..stream.len() - 2]).unwrap();
        assert_eq!(reader.finish(), Err(LogReadError::BrokeOff));
        assert_eq!(shown(&mut reader), ["Stdout 1 whole", "Stderr 2 ha"]);
        let mut reader = LogReader::new(Framing::Multiplexed);
        reader.push(&stream[..20]).unwrap();
        assert_eq!(reader.finish(), Err(LogReadError::BrokeOff));
        assert_eq!(shown(&mut reader), [""; 0], "half a time is no line");
    }
}
