//! Finds what hyper hides of a request's head: a `Content-Length` beside a `Transfer-Encoding`.
//!
//! Hyper drops that `Content-Length` and reads the body by its chunks. A proxy in front of the daemon may do it the other way
//! round, and then takes a part of the body for the next request. So [`RequestHeads`] watches the bytes that hyper reads, and
//! gives the dropped header back, for the check of all requests to refuse.
//!
//! It skips bodies by their `Content-Length`, so that it finds the heads of pipelined requests. A chunked request is the last
//! one of its connection: what follows is not watched, and the response closes the connection.

use std::sync::{Mutex, MutexGuard, PoisonError};

use http::HeaderValue;

/// The bytes of a header line that are kept: enough for the name and the value of both headers.
const LINE_BYTES: usize = 64;

/// The heads of one connection's requests. The reader and the service run in one task, so the lock is never contended.
#[derive(Debug, Default)]
pub(super) struct RequestHeads(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next: Next,
    /// The begin of the current line of a head, without blanks.
    line: Vec<u8>,
    /// The current head has a line.
    begun: bool,
    length: Option<HeaderValue>,
    chunked: bool,
    /// The heads that were read completely, and those that the service was given.
    read: u64,
    given: u64,
}

#[derive(Debug, Default)]
enum Next {
    #[default]
    Head,
    /// This much of a body.
    Body(u64),
    /// The last request has begun.
    Unwatched,
}

impl RequestHeads {
    /// Takes the next bytes that hyper reads.
    pub(super) fn watch(&self, bytes: &[u8]) {
        self.state().watch(bytes);
    }

    /// The `Content-Length` that hyper has dropped from the request that the service is given now.
    pub(super) fn dropped_length(&self) -> Option<HeaderValue> {
        let mut state = self.state();
        state.given += 1;
        // Only the last head can be chunked.
        state.length.clone().filter(|_| state.chunked && state.given == state.read)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn watch(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            match self.next {
                Next::Head => {
                    self.head(*first);
                    bytes = rest;
                }
                Next::Body(left) => {
                    let skipped = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    bytes = bytes.get(skipped..).unwrap_or_default();
                    self.next = match left - skipped as u64 {
                        0 => Next::Head,
                        left => Next::Body(left),
                    };
                }
                Next::Unwatched => return,
            }
        }
    }

    /// A byte of a head. Hyper refuses what it allows beyond HTTP: continued lines, and blanks before a colon.
    fn head(&mut self, byte: u8) {
        match byte {
            b'\n' if !self.line.is_empty() => {
                self.begun = true;
                self.header();
                self.line.clear();
            }
            b'\n' if self.begun => {
                self.begun = false;
                self.end();
            }
            // Empty lines before a request are allowed.
            b'\n' | b' ' | b'\t' | b'\r' => {}
            _ if self.line.len() < LINE_BYTES => self.line.push(byte),
            _ => {}
        }
    }

    fn header(&mut self) {
        let Some(colon) = self.line.iter().position(|b| *b == b':') else { return };
        let (name, value) = self.line.split_at(colon);
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.chunked = true;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let value = value.get(1..).unwrap_or_default();
            self.length = Some(HeaderValue::from_bytes(value).unwrap_or(HeaderValue::from_static("")));
        }
    }

    fn end(&mut self) {
        self.read += 1;
        if self.chunked {
            self.next = Next::Unwatched;
            return;
        }
        let length = self.length.take();
        self.next = match length.map(|length| length.to_str().unwrap_or_default().parse::<u64>()) {
            None | Some(Ok(0)) => Next::Head,
            Some(Ok(length)) => Next::Body(length),
            // Hyper refuses it.
            Some(Err(_)) => Next::Unwatched,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The dropped length of each request, whose bytes come in pieces of this size.
    fn dropped(requests: &str, piece: usize, count: usize) -> Vec<Option<HeaderValue>> {
        let heads = RequestHeads::default();
        requests.as_bytes().chunks(piece).for_each(|piece| heads.watch(piece));
        (0..count).map(|_| heads.dropped_length()).collect()
    }

    #[test]
    fn a_length_beside_chunks_is_found_in_any_order_and_in_pieces() {
        let plain = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let sized =
            "\r\nPOST /a:b HTTP/1.1\ncontent-length: 41\n\nTransfer-Encoding: chunked\r\n\r\n..........\r\n";
        let before = format!("{plain}{sized}{plain}");
        for both in [
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            "transfer-encoding:chunked\r\nCONTENT-LENGTH:\t 3 \r\n",
        ] {
            let all = format!("{before}POST / HTTP/1.1\r\n{both}\r\n1\r\nx\r\n0\r\n\r\n");
            for piece in [1, 2, 7, 4096] {
                let found = dropped(&all, piece, 5);
                let expected = [None, None, None, Some(HeaderValue::from_static("3")), None];
                assert_eq!(found, expected, "{both:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn one_length_is_none_too_many() {
        for one in ["Content-Length: 3", "Transfer-Encoding: chunked", "X: Content-Length: 3"] {
            let request = format!("POST / HTTP/1.1\r\n{one}\r\n\r\nTransfer-Encoding: chunked\r\n\r\n");
            assert_eq!(dropped(&request, 4096, 2), [None, None], "{one}");
        }
    }
}
