//! Why a handshake failed: which side's certificate the other one refuses, and the way out.

use std::error::Error;
use std::io;
use std::time::SystemTime;

use humantime::format_rfc3339_seconds as date;
use rustls::{AlertDescription, CertificateError};

use super::{Address, ClientError};
use crate::certificates::{Identity, KeyUsage};
use crate::clock;
use crate::core::sanitize;

/// The error with its way out, if its cause is the handshake. `own` is the client's side.
pub(super) fn explain(
    address: &Address,
    own: &Identity,
    error: &(dyn Error + 'static),
) -> Option<ClientError> {
    let message = match cause(error)? {
        rustls::Error::InvalidCertificate(invalid) => daemons_certificate(address, own, invalid),
        rustls::Error::AlertReceived(alert) => {
            let cert = own.files().cert.display();
            let reason = refusal(own, *alert, clock::system_now());
            format!("the daemon at {address} refuses the certificate in {cert}: {reason}")
        }
        error @ rustls::Error::InvalidMessage(_) => {
            return Some(ClientError::NotHttps { address: address.clone(), message: error.to_string() });
        }
        _ => return None,
    };
    Some(ClientError::Certificate { message: sanitize::message(&message) })
}

/// The error of the TLS library within `error`.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    loop {
        let error = next?;
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match inside.and_then(|e| e.downcast_ref::<rustls::Error>()) {
            Some(found) => return Some(found),
            None => next = error.source(),
        }
    }
}

/// What is wrong with the daemon's certificate.
fn daemons_certificate(address: &Address, own: &Identity, invalid: &CertificateError) -> String {
    use CertificateError::{
        BadSignature, ExpiredContext, InvalidPurpose, InvalidPurposeContext, NotValidForNameContext,
        NotValidYetContext, UnknownIssuer,
    };
    let utc = |time: &rustls::pki_types::UnixTime| {
        date(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(time.as_secs()))
    };
    let what = match invalid {
        UnknownIssuer | BadSignature => format!(
            "is not signed by the CA in {}, which belongs to another daemon: use the certificates of this daemon, \
             with --cert-path or a context",
            own.files().ca.display()
        ),
        NotValidForNameContext { presented, .. } => {
            let names: Vec<&str> = presented.iter().map(|name| plain(name)).collect();
            let names = if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") };
            format!("is not for this address, but for {names}: use one of these with --addr")
        }
        ExpiredContext { not_after, .. } => format!(
            "expired at {}: have it replaced and the daemon restarted (a restart renews a generated one)",
            utc(not_after)
        ),
        NotValidYetContext { not_before, .. } => {
            format!("is not valid before {}: compare the clocks of both machines", utc(not_before))
        }
        InvalidPurpose | InvalidPurposeContext { .. } => {
            "is not for servers: its extended key usage lacks serverAuth".to_owned()
        }
        other => format!("is invalid: {other}"),
    };
    format!("the certificate of the daemon at {address} {what}")
}

/// A name in a certificate, which webpki shows as `DnsName("localhost")` or `IpAddress(127.0.0.1)`.
fn plain(name: &str) -> &str {
    let inside = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inside.unwrap_or(name).trim_matches('"')
}

