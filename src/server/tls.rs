//! The server's TLS: which clients are admitted.
//!
//! Mutual TLS, which cannot be turned off. A client needs a certificate of the CA with the client usage. The holder of
//! the daemon's own certificate is admitted too, because the health check has no other. Such a peer is marked
//! [`Peer::health_only`], even if the certificate also has the client usage, as a certificate for a Docker endpoint must:
//! it may only ask for the daemon's health. The same applies to an earlier certificate for the daemon's key.
//!
//! Sessions are never resumed, neither by ticket nor by id: each connection presents its certificate, and decisions
//! about the certificate apply to the connection. There is no early data.
//!
//! webpki does not check the key usage of certificates; this module does, per RFC 5280.

use std::cell::OnceCell;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError as InvalidCertificate, DigitallySignedStruct, DistinguishedName, Error, OtherError,
    ServerConfig, SignatureScheme,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::peer::{Peer, PeerError};
use super::request_check::ServedNames;
use crate::certificates::{CertificateError, Details, Identity, KeyUsage, provider};

tokio::task_local! {
    /// The certificate that is refused in this task's handshake: the error of rustls does not contain it.
    static REFUSED: OnceCell<Details>;
}

/// A handshake that failed.
pub(super) struct HandshakeError<S> {
    /// Why.
    pub(super) error: io::Error,
    /// The client's certificate, if that was refused.
    pub(super) certificate: Option<Details>,
    /// The connection, with an alert that the client has not read yet.
    pub(super) stream: S,
}

/// The server side of TLS for one identity. Replace it as a whole when the files change.
#[derive(Debug, Clone)]
pub(crate) struct Tls {
    config: Arc<ServerConfig>,
    admission: Arc<Admission>,
    names: ServedNames,
}

impl Tls {
    /// TLS 1.2 and 1.3, client certificates mandatory, no resumption, HTTP/1.1 only.
    pub(crate) fn new(identity: &Identity) -> Result<Tls, CertificateError> {
        let authorities =
            WebPkiClientVerifier::builder_with_provider(identity.authorities().clone(), provider())
                .build()
                .map_err(|e| identity.tls_error(e))?;
        let own = identity.certificate().clone();
        let own_key = public_key(&own).map(SubjectPublicKeyInfoDer::into_owned);
        let admission = Arc::new(Admission { authorities, own, own_key });
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|e| identity.tls_error(e))?
            .with_client_cert_verifier(admission.clone())
            .with_cert_resolver(identity.resolver());
        // curl --http1.0 requests nothing else.
        config.alpn_protocols = vec![b"http/1.1".to_vec(), b"http/1.0".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let names = ServedNames::new(&identity.details().names);
        Ok(Tls { config: Arc::new(config), admission, names })
    }

    /// Performs the handshake.
    pub(super) async fn accept<S>(&self, stream: S) -> Result<TlsStream<S>, HandshakeError<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let accept = TlsAcceptor::from(self.config.clone()).accept(stream).into_fallible();
        let attempt = async {
            accept.await.map_err(|(error, stream)| {
                let certificate = REFUSED.with(|refused| refused.get().cloned());
                HandshakeError { error, certificate, stream }
            })
        };
        REFUSED.scope(OnceCell::new(), attempt).await
    }

    /// The names that our certificate is valid for.
    pub(crate) fn names(&self) -> &ServedNames {
        &self.names
    }

    /// The peer of a connection whose handshake has succeeded with `chain`.
    pub(crate) fn peer(
        &self,
        address: SocketAddr,
        chain: &[CertificateDer<'static>],
    ) -> Result<Peer, PeerError> {
        let leaf = chain.first().ok_or(PeerError::NoCertificate)?;
        Peer::new(address, leaf, self.admission.for_health_only(leaf))
    }
}

/// Admits clients of the CA, and the holder of the daemon's own certificate.
#[derive(Debug)]
struct Admission {
    authorities: Arc<dyn ClientCertVerifier>,
    own: CertificateDer<'static>,
    own_key: Option<SubjectPublicKeyInfoDer<'static>>,
}

/// The public key of a certificate; `None` if it cannot be parsed.
fn public_key<'a>(certificate: &'a CertificateDer<'_>) -> Option<SubjectPublicKeyInfoDer<'a>> {
    ParsedCertificate::try_from(certificate).ok().map(|parsed| parsed.subject_public_key_info())
}

impl Admission {
    /// Whether the peer is the daemon itself, whatever the usage of the certificate.
    fn for_health_only(&self, leaf: &CertificateDer<'_>) -> bool {
        *leaf == self.own || self.own_key.is_some() && public_key(leaf) == self.own_key
    }

    /// Whether it is a client certificate of the CA.
    fn client(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        // An intermediate certificate that may not sign certificates is not part of a path.
        let signers: Vec<CertificateDer<'_>> =
            intermediates.iter().filter(|der| KeyUsage::of(der).sign_certificates).cloned().collect();
        let verified =
            self.authorities.verify_client_cert(end_entity, &signers, now).map_err(|error| match error {
                // A CA of the same name with another key: the alert should say that the CA is unknown.
                Error::InvalidCertificate(InvalidCertificate::BadSignature) => {
                    InvalidCertificate::UnknownIssuer.into()
                }
                error => error,
            })?;
        match KeyUsage::of(end_entity).sign_handshakes {
            true => Ok(verified),
            false => Err(InvalidCertificate::Other(OtherError(Arc::new(NotForSigning))).into()),
        }
    }
}

/// A client certificate whose key usage does not allow signing, which a handshake requires.
#[derive(Debug, thiserror::Error)]
#[error("the key usage lacks digitalSignature")]
pub(super) struct NotForSigning;

impl ClientCertVerifier for Admission {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.authorities.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.client(end_entity, intermediates, now) {
            // The same certificate; the handshake's signature proves that the peer has its key.
            Err(_) if *end_entity == self.own => Ok(ClientCertVerified::assertion()),
            Err(error) => {
                if let Ok(details) = Details::read(end_entity) {
                    // Outside of a handshake of ours, it is not needed.
                    let _ = REFUSED.try_with(|refused| refused.set(details));
                }
                Err(error)
            }
            Ok(verified) => Ok(verified),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}
