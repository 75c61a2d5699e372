//! The time that a handler has for the head of its answer.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::clock;

/// The deadline of one request's answer. A handler that is asked to wait (`?wait=60s`) takes it out of the
/// request's extensions and says so; whoever does not is cut off after the usual time.
///
/// It ends with the answer's head: a body that is streamed may take as long as the client reads.
#[derive(Debug, Clone)]
pub struct AnswerDeadline {
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

    /// The answer may take `wait` from now, and after that the usual time. Never shortens.
    pub fn allow(&self, wait: Duration) {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(clock::monotonic() + wait + self.usual);
        self.extended.store(true, Ordering::Relaxed);
    }

    /// Whether the handler was asked to wait.
    pub(super) fn extended(&self) -> bool {
        self.extended.load(Ordering::Relaxed)
    }

    /// Awaits `answer` until the deadline, wherever that has moved meanwhile.
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
