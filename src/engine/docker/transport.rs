//! The transport to the endpoint.
//!
//! A pool of HTTP/1.1 connections over a Unix socket, or TCP with or without TLS. TLS trusts only the given CA. A connect has
//! a deadline, including name lookup and handshake; an answer has a bound in bytes. Errors distinguish whether the request may
//! have reached the endpoint.

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

/// The deadline for name lookup, TCP connect and TLS handshake.
const CONNECT: Duration = Duration::from_secs(5);
/// The largest answer that is decoded while it arrives: a list of 100,000 containers at 2 KiB each fits. An event stream ends
/// after this much and is opened again.
const STREAM_MAX_BYTES: u64 = 256 * 1024 * 1024;
/// The read buffer of a log, which bounds the memory for each stalled reader.
const LOG_AHEAD_BYTES: usize = 64 * 1024;
/// Idle connections are closed after this.
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
        /// The trusted CA and our certificate.
        tls: Option<Arc<ClientConfig>>,
    },
    /// An endpoint within this process, for tests of the whole client on a paused clock, where sockets cannot be awaited.
    /// Each call is a connect; an error is a refused connection.
    Within(Arc<dyn Fn() -> io::Result<DuplexStream> + Send + Sync>),
}

/// A request without an answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TransportError {
    /// The request cannot have reached the endpoint.
    #[error("{0}")]
    NeverSent(String),
    /// The request may have reached the endpoint.
    #[error("{0}")]
    Broken(String),
}

impl From<TransportError> for EngineError {
    fn from(error: TransportError) -> Self {
        EngineError::unanswered(error.to_string())
    }
}

type Body = Full<Bytes>;

/// A pool of connections to one endpoint. Clones share it.
#[derive(Clone)]
pub struct Transport {
    requests: Client<Connector, Body>,
    /// For logs. Its connections belong to the runtime of the clients that read them, so nothing else depends on it.
    logs: Client<Connector, Body>,
    /// The version before each path, such as `/v1.41`; empty before it is negotiated.
    prefix: Arc<ArcSwap<String>>,
    /// The address, for messages.
    shown: Arc<str>,
}

impl Transport {
    /// An empty pool.
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

    /// The address, for messages.
    pub(super) fn address(&self) -> &str {
        &self.shown
    }

    /// Sets the API version for all later requests.
    pub(super) fn speak(&self, api: &str) {
        self.prefix.store(Arc::new(format!("/v{api}")));
    }

    /// Sends a request. `path` begins with a slash and has no version.
    pub(super) async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Response<Incoming>, TransportError> {
        self.send_over(&self.requests, own_request(method, path, body)?).await
    }

    /// Sends a request for the log of a container.
    pub(super) async fn request_logs(
        &self,
        method: Method,
        path: &str,
    ) -> Result<Response<Incoming>, TransportError> {
        self.send_over(&self.logs, own_request(method, path, None)?).await
    }

    /// Sends a request with the API version before its path.
    async fn send_over(
        &self,
        client: &Client<Connector, Body>,
        mut request: Request<Body>,
    ) -> Result<Response<Incoming>, TransportError> {
        let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
        // The version is requested without a version.
        let prefix = if path == "/version" { Arc::default() } else { self.prefix.load_full() };
        *request.uri_mut() = format!("http://engine{prefix}{path}")
            .parse::<Uri>()
            .map_err(|e| TransportError::NeverSent(format!("invalid path {path}: {e}")))?;
        client.request(request).await.map_err(|error| {
            let message = root_cause(&error);
            if error.is_connect() {
                TransportError::NeverSent(message)
            } else {
                TransportError::Broken(message)
            }
        })
    }
}

/// Builds a request.
fn own_request(method: Method, path: &str, body: Option<Vec<u8>>) -> Result<Request<Body>, TransportError> {
    Request::builder()
        .method(method)
        .uri(format!("http://engine{path}"))
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(Full::from(body.unwrap_or_default()))
        .map_err(|e| TransportError::NeverSent(format!("invalid request: {e}")))
}

/// The message of the innermost error, which is the cause, with a hint.
pub(super) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let message = sanitize::message(&innermost.to_string());
    if message.contains("UnknownIssuer") || message.contains("BadSignature") {
        return format!(
            "{message}: the engine's certificate is not signed by the CA given with --tlscacert or --engine-tlscacert"
        );
    }
    if message.contains("received fatal alert") {
        return format!(
            "{message}: the engine refuses this daemon's certificate (--tlscert or --engine-tlscert)"
        );
    }
    message
}

/// Opens connections.
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

/// A connection that counts the bytes read since the last request was written: no answer, however it is framed, can be longer
/// than `max`.
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
                let message = format!("the answer is longer than {} bytes", self.max);
                Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, message)))
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
