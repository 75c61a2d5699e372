//! Certificates: who this daemon is, whom it trusts, and the set it makes for itself on the first start.
//!
//! What runs here: reading three PEM files into an [`Identity`] (the CA, the own chain, the own key), and
//! [`generate::ensure`], which makes such files where nobody gave any. Both are called at start (and when files
//! are to be read again), block on the disk for a moment and hand out plain data.
//!
//! What never happens here: no network, no use of the system's trust store, no certificate is ever repaired or
//! guessed. What does not fit together is an error that names the file and the way out.
//!
//! The cryptography of TLS comes from one place, [`provider`], so that it can be exchanged in one line.

mod details;
mod error;
pub mod generate;
mod identity;
mod issue;
mod pem;
mod pinned;
mod pkcs12;
#[cfg(test)]
pub(crate) mod testing;

use std::sync::{Arc, LazyLock};

pub use details::{Details, Fingerprint, KeyUsage};
pub use error::{CertificateError, Role};
pub use identity::{Files, Identity};

/// The one source of cryptography for TLS. Beside it, only `pkcs12` names aws-lc-rs, for hashes that TLS no longer has.
pub fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    static PROVIDER: LazyLock<Arc<rustls::crypto::CryptoProvider>> =
        LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    PROVIDER.clone()
}
