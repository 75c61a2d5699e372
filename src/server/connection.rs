//! One connection after its handshake: HTTP/1.1 by hyper, and a deadline for every wait.
//!
//! Hyper reads requests and writes responses; the router handles them. After each poll, the connection's task asks its
//! `ConnectionProgress` for the next deadline, and sets its one timer to it:
//!
//! - a head that does not end ([`Limits::head`]), a connection without requests ([`Limits::idle`]),
//! - a client that does not read its response ([`Limits::stall`]).
//!
//! The handler sees a body that does not end as [`BodyError::TooSlow`] ([`Limits::body`]). A handler that does not answer
//! is cut off with 503 ([`Limits::handler`], [`AnswerDeadline`]). An identity that exceeds its rate gets 429 with
//! `Retry-After`.
//!
//! At the stop signal, an idle connection closes at once, a busy one after its response, and a stream after what it has
//! written.
//!
//! It makes no access decisions (it only adds the peer to the request) and does not inspect bodies.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use governor::clock::Clock;
use governor::{DefaultKeyedRateLimiter, Quota};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;
use tokio_util::io::InspectReader;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{debug, warn};

use self::body::{AnswerBody, Exchange, RequestBody};
use self::progress::Overdue;
use self::request_heads::RequestHeads;
use super::peer::Peer;
use super::request_check::ServedNames;
use crate::api::problem::{Problem, ProblemKind};
use crate::server::limits::Limits;
use crate::server::throttle::Throttle;
use crate::telemetry::Metrics;

mod body;
mod deadline;
mod linger;
mod progress;
mod progress_stream;
mod request_heads;

pub(crate) use body::BodyError;
pub(crate) use deadline::AnswerDeadline;
pub(super) use linger::linger;
pub(super) use progress::ConnectionProgress;
pub(super) use progress_stream::ProgressStream;

/// Maximum size of a request head and of the read buffer, in bytes per connection: eight times the usual limit of
/// proxies.
const BUFFER: usize = 64 << 10;

/// Shared by all connections.
pub(super) struct Shared {
    pub(super) limits: Limits,
    pub(super) stop: CancellationToken,
    pub(super) throttle: Throttle,
    pub(super) metrics: Arc<Metrics>,
    router: Router,
    rate: DefaultKeyedRateLimiter<Arc<str>>,
    /// The handshakes of each identity, with the same rate as its requests.
    connects: DefaultKeyedRateLimiter<Arc<str>>,
}

impl Shared {
    pub(super) fn new(
        router: Router,
        limits: Limits,
        stop: CancellationToken,
        throttle: Throttle,
        metrics: Arc<Metrics>,
    ) -> Shared {
        let quota = Quota::per_second(limits.requests_per_second).allow_burst(limits.request_burst);
        let [rate, connects] = [(); 2].map(|()| DefaultKeyedRateLimiter::keyed(quota));
        Shared { limits, stop, throttle, metrics, router, rate, connects }
    }

    /// Drops identities with a full burst from the rate limiter; this changes no decision.
    pub(super) fn forget_quiet_identities(&self) {
        for limiter in [&self.rate, &self.connects] {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }

    /// Whether an identity connects no more often than it may send requests.
    pub(super) fn may_connect(&self, identity: &Arc<str>) -> bool {
        self.connects.check_key(identity).is_ok()
    }

    /// How long an identity must wait before its next request; `None` if it may send one now.
    fn wait(&self, identity: &Arc<str>) -> Option<Duration> {
        let too_early = self.rate.check_key(identity).err()?;
        Some(too_early.wait_time_from(self.rate.clock().now()))
    }
}

/// Serves one connection to its end.
pub(super) async fn serve_connection(
    stream: TlsStream<ProgressStream<TcpStream>>,
    peer: Arc<Peer>,
    names: ServedNames,
    progress: Arc<ConnectionProgress>,
    shared: &Arc<Shared>,
) {
    progress.greeted();
    let heads = Arc::new(RequestHeads::default());
    let watch = {
        let heads = heads.clone();
        move |bytes: &[u8]| heads.watch(bytes)
    };
    let service = Answering {
        peer: peer.clone(),
        names,
        progress: progress.clone(),
        heads: heads.clone(),
        shared: shared.clone(),
    };
    let mut connection = http1::Builder::new()
        // `ConnectionProgress` has the finer deadlines.
        .header_read_timeout(None)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(InspectReader::new(stream, watch)), service);

