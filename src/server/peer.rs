//! The client of a connection, as its certificate says.
//!
//! Created once per connection, after the handshake, and added to the extensions of each request as an `Arc<Peer>`. It
//! decides nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;

use crate::certificates::{Details, Fingerprint};

/// The holder of a client certificate.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// Where the connection comes from.
    pub(crate) address: SocketAddr,
    /// All parts of the certificate's subject, such as `O=alice.<bootstrap>`; see [`Details::subject`].
    pub(crate) subject: String,
    /// SHA-256 of the certificate.
    pub(crate) fingerprint: Fingerprint,
    /// What limits apply to: the subject, which the CA vouches for, so that a renewed or a second certificate gets no
    /// second share; the fingerprint if the subject is empty.
    pub(crate) identity: Arc<str>,
    /// The peer has the daemon's own certificate, which is for health checks only.
    pub(crate) health_only: bool,
    /// The last moment at which the certificate is valid.
    pub(crate) not_after: SystemTime,
}

/// The handshake has succeeded, but does not identify the client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeerError {
    /// The peer has shown no certificate. The TLS configuration rules this out.
    #[error("the peer has shown no certificate")]
    NoCertificate,
    /// One parser took the certificate, the other does not.
    #[error("the peer's certificate cannot be read: {0}")]
    Unreadable(String),
}

impl Peer {
    /// Reads the peer's certificate.
    pub(crate) fn new(
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
    pub(crate) fn validity_left(&self, now: SystemTime) -> Duration {
        self.not_after.duration_since(now).unwrap_or_default()
    }

    /// Whether the certificate has expired since the handshake. Check it for each request: connections live long.
    pub(crate) fn expired(&self, now: SystemTime) -> bool {
        now > self.not_after
    }
}
