//! An answer without an end: one JSON value a line, and an empty line where there has been nothing to say.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::{Address, ClientError};

/// A stream that is silent for longer is broken, whatever the socket says: the daemon writes something each 15 s.
pub const SILENCE: Duration = Duration::from_secs(50);
/// The longest line, in bytes: the status of an object with 10,000 containers takes a fourth of that.
const LINE_MAX_BYTES: usize = 16 << 20;

/// The lines of an answer.
#[derive(Debug)]
pub struct Lines {
    body: Incoming,
    address: Address,
    /// What has come of the next lines.
    ahead: BytesMut,
    /// How much of that is known to hold no end of a line.
    searched: usize,
}

impl Lines {
    pub(super) fn new(body: Incoming, address: Address) -> Lines {
        Lines { body, address, ahead: BytesMut::new(), searched: 0 }
    }

    /// The next line that is not empty; `None` at an orderly end.
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
                Ok(None) => return Err(self.broken("it ended within a line".to_owned())),
                Err(_) => {
                    let words = format!("nothing came for {}", humantime::format_duration(SILENCE));
                    return Err(self.broken(words));
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

    fn broken(&self, words: String) -> ClientError {
        ClientError::Broken { address: self.address.clone(), words }
    }
}