/// Why the daemon refuses our certificate. An alert is one word; the certificate itself shows the rest.
fn refusal(own: &Identity, alert: AlertDescription, now: SystemTime) -> String {
    let details = own.details();
    match alert {
        // The alert for both ends of the validity.
        AlertDescription::CertificateExpired if now < details.not_before => format!(
            "it is not valid before {}; compare the clocks of both machines",
            date(details.not_before)
        ),
        AlertDescription::CertificateExpired if now <= details.not_after => format!(
            "it is not valid at the daemon's time, but from {} until {}; compare the clocks of both machines",
            date(details.not_before),
            date(details.not_after)
        ),
        AlertDescription::CertificateExpired => {
            format!("it expired at {}; have a new one issued", date(details.not_after))
        }
        AlertDescription::UnknownCA => {
            "it is not signed by a CA that the daemon trusts (--tlscacert); use the certificates of this daemon, with \
             --cert-path or a context"
                .to_owned()
        }
        AlertDescription::UnsupportedCertificate => {
            "it is not for clients, as its extended key usage lacks clientAuth; have one issued for clients".to_owned()
        }
        _ if !KeyUsage::of(own.certificate()).sign_handshakes => {
            "its key usage lacks digitalSignature; have one issued with it".to_owned()
        }
        alert => format!("TLS alert {alert:?}; the daemon's log says why"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::pki_types::{ServerName, UnixTime};

    use super::*;
    use crate::certificates::testing::FIXTURE;

    fn explained(error: rustls::Error) -> String {
        let own = Identity::load(&FIXTURE.client).unwrap();
        let directory = FIXTURE.authority.path("");
        let error = io::Error::new(io::ErrorKind::InvalidData, error);
        let message = explain(&"manager:3476".parse().unwrap(), &own, &error).unwrap().to_string();
        message.replace(directory.to_str().unwrap(), "/certs/")
    }

    fn refused(alert: AlertDescription) -> String {
        explained(rustls::Error::AlertReceived(alert))
    }

    #[test]
    fn a_refusal_names_the_daemon_the_file_and_the_reason() {
        let refuses = "the daemon at manager:3476 refuses the certificate in /certs/cert.pem: ";
        for (alert, reason) in [
            (
                AlertDescription::UnknownCA,
                "it is not signed by a CA that the daemon trusts (--tlscacert); use the certificates of this daemon, with \
                 --cert-path or a context",
            ),
            (
                AlertDescription::UnsupportedCertificate,
                "it is not for clients, as its extended key usage lacks clientAuth; have one issued for clients",
            ),
            (AlertDescription::CertificateUnknown, "TLS alert CertificateUnknown; the daemon's log says why"),
        ] {
            assert_eq!(refused(alert), format!("{refuses}{reason}"));
        }
    }

    #[test]
    fn an_expired_certificate_and_a_wrong_clock_have_different_messages() {
        let own = Identity::load(&FIXTURE.client).unwrap();
        let (from, until) = (own.details().not_before, own.details().not_after);
        let at = |now| refusal(&own, AlertDescription::CertificateExpired, now);
        let day = Duration::from_secs(86_400);
        assert_eq!(at(until + day), format!("it expired at {}; have a new one issued", date(until)));
        assert!(at(from - day).starts_with(&format!("it is not valid before {}; compare", date(from))));
        assert!(at(from + day).starts_with("it is not valid at the daemon's time, but from "));
    }

    #[test]
    fn a_server_without_tls_is_no_matter_of_certificates() {
        let message = explained(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType));
        assert!(message.starts_with("the server at manager:3476 does not speak HTTPS ("), "{message}");
        assert!(message.ends_with("): set the daemon's address with --addr"), "{message}");
    }

    #[test]
    fn an_invalid_daemon_certificate_is_reported_with_advice() {
        let (early, late) = (UnixTime::since_unix_epoch(Duration::ZERO), Duration::from_secs(1_790_000_000));
        let late = UnixTime::since_unix_epoch(late);
        for (invalid, what) in [
            (
                CertificateError::UnknownIssuer,
                "is not signed by the CA in /certs/ca.pem, which belongs to another daemon: use the certificates of this \
                 daemon, with --cert-path or a context",
            ),
            (
                CertificateError::NotValidForNameContext {
                    expected: ServerName::try_from("manager").unwrap(),
                    presented: vec!["DnsName(\"localhost\")".to_owned(), "IpAddress(127.0.0.1)".to_owned()],
                },
                "is not for this address, but for localhost, 127.0.0.1: use one of these with --addr",
            ),
            (
                CertificateError::ExpiredContext { time: late, not_after: early },
                "expired at 1970-01-01T00:00:00Z: have it replaced and the daemon restarted (a restart renews a generated \
                 one)",
            ),
            (
                CertificateError::NotValidYetContext { time: early, not_before: late },
                "is not valid before 2026-09-21T14:13:20Z: compare the clocks of both machines",
            ),
            (CertificateError::InvalidPurpose, "is not for servers: its extended key usage lacks serverAuth"),
        ] {
            let message = explained(rustls::Error::InvalidCertificate(invalid));
            assert_eq!(message, format!("the certificate of the daemon at manager:3476 {what}"));
        }
    }
}
