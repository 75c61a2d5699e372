//! The attacks: each bounded in number and in time.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use hyper::Method;
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::json;
use support::connection::{Connection, Identity};
use support::{Daemon, SOON};
use tokio::net::TcpSocket;
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

/// Connections of most attacks.
const CONNECTIONS: usize = 30;
/// The pause between two steps of an attacker.
const STEP: Duration = Duration::from_millis(20);

type Tls = StreamOwned<ClientConnection, TcpStream>;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn address(daemon: &Daemon) -> SocketAddr {
    daemon.url.trim_start_matches("https://").parse().unwrap()
}

/// An array of this many small objects.
pub(crate) fn many(objects: usize, count: usize) -> String {
    let all: Vec<_> = (0..objects)
        .map(|i| json!({"Name": format!("many-{i}"), "Image": "web:1", "Count": count}))
        .collect();
    serde_json::to_string(&all).unwrap()
}

/// The same request again and again, on many connections.
pub(crate) fn submits(daemon: &Daemon, identity: &Identity, path: &str, body: &str, until: Instant) {
    runtime().block_on(async {
        let body = bytes::Bytes::from(body.to_owned());
        let flood = (0..CONNECTIONS).map(|_| async {
            while Instant::now() < until {
                let Ok(mut client) = Connection::open(daemon, identity).await else { continue };
                let asked = client.request(Method::POST, path, None, body.clone());
                let left = until.saturating_duration_since(Instant::now());
                // An answer, a refusal, or the end of the attack.
                let _ = tokio::time::timeout(left, asked).await;
                // A debug build's TLS costs the attacker as much as the daemon: leave processor time to others.
                sleep(STEP * 10).await;
            }
        });
        futures_util::future::join_all(flood).await;
    });
}

/// Opens a connection by hand, for what no HTTP client would do.
fn connect(daemon: &Daemon, identity: &Identity) -> Option<Tls> {
    let address = address(daemon);
    let tcp = TcpStream::connect_timeout(&address, SOON).ok()?;
    tcp.set_read_timeout(Some(SOON)).unwrap();
    let tls = ClientConnection::new(identity.clone(), ServerName::from(address.ip())).unwrap();
    Some(StreamOwned::new(tls, tcp))
}

/// Heads of large bodies, and then a byte at a time.
pub(crate) fn slow_bodies(daemon: &Daemon, identity: &Identity, until: Instant) {
    let head = "POST /submit HTTP/1.1\r\nHost: daemon\r\nContent-Length: 1000000\r\n\r\n[";
    let mut open: Vec<Tls> = (0..CONNECTIONS).filter_map(|_| connect(daemon, identity)).collect();
    open.retain_mut(|stream| stream.write_all(head.as_bytes()).is_ok());
    while Instant::now() < until {
        open.retain_mut(|stream| stream.write_all(b" ").is_ok());
        thread::sleep(STEP * 5);
    }
}

/// Connections that send nothing, from two addresses.
pub(crate) fn silent(daemon: &Daemon, until: Instant) {
    let to = address(daemon);
    runtime().block_on(async {
        let mut open = Vec::new();
        while Instant::now() < until {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(SocketAddr::from(([127, 0, 0, 2 + u8::from(open.len() % 2 == 0)], 0))).unwrap();
            open.extend(socket.connect(to).await);
            sleep(Duration::from_millis(1)).await;
            if open.len() >= 512 {
                open.remove(0);
                sleep(Duration::from_millis(5)).await;
            }
        }
    });
}

/// One recorded ClientHello, four hundred times a second.
pub(crate) fn hellos(daemon: &Daemon, until: Instant) {
    let to = address(daemon);
    let mut hello = Vec::new();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    ClientConnection::new(Arc::new(config), ServerName::from(to.ip()))
        .unwrap()
        .write_tls(&mut hello)
        .unwrap();
    runtime().block_on(async {
        let mut open = std::collections::VecDeque::new();
        while Instant::now() < until {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(SocketAddr::from(([127, 0, 0, 2], 0))).unwrap();
            if let Ok(mut tcp) = socket.connect(to).await {
                let _ = tokio::io::AsyncWriteExt::write_all(&mut tcp, &hello).await;
                open.push_back(tcp);
            }
            if open.len() > 100 {
                open.pop_front();
            }
            sleep(Duration::from_micros(2500)).await;
        }
    });
}

