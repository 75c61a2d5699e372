//! The deadline of a handler for the head of its response.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::clock;

/// The deadline of one response. A handler that waits (`?wait=60s`) takes it from the extensions of the request and extends
/// it; other handlers are cut off after the usual time.
///
/// It ends with the head of the response: a streamed body may take as long as the client reads.
#[derive(Debug, Clone)]
pub(crate) struct AnswerDeadline {
    usual: Duration,
    until: Arc<Mutex<Instant>>,
    extended: Arc<AtomicBool>,
}

impl AnswerDeadline {
    pub(super) fn new(usual: Duration, reading_body: Duration) -> AnswerDeadline {
        AnswerDeadline {
            usual,
            until: Arc::new(Mutex::new(clock::monotonic() + reading_body + usual)),
            extended: Arc::default(),
        }
    }

    /// Extends the deadline by `wait` from now plus the usual time. Never shortens it.
    pub(crate) fn allow(&self, wait: Duration) {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(clock::monotonic() + wait + self.usual);
        self.extended.store(true, Ordering::Relaxed);
    }

    /// Whether the handler extended the deadline.
    pub(super) fn extended(&self) -> bool {
        self.extended.load(Ordering::Relaxed)
    }

    /// Awaits `answer` until the deadline, which may move meanwhile.
    pub(super) async fn keep<T>(&self, answer: impl Future<Output = T>) -> Option<T> {
        let mut answer = pin!(answer);
        loop {
            let until = self.until();
            match timeout_at(until, answer.as_mut()).await {
                Ok(answer) => return Some(answer),
                Err(_) if self.until() > until => {}
                Err(_) => return None,
            }
        }
    }

    fn until(&self) -> Instant {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
