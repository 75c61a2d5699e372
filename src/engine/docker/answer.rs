//! Reading answers whole, and errors as messages.

use std::time::Duration;

use http::Response;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::transport::{self, TransportError};
use super::wire;
use crate::core::sanitize;
use crate::engine::reply::Reply;

/// The largest answer that is read whole; create replies, inspects and `/info` are far smaller.
const ANSWER_MAX_BYTES: usize = 8 * 1024 * 1024;
/// How much of an error is read: its meaning is at the beginning.
const ERROR_MAX_BYTES: usize = 64 * 1024;

/// Reads a whole answer; of an error only the beginning.
pub(super) async fn read_whole(response: Response<Incoming>) -> Result<Vec<u8>, TransportError> {
    let error = response.status().is_client_error() || response.status().is_server_error();
    let (mut body, mut whole) = (response.into_body(), Vec::new());
    while let Some(frame) = body.frame().await {
        whole.extend_from_slice(&frame.map_err(|e| broke_off(&e))?.into_data().unwrap_or_default());
        if error && whole.len() >= ERROR_MAX_BYTES {
            whole.truncate(ERROR_MAX_BYTES);
            break;
        }
        if whole.len() > ANSWER_MAX_BYTES {
            return Err(TransportError::Broken(format!(
                "the answer is longer than {ANSWER_MAX_BYTES} bytes"
            )));
        }
    }
    Ok(whole)
}

pub(super) fn broke_off(error: &hyper::Error) -> TransportError {
    TransportError::Broken(format!("the answer was cut off: {}", transport::root_cause(error)))
}

pub(super) fn reply_of(error: TransportError) -> Reply {
    match error {
        TransportError::NeverSent(why) => Reply::NeverSent(why),
        TransportError::Broken(why) => Reply::Broken(why),
    }
}

/// The message of an error answer, with its status.
pub(super) fn refusal(status: u16, body: &[u8]) -> String {
    sanitize::message(&format!("{status}: {}", wire::error_message(body).trim()))
}

pub(super) fn no_answer(deadline: Duration) -> String {
    format!("no answer within {}", humantime::format_duration(deadline))
}
