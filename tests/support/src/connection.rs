//! Kept connections, for tests with thousands of requests or hundreds of waiting clients: hyper over rustls, with a
//! separate certificate for each identity.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::{Certificates, Daemon};

/// A client's certificate, and the CA that it trusts.
pub type Identity = Arc<ClientConfig>;

/// The client for which the daemon generated a certificate.
pub fn generated_client(certificates: &Certificates) -> Identity {
    let chain = CertificateDer::pem_file_iter(certificates.cert()).unwrap().map(Result::unwrap).collect();
    config(certificates, chain, PrivateKeyDer::from_pem_file(certificates.key()).unwrap())
}

/// A new identity `O=NAME`, signed by the CA that the daemon generated.
pub fn new_client(certificates: &Certificates, name: &str) -> Identity {
    let ca_key = fs::read_to_string(certificates.directory().join("ca-key.pem")).unwrap();
    let ca = fs::read_to_string(certificates.ca()).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&ca, KeyPair::from_pem(&ca_key).unwrap()).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    config(
        certificates,
        vec![certificate.der().clone()],
        PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
    )
}

fn config(
    certificates: &Certificates,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Identity {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificates.ca()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_root_certificates(roots).with_client_auth_cert(chain, key).unwrap())
}

/// One connection. Dropping it closes it at once, even during a request.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<hyper::Result<()>>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: hyper::HeaderMap,
    pub body: Bytes,
}

impl Connection {
    pub async fn open(daemon: &Daemon, identity: &Identity) -> io::Result<Self> {
        let address: SocketAddr = daemon.url.trim_start_matches("https://").parse().unwrap();
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let tls = TlsConnector::from(identity.clone());
        let stream = tls.connect(ServerName::from(address.ip()), tcp).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        Ok(Self { sender, driver: tokio::spawn(connection) })
    }

    pub async fn request(
        &mut self,
        method: Method,
        path: &str,
        if_match: Option<&str>,
        body: impl Into<Bytes>,
    ) -> hyper::Result<Answer> {
        let mut builder = Request::builder().method(method).uri(path).header("Host", "daemon");
        if let Some(tag) = if_match {
            builder = builder.header("If-Match", tag);
        }
        self.sender.ready().await?;
        let response = self.sender.send_request(builder.body(Full::new(body.into())).unwrap()).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    pub async fn get(&mut self, path: &str) -> hyper::Result<Answer> {
        self.request(Method::GET, path, None, "").await
    }

    pub async fn post(&mut self, path: &str, body: &Value) -> hyper::Result<Answer> {
        self.request(Method::POST, path, None, body.to_string()).await
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}
