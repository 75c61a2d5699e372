//! Reads a PEM file into certificates and keys, with a size limit.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustls::pki_types::pem::{PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::error::{CertificateError, Role};

/// Maximum size of a file in bytes: five times the CA bundle of an operating system; it also stops reads of devices.
const FILE_LIMIT: u64 = 1 << 20;

/// The contents of a PEM file.
pub(super) struct Contents {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) keys: Vec<PrivateKeyDer<'static>>,
    /// It contains an encrypted key.
    pub(super) encrypted: bool,
}

impl Contents {
    /// A description of the contents, for error messages.
    pub(super) fn describe(&self) -> &'static str {
        match (self.certificates.is_empty(), self.keys.is_empty() && !self.encrypted) {
            (true, true) => "neither certificates nor keys",
            (false, true) => "certificates",
            (true, false) => "a private key",
            (false, false) => "certificates and a private key",
        }
    }
}

/// Reads `path` as the file for `role`.
pub(super) fn read(role: Role, path: &Path) -> Result<Contents, CertificateError> {
    let text = bytes(role, path)?;
    let mut contents =
        Contents { certificates: Vec::new(), keys: Vec::new(), encrypted: holds(&text, b"ENCRYPTED") };
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(&text) {
        let (kind, der) = match section {
            Ok(section) => section,
            // The legacy form of an encrypted key has header lines that the decoder mistakes for base64.
            Err(_) if contents.encrypted => continue,
            Err(e) => {
                return Err(CertificateError::Damaged { role, path: path.into(), detail: e.to_string() });
            }
        };
        if let Some(key) = PrivateKeyDer::from_pem(kind, der.clone()) {
            contents.keys.push(key);
        } else if kind == SectionKind::Certificate {
            contents.certificates.push(der.into());
        }
    }
    Ok(contents)
}

fn bytes(role: Role, path: &Path) -> Result<Vec<u8>, CertificateError> {
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => CertificateError::Missing { role, path: path.into() },
        _ => CertificateError::Unreadable { role, path: path.into(), source },
    };
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_LIMIT + 1).read_to_end(&mut text));
    if read.map_err(unreadable)? as u64 > FILE_LIMIT {
        return Err(CertificateError::TooLarge { role, path: path.into(), limit: FILE_LIMIT });
    }
    Ok(text)
}

fn holds(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|w| w == word)
}
