//! Connections, HTTP/1.1, and the faults that happen there.
//!
//! A separate task performs each request, so that it continues after its client has disconnected.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::Response;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use swarm_cluster_state_manager::connector::Target;
use swarm_cluster_state_manager::core::engine_kind::EngineKind;
use tokio::io::DuplexStream;
use tokio::time::sleep;

use super::faults::Fault;
use super::request::Request;
use super::{FakeDocker, docker, lock, swarm};

/// The buffer of an in-memory stream.
const BUFFER_BYTES: usize = 64 * 1024;
/// Between the first half of an answer and the cut, so that the half arrives.
const CUT: Duration = Duration::from_millis(1);

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: Content,
}

/// An answer's body.
pub(crate) enum Content {
    Whole(Vec<u8>),
    /// One piece per event, until the connection ends.
    Stream(stream::BoxStream<'static, Vec<u8>>),
}

impl Reply {
    pub(crate) fn new(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Reply {
        Reply { status, content_type, body: Content::Whole(body.into()) }
    }

    pub(crate) fn json(status: u16, value: &serde_json::Value) -> Reply {
        Reply::new(status, "application/json", value.to_string())
    }

    pub(crate) fn empty(status: u16) -> Reply {
        Reply::new(status, "", Vec::new())
    }

    fn into_response(self) -> Response<Body> {
        let body = match self.body {
            Content::Whole(bytes) => Full::from(bytes).map_err(never).boxed_unsync(),
            Content::Stream(events) => StreamBody::new(events.map(piece)).boxed_unsync(),
        };
        response(self.status, self.content_type, body)
    }

    /// Its first half, after which the connection is cut.
    fn into_half(self) -> Response<Body> {
        let whole = match self.body {
            Content::Whole(bytes) if bytes.is_empty() => b"{}".to_vec(),
            Content::Whole(bytes) => bytes,
            Content::Stream(_) => br#"{"status":"die","id":"#.to_vec(),
        };
        let half = whole[..whole.len().div_ceil(2)].to_vec();
        let cut = stream::once(async {
            sleep(CUT).await;
            Err(io::ErrorKind::ConnectionReset.into())
        });
        let body = StreamBody::new(stream::iter([piece(half)]).chain(cut)).boxed_unsync();
        // An answer without a body cannot be halved.
        let status = if matches!(self.status, 204 | 304) { 200 } else { self.status };
        let mut response = response(status, self.content_type, body);
        response.headers_mut().insert(http::header::CONTENT_LENGTH, whole.len().into());
        response
    }

    /// The same status with an unreadable body.
    fn into_nonsense(self) -> Response<Body> {
        let status = if matches!(self.status, 204 | 304) { 200 } else { self.status };
        Reply::new(status, "text/html", "<html>It works!</html>").into_response()
    }
}

fn never(error: Infallible) -> io::Error {
    match error {}
}

fn piece(bytes: Vec<u8>) -> io::Result<Frame<Bytes>> {
    Ok(Frame::data(bytes.into()))
}

fn response(status: u16, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::builder().status(status);
    if !content_type.is_empty() {
        response = response.header(http::header::CONTENT_TYPE, content_type);
    }
    response.body(body).unwrap()
}

/// Cuts the connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("cut")]
struct Cut;

impl FakeDocker {
    /// The target of the client.
    pub(crate) fn target(&self) -> Target {
        let fake = self.clone();
        Target::Within(Arc::new(move || fake.connect()))
    }

    fn connect(&self) -> io::Result<DuplexStream> {
        let mut network = lock(&self.0.network);
        if !network.open || self.faults(|faults| faults.refuses()) {
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused"));
        }
        let (ours, theirs) = tokio::io::duplex(BUFFER_BYTES);
        while network.connections.try_join_next().is_some() {}
        network.connections.spawn(self.clone().serve(ours));
        Ok(theirs)
    }

    /// Cuts all connections; accepts new ones only if `open`.
    pub(super) fn cut_all(&self, open: bool) {
        let mut network = lock(&self.0.network);
        network.connections.abort_all();
        network.open = open;
    }

    async fn serve(self, stream: DuplexStream) {
        let keep_alive = self.0.keep_alive;
        let service = service_fn(move |request| self.clone().respond(request));
        // Ends with an error when a client disconnects or a fault cuts the connection.
        let _ = http1::Builder::new()
            .keep_alive(keep_alive)
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    async fn respond(self, request: http::Request<Incoming>) -> Result<Response<Body>, Cut> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        let request = Request::read(&head.method, &head.uri, &body);
        let call = request.call();
        let fault = call.and_then(|call| self.faults(|faults| faults.arrives(call)));
        self.0.changed.send_replace(());
        let work = |begin: Duration, longer: Duration| {
            let (fake, request) = (self.clone(), request.clone());
            let work = tokio::spawn(async move {
                sleep(begin).await;
                fake.answer(request, longer).await
            });
            async { work.await.map_err(|_| Cut) }
        };
        let now = Duration::ZERO;
        match fault {
            None => {
                let mut reply = work(now, now).await?;
                if let (Some(call), Content::Whole(body)) = (call, &mut reply.body)
                    && let Some(rewrite) = lock(&self.0.rewrites).get(&call)
                {
                    *body = rewrite(std::mem::take(body));
                }
                Ok(reply.into_response())
            }
            Some(Fault::Refused | Fault::DroppedBefore) => Err(Cut),
            Some(Fault::DroppedAfter) => work(now, now).await.and(Err(Cut)),
            Some(Fault::Error500) => Ok(self.server_error("out of order").into_response()),
            Some(Fault::DoneBut500(message)) => {
                work(now, now).await?;
                Ok(self.server_error(message).into_response())
            }
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::HangAfter) => {
                work(now, now).await?;
                std::future::pending().await
            }
            Some(Fault::LandsLate(by)) => {
                drop(work(now, by));
                std::future::pending().await
            }
            Some(Fault::ArrivesLate(by)) => {
                drop(work(by, now));
                std::future::pending().await
            }
            Some(Fault::HalfBody) => Ok(work(now, now).await?.into_half()),
            Some(Fault::Nonsense) => Ok(work(now, now).await?.into_nonsense()),
        }
    }

    /// Performs a request and answers it. The effect takes `longer` than usual.
    async fn answer(self, request: Request, longer: Duration) -> Reply {
        match self.kind() {
            EngineKind::ClassicSwarm => swarm::answer(&self, request, longer).await,
            _ => docker::answer(&self, request, longer).await,
        }
    }

    fn server_error(&self, message: &str) -> Reply {
        match self.kind() {
            EngineKind::ClassicSwarm => swarm::error(500, message),
            _ => docker::error(500, message),
        }
    }

    /// Performs a request without HTTP and without faults; returns the status code and the body.
    pub(crate) async fn request(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let request = Request::read(&method.parse().unwrap(), &path.parse().unwrap(), body.as_bytes());
        let Reply { status, body, .. } = self.clone().answer(request, Duration::ZERO).await;
        match body {
            Content::Whole(bytes) => (status, String::from_utf8(bytes).unwrap()),
            Content::Stream(_) => (status, String::new()),
        }
    }
}
