//! From an accepted socket to TLS with a known peer, or to an error message that helps to set up the client.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use humantime::format_rfc3339_seconds as date;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tracing::debug;

use crate::certificates::Details;
use crate::server::connection::{ConnectionProgress, ProgressStream, Shared, linger};
use crate::server::limits::Limits;
use crate::server::peer::Peer;
use crate::server::tls::{HandshakeError, NotForSigning, Tls};

/// The first byte of every TLS connection: a record of the handshake.
const TLS_HANDSHAKE_RECORD: u8 = 0x16;

/// The response to plain HTTP.
const USE_HTTPS: &str = "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n\
    This port speaks HTTPS only: use https:// and a client certificate of the CA that this daemon trusts \
    (curl: --cacert ca.pem --cert cert.pem --key key.pem).\n";

/// Why a connection was not established.
#[derive(Debug)]
pub(super) struct HandshakeRefusal {
    /// The kind, for the log's throttle and the metrics.
    kind: &'static str,
    /// A sentence for the log.
    reason: String,
    /// Caused by port scans, load balancers and browsers; logged at debug level.
    everyday: bool,
    /// The client has a response or a TLS alert to read.
    farewell: Option<TcpStream>,
}

/// A connection after its handshake.
pub(super) type Stream = TlsStream<ProgressStream<TcpStream>>;

/// Performs the handshake within `limits.handshake`, after the client has begun it and `token` is available. Returns the
/// token.
pub(super) async fn handshake<T>(
    tcp: TcpStream,
    address: SocketAddr,
    tls: &Tls,
    progress: Arc<ConnectionProgress>,
    limits: &Limits,
    token: impl AsyncFnOnce(&TcpStream) -> Option<T>,
) -> Result<(Stream, Peer, T), HandshakeRefusal> {
    timeout(limits.handshake, attempt(tcp, address, tls, progress, token)).await.unwrap_or_else(|_| {
        let limit = humantime::format_duration(limits.handshake);
        Err(HandshakeRefusal::new("slow", &format!("no handshake within {limit}")))
    })
}

async fn attempt<T>(
    tcp: TcpStream,
    address: SocketAddr,
    tls: &Tls,
    progress: Arc<ConnectionProgress>,
    token: impl AsyncFnOnce(&TcpStream) -> Option<T>,
) -> Result<(Stream, Peer, T), HandshakeRefusal> {
    let mut first = [0];
    match tcp.peek(&mut first).await {
        Ok(0) => return Err(HandshakeRefusal::everyday("it closed the connection without sending anything")),
        Err(e) => return Err(HandshakeRefusal::everyday(&format!("the connection broke: {e}"))),
        Ok(_) if first == [TLS_HANDSHAKE_RECORD] => {}
        Ok(_) if first.iter().all(u8::is_ascii_uppercase) => return Err(answer_plain_http(tcp).await),
        Ok(_) => return Err(HandshakeRefusal::new("noise", "it speaks neither TLS nor HTTP")),
    }
    let Some(token) = token(&tcp).await else {
        return Err(HandshakeRefusal::everyday(
            "it closed the connection while the handshakes of its address were delayed",
        ));
    };
    let accepted = tls.accept(ProgressStream::new(tcp, progress)).await;
    let stream = accepted.map_err(|HandshakeError { error, certificate, stream }| {
        // In TLS 1.3, the client may already have sent its request.
        HandshakeRefusal { farewell: Some(stream.into_inner()), ..explain(&error, certificate.as_ref()) }
    })?;
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let peer = tls.peer(address, chain).map_err(|e| HandshakeRefusal::new("unreadable", &e.to_string()))?;
    Ok((stream, peer, token))
}

impl HandshakeRefusal {
    pub(super) fn new(kind: &'static str, reason: &str) -> HandshakeRefusal {
        HandshakeRefusal { kind, reason: reason.to_owned(), everyday: false, farewell: None }
    }

    /// There were too many handshakes, and this one was the oldest.
    pub(super) fn crowded() -> HandshakeRefusal {
        HandshakeRefusal::new("crowded", "too many handshakes were under way, and its own was the oldest")
    }

    fn everyday(reason: &str) -> HandshakeRefusal {
        HandshakeRefusal { everyday: true, ..HandshakeRefusal::new("gone", reason) }
    }

