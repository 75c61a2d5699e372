//! An identity: the trusted CA, our certificate with its chain, and our key, checked against each other.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, Error, InconsistentKeys, RootCertStore};
use tracing::warn;

use super::details::Details;
use super::error::{CertificateError, Role};
use super::pem::{self, Contents};
use super::pinned::Pinned;
use super::provider;
use crate::clock;

/// Where the three PEM files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The certificates of the CA that signs the peers.
    pub ca: PathBuf,
    /// Our certificate, followed by any intermediate certificates.
    pub cert: PathBuf,
    /// Our private key: PKCS#1, PKCS#8 or SEC1, not encrypted.
    pub key: PathBuf,
}

/// Three files that were read and match.
#[derive(Debug, Clone)]
pub struct Identity {
    files: Files,
    authorities: Arc<RootCertStore>,
    /// The earliest and the latest expiry among them.
    authorities_not_after: RangeInclusive<SystemTime>,
    pair: Arc<CertifiedKey>,
    certificate: CertificateDer<'static>,
    details: Details,
}

impl Identity {
    /// Reads and checks the files. Blocks on the disk.
    ///
    /// If our certificate has expired or is not valid yet, this only logs a warning: clocks are wrong more often than
    /// certificates, and a running daemon can still be inspected.
    pub fn load(files: &Files) -> Result<Identity, CertificateError> {
        let (authorities, authorities_not_after) = authorities(files)?;
        let authorities = Arc::new(authorities);
        let chain = chain(files)?;
        let certificate = chain.first().cloned().unwrap_or_else(|| CertificateDer::from(Vec::new()));
        let bad = |detail| CertificateError::BadCertificate {
            role: Role::Certificate,
            path: files.cert.clone(),
            detail,
        };
        let details = Details::read(&certificate).map_err(bad)?;
        ParsedCertificate::try_from(&certificate).map_err(|e| bad(e.to_string()))?;
        let pair = pair(files, chain)?;
        let identity =
            Identity { files: files.clone(), authorities, authorities_not_after, pair, certificate, details };
        identity.warn_of_dates(clock::system_now());
        Ok(identity)
    }

    /// The files it was read from.
    pub(crate) fn files(&self) -> &Files {
        &self.files
    }

    /// The certificates of the trusted CA.
    pub(crate) fn authorities(&self) -> &Arc<RootCertStore> {
        &self.authorities
    }

    /// The last moment at which all certificates of the trusted CA are valid.
    pub(crate) fn authorities_not_after(&self) -> SystemTime {
        *self.authorities_not_after.start()
    }

    /// The last moment at which any certificate of the trusted CA is valid.
    pub(crate) fn authorities_last_not_after(&self) -> SystemTime {
        *self.authorities_not_after.end()
    }

    /// Our certificate.
    pub(crate) fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The details of our certificate.
    pub(crate) fn details(&self) -> &Details {
        &self.details
    }

    /// The last moment at which our certificate is valid.
    pub(crate) fn not_after(&self) -> SystemTime {
        self.details.not_after
    }

    /// A client configuration that verifies the server's name or address against the CA and presents our certificate.
    /// The system trust store is not used.
    pub(crate) fn client_config(&self) -> Result<Arc<ClientConfig>, CertificateError> {
        let verifier = WebPkiServerVerifier::builder_with_provider(self.authorities.clone(), provider())
            .build()
            .map_err(|e| self.tls_error(e))?;
        let config = self.client_builder()?.with_webpki_verifier(verifier);
        Ok(Arc::new(config.with_client_cert_resolver(self.resolver())))
    }

    /// A client configuration for connecting to this daemon at any address: it presents our certificate and accepts
    /// only a server with the same one. For the health check, which has only the daemon's files.
    pub(crate) fn pinned_client_config(&self) -> Result<Arc<ClientConfig>, CertificateError> {
        let verifier = Arc::new(Pinned::new(self.certificate.clone()));
        let config = self.client_builder()?.dangerous().with_custom_certificate_verifier(verifier);
        Ok(Arc::new(config.with_client_cert_resolver(self.resolver())))
    }

    /// Presents our certificate, as a server or as a client.
    pub(crate) fn resolver(&self) -> Arc<SingleCertAndKey> {
        Arc::new(SingleCertAndKey::from(self.pair.clone()))
    }

    /// The TLS library's error about this identity.
    pub(crate) fn tls_error(&self, e: impl ToString) -> CertificateError {
        CertificateError::Tls { path: self.files.ca.clone(), detail: e.to_string() }
    }

    fn client_builder(
        &self,
    ) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, CertificateError> {
        ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|e| self.tls_error(e))
    }

    fn warn_of_dates(&self, now: SystemTime) {
        let file = self.files.cert.display();
        let Details { not_before, not_after, .. } = self.details;
        if now > not_after {
            let date = humantime::format_rfc3339_seconds(not_after);
            warn!("the certificate in {file} expired at {date}: peers will reject it, replace it");
        } else if now < not_before {
            let date = humantime::format_rfc3339_seconds(not_before);
            warn!(
                "the certificate in {file} is not valid before {date}: peers will reject it, check the clock"
            );
        }
    }
}

/// The CA's certificates, and the earliest and the latest expiry among them.
fn authorities(files: &Files) -> Result<(RootCertStore, RangeInclusive<SystemTime>), CertificateError> {
    let (role, path) = (Role::Authority, &files.ca);
    let contents = pem::read(role, path)?;
    if contents.certificates.is_empty() {
        return Err(nothing(role, path.clone(), &contents));
    }
    let bad = |detail| CertificateError::BadCertificate { role, path: path.clone(), detail };
    let mut ends = Vec::new();
    let mut store = RootCertStore::empty();
    for certificate in contents.certificates {
        ends.push(Details::read(&certificate).map_err(bad)?.not_after);
        store.add(certificate).map_err(|e| bad(e.to_string()))?;
    }
    let first = ends.iter().min().copied().unwrap_or(SystemTime::UNIX_EPOCH);
    let last = ends.into_iter().max().unwrap_or(first);
    Ok((store, first..=last))
}

fn chain(files: &Files) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let contents = pem::read(Role::Certificate, &files.cert)?;
    if contents.certificates.is_empty() {
        return Err(nothing(Role::Certificate, files.cert.clone(), &contents));
    }
    Ok(contents.certificates)
}

fn pair(files: &Files, chain: Vec<CertificateDer<'static>>) -> Result<Arc<CertifiedKey>, CertificateError> {
    let path = files.key.clone();
    let mut contents = pem::read(Role::Key, &path)?;
    if contents.keys.len() > 1 {
        return Err(CertificateError::SeveralKeys { path, count: contents.keys.len() });
    }
    let Some(key) = contents.keys.pop() else {
        return Err(match contents.encrypted {
            true => CertificateError::EncryptedKey { path },
            false => nothing(Role::Key, path, &contents),
        });
    };
    CertifiedKey::from_der(chain, key, &provider()).map(Arc::new).map_err(|e| match e {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            CertificateError::Mismatch { certificate: files.cert.clone(), key: path }
        }
        other => CertificateError::BadKey { path, detail: other.to_string() },
    })
}

fn nothing(role: Role, path: PathBuf, contents: &Contents) -> CertificateError {
    CertificateError::Nothing { role, path, holds: contents.describe() }
}

#[cfg(test)]
mod tests;