/// Opens watches beyond the limit, and returns how many were refused; `meanwhile` runs while they are open.
pub(crate) fn watches(
    daemon: &Daemon,
    identity: &Identity,
    until: Instant,
    meanwhile: impl FnOnce(),
) -> usize {
    let watch = "GET /status?watch HTTP/1.1\r\nHost: daemon\r\n\r\n";
    let mut open = Vec::new();
    let mut refused = 0;
    for _ in 0..230 {
        let Some(mut stream) = connect(daemon, identity) else { continue };
        let mut head = [0; 12];
        let asked = stream.write_all(watch.as_bytes()).and_then(|()| stream.read_exact(&mut head));
        match asked.is_ok() && head.ends_with(b"200") {
            true => open.push(stream),
            false => refused += 1,
        }
        thread::sleep(STEP / 2);
    }
    assert!((1..=200).contains(&open.len()), "{} are open", open.len());
    meanwhile();
    thread::sleep(until.saturating_duration_since(Instant::now()));
    refused
}

/// The status code of one request.
pub(crate) fn status_of(
    runtime: &mut Runtime,
    daemon: &Daemon,
    identity: &Identity,
    method: Method,
    path: &str,
) -> u16 {
    runtime.block_on(async {
        let mut client = Connection::open(daemon, identity).await.unwrap();
        client.request(method, path, None, "").await.unwrap().status.as_u16()
    })
}

/// How long it may take until they run, on a busy machine.
const FILLED: Duration = Duration::from_secs(60);

/// Objects with this many containers each, and a status of some hundred kilobytes.
pub(crate) fn fill(daemon: &Daemon, objects: usize, count: usize) {
    let all: Vec<_> = (0..objects)
        .map(|i| json!({"Name": format!("full-{i}"), "Image": format!("registry.example/{}:1", "a".repeat(200)), "Count": count}))
        .collect();
    assert!(matches!(daemon.client.post("/submit", json!(all).to_string()).status, 200 | 201));
    daemon.wait_until(FILLED, "there are many containers", || {
        daemon.client.get("/status").body.len() > 300_000
    });
}

/// Requests the whole status on many connections, and reads none of it.
pub(crate) fn stalled_readers(daemon: &Daemon, identity: &Identity, until: Instant) {
    let mut open = Vec::new();
    for _ in 0..200 {
        let Some(mut stream) = connect(daemon, identity) else { continue };
        if stream.write_all(b"GET /status HTTP/1.1\r\nHost: daemon\r\n\r\n").is_ok() {
            open.push(stream);
        }
        thread::sleep(STEP / 2);
    }
    thread::sleep(until.saturating_duration_since(Instant::now()));
}

/// Specs with a string of almost a megabyte, which the engine repeats in its error.
pub(crate) fn long_strings(daemon: &Daemon, identity: &Identity) {
    runtime().block_on(async {
        for i in 0..6 {
            let mut client = Connection::open(daemon, identity).await.unwrap();
            let object = json!({
                "Name": "long", "Image": "web:1", "Count": 1,
                "HostConfig": {"NetworkMode": format!("{i}{}", "n".repeat(1_000_000))},
            });
            // Whether it is accepted does not matter here, only what it costs.
            let _ = client.post("/submit", &object).await;
            sleep(Duration::from_secs(1)).await;
        }
    });
}

/// A client whose certificate expires this soon.
pub(crate) fn short_lived(daemon: &Daemon, name: &str, lives: Duration) -> Identity {
    let certificates = daemon.certificates();
    let ca_key = std::fs::read_to_string(certificates.directory().join("ca-key.pem")).unwrap();
    let ca = std::fs::read_to_string(certificates.ca()).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&ca, KeyPair::from_pem(&ca_key).unwrap()).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.not_after = (std::time::SystemTime::now() + lives).into();
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificates.ca()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config =
        builder.with_root_certificates(roots).with_client_auth_cert(vec![certificate.der().clone()], key);
    Arc::new(config.unwrap())
}

/// Reads long answers to their end and returns the text of each.
pub(crate) fn whole_streams(
    daemon: &Daemon,
    identity: &Identity,
    paths: &[&'static str],
) -> Vec<(&'static str, String)> {
    runtime().block_on(async {
        let all = paths.iter().map(|path| async {
            let mut client = Connection::open(daemon, identity).await.unwrap();
            let never = json!({"Name": "never", "Image": "web:1", "Count": 1, "Update": {"Monitor": "1h"}});
            let (method, body) = match path.starts_with("/submit") {
                true => (Method::POST, never.to_string()),
                false => (Method::GET, String::new()),
            };
            let answer = tokio::time::timeout(SOON, client.request(method, path, None, body)).await;
            let answer = answer.expect("it ends").unwrap();
            (*path, String::from_utf8(answer.body.to_vec()).unwrap())
        });
        futures_util::future::join_all(all).await
    })
}
