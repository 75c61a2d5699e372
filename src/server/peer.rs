//! Who is at the other end of a connection, as its certificate says.
//!
//! Made once a connection, when the handshake has succeeded, and put into the extensions of each of its requests
//! as an `Arc<Peer>` (take it with `Extension<Arc<Peer>>`). It decides nothing: handlers ask it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;

use crate::certificates::{Details, Fingerprint};

/// The holder of a client certificate.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Where the connection comes from.
    pub address: SocketAddr,
    /// All parts of the certificate's subject, such as `O=alice.<bootstrap>`; see [`Details::subject`].
    pub subject: String,
    /// SHA-256 of the certificate.
    pub fingerprint: Fingerprint,
    /// Who limits apply to: the subject, which the CA vouches for, so that a renewed or a second certificate is no
    /// second share; the fingerprint where the subject is empty.
    pub identity: Arc<str>,
    /// The peer holds the daemon's own certificate, which is not for clients: it may ask for `/healthz` and
    /// `/readyz` and for nothing else.
    pub health_only: bool,
    /// The last moment at which the certificate is valid.
    pub not_after: SystemTime,
}

/// A handshake that succeeded and yet tells nobody.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The peer has shown no certificate. The TLS configuration rules this out.
    #[error("the peer has shown no certificate")]
    NoCertificate,
    /// One parser took the certificate, the other does not.
    #[error("the peer's certificate cannot be read: {0}")]
    Unreadable(String),
}

impl Peer {
    /// Reads the peer's certificate.
    pub fn new(
        address: SocketAddr,
        certificate: &CertificateDer<'_>,
        health_only: bool,
    ) -> Result<Peer, PeerError> {
        let Details { subject, fingerprint, not_after, .. } =
            Details::read(certificate).map_err(PeerError::Unreadable)?;
        let identity = match subject.as_str() {
            "" => fingerprint.to_string().into(),
            subject => subject.into(),
        };
        Ok(Peer { address, subject, fingerprint, identity, health_only, not_after })
    }

    /// How long the certificate is still valid, at `now`.
    pub fn validity_left(&self, now: SystemTime) -> Duration {
        self.not_after.duration_since(now).unwrap_or_default()
    }

    /// The certificate has ended since the handshake: ask on each request, for connections live long.
    pub fn expired(&self, now: SystemTime) -> bool {
        now > self.not_after
    }
}
