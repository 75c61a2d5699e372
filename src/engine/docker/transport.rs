//! The transport to the endpoint.
//!
//! A pool of HTTP/1.1 connections over a Unix socket, or TCP with or without TLS. TLS trusts only the given CA. A connect has
//! a deadline, including name lookup and handshake; an answer has a bound in bytes. Errors distinguish whether the request may
//! have reached the endpoint.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;

use crate::connector::{self, Connector, Target};
use crate::core::sanitize;
use crate::engine::error::EngineError;

/// The deadline for name lookup, TCP connect and TLS handshake.
const CONNECT: Duration = Duration::from_secs(5);
/// The largest answer that is decoded while it arrives: a list of 100,000 containers at 2 KiB each fits. An event stream ends
/// after this much and is opened again.
const STREAM_MAX_BYTES: u64 = 256 * 1024 * 1024;
/// The read buffer of a log, which bounds the memory for each stalled reader.
const LOG_AHEAD_BYTES: usize = 64 * 1024;

/// A request without an answer.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum TransportError {
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
    pub fn new(target: Target) -> Transport {
        let shown = match &target {
            Target::Unix(path) => format!("unix://{}", path.display()),
            Target::Tcp { host, port, .. } => format!("tcp://{host}:{port}"),
            Target::Within(_) => "this process".to_owned(),
        };
        let connector = Connector::new(target, CONNECT).with_answers_up_to(STREAM_MAX_BYTES);
        let requests = connector::pools().build(connector.clone());
        let logs = connector::pools().http1_max_buf_size(LOG_AHEAD_BYTES).build(connector);
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
pub(super) fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let message = sanitize::message(&connector::cause(error).to_string());
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
