//! The server with real sockets, real TLS and docker-machine's certificates.

use std::process::{Command, Output};
use std::time::Instant;

use axum::Extension;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{any, get};
use bytes::Bytes;
use futures_util::stream;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::certificates::testing::FIXTURE;
use crate::certificates::{Files, Identity, provider};
use crate::server::connection::{AnswerDeadline, BodyError};
use crate::server::peer::Peer;
use crate::server::request_check;

mod admission;
mod deadlines;
mod descriptors;
mod framing;
mod limits;
mod shutdown;

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
const LAST_GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A running server.
struct TestServer {
    address: SocketAddr,
    tls: Arc<ArcSwap<Tls>>,
    stop: CancellationToken,
    served: JoinHandle<Result<(), ServeError>>,
}

type Client = TlsStream<TcpStream>;

impl TestServer {
    fn start(limits: Limits) -> TestServer {
        TestServer::start_with(&FIXTURE.server, limits)
    }

    fn start_with(files: &Files, limits: Limits) -> TestServer {
        let listeners = bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
        let address = listeners[0].local_addr().unwrap();
        let tls = Arc::new(ArcSwap::from_pointee(Tls::new(&Identity::load(files).unwrap()).unwrap()));
        let stop = CancellationToken::new();
        let served =
            tokio::spawn(serve(listeners, tls.clone(), router(), limits, Arc::default(), stop.clone()));
        TestServer { address, tls, stop, served }
    }

    async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn client(&self) -> Client {
        self.client_as(&FIXTURE.client).await
    }

    async fn client_as(&self, files: &Files) -> Client {
        self.client_with(Identity::load(files).unwrap().client_config().unwrap()).await.unwrap()
    }

    async fn client_with(&self, config: Arc<ClientConfig>) -> io::Result<Client> {
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(config).connect(name, self.tcp().await).await
    }

    /// Stops the server and returns how long that took.
    async fn stop(self) -> Duration {
        let begin = Instant::now();
        self.stop.cancel();
        self.served.await.unwrap().unwrap();
        begin.elapsed()
    }
}

fn router() -> Router {
    Router::new()
        .route("/", get(async || "hello\n"))
        .route(
            "/peer",
            get(async |Extension(peer): Extension<Arc<Peer>>| {
                format!("{} {} {}\n", peer.subject, peer.fingerprint, peer.health_only)
            }),
        )
        .route("/length", any(length))
        .route(
            "/checked",
            any(async |Extension(names): Extension<ServedNames>, request: Request<Body>| {
                let (head, body) = request.into_parts();
                match request_check::check(&head, &names) {
                    Ok(()) => length(Request::from_parts(head, body)).await.into_response(),
                    Err(problem) => problem.into_response(),
                }
            }),
        )
        .route("/ignore", any(async || (StatusCode::PAYLOAD_TOO_LARGE, "too large\n".repeat(1000))))
        .route("/hang", get(async || sleep(ms(60_000)).await))
        .route(
            "/work",
            get(async || {
                sleep(ms(300)).await;
                "done\n"
            }),
        )
        .route(
            "/wait",
            get(async |Extension(deadline): Extension<AnswerDeadline>| {
                deadline.allow(ms(400));
                sleep(ms(400)).await;
                "waited\n"
            }),
        )
        .route("/big", get(async || vec![b'x'; 64 << 20]))
        .route(
            "/stream",
            get(async || {
                Body::from_stream(stream::unfold((), async |()| {
                    sleep(ms(20)).await;
                    Some((Ok::<_, io::Error>(Bytes::from("line\n")), ()))
                }))
            }),
        )
}

async fn length(request: Request<Body>) -> impl IntoResponse {
    match to_bytes(request.into_body(), 1 << 20).await {
        Ok(bytes) => (StatusCode::OK, format!("{}\n", bytes.len())),
        Err(e) if BodyError::is_too_slow(&e) => (StatusCode::REQUEST_TIMEOUT, format!("{e}\n")),
        Err(e) => (StatusCode::BAD_REQUEST, format!("{e}\n")),
    }
}

/// Sends `request` and reads one response by its `Content-Length`.
async fn send(client: &mut Client, request: &str) -> io::Result<String> {
    client.write_all(request.as_bytes()).await?;
    read_response(client).await
}

async fn read_response(client: &mut Client) -> io::Result<String> {
    let mut text = Vec::new();
    loop {
        if let Some(head) = text.windows(4).position(|w| w == b"\r\n\r\n") {
            let length = String::from_utf8_lossy(&text[..head]).lines().find_map(|line| {
                line.to_lowercase().strip_prefix("content-length: ").map(|n| n.parse::<usize>().unwrap())
            });
            if text.len() >= head + 4 + length.unwrap_or(0) {
                return Ok(String::from_utf8(text).unwrap());
            }
        }
        if client.read_buf(&mut text).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Waits until the server closes the connection, and returns how long that took; panics after five seconds.
async fn until_closed(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Duration {
    let begin = Instant::now();
    let mut rest = Vec::new();
    let _ = timeout(ms(5000), stream.read_to_end(&mut rest)).await.expect("the server closes");
    begin.elapsed()
}

/// Runs a program without blocking the server.
async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn client_config(
    version: &'static rustls::SupportedProtocolVersion,
    files: Option<&Files>,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in Identity::load(&FIXTURE.server).unwrap().authorities().roots.iter() {
        roots.roots.push(certificate.clone());
    }
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match files {
        Some(files) => builder.with_client_cert_resolver(Identity::load(files).unwrap().resolver()),
        None => builder.with_no_client_auth(),
    })
}

async fn curl(server: &TestServer, url: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let url = url.replace("HOST", &format!("127.0.0.1:{}", server.address.port()));
    let mut command = Command::new("curl");
    command.args(["-sS", "-m", "10", &url]).args(arguments);
    let output = run(command).await;
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text)
}
