//! How requests reach the endpoint.
//!
//! A pool of HTTP/1.1 connections over a Unix socket, or TCP with or without TLS. TLS trusts the given CA and
//! nobody else. A connect has a deadline, name lookup and handshake included; an answer has a bound in bytes.
//! Errors keep apart what matters afterwards: whether the request can have reached the other side.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::core::sanitize;
use crate::engine::error::EngineError;

/// Name lookup, TCP connect and TLS handshake together.
const CONNECT: Duration = Duration::from_secs(5);
/// What one answer may hold that is read while it arrives: a list of 100,000 containers at 2 KiB each fits. An event
/// stream ends after this much, and is opened again.
const STREAM_MAX_BYTES: u64 = 256 * 1024 * 1024;
/// What is read ahead of a log: as many as there may be at once, and readers that stand still, cost no more than this
/// each.
const LOG_AHEAD_BYTES: usize = 64 * 1024;
/// Unused connections are closed after this.
const IDLE: Duration = Duration::from_secs(30);

/// Where requests go.
#[derive(Clone)]
pub enum Address {
    /// A Unix socket.
    Unix(PathBuf),
    /// TCP; with TLS where a configuration is given.
    Tcp {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
        /// Whom to trust and whom to be.
        tls: Option<Arc<ClientConfig>>,
    },
    /// An endpoint within this process: for tests that need the whole of this client on a paused clock, where no
    /// socket may be waited for. Each call is a connect; its error is a refused connection.
    Within(Arc<dyn Fn() -> io::Result<DuplexStream> + Send + Sync>),
}

/// A request that got no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TransportError {
    /// It cannot have reached the endpoint.
    #[error("{0}")]
    NeverSent(String),
    /// It may have.
    #[error("{0}")]
    Broken(String),
}

impl From<TransportError> for EngineError {
    fn from(error: TransportError) -> Self {
        EngineError::new(error.to_string())
    }
}

type Body = Full<Bytes>;

/// A pool of connections to one endpoint. Clones share it.
#[derive(Clone)]
pub struct Transport {
    requests: Client<Connector, Body>,
    /// For logs, which clients read. Its connections are those clients' runtime's, and nothing else waits for that.
    logs: Client<Connector, Body>,
    /// The version before each path, such as `/v1.41`; empty until it is settled.
    prefix: Arc<ArcSwap<String>>,
    /// The address as it is shown in messages.
    shown: Arc<str>,
}

impl Transport {
    /// A pool that is empty yet.
    pub fn new(address: Address) -> Transport {
        let shown = match &address {
            Address::Unix(path) => format!("unix://{}", path.display()),
            Address::Tcp { host, port, .. } => format!("tcp://{host}:{port}"),
            Address::Within(_) => "this process".to_owned(),
        };
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_idle_timeout(IDLE).pool_timer(TokioTimer::new());
        let connector = |max| Connector { address: address.clone(), max };
        let requests = builder.build(connector(STREAM_MAX_BYTES));
        let logs = builder.http1_max_buf_size(LOG_AHEAD_BYTES).build(connector(STREAM_MAX_BYTES));
        Transport { requests, logs, prefix: Arc::default(), shown: shown.into() }
    }

    /// Where requests go, for messages.
    pub(super) fn address(&self) -> &str {
        &self.shown
    }

    /// Settles the API version for all requests to come.
    pub(super) fn speak(&self, api: &str) {
        self.prefix.store(Arc::new(format!("/v{api}")));
    }

    /// Sends a request of ours, whose answer is read while it arrives. `path` begins with a slash and has no version.
    pub(super) async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Response<Incoming>, TransportError> {
        self.send_over(&self.requests, own_request(method, path, body)?).await
    }

    /// Sends a question about a container's log.
    pub(super) async fn request_logs(
        &self,
        method: Method,
        path: &str,
    ) -> Result<Response<Incoming>, TransportError> {
        self.send_over(&self.logs, own_request(method, path, None)?).await
    }

    /// Sends a request, with the API version put before its path.
    async fn send_over(
        &self,
        client: &Client<Connector, Body>,
        mut request: Request<Body>,
    ) -> Result<Response<Incoming>, TransportError> {
        let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
        // The version itself is asked for without one.
        let prefix = if path == "/version" { Arc::default() } else { self.prefix.load_full() };
        *request.uri_mut() = format!("http://engine{prefix}{path}")
            .parse::<Uri>()
            .map_err(|e| TransportError::NeverSent(format!("the path {path} cannot be asked for: {e}")))?;
        client.request(request).await.map_err(|error| {
            let words = root_cause(&error);
            if error.is_connect() { TransportError::NeverSent(words) } else { TransportError::Broken(words) }
        })
    }
}

/// A request of ours.
fn own_request(method: Method, path: &str, body: Option<Vec<u8>>) -> Result<Request<Body>, TransportError> {
    Request::builder()
        .method(method)
        .uri(format!("http://engine{path}"))
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(Full::from(body.unwrap_or_default()))
        .map_err(|e| TransportError::NeverSent(format!("the request cannot be made: {e}")))
}

/// The innermost error is the one that says what happened.
pub(super) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let words = sanitize::message(&innermost.to_string());
    if words.contains("UnknownIssuer") || words.contains("BadSignature") {
        return format!(
            "{words}: the engine's certificate is not signed by the CA given with --tlscacert or --engine-tlscacert"
        );
    }
    if words.contains("received fatal alert") {
        return format!(
            "{words}: the engine refuses this daemon's certificate (--tlscert or --engine-tlscert)"
        );
    }
    words
}

/// Makes connections.
#[derive(Clone)]
struct Connector {
    address: Address,
    /// The most bytes of an answer.
    max: u64,
}

impl Connector {
    async fn connect(self) -> io::Result<TokioIo<Wire>> {
        let io: Pin<Box<dyn Io>> = match self.address {
            Address::Unix(path) => Box::pin(UnixStream::connect(&path).await?),
            Address::Tcp { host, port, tls } => {
                let stream = TcpStream::connect((host.as_str(), port)).await?;
                stream.set_nodelay(true)?;
                match tls {
                    None => Box::pin(stream),
                    Some(config) => {
                        let name = ServerName::try_from(host)
                            .map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
                        Box::pin(tokio_rustls::TlsConnector::from(config).connect(name, stream).await?)
                    }
                }
            }
            Address::Within(connect) => Box::pin(connect()?),
        };
        Ok(TokioIo::new(Wire { io, max: self.max, left: self.max }))
    }
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<Wire>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Wire>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let connect = self.clone().connect();
        Box::pin(async move {
            match tokio::time::timeout(CONNECT, connect).await {
                Ok(connected) => connected,
                Err(_) => {
                    let within = humantime::format_duration(CONNECT);
                    Err(io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {within}")))
                }
            }
        })
    }
}

trait Io: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Io for T {}

/// A connection that counts what it reads. With each request that is written the count begins anew: one
/// answer, however its body is framed, cannot be longer than `max`.
struct Wire {
    io: Pin<Box<dyn Io>>,
    max: u64,
    left: u64,
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = self.io.as_mut().poll_read(cx, buf);
        let read = u64::try_from(buf.filled().len() - before).unwrap_or(u64::MAX);
        match self.left.checked_sub(read) {
            Some(left) => {
                self.left = left;
                polled
            }
            None => {
                let words = format!("the answer is longer than {} bytes", self.max);
                Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, words)))
            }
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.left = self.max;
        self.io.as_mut().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.as_mut().poll_shutdown(cx)
    }
}
