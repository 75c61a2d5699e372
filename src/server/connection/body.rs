//! The bodies of a request and its response, each with its own deadline.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::server::connection::progress::ConnectionProgress;

/// Why a request's body ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// It was not complete in time. Respond with 408.
    #[error("the request's body was not complete within {}", humantime::format_duration(*.0))]
    TooSlow(Duration),
    /// The connection or its framing broke.
    #[error("the request's body broke off: {0}")]
    Broken(#[from] hyper::Error),
}

impl BodyError {
    /// Whether `error` or one of its sources is a request body that was not complete in time. For errors wrapped by axum.
    pub(crate) fn is_too_slow(error: &(dyn Error + 'static)) -> bool {
        let mut causes = std::iter::successors(Some(error), |&error| error.source());
        causes.any(|cause| matches!(cause.downcast_ref(), Some(BodyError::TooSlow(_))))
    }
}

/// A request body with a deadline, which starts when the body is first awaited.
pub(super) struct RequestBody {
    incoming: Incoming,
    bound: Duration,
    /// Created when the body is first pending; most bodies never are.
    timer: Option<Pin<Box<Sleep>>>,
    ended: bool,
    progress: Arc<ConnectionProgress>,
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, bound: Duration, progress: Arc<ConnectionProgress>) -> RequestBody {
        RequestBody { incoming, bound, timer: None, ended: false, progress }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.incoming).poll_frame(cx) {
            this.ended = frame.is_none() || this.incoming.is_end_stream();
            return Poll::Ready(frame.map(|frame| frame.map_err(BodyError::from)));
        }
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep(this.bound)));
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Some(Err(BodyError::TooSlow(this.bound)))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if !self.ended && !self.incoming.is_end_stream() {
            self.progress.left_unread();
        }
    }
}

/// From the head of a request to the end of its response: updates the [`ConnectionProgress`] when dropped.
pub(super) struct Exchange {
    progress: Arc<ConnectionProgress>,
}

impl Exchange {
    pub(super) fn begin(progress: Arc<ConnectionProgress>) -> Exchange {
        progress.asked();
        Exchange { progress }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.progress.answered();
    }
}

/// A response body. A body of unknown length is a stream: it ends, as if complete, when the server stops.
pub(super) struct AnswerBody {
    body: Body,
    stop: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    _exchange: Exchange,
}

impl AnswerBody {
    pub(super) fn new(body: Body, stop: &CancellationToken, exchange: Exchange) -> AnswerBody {
        let stream = body.size_hint().exact().is_none();
        let stop = stream.then(|| Box::pin(stop.clone().cancelled_owned()));
        AnswerBody { body, stop, _exchange: exchange }
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(stop) = &mut self.stop
            && stop.as_mut().poll(cx).is_ready()
        {
            self.stop = None;
            self.body = Body::empty();
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.stop {
            // A stream has no length, and no promise that it is empty.
            Some(_) => SizeHint::default(),
            None => self.body.size_hint(),
        }
    }
}
