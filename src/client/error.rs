//! Errors of requests.

use std::error::Error;
use std::time::Duration;
use std::{fmt, io};

use http::StatusCode;
use serde::Deserialize;

use super::Address;
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
        /// What is wrong, and what to do.
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

/// A refusal of the daemon, an RFC 9457 problem.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Problem {
    /// The kind of problem.
    pub title: String,
    /// The status code.
    pub status: u16,
    /// What is wrong, and what is allowed.
    #[serde(default)]
    pub detail: String,
    /// The invalid field or parameter, if any.
    #[serde(default)]
    pub field: Option<String>,
    /// The outcome of a wait.
    #[serde(default, rename = "Outcome")]
    pub outcome: Option<String>,
    /// Its reason.
    #[serde(default, rename = "Reason")]
    pub reason: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", sanitize::escape(&self.title), sanitize::escape(&self.detail))?;
        match &self.field {
            Some(field) if !self.detail.contains(field.as_str()) => {
                write!(f, " (in {})", sanitize::escape(field))
            }
            _ => Ok(()),
        }
    }
}

impl ClientError {
    /// The pause before a retry; a daemon takes at least that long to restart.
    pub const SOON: Duration = Duration::from_secs(1);

    /// The error of a request without an answer. `connecting`: it was not sent.
    pub(super) fn of(address: &Address, connecting: bool, error: &(dyn Error + 'static)) -> ClientError {
        if let Some(message) = tls(address, error) {
            return ClientError::Certificate { message: sanitize::message(&message) };
        }
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
    pub fn passes_after(&self) -> Option<Duration> {
        let passes = match self {
            ClientError::NotSent { .. } | ClientError::Broken { .. } => true,
            ClientError::Refused(problem) => matches!(problem.status, 429 | 502..=504),
            // A proxy in front of the daemon.
            ClientError::Unexpected { status, .. } => matches!(status.as_u16(), 429 | 502..=504),
            ClientError::Certificate { .. } => false,
        };
        passes.then_some(ClientError::SOON)
    }

    /// Whether the daemon refused the request with this status.
    pub fn is(&self, status: StatusCode) -> bool {
        matches!(self, ClientError::Refused(problem) if problem.status == status.as_u16())
    }
}

/// The message of the innermost error, which is the cause.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    match innermost.downcast_ref::<io::Error>().map(io::Error::kind) {
        // The message of TLS is a lecture.
        Some(io::ErrorKind::UnexpectedEof) => "closed by the other side".to_owned(),
        _ => innermost.to_string(),
    }
}

/// The problem with the certificates, if that is the cause, and what to do.
fn tls(address: &Address, error: &(dyn Error + 'static)) -> Option<String> {
    use rustls::CertificateError::{BadSignature, NotValidForName, NotValidForNameContext, UnknownIssuer};
    let mut next = Some(error);
    let found = loop {
        let error = next?;
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match inside.and_then(|e| e.downcast_ref::<rustls::Error>()) {
            Some(found) => break found,
            None => next = error.source(),
        }
    };
    Some(match found {
        rustls::Error::InvalidCertificate(UnknownIssuer | BadSignature) => format!(
            "the certificate of the daemon at {address} is not signed by the CA in ca.pem, which belongs to another \
             daemon: set the directory with this daemon's certificates with --cert-path"
        ),
        rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => {
            format!("{found}: use an address with --addr that the daemon's certificate names")
        }
        rustls::Error::InvalidCertificate(_) => {
            format!("the certificate of the daemon at {address} is invalid: {found}")
        }
        rustls::Error::AlertReceived(_) => format!(
            "the daemon at {address} refuses this client's certificate ({found}): cert.pem must be signed by the CA in \
             the daemon's --tlscacert and must not have expired"
        ),
        rustls::Error::InvalidMessage(_) => {
            format!("the server at {address} does not speak HTTPS ({found})")
        }
        _ => return None,
    })
}
