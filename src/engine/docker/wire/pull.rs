//! The progress of a pull: a sequence of JSON objects, of which only an error matters.

use super::framing::{Frame, Framer, Shape};
use super::lenient::Json;
use crate::core::sanitize::MESSAGE_MAX_BYTES;

/// The longest message; a few hundred bytes are usual.
const PROGRESS_MAX_BYTES: usize = 64 * 1024;

/// Why following a pull ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine::docker) enum PullError {
    /// The pull failed, for this reason.
    Failed(String),
    /// The stream is not readable.
    Unreadable(String),
}

/// Follows a pull.
#[derive(Debug)]
pub(in crate::engine::docker) struct PullProgress(Framer);

impl PullProgress {
    pub(in crate::engine::docker) fn new() -> PullProgress {
        PullProgress(Framer::new(Shape::Objects, PROGRESS_MAX_BYTES))
    }

    /// Processes the next piece; returns true if a message ended in it.
    pub(in crate::engine::docker) fn push(&mut self, piece: &[u8]) -> Result<bool, PullError> {
        let (mut any, mut error) = (false, None);
        let pushed = self.0.push(piece, |frame| {
            any = true;
            if let (Frame::Value(message), None) = (frame, &error) {
                error = read_error(message);
            }
        });
        if let Some(error) = error {
            return Err(PullError::Failed(error));
        }
        let unreadable = |why: String| PullError::Unreadable(format!("cannot read its progress: {why}"));
        pushed.map_err(|e| unreadable(e.to_string()))?;
        match self.0.is_too_long() {
            true => Err(unreadable(format!("a message is longer than {PROGRESS_MAX_BYTES} bytes"))),
            false => Ok(any),
        }
    }

    /// The stream has ended.
    pub(in crate::engine::docker) fn finish(&self) -> Result<(), PullError> {
        self.0.finish().map_err(|e| PullError::Unreadable(format!("cannot read its progress: {e}")))
    }
}

/// The error in a message.
fn read_error(message: &[u8]) -> Option<String> {
    let message = String::from_utf8_lossy(message);
    let fields = Json::new(&message).fields(|name| matches!(name, "error" | "errorDetail"))?;
    let detail = fields.get("errorDetail").and_then(|detail| detail.fields(|name| name == "message"));
    let text = detail.and_then(|detail| detail.text("message", MESSAGE_MAX_BYTES));
    text.or_else(|| fields.text("error", MESSAGE_MAX_BYTES)).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_error_message_ends_a_pull() {
        let mut progress = PullProgress::new();
        assert_eq!(progress.push(b"{\"status\": \"Pulling\"}\r\n{\"progressDetail\": 7}"), Ok(true));
        assert_eq!(progress.push(b"{\"status\": 1e999, \"error\": null"), Ok(false));
        assert!(matches!(progress.finish(), Err(PullError::Unreadable(_))));
        assert_eq!(progress.push(b", \"errorDetail\": null}"), Ok(true));
        assert_eq!(progress.finish(), Ok(()));
        let failed = |text: &str| PullError::Failed(text.to_owned());
        let error =
            PullProgress::new().push(b"{\"error\": \"no\\nsuch\", \"errorDetail\": {\"message\": 7}}{");
        assert_eq!(error, Err(failed("7")));
        assert_eq!(PullProgress::new().push(b"{\"error\": \"no\\nsuch\"}"), Err(failed("no\\nsuch")));
        let long = format!("{{\"error\": \"{}\"}}", "x".repeat(60_000));
        let Err(PullError::Failed(error)) = PullProgress::new().push(long.as_bytes()) else { panic!() };
        assert!(error.len() <= MESSAGE_MAX_BYTES);
        assert!(matches!(PullProgress::new().push(b"<html>"), Err(PullError::Unreadable(_))));
        let mut endless = PullProgress::new();
        let piece = [b"{\"a\": \"".as_slice(), &[b'x'; 40_000]].concat();
        assert!(endless.push(&piece).is_ok() && endless.push(&piece[7..]).is_err());
    }
}