    let mut stopped = pin!(shared.stop.cancelled());
    let mut stopping = false;
    let mut timer = pin!(sleep(Duration::ZERO));
    let end = poll_fn(|cx| {
        if !stopping && stopped.as_mut().poll(cx).is_ready() {
            stopping = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        if let Poll::Ready(result) = connection.poll_without_shutdown(cx) {
            return Poll::Ready(Ok(result));
        }
        // Nothing is left to do now: which deadline is next?
        let Some((deadline, overdue)) = progress.deadline(&shared.limits) else { return Poll::Pending };
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(cx).map(|()| Err(overdue))
    })
    .await;

    let stream = connection.into_parts().io.into_inner().into_inner();
    let limits = &shared.limits;
    match end {
        Ok(Ok(())) => close(stream, progress.is_unread(), limits.linger).await,
        Ok(Err(e)) => {
            debug!(peer = %peer.address, "the connection ended early: {e}");
            close(stream, progress.is_unread() || e.is_parse(), limits.linger).await;
        }
        Err(Overdue::Idle) => close(stream, false, limits.linger).await,
        Err(Overdue::Head) => {
            let limit = humantime::format_duration(limits.head);
            shared.throttle.log(
                "head",
                peer.address,
                "connection closed",
                &format!("the head of its request was not complete within {limit}"),
            );
            close(stream, false, limits.linger).await;
        }
        Err(Overdue::Stalled) => {
            let limit = humantime::format_duration(limits.stall);
            shared.throttle.log(
                "stall",
                peer.address,
                "connection closed",
                &format!("it read nothing of its answer for {limit}"),
            );
            // Without this, the kernel would retry the response for minutes.
            let _ = stream.get_ref().0.get_ref().set_zero_linger();
        }
    }
}

/// Ends TLS and the connection; `still_sending` if the client may still send data.
async fn close(mut stream: TlsStream<ProgressStream<TcpStream>>, still_sending: bool, bound: Duration) {
    let farewell = timeout(bound, stream.shutdown()).await;
    if still_sending && matches!(farewell, Ok(Ok(()))) {
        linger(stream.into_inner().0.into_inner(), bound).await;
    }
}

/// The service of one connection.
#[derive(Clone)]
struct Answering {
    peer: Arc<Peer>,
    names: ServedNames,
    progress: Arc<ConnectionProgress>,
    heads: Arc<RequestHeads>,
    shared: Arc<Shared>,
}

impl Service<Request<Incoming>> for Answering {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let exchange = Exchange::begin(self.progress.clone());
        if let Some(length) = self.heads.dropped_length() {
            request.headers_mut().insert(CONTENT_LENGTH, length);
        }
        let this = self.clone();
        Box::pin(async move {
            let last = request.headers().contains_key(TRANSFER_ENCODING);
            let mut answer = this.answer(request).await;
            if last {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(answer.map(|body| AnswerBody::new(body, &this.shared.stop, exchange)))
        })
    }
}

impl Answering {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let Shared { limits, router, metrics, .. } = &*self.shared;
        let asked = metrics.requests.begin(request.method());
        if let Some(wait) = self.shared.wait(&self.peer.identity) {
            asked.answered(StatusCode::TOO_MANY_REQUESTS, false);
            return too_many_requests(wait, limits);
        }
        let (mut head, body) = request.into_parts();
        let (body, reading) = match body.is_end_stream() {
            true => (Body::empty(), Duration::ZERO),
            false => (Body::new(RequestBody::new(body, limits.body, self.progress.clone())), limits.body),
        };
        let deadline = AnswerDeadline::new(limits.handler, reading);
        head.extensions.insert(self.peer.clone());
        head.extensions.insert(self.names.clone());
        head.extensions.insert(deadline.clone());
        head.extensions.insert(asked.route());
        let what = format!("{} {}", head.method, head.uri.path());
        let answer = match deadline.keep(router.clone().oneshot(Request::from_parts(head, body))).await {
            Some(Ok(answer)) => answer,
            Some(Err(never)) => match never {},
            None => {
                warn!(peer = %self.peer.address, "{what}: no response in time");
                overdue()
            }
        };
        asked.answered(answer.status(), deadline.extended());
        answer
    }
}

fn too_many_requests(wait: Duration, limits: &Limits) -> Response<Body> {
    let detail = format!(
        "One identity may send {} requests a second, and {} at once. Try again as Retry-After says.",
        limits.requests_per_second, limits.request_burst
    );
    problem(ProblemKind::TooManyRequests, wait, &detail)
}

fn overdue() -> Response<Body> {
    let detail = "The daemon did not answer in time. The request may still take effect: GET /objects shows whether it \
                  did, and repeating it does no harm.";
    problem(ProblemKind::NoAnswerInTime, Duration::ZERO, detail)
}

/// An error response of the connection itself, with a `Retry-After`.
fn problem(kind: ProblemKind, retry_after: Duration, detail: &str) -> Response<Body> {
    // Rounded up, so that it is never 0.
    let seconds = u32::try_from(retry_after.as_secs() + 1).unwrap_or(u32::MAX);
    Problem::new(kind, detail).retry_after(seconds).into_response()
}
