//! Why there is no answer, or not the one that was hoped for.

use std::error::Error;
use std::io;
use std::time::Duration;

use http::StatusCode;

use super::Address;
use crate::api::problem::Problem;
use crate::core::sanitize;

/// A request that was not answered with a success.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientError {
    /// There is no connection: the request cannot have reached the daemon.
    #[error("the daemon at {address} cannot be reached: {words}")]
    NotSent {
        /// Where it was looked for.
        address: Address,
        /// What happened.
        words: String,
    },
    /// One side does not accept the other's certificate: nothing was read of the request.
    #[error("{words}")]
    Certificate {
        /// What is wrong, and the way out.
        words: String,
    },
    /// The connection ended before the answer did: the request may have been carried out.
    #[error("the connection to the daemon at {address} broke: {words}")]
    Broken {
        /// The daemon.
        address: Address,
        /// What happened.
        words: String,
    },
    /// The daemon said no.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// Whatever answers there is no daemon that this client knows.
    #[error("{address} answers {status}, which is no answer of this daemon's: {words}")]
    Unexpected {
        /// Where it was looked for.
        address: Address,
        /// The status.
        status: StatusCode,
        /// The beginning of the text, or what is wrong with it.
        words: String,
    },
}

impl ClientError {
    /// When a request that did not get through is worth another try: no daemon is restarted in less.
    pub const SOON: Duration = Duration::from_secs(1);

    /// The error of a request that got no head. `connecting`: before it could be sent.
    pub(super) fn of(address: &Address, connecting: bool, error: &(dyn Error + 'static)) -> ClientError {
        if let Some(words) = tls(address, error) {
            return ClientError::Certificate { words: sanitize::message(&words) };
        }
        let (address, words) = (address.clone(), sanitize::message(&innermost(error)));
        match connecting {
            true => ClientError::NotSent { address, words },
            false => ClientError::Broken { address, words },
        }
    }

    pub(super) fn unexpected(address: &Address, status: StatusCode, words: String) -> ClientError {
        ClientError::Unexpected { address: address.clone(), status, words: sanitize::message(&words) }
    }

    /// How long to wait before the same question may get another answer; `None` where it will get the same one. Says
    /// nothing about whether it is harmless to ask again.
    pub fn passes_after(&self) -> Option<Duration> {
        let passes = match self {
            ClientError::NotSent { .. } | ClientError::Broken { .. } => true,
            ClientError::Refused(problem) => matches!(problem.status, 429 | 502..=504),
            // Something between here and the daemon that waits for it, too.
            ClientError::Unexpected { status, .. } => matches!(status.as_u16(), 429 | 502..=504),
            ClientError::Certificate { .. } => false,
        };
        passes.then_some(ClientError::SOON)
    }

    /// The daemon's no, if it is one of this status.
    pub fn is(&self, status: StatusCode) -> bool {
        matches!(self, ClientError::Refused(problem) if problem.status == status.as_u16())
    }
}

/// The innermost error is the one that says what happened.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    match innermost.downcast_ref::<io::Error>().map(io::Error::kind) {
        // TLS says that with a lesson.
        Some(io::ErrorKind::UnexpectedEof) => "the other side closed it".to_owned(),
        _ => innermost.to_string(),
    }
}

/// What is wrong with the certificates, if that is it, and the way out.
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
             daemon's set: give the certificates of this daemon with --cert-path"
        ),
        rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => {
            format!("{found}: write an address with --addr that the daemon's certificate names")
        }
        rustls::Error::InvalidCertificate(_) => {
            format!("the certificate of the daemon at {address} cannot be accepted: {found}")
        }
        rustls::Error::AlertReceived(_) => format!(
            "the daemon at {address} refuses this client's certificate ({found}): cert.pem has to be signed by the CA \
             that the daemon has as --tlscacert, and must not have expired"
        ),
        rustls::Error::InvalidMessage(_) => {
            format!("what listens at {address} does not speak HTTPS ({found})")
        }
        _ => return None,
    })
}
