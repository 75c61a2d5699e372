//! The parts of a certificate that people and rules read: subject, validity, fingerprint.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};
use x509_parser::asn1_rs::Tag;
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::prelude::{ASN1Time, AttributeTypeAndValue, GeneralName, X509Certificate, X509Name};

use crate::core::sanitize;

/// Maximum length of a subject in bytes: every log line that names an author contains it.
const SUBJECT_MAX_BYTES: usize = 512;
/// How many bytes of a longer subject are kept; the start of the fingerprint replaces the rest.
const SUBJECT_KEPT_BYTES: usize = 448;

/// SHA-256 of a certificate's DER. Printed as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint(pub(crate) [u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    pub(crate) fn of(der: &[u8]) -> Fingerprint {
        Fingerprint(Sha256::digest(der).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The parts of a certificate that people and rules read.
#[derive(Debug, Clone)]
pub(crate) struct Details {
    /// All parts of the subject in the certificate's order, such as `O=alice.<bootstrap>` or `O=ops, CN=bob`.
    /// A comma, plus sign or backslash within a value has a backslash before it, and control characters are
    /// written as escapes, so that no value can pose as another part or as another line. If the subject is
    /// empty or blank, the fingerprint replaces it: `sha256:` and 64 digits. A long one is cut, and ends with
    /// the beginning of the fingerprint.
    pub(crate) subject: String,
    /// The DNS names it is valid for: the subject alternative names, or the common name if there are none.
    pub(crate) names: Vec<String>,
    /// The first moment of validity.
    pub(crate) not_before: SystemTime,
    /// The last moment of validity.
    pub(crate) not_after: SystemTime,
    /// SHA-256 of the DER.
    pub(crate) fingerprint: Fingerprint,
}

impl Details {
    /// Parses a certificate in DER. The error is the parser's message.
    pub(crate) fn read(der: &[u8]) -> Result<Details, String> {
        let (_, certificate) = x509_parser::parse_x509_certificate(der).map_err(|e| e.to_string())?;
        let fingerprint = Fingerprint::of(der);
        Ok(Details {
            subject: named(certificate.subject(), fingerprint),
            names: names(&certificate),
            not_before: system_time(certificate.validity().not_before),
            not_after: system_time(certificate.validity().not_after),
            fingerprint,
        })
    }
}

/// The key usage of a certificate. A certificate without the extension may be used for everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyUsage {
    /// `digitalSignature`: to sign handshakes.
    pub(crate) sign_handshakes: bool,
    /// `keyCertSign`: to sign certificates.
    pub(crate) sign_certificates: bool,
}

impl KeyUsage {
    /// The key usage of a certificate in DER. A certificate that cannot be parsed may be used for nothing.
    pub(crate) fn of(der: &[u8]) -> KeyUsage {
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

/// Dates before 1970 count as 1970, so that no caller has to handle negative times.
fn system_time(time: ASN1Time) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(time.timestamp()).unwrap_or(0))
}

/// The subject, or its replacement.
fn named(name: &X509Name<'_>, fingerprint: Fingerprint) -> String {
    let values = || name.iter_attributes().map(value);
    let blank = |value: String| value.chars().all(|c| c.is_whitespace() || !sanitize::harmless(c));
    if values().all(blank) {
        return format!("sha256:{fingerprint}");
    }
    let mut text = subject(name);
    if text.len() > SUBJECT_MAX_BYTES {
        let length = text.len();
        text.truncate(text.floor_char_boundary(SUBJECT_KEPT_BYTES));
        let short: String = fingerprint.to_string().chars().take(16).collect();
        text.push_str(&format!("… ({length} bytes, sha256:{short})"));
    }
    text
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
    value(attribute).chars().for_each(|c| match c {
        ',' | '+' | '\\' => text.extend(['\\', c]),
        c if !sanitize::harmless(c) => text.extend(c.escape_default()),
        c => text.push(c),
    });
    text
}

/// A value as text, whichever of X.509's string types it has; as `#` and hexadecimal digits where it is none.
fn value(attribute: &AttributeTypeAndValue<'_>) -> String {
    if let Ok(text) = attribute.as_str() {
        return text.to_owned();
    }
    let (tag, data) = (attribute.attr_value().tag(), attribute.attr_value().data);
    let decoded = match tag {
        Tag::BmpString if data.len() % 2 == 0 => {
            let units =
                data.chunks_exact(2).map(|unit| unit.iter().fold(0, |n, byte| n << 8 | u16::from(*byte)));
            Some(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
        }
        Tag::UniversalString if data.len() % 4 == 0 => {
            let units =
                data.chunks_exact(4).map(|unit| unit.iter().fold(0, |n, byte| n << 8 | u32::from(*byte)));
            Some(units.map(|unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
        }
        // Decoded as Latin-1, like every other implementation.
        Tag::T61String => Some(data.iter().map(|byte| char::from(*byte)).collect()),
        _ => None,
    };
    decoded.unwrap_or_else(|| {
        let digits = hex::encode(data);
        if digits.is_empty() { digits } else { format!("#{digits}") }
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair, string::BmpString};

    use super::*;

    fn subject_of(parts: &[(DnType, DnValue)]) -> Details {
        let mut params = CertificateParams::new(vec!["host.example".to_owned()]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        parts.iter().cloned().for_each(|(kind, value)| params.distinguished_name.push(kind, value));
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        Details::read(certificate.der()).unwrap()
    }

    fn cn(value: &str) -> (DnType, DnValue) {
        (DnType::CommonName, DnValue::Utf8String(value.to_owned()))
    }

    #[test]
    fn without_a_subject_the_fingerprint_is_the_name() {
        for parts in [
            vec![],
            vec![cn("")],
            vec![cn("  \u{200b}\t")],
            vec![cn(" "), (DnType::OrganizationName, " ".into())],
        ] {
            let details = subject_of(&parts);
            assert_eq!(details.subject, format!("sha256:{}", details.fingerprint), "{parts:?}");
            assert_eq!(details.subject.len(), "sha256:".len() + 64);
        }
    }

    #[test]
    fn no_value_can_imitate_another_part_or_line() {
        for (value, shown) in [
            ("x fingerprint=0 object=prod", "CN=x fingerprint=0 object=prod"),
            ("x, O=admins+OU=y\\", "CN=x\\, O=admins\\+OU=y\\\\"),
            ("x\nERROR forged\u{1b}[2J\0", "CN=x\\nERROR forged\\u{1b}[2J\\u{0}"),
            ("x\u{202e}y\u{2028}", "CN=x\\u{202e}y\\u{2028}"),
        ] {
            assert_eq!(subject_of(&[cn(value)]).subject, shown);
        }
    }

    #[test]
    fn utf_16_is_read_as_text() {
        let value = DnValue::BmpString(BmpString::try_from("bób\n").unwrap());
        assert_eq!(subject_of(&[(DnType::CommonName, value)]).subject, "CN=bób\\n");
    }

    #[test]
    fn long_subjects_are_cut_and_stay_distinct() {
        let long = |end: &str| subject_of(&[cn(&format!("{}{end}", "é".repeat(100_000)))]);
        let (one, other) = (long("1"), long("2"));
        assert!(
            one.subject.len() <= SUBJECT_MAX_BYTES && one.subject.starts_with("CN=ééé"),
            "{}",
            one.subject
        );
        assert_ne!(one.subject, other.subject);
        let short: String = one.fingerprint.to_string().chars().take(16).collect();
        assert!(one.subject.ends_with(&format!("sha256:{short})")), "{}", one.subject);
    }
}
