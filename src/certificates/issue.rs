//! Creates keys and certificates in memory: a CA, a server and a client certificate in docker-machine's form, and the
//! client certificate as PKCS#12 for curl on macOS. Touches no file; the time is an argument.
//!
//! The form: ECDSA P-256 (docker-machine's RSA 2048 takes a hundred times as long to generate and gains nothing),
//! subjects with `O` only, the client `O=<user>.<bootstrap>` and without a `CN`.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use rustls::pki_types::ServerName;
use x509_parser::prelude::ASN1Time;

use super::details::Fingerprint;
use super::error::CertificateError;
use super::pkcs12::{self, Pair, Salts};
use super::provider;

/// The password of `cert.pfx`. It is not a secret: the file's mode protects the key, and PKCS#12 requires a password.
const PFX_PASSWORD: &str = "swarm";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a new CA is valid.
const CA_VALID: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// How long a client certificate is valid: docker-machine's three years.
const CLIENT_VALID: Duration = Duration::from_secs(3 * 365 * 24 * 60 * 60);
/// How long a server certificate is valid: 825 days, the maximum that Apple's systems accept for a server.
const SERVER_VALID: Duration = Duration::from_secs(825 * 24 * 60 * 60 - 1);
/// Certificates are valid from this long ago, for clients whose clock is behind.
const CLOCK_SKEW: Duration = Duration::from_secs(60 * 60);

/// A complete set, each part as the content of its file.
pub(super) struct Set {
    pub(super) ca: String,
    pub(super) ca_key: String,
    pub(super) client: String,
    pub(super) client_key: String,
    pub(super) client_pfx: Vec<u8>,
    pub(super) server: String,
    pub(super) server_key: String,
}