    /// The reason, as a sentence.
    #[cfg(test)]
    pub(super) fn reason(&self) -> &str {
        &self.reason
    }

    /// Counts it, logs it, and lets the client read the response.
    pub(super) async fn settle(self, address: SocketAddr, shared: &Shared) {
        shared.metrics.connection_refused(self.kind);
        if self.everyday {
            debug!(peer = %address, "no handshake: {}", self.reason);
        } else {
            shared.throttle.log(self.kind, address, "client refused", &self.reason);
        }
        if let Some(tcp) = self.farewell {
            linger(tcp, shared.limits.linger).await;
        }
    }
}

async fn answer_plain_http(mut tcp: TcpStream) -> HandshakeRefusal {
    let sent = tcp.write_all(USE_HTTPS.as_bytes()).await.is_ok();
    let reason = "it speaks plain HTTP; this port is HTTPS with a client certificate";
    HandshakeRefusal { farewell: sent.then_some(tcp), ..HandshakeRefusal::new("plain", reason) }
}

/// Why the handshake failed. `certificate` is the client's, if that was refused.
fn explain(error: &io::Error, certificate: Option<&Details>) -> HandshakeRefusal {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(invalid)) => refused_certificate(invalid, certificate),
        Some(error) => explain_tls(error),
        None => HandshakeRefusal::everyday(&format!("the connection broke during the handshake: {error}")),
    }
}

fn refused_certificate(invalid: &CertificateError, certificate: Option<&Details>) -> HandshakeRefusal {
    use CertificateError as Invalid;
    let subject = certificate.map_or("of the client", |details| &details.subject);
    let utc = |time: &UnixTime| date(SystemTime::UNIX_EPOCH + Duration::from_secs(time.as_secs()));
    let expired = |at| ("expired", format!("expired at {at}; issue a new one"));
    let (kind, what) = match (invalid, certificate) {
        (Invalid::UnknownIssuer | Invalid::BadSignature, _) => {
            ("other_ca", "is not signed by the CA in --tlscacert; issue one with that CA".to_owned())
        }
        (Invalid::ExpiredContext { not_after, .. }, _) => expired(utc(not_after)),
        // Its end is before its beginning.
        (Invalid::Expired, Some(details)) => expired(date(details.not_after)),
        (Invalid::NotValidYetContext { not_before, .. }, _) => {
            let from = utc(not_before);
            ("not_yet", format!("is not valid before {from}; compare the clocks of both machines"))
        }
        (Invalid::InvalidPurpose | Invalid::InvalidPurposeContext { .. }, _) => {
            ("purpose", "is not for clients: its extended key usage lacks clientAuth".to_owned())
        }
        (Invalid::Other(other), _) if other.0.is::<NotForSigning>() => {
            ("key_usage", "is not for signing: its key usage lacks digitalSignature".to_owned())
        }
        (other, _) if format!("{other:?}").contains("UnsupportedCertVersion") => {
            ("version", "is of X.509 version 1; create it again with extensions".to_owned())
        }
        (other, _) => ("other", format!("is not valid: {other}")),
    };
    HandshakeRefusal::new(kind, &format!("certificate {subject} {what}"))
}

fn explain_tls(error: &Error) -> HandshakeRefusal {
    let (kind, reason) = match error {
        Error::NoCertificatesPresented => {
            ("no_certificate", "it presented no client certificate (curl: --cert cert.pem --key key.pem)")
        }
        // A decrypt error: the client knows another CA of the same name.
        Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::DecryptError,
        ) => (
            "distrusted",
            "it does not trust this daemon's certificate (curl: --cacert with the ca.pem that signed --tlscert, \
             and an address that the certificate names)",
        ),
        Error::AlertReceived(AlertDescription::CertificateExpired) => (
            "own_expired",
            "it reports that this daemon's certificate has expired; replace it, or set the client's clock",
        ),
        Error::PeerIncompatible(_) => {
            ("incompatible", "it supports neither TLS 1.2 nor 1.3, or no common cipher")
        }
        _ => return HandshakeRefusal::new("other", &error.to_string()),
    };
    HandshakeRefusal::new(kind, reason)
}
