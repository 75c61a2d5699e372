//! Errors of requests.

use std::error::Error;
use std::io;
use std::time::Duration;

use http::StatusCode;

use super::Address;
use crate::api::problem::Problem;
use crate::connector;
use crate::core::sanitize;

/// A request without a successful answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientError {
    /// There is no connection: the request cannot have reached the daemon.
    #[error("cannot reach the daemon at {address}: {message}")]
    NotSent {
        /// The address.
        address: Address,
        /// What happened.
        message: String,
    },
    /// One side does not accept the other's certificate: the request was not read.
    #[error("{message}")]
    Certificate {
        /// What is wrong, and the way out.
        message: String,
    },
    /// The server at the address is another one.
    #[error("the server at {address} does not speak HTTPS ({message}): set the daemon's address with --addr")]
    NotHttps {
        /// The address.
        address: Address,
        /// What it sent instead.
        message: String,
    },
    /// The connection ended before the answer did: the request may have been carried out.
    #[error("the connection to the daemon at {address} broke: {message}")]
    Broken {
        /// The address.
        address: Address,
        /// What happened.
        message: String,
    },
    /// The daemon refused the request.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// The answer is not from a compatible daemon.
    #[error("unexpected answer {status} from {address}: {message}")]
    Unexpected {
        /// The address.
        address: Address,
        /// The status.
        status: StatusCode,
        /// The beginning of the body, or what is wrong with it.
        message: String,
    },
}

impl ClientError {
    /// The pause before a retry; a daemon takes at least that long to restart.
    pub(crate) const SOON: Duration = Duration::from_secs(1);

    /// The error of a request without an answer. `connecting`: it was not sent.
    pub(super) fn of(address: &Address, connecting: bool, error: &(dyn Error + 'static)) -> ClientError {
        let (address, message) = (address.clone(), sanitize::message(&innermost(error)));
        match connecting {
            true => ClientError::NotSent { address, message },
            false => ClientError::Broken { address, message },
        }
    }

    pub(super) fn unexpected(address: &Address, status: StatusCode, message: String) -> ClientError {
        ClientError::Unexpected { address: address.clone(), status, message: sanitize::message(&message) }
    }

    /// The pause before a retry may succeed; `None` for a permanent error. Does not say whether a retry is harmless.
    pub(crate) fn passes_after(&self) -> Option<Duration> {
        let passes = match self {
            ClientError::NotSent { .. } | ClientError::Broken { .. } => true,
            ClientError::Refused(problem) => matches!(problem.status, 429 | 502..=504),
            // A proxy in front of the daemon.
            ClientError::Unexpected { status, .. } => matches!(status.as_u16(), 429 | 502..=504),
            ClientError::Certificate { .. } | ClientError::NotHttps { .. } => false,
        };
        passes.then_some(ClientError::SOON)
    }

    /// Whether the daemon refused the request with this status.
    pub(crate) fn is(&self, status: StatusCode) -> bool {
        matches!(self, ClientError::Refused(problem) if problem.status == status.as_u16())
    }
}

/// The message of the innermost error, which is the cause.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let cause = connector::cause(error);
    match cause.downcast_ref::<io::Error>().map(io::Error::kind) {
        // The message of the TLS library is long and technical.
        Some(io::ErrorKind::UnexpectedEof) => "closed by the other side".to_owned(),
        _ => cause.to_string(),
    }
}