impl Set {
    /// Creates a set whose server certificate is valid for `names`.
    pub(super) fn make(names: &[ServerName<'static>], now: SystemTime) -> Result<Set, CertificateError> {
        let [ca_key, client_key, server_key] = [new_key()?, new_key()?, new_key()?];
        let authority = authority_params(now)?;
        let ca = authority.self_signed(&ca_key).map_err(making("the CA certificate"))?;
        let ca_key_pem = ca_key.serialize_pem();
        let issuer = Issuer::new(authority, ca_key);
        let client =
            client_params(now)?.signed_by(&client_key, &issuer).map_err(making("the client certificate"))?;
        let server = sign_server(&issuer, &server_key, names, now)?;
        Ok(Set {
            ca: ca.pem(),
            ca_key: ca_key_pem,
            client: client.pem(),
            client_pfx: pfx(&client, &client_key)?,
            client_key: client_key.serialize_pem(),
            server: server.pem(),
            server_key: server_key.serialize_pem(),
        })
    }
}

/// A new server certificate for `names`, by the same CA and for the same server key, all passed and returned as PEM.
/// The key stays, so only one file changes and key and certificate match at all times.
pub(super) fn server_again(
    ca: &str,
    ca_key: &str,
    server_key: &str,
    names: &[ServerName<'static>],
    now: SystemTime,
) -> Result<String, CertificateError> {
    let what = "the new server certificate";
    let ca_key = KeyPair::from_pem(ca_key).map_err(making(what))?;
    let server_key = KeyPair::from_pem(server_key).map_err(making(what))?;
    let issuer = Issuer::from_ca_cert_pem(ca, ca_key).map_err(making(what))?;
    Ok(sign_server(&issuer, &server_key, names, now)?.pem())
}

/// The machine's host name, if it can be read and is valid in a certificate.
pub(super) fn host_name() -> Option<ServerName<'static>> {
    let files = ["/proc/sys/kernel/hostname", "/etc/hostname"];
    let name =
        files.iter().find_map(|file| fs::read_to_string(file).ok()).or_else(|| env::var("HOSTNAME").ok());
    name.and_then(|name| ServerName::try_from(name.trim().to_owned()).ok())
}

fn sign_server(
    issuer: &Issuer<'_, KeyPair>,
    key: &KeyPair,
    names: &[ServerName<'static>],
    now: SystemTime,
) -> Result<Certificate, CertificateError> {
    let what = "the server certificate";
    let host = host_name().map_or_else(|| "localhost".to_owned(), |name| name.to_str().into_owned());
    let mut params = leaf_params(format!("{}.{host}", user()), now, SERVER_VALID)?;
    // The daemon is a server to its clients and, with the same certificate, a client to the Docker endpoint.
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.subject_alt_names =
        names.iter().map(alternative_name).collect::<Result<_, _>>().map_err(making(what))?;
    params.signed_by(key, issuer).map_err(making(what))
}

fn authority_params(now: SystemTime) -> Result<CertificateParams, CertificateError> {
    let mut params = params(user(), now, CA_VALID)?;
    // Each CA has a unique name: a certificate of another CA with the same name would fail with a bad signature instead
    // of an unknown CA.
    let number = hex::encode(random::<4>()?);
    params.distinguished_name.push(DnType::CommonName, format!("swarm-cluster-state-manager CA {number}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages =
        vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn client_params(now: SystemTime) -> Result<CertificateParams, CertificateError> {
    let mut params = leaf_params(format!("{}.<bootstrap>", user()), now, CLIENT_VALID)?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

fn leaf_params(
    subject: String,
    now: SystemTime,
    valid: Duration,
) -> Result<CertificateParams, CertificateError> {
    let mut params = params(subject, now, valid)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn params(
    organization: String,
    now: SystemTime,
    valid: Duration,
) -> Result<CertificateParams, CertificateError> {
    let from = now.checked_sub(CLOCK_SKEW).unwrap_or(now);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, organization);
    params.serial_number = Some(serial_number()?);
    params.not_before = time(from)?.to_datetime();
    params.not_after = time(from + valid)?.to_datetime();
    Ok(params)
}

/// rcgen would derive the serial number from the key; a second certificate for the same key would then have the same
/// number, which browsers reject.
fn serial_number() -> Result<SerialNumber, CertificateError> {
    let mut bytes = random::<16>()?;
    // Serial numbers are positive and have no leading zero.
    if let Some(first) = bytes.first_mut() {
        *first = *first & 0x7f | 0x40;
    }
    Ok(SerialNumber::from_slice(&bytes))
}

fn random<const N: usize>() -> Result<[u8; N], CertificateError> {
    let mut bytes = [0; N];
    provider().secure_random.fill(&mut bytes).map_err(|_| CertificateError::Make {
        what: "a random number",
        detail: "no randomness".to_owned(),
    })?;
    Ok(bytes)
}

fn new_key() -> Result<KeyPair, CertificateError> {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(making("a key"))
}

fn alternative_name(name: &ServerName<'static>) -> Result<SanType, rcgen::Error> {
    match name {
        ServerName::IpAddress(ip) => Ok(SanType::IpAddress((*ip).into())),
        other => Ok(SanType::DnsName(Ia5String::try_from(other.to_str().into_owned())?)),
    }
}

/// The client certificate and its key as PKCS#12.
fn pfx(client: &Certificate, key: &KeyPair) -> Result<Vec<u8>, CertificateError> {
    let pair = Pair {
        certificate: client.der(),
        key: key.serialized_der(),
        id: &Fingerprint::of(client.der()).0,
        name: "swarm-cluster-state-manager",
    };
    let salts = Salts { certificate: random()?, key: random()?, mac: random()? };
    Ok(pkcs12::write(&pair, PFX_PASSWORD, &salts))
}

/// The user name, as docker-machine reads it. In a container no variable contains it, and the user is mostly root.
fn user() -> String {
    let mut variables = ["SUDO_USER", "USER", "LOGNAME"].iter().filter_map(|name| env::var(name).ok());
    variables.find(|user| !user.is_empty()).unwrap_or_else(|| {
        let root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
        if root { "root" } else { "unknown" }.to_owned()
    })
}

fn time(time: SystemTime) -> Result<ASN1Time, CertificateError> {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    ASN1Time::from_timestamp(i64::try_from(seconds).unwrap_or(i64::MAX))
        .map_err(making("a certificate's dates"))
}

fn making<E: ToString>(what: &'static str) -> impl Fn(E) -> CertificateError {
    move |e| CertificateError::Make { what, detail: e.to_string() }
}

/// The server certificate is renewed at a start this long before it expires.
pub(super) const RENEW_BEFORE: Duration = DAY.saturating_mul(30);
