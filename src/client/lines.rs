//! An endless answer: one JSON value per line, and empty lines as keepalives.

use std::time::Duration;

use bytes::BytesMut;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;
use tokio_util::codec::{Decoder, LinesCodec, LinesCodecError};

use super::{Address, ClientError};

/// A stream that is silent for longer is broken: the daemon writes something every 15 s.
pub(crate) const SILENCE: Duration = Duration::from_secs(50);
/// The longest line, in bytes: four times the status of an object with 10,000 containers.
const LINE_MAX_BYTES: usize = 16 << 20;

/// The lines of an answer.
#[derive(Debug)]
pub(crate) struct Lines {
    body: Incoming,
    address: Address,
    /// Received and not returned yet.
    ahead: BytesMut,
    codec: LinesCodec,
}

impl Lines {
    pub(super) fn new(body: Incoming, address: Address) -> Lines {
        Lines {
            body,
            address,
            ahead: BytesMut::new(),
            codec: LinesCodec::new_with_max_length(LINE_MAX_BYTES),
        }
    }

    /// The next non-empty line; `None` at the regular end.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, ClientError> {
        loop {
            while let Some(line) = self.whole_line()? {
                if !line.trim().is_empty() {
                    return Ok(Some(line));
                }
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

    fn whole_line(&mut self) -> Result<Option<String>, ClientError> {
        self.codec.decode(&mut self.ahead).map_err(|error| {
            self.broken(match error {
                LinesCodecError::MaxLineLengthExceeded => {
                    format!("a line is longer than {LINE_MAX_BYTES} bytes")
                }
                LinesCodecError::Io(error) => format!("cannot read a line: {error}"),
            })
        })
    }

    fn broken(&self, message: String) -> ClientError {
        ClientError::Broken { address: self.address.clone(), message }
    }
}
