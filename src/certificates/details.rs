//! What a certificate says of its holder: subject, time of validity, fingerprint.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::prelude::{ASN1Time, AttributeTypeAndValue, GeneralName, X509Certificate, X509Name};

/// SHA-256 of a certificate's DER. Printed as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    pub fn of(der: &[u8]) -> Fingerprint {
        Fingerprint(Sha256::digest(der).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The part of a certificate that people and rules look at.
#[derive(Debug, Clone)]
pub struct Details {
    /// All parts of the subject in the certificate's order, such as `O=alice.<bootstrap>` or `O=ops, CN=bob`.
    /// A comma, plus sign or backslash within a value has a backslash before it, and control characters are
    /// written as escapes, so that no value can pose as another part or as another line.
    pub subject: String,
    /// The DNS names that it is for: of the alternative names, or the common name where there are no such.
    pub names: Vec<String>,
    /// The first moment of validity.
    pub not_before: SystemTime,
    /// The last moment of validity.
    pub not_after: SystemTime,
    /// SHA-256 of the DER.
    pub fingerprint: Fingerprint,
}

impl Details {
    /// Reads a certificate in DER; the parser's words if it is none.
    pub fn read(der: &[u8]) -> Result<Details, String> {
        let (_, certificate) = x509_parser::parse_x509_certificate(der).map_err(|e| e.to_string())?;
        Ok(Details {
            subject: subject(certificate.subject()),
            names: names(&certificate),
            not_before: system_time(certificate.validity().not_before),
            not_after: system_time(certificate.validity().not_after),
            fingerprint: Fingerprint::of(der),
        })
    }
}

/// What the key of a certificate may be used for. One without that extension may be used for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUsage {
    /// `digitalSignature`: to sign handshakes.
    pub sign_handshakes: bool,
    /// `keyCertSign`: to sign certificates.
    pub sign_certificates: bool,
}

impl KeyUsage {
    /// Of a certificate in DER. One that cannot be read may be used for nothing.
    pub fn of(der: &[u8]) -> KeyUsage {
        let usage = |sign_handshakes, sign_certificates| KeyUsage { sign_handshakes, sign_certificates };
        let Ok((_, certificate)) = x509_parser::parse_x509_certificate(der) else {
            return usage(false, false);
        };
        match certificate.key_usage() {
            Ok(None) => usage(true, true),
            Ok(Some(extension)) => {
                usage(extension.value.digital_signature(), extension.value.key_cert_sign())
            }
            Err(_) => usage(false, false),
        }
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let alternatives = certificate.subject_alternative_name().ok().flatten();
    let dns =
        alternatives.iter().flat_map(|names| &names.value.general_names).filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        });
    let names: Vec<String> = dns.collect();
    match names.is_empty() {
        true => certificate
            .subject()
            .iter_common_name()
            .filter_map(|name| name.as_str().ok())
            .map(str::to_owned)
            .collect(),
        false => names,
    }
}

/// Moments before 1970 count as 1970: no certificate in use has one, and nothing has to handle a negative time.
fn system_time(time: ASN1Time) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(time.timestamp()).unwrap_or(0))
}

fn subject(name: &X509Name<'_>) -> String {
    let parts = name.iter().map(|rdn| rdn.iter().map(attribute).collect::<Vec<_>>().join("+"));
    parts.collect::<Vec<_>>().join(", ")
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let kind = match oid2abbrev(attribute.attr_type(), oid_registry()) {
        Ok(short) => short.to_owned(),
        Err(_) => attribute.attr_type().to_id_string(),
    };
    let mut text = kind + "=";
    match attribute.as_str() {
        Ok(value) => value.chars().for_each(|c| match c {
            ',' | '+' | '\\' => text.extend(['\\', c]),
            c if c.is_control() => text.extend(c.escape_default()),
            c => text.push(c),
        }),
        Err(_) => text.extend(attribute.attr_value().data.iter().map(|byte| format!("\\{byte:02x}"))),
    }
    text
}
