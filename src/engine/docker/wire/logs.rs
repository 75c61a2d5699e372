//! A container's log, from a stream that arrives in pieces of any size.
//!
//! Without a terminal the engine sends frames: a header of eight bytes with the output and the length, then the payload. With
//! a terminal it sends the raw output. In both forms each line begins with a timestamp, as requested; a long line consists
//! of several messages, each a frame with its own timestamp. Of a line, at most
//! [`LINE_MAX_BYTES`](crate::engine::logs::LINE_MAX_BYTES) are kept.

use std::collections::VecDeque;

use self::line::Line;
use crate::core::sanitize;
use crate::engine::logs::{LogLine, LogStream};

mod line;
#[cfg(test)]
mod tests;

/// The length of a frame header.
const HEADER_BYTES: usize = 8;
/// How much of an error inside the stream is read.
const ERROR_MAX_BYTES: usize = 4 * 1024;

/// How the outputs are distinguished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine::docker) enum Framing {
    /// Each message has a header.
    Multiplexed,
    /// Not at all: the output of a terminal.
    Raw,
}

/// Why a log stream ended with an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::engine::docker) enum LogReadError {
    /// A frame header is invalid.
    #[error("its stream has an invalid frame header")]
    NotFramed,
    /// It ended within a frame.
    #[error("its stream was cut off")]
    BrokeOff,
    /// An error message of the engine.
    #[error("{0}")]
    Engine(String),
}

/// Decodes lines from the pieces of a stream.
#[derive(Debug)]
pub(in crate::engine::docker) struct LogReader {
    framing: Framing,
    header: Vec<u8>,
    frame: Option<Frame>,
    stdout: Line,
    stderr: Line,
    /// An error message inside the stream.
    error: Vec<u8>,
    ready: VecDeque<LogLine>,
}

/// The incomplete frame.
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

    /// The next complete line.
    pub(in crate::engine::docker) fn next(&mut self) -> Option<LogLine> {
        self.ready.pop_front()
    }

    /// Decodes the next piece.
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

    /// Ends the stream and its incomplete lines.
    pub(in crate::engine::docker) fn finish(&mut self) -> Result<(), LogReadError> {
        let whole = self.frame.is_none() && self.header.is_empty();
        for line in [&mut self.stdout, &mut self.stderr] {
            if !whole {
                // A partial timestamp is not text.
                line.stamp = None;
            }
            line.finish(&mut self.ready);
        }
        if whole { Ok(()) } else { Err(LogReadError::BrokeOff) }
    }

    /// Continues a frame, or ends it if it is complete.
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
