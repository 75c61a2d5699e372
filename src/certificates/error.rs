//! Errors about certificate files. Each message names the file, the problem and the way out.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// What a certificate file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The certificates of the CA that is trusted.
    Authority,
    /// Our certificate, optionally followed by intermediate certificates.
    Certificate,
    /// The private key of our certificate.
    Key,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Authority => "CA certificate",
            Role::Certificate => "certificate",
            Role::Key => "private key",
        })
    }
}

/// Certificates that cannot be used or could not be generated.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The file does not exist.
    #[error("the {role} file {} does not exist: check the path", path.display())]
    Missing {
        /// What the file is for.
        role: Role,
        /// The file.
        path: PathBuf,
    },
    /// The file exists and cannot be read.
    #[error("the {role} file {} cannot be read ({source}): check that it is a file and its permissions", path.display())]
    Unreadable {
        /// What the file is for.
        role: Role,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file is far larger than any certificate.
    #[error("the {role} file {} is larger than {limit} bytes: that is no PEM file of a certificate or key", path.display())]
    TooLarge {
        /// What the file is for.
        role: Role,
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// The file contains nothing of the expected kind.
    #[error("the {role} file {} contains no PEM {role}; it contains {holds}", path.display())]
    Nothing {
        /// What the file is for.
        role: Role,
        /// The file.
        path: PathBuf,
        /// A description of its contents.
        holds: &'static str,
    },
    /// The file has PEM sections that cannot be decoded.
    #[error("the {role} file {} is damaged ({detail}): copy it again", path.display())]
    Damaged {
        /// What the file is for.
        role: Role,
        /// The file.
        path: PathBuf,
        /// The decoder's message.
        detail: String,
    },
    /// A certificate can be decoded but not used.
    #[error("the {role} file {} contains a certificate that cannot be used ({detail}){}", path.display(), hint(detail))]
    BadCertificate {
        /// What the file is for.
        role: Role,
        /// The file.
        path: PathBuf,
        /// The parser's message.
        detail: String,
    },
    /// The key can be decoded but not used.
    #[error("the private key in {} cannot be used ({detail}): use an RSA key of 2048 bits or more, an ECDSA key or an Ed25519 key", path.display())]
    BadKey {
        /// The file.
        path: PathBuf,
        /// The cryptography library's message.
        detail: String,
    },
    /// The key is encrypted.
    #[error("the private key in {} is encrypted, and a daemon cannot ask for the passphrase: decrypt it with `openssl pkey -in {} -out FILE`", path.display(), path.display())]
    EncryptedKey {
        /// The file.
        path: PathBuf,
    },
    /// There is more than one key.
    #[error("{} contains {count} private keys: keep only the one that belongs to the certificate", path.display())]
    SeveralKeys {
        /// The file.
        path: PathBuf,
        /// The number of keys.
        count: usize,
    },
    /// Certificate and key do not match.
    #[error("the private key in {} does not belong to the certificate in {}: use the pair that was created together", key.display(), certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// A file of a generated set is missing.
    #[error("{} contains an incomplete certificate set: {missing} is missing, {present} exists. Restore {missing}, or move the directory away to generate a new set (clients then need the new files)", directory.display())]
    Partial {
        /// The set's directory.
        directory: PathBuf,
        /// The first file that is missing.
        missing: &'static str,
        /// A file that exists.
        present: &'static str,
    },
    /// The directory for a new set is not empty.
    #[error("cannot generate a certificate set in {}: the directory is not empty (it contains {holds}). Move its contents away or choose another directory", directory.display())]
    Occupied {
        /// The directory.
        directory: PathBuf,
        /// The name of one entry.
        holds: String,
    },
    /// A new set could not be written.
    #[error("{} cannot be written ({source}): check that the directory is writable and the disk has space", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A certificate could not be generated.
    #[error("{what} could not be generated: {detail}")]
    Make {
        /// What was being generated.
        what: &'static str,
        /// The library's message.
        detail: String,
    },
    /// The TLS library rejects the files.
    #[error("TLS cannot be set up with the CA file {}: {detail}", path.display())]
    Tls {
        /// The CA's file.
        path: PathBuf,
        /// The library's message.
        detail: String,
    },
}

/// The way out. `openssl x509 -req` without `-extfile` creates version 1 certificates, which deserve their own hint.
fn hint(detail: &str) -> &'static str {
    if detail.contains("UnsupportedCertVersion") {
        ": it is an X.509 version 1 certificate; recreate it with extensions (`openssl x509 -req … -extfile FILE`)"
    } else {
        ": recreate or copy it"
    }
}
