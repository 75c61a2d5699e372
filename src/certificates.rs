//! Certificates: the daemon's identity, the CA it trusts, and the set it generates on the first start.
//!
//! [`Identity::load`](identity::Identity::load) reads three PEM files (CA, certificate chain, private key), and
//! [`generate::ensure`] creates them where none were configured. Both block on the disk and return plain data.
//!
//! No network, no system trust store, no repair of certificates: files that do not fit together are an error that names
//! the file and the way out.
//!
//! All cryptography of TLS comes from [`provider`].

mod details;
mod error;
pub(crate) mod generate;
mod identity;
mod issue;
mod pem;
mod pinned;
mod pkcs12;
#[cfg(test)]
pub(crate) mod testing;

use std::sync::{Arc, LazyLock};

pub(crate) use details::{Details, Fingerprint, KeyUsage};
pub(crate) use error::CertificateError;
pub use identity::{Files, Identity};

/// The cryptography provider for TLS. Only `pkcs12` names aws-lc-rs too, for hashes that TLS no longer offers.
pub(crate) fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    static PROVIDER: LazyLock<Arc<rustls::crypto::CryptoProvider>> =
        LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    PROVIDER.clone()
}
