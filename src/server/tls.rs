//! TLS of the server: who is let in, and what is told to whom.
//!
//! Mutual TLS without a switch to turn it off. A client is let in with a certificate of the CA that is for
//! clients. The holder of the daemon's own certificate is let in as well, for the health check has nothing else. Such a
//! peer is marked [`Peer::health_only`], also where the certificate is for clients too, as the one towards a Docker
//! endpoint has to be: the handlers answer it nothing but whether the daemon lives. So is a peer with an earlier
//! certificate for the daemon's key.
//!
//! Sessions are never resumed, neither by ticket nor by id: each connection shows its certificate, and what is
//! decided about that certificate is decided about the connection. There is no early data.
//!
//! webpki does not look at the key usage of certificates; that is done here, as RFC 5280 has it.

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

use super::peer::{Peer, PeerError};
use super::request_check::ServedNames;
use crate::certificates::{CertificateError, Identity, KeyUsage, provider};

/// The server's side of TLS for one identity. Replace it as a whole when the files change.
#[derive(Debug, Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    admission: Arc<Admission>,
    names: ServedNames,
}

impl Tls {
    /// TLS 1.2 and 1.3, client certificates mandatory, no resumption, HTTP/1.1 only.
    pub fn new(identity: &Identity) -> Result<Tls, CertificateError> {
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
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let names = ServedNames::new(&identity.details().names);
        Ok(Tls { config: Arc::new(config), admission, names })
    }

    /// The configuration of rustls.
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    /// The names that this side's certificate is for.
    pub fn names(&self) -> &ServedNames {
        &self.names
    }

    /// The peer of a connection whose handshake has succeeded with `chain`.
    pub fn peer(&self, address: SocketAddr, chain: &[CertificateDer<'static>]) -> Result<Peer, PeerError> {
        let leaf = chain.first().ok_or(PeerError::NoCertificate)?;
        Peer::new(address, leaf, self.admission.for_health_only(leaf))
    }
}

/// Lets in the CA's clients, and the holder of the daemon's own certificate.
#[derive(Debug)]
struct Admission {
    authorities: Arc<dyn ClientCertVerifier>,
    own: CertificateDer<'static>,
    own_key: Option<SubjectPublicKeyInfoDer<'static>>,
}

/// The public key of a certificate, unless it cannot be read.
fn public_key<'a>(certificate: &'a CertificateDer<'_>) -> Option<SubjectPublicKeyInfoDer<'a>> {
    ParsedCertificate::try_from(certificate).ok().map(|parsed| parsed.subject_public_key_info())
}

impl Admission {
    /// The peer shows that it is the daemon itself, whatever the certificate is for.
    fn for_health_only(&self, leaf: &CertificateDer<'_>) -> bool {
        *leaf == self.own || self.own_key.is_some() && public_key(leaf) == self.own_key
    }

    /// Whether it is a client's certificate of the CA.
    fn client(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        // Through one that may not sign certificates there is no path.
        let signers: Vec<CertificateDer<'_>> =
            intermediates.iter().filter(|der| KeyUsage::of(der).sign_certificates).cloned().collect();
        let verified =
            self.authorities.verify_client_cert(end_entity, &signers, now).map_err(|error| match error {
                // A CA of the same name with another key: the alert is to say that the CA is unknown.
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

/// A client's certificate whose key may not sign, as a handshake asks of it.
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
            // The very same bytes; that the peer has the key to them is proven by the handshake's signature.
            Err(_) if *end_entity == self.own => Ok(ClientCertVerified::assertion()),
            condition => condition,
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
