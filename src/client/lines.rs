//! An endless answer: one JSON value per line, and empty lines as keepalives.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::{Address, ClientError};

/// A stream that is silent for longer is broken: the daemon writes something every 15 s.
pub const SILENCE: Duration = Duration::from_secs(50);
/// The longest line, in bytes: four times the status of an object with 10,000 containers.
const LINE_MAX_BYTES: usize = 16 << 20;

/// The lines of an answer.
#[derive(Debug)]
pub struct Lines {
    body: Incoming,
    address: Address,
    /// Received and not returned yet.
    ahead: BytesMut,
    /// How much of that contains no newline.
    searched: usize,
}

impl Lines {
    pub(super) fn new(body: Incoming, address: Address) -> Lines {
        Lines { body, address, ahead: BytesMut::new(), searched: 0 }
    }

    /// The next non-empty line; `None` at the regular end.
    pub async fn next(&mut self) -> Result<Option<String>, ClientError> {
        loop {
            while let Some(line) = self.whole_line() {
                if !line.trim().is_empty() {
                    return Ok(Some(line));
                }
            }
            if self.ahead.len() > LINE_MAX_BYTES {
                return Err(self.broken(format!("a line is longer than {LINE_MAX_BYTES} bytes")));
            }
            match timeout(SILENCE, self.body.frame()).await {
                Ok(Some(Ok(frame))) => self.ahead.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Ok(Some(Err(error))) => return Err(ClientError::of(&self.address, false, &error)),
                Ok(None) if self.ahead.is_empty() => return Ok(None),
                Ok(None) => return Err(self.broken("it ended in the middle of a line".to_owned())),
                Err(_) => {
                    let message = format!("no data for {}", humantime::format_duration(SILENCE));
                    return Err(self.broken(message));
                }
            }
        }
    }

    fn whole_line(&mut self) -> Option<String> {
        let rest = self.ahead.get(self.searched..).unwrap_or_default();
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.ahead.len();
            return None;
        };
        let line = self.ahead.split_to(self.searched + end);
        self.ahead.advance(1);
        self.searched = 0;
        Some(String::from_utf8_lossy(&line).into_owned())
    }

    fn broken(&self, message: String) -> ClientError {
        ClientError::Broken { address: self.address.clone(), message }
    }
}
