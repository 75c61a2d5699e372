//! Everything that can be wrong with certificate files, in one sentence each: the file, what is wrong, the way out.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// What a certificate file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The certificates of the CA that is trusted.
    Authority,
    /// The own certificate, perhaps followed by intermediate ones.
    Certificate,
    /// The private key of the own certificate.
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

/// Certificates that cannot be used, or could not be made. Each message names the file and the way out.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The file is not there.
    #[error("the {role} file {} does not exist: check the path", path.display())]
    Missing {
        /// What the file is for.
        role: Role,
        /// The file.
        path: PathBuf,
    },
    /// The file is there and cannot be read.
    #[error("the {role} file {} cannot be read ({source}): check its kind and its permissions", path.display())]
    Unreadable {
        /// What the file is for.
        role: Role,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is far larger than any certificate.
    #[error("the {role} file {} is larger than {limit} bytes: that is no PEM file of a certificate or key", path.display())]
    TooLarge {
        /// What the file is for.
        role: Role,
        /// The file.
        path: PathBuf,
        /// The most that is read, in bytes.
        limit: u64,
    },
    /// The file holds nothing of the kind that it is for.
    #[error("the {role} file {} holds no PEM {role}; it holds {holds}", path.display())]
    Nothing {
        /// What the file is for.
        role: Role,
        /// The file.
        path: PathBuf,
        /// What was found instead, in words.
        holds: &'static str,
    },
    /// The file has PEM sections that cannot be decoded.
    #[error("the {role} file {} is damaged ({detail}): copy it anew", path.display())]
    Damaged {
        /// What the file is for.
        role: Role,
        /// The file.
        path: PathBuf,
        /// What the decoder says.
        detail: String,
    },
    /// A certificate decodes and cannot be used.
    #[error("the {role} file {} holds a certificate that cannot be used ({detail}){}", path.display(), hint(detail))]
    BadCertificate {
        /// What the file is for.
        role: Role,
        /// The file.
        path: PathBuf,
        /// What the parser says.
        detail: String,
    },
    /// The key decodes and cannot be used.
    #[error("the private key in {} cannot be used ({detail}): give an RSA key of 2048 bits or more, an ECDSA key or an Ed25519 key", path.display())]
    BadKey {
        /// The file.
        path: PathBuf,
        /// What the cryptography says.
        detail: String,
    },
    /// The key wants a pass phrase.
    #[error("the private key in {} is encrypted, and a daemon has nobody to ask for the pass phrase: decrypt it with `openssl pkey -in {} -out FILE`", path.display(), path.display())]
    EncryptedKey {
        /// The file.
        path: PathBuf,
    },
    /// There is more than one key.
    #[error("{} holds {count} private keys: leave only the one of the certificate in it", path.display())]
    SeveralKeys {
        /// The file.
        path: PathBuf,
        /// How many.
        count: usize,
    },
    /// Certificate and key are not a pair.
    #[error("the private key in {} does not belong to the certificate in {}: give the two that were made together", key.display(), certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// A generated set has lost a file.
    #[error("{} holds a part of a certificate set: {missing} is missing while {present} is there. Put {missing} back, or move the directory away to have a new set made (clients then need the new files)", directory.display())]
    Partial {
        /// The set's directory.
        directory: PathBuf,
        /// The first file that is missing.
        missing: &'static str,
        /// One that is there.
        present: &'static str,
    },
    /// The directory for a new set holds something else.
    #[error("a certificate set is to be made in {}, which is not empty (it holds {holds}): move that away or choose another directory", directory.display())]
    Occupied {
        /// The directory.
        directory: PathBuf,
        /// One name in it.
        holds: String,
    },
    /// A new set could not be written.
    #[error("{} cannot be written ({source}): check that the directory is writable and the disk has space", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A certificate could not be made.
    #[error("{what} could not be made: {detail}")]
    Make {
        /// What was being made.
        what: &'static str,
        /// What the library says.
        detail: String,
    },
    /// The TLS library refuses the material.
    #[error("TLS cannot be set up with the CA file {}: {detail}", path.display())]
    Tls {
        /// The CA's file.
        path: PathBuf,
        /// What the library says.
        detail: String,
    },
}

/// `openssl x509 -req` without `-extfile` makes certificates of X.509 version 1: worth a word of its own.
fn hint(detail: &str) -> &'static str {
    if detail.contains("UnsupportedCertVersion") {
        ": it is of X.509 version 1; make it anew with extensions (`openssl x509 -req … -extfile FILE`)"
    } else {
        ": make or fetch it anew"
    }
}
