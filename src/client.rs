//! A client of the daemon, for the subcommands.
//!
//! [`Daemon`] sends one request and returns its answer over a small pool of HTTPS connections; [`Lines`] reads an endless
//! answer. The daemon's certificate must be signed by the CA file and name the requested host; the system's trust store is
//! not used. Every wait has a deadline: the connect, the head of an answer, its body, and the silence of a stream.
//!
//! Nothing is retried here, as only the caller knows whether that is harmless. An error says whether the request cannot have
//! reached the daemon, may have reached it, or was refused.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::api::problem::Problem;
use crate::certificates::{CertificateError, Identity};
use crate::connector::{self, Connector, Target};

mod address;
mod error;
mod hints;
mod lines;
mod tls;

pub(crate) use address::Address;
pub(crate) use error::ClientError;
pub(crate) use lines::Lines;

/// The deadline for name lookup, TCP connect and TLS handshake; the daemon has the same for a handshake.
const CONNECT: Duration = Duration::from_secs(10);
/// From a request to the head of its answer, in addition to a requested wait; the daemon has the same deadline.
const HEAD: Duration = Duration::from_secs(35);
/// From the head of an answer to its end.
const BODY: Duration = Duration::from_secs(60);
/// The largest answer, in bytes: enough for the status of 100,000 containers.
const ANSWER_MAX_BYTES: usize = 256 << 20;

/// A connection to a daemon.
#[derive(Debug, Clone)]
pub struct Daemon {
    http: Client<Connector, Full<Bytes>>,
    address: Address,
    /// What the client presents, to explain a refusal.
    identity: Arc<Identity>,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Ask {
    method: Method,
    path: String,
    headers: Vec<(header::HeaderName, String)>,
    body: Bytes,
    waiting: Duration,
}

impl Ask {
    /// A request without a body. `path` begins with a slash.
    pub fn new(method: Method, path: impl Into<String>) -> Ask {
        Ask { method, path: path.into(), headers: Vec::new(), body: Bytes::new(), waiting: Duration::ZERO }
    }

    /// Adds a query parameter.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: &str) -> Ask {
        let join = if self.path.contains('?') { '&' } else { '?' };
        let pair = form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish();
        self.path = format!("{}{join}{pair}", self.path);
        self
    }

    /// Adds a header.
    #[must_use]
    pub(crate) fn header(mut self, name: header::HeaderName, value: impl Into<String>) -> Ask {
        self.headers.push((name, value.into()));
        self
    }

    /// Sets a JSON body.
    #[must_use]
    pub fn body(mut self, json: impl Into<Bytes>) -> Ask {
        self.body = json.into();
        self
    }

    /// Has the daemon wait up to `wait` for the outcome.
    #[must_use]
    pub(crate) fn wait(self, wait: Duration) -> Ask {
        let mut ask = self.with("wait", &humantime::format_duration(wait).to_string().replace(' ', ""));
        ask.waiting = wait;
        ask
    }
}

/// A complete answer.
#[derive(Debug, Clone)]
pub struct Answer {
    address: Address,
    /// The status.
    pub(crate) status: StatusCode,
    /// The body.
    pub(crate) body: Bytes,
    /// The daemon's time, in whole seconds.
    pub(crate) date: Option<SystemTime>,
}

impl Answer {
    /// The answer if it is a success, else [`ClientError::Refused`].
    pub(crate) fn succeeded(self) -> Result<Answer, ClientError> {
        match self.status.is_success() {
            true => Ok(self),
            false => Err(refused(&self.address, self.status, &self.body)),
        }
    }

    /// Parses the body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body).map_err(|e| {
            ClientError::unexpected(&self.address, self.status, format!("cannot parse its body: {e}"))
        })
    }
}

impl Daemon {
    /// A client for the daemon at `address`. Sends nothing yet.
    pub fn new(address: Address, identity: &Identity) -> Result<Daemon, CertificateError> {
        let tls = Some(identity.client_config()?.into());
        let target = Target::Tcp { host: address.host.clone(), port: address.port, tls };
        let http = connector::pools().build(Connector::new(target, CONNECT));
        Ok(Daemon { http, address, identity: Arc::new(identity.clone()) })
    }

    /// The daemon's address.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Sends a request and reads the whole answer; an unsuccessful one is [`ClientError::Refused`].
    pub async fn ask(&self, ask: Ask) -> Result<Answer, ClientError> {
        self.ask_for_any(ask).await?.succeeded()
    }

    /// Sends a request and reads the whole answer, whatever its status.
    pub(crate) async fn ask_for_any(&self, ask: Ask) -> Result<Answer, ClientError> {
        let response = self.head(ask).await?;
        let status = response.status();
        let date = response.headers().get(header::DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
        let body = self.rest(response.into_body()).await?;
        Ok(Answer { address: self.address.clone(), status, body, date })
    }

    /// Sends a request whose answer is an endless stream with one JSON value per line.
    pub(crate) async fn stream(&self, ask: Ask) -> Result<Lines, ClientError> {
        let response = self.head(ask).await?;
        if response.status().is_success() {
            return Ok(Lines::new(response.into_body(), self.address.clone()));
        }
        let status = response.status();
        let body = self.rest(response.into_body()).await?;
        Err(refused(&self.address, status, &body))
    }

    /// Sends a request and waits for the head of the answer.
    async fn head(&self, ask: Ask) -> Result<Response<Incoming>, ClientError> {
        let within = HEAD + ask.waiting;
        let impossible = |e: String| ClientError::NotSent { address: self.address.clone(), message: e };
        let uri: Uri = format!("https://{}{}", self.address, ask.path)
            .parse()
            .map_err(|e: http::uri::InvalidUri| impossible(e.to_string()))?;
        let mut request = Request::builder().method(ask.method).uri(uri);
        if !ask.body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in ask.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(ask.body)).map_err(|e| impossible(e.to_string()))?;
        match timeout(within, self.http.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => {
                let explained = tls::explain(&self.address, &self.identity, &error);
                Err(explained.unwrap_or_else(|| ClientError::of(&self.address, error.is_connect(), &error)))
            }
            Err(_) => Err(ClientError::Broken {
                address: self.address.clone(),
                message: format!("no answer within {}", humantime::format_duration(within)),
            }),
        }
    }

    async fn rest(&self, body: Incoming) -> Result<Bytes, ClientError> {
        let broken = |message| ClientError::Broken { address: self.address.clone(), message };
        match timeout(BODY, Limited::new(body, ANSWER_MAX_BYTES).collect()).await {
            Ok(Ok(whole)) => Ok(whole.to_bytes()),
            Ok(Err(error)) => Err(broken(error.to_string())),
            Err(_) => {
                Err(broken(format!("its answer was incomplete after {}", humantime::format_duration(BODY))))
            }
        }
    }
}

fn refused(address: &Address, status: StatusCode, body: &[u8]) -> ClientError {
    match serde_json::from_slice::<Problem>(body) {
        Ok(mut problem) => {
            problem.detail = hints::with_subcommands(&problem.detail);
            ClientError::Refused(Box::new(problem))
        }
        Err(_) => {
            let text = String::from_utf8_lossy(body).trim().chars().take(200).collect();
            ClientError::unexpected(address, status, text)
        }
    }
}
