//! Turns for the few requests that cost much: submits with a large body, dry runs, and `/plan`.
//!
//! Such a request takes a permit before its body is read, and keeps it until what was made of the body is stored or
//! thrown away. So a flood of them takes the memory and the time of a few, and its clients wait with their bodies
//! unsent; and as one identity has half of the permits at most, another one's request is not behind all of a flood.
//! Large bodies are parsed, and forecasts made, on threads of their own.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::fair_share::{FairShare, Permit};
use super::peer::Peer;
use super::problem::Problem;
use crate::model::submission::{self, Submission};

/// Expensive requests at once, most of which wait for their turn with a body of up to 1 MiB in memory.
const AT_ONCE: usize = 8;
/// Large bodies that are parsed at once: each is some ten times its size while it is.
const PARSED_AT_ONCE: usize = 2;
/// A body that is longer than this many bytes is a large one: below it, parsing takes a millisecond.
const LARGE_BODY: u64 = 32 << 10;
/// The longest wait for a permit. Below the deadline of handlers, so that it ends with an answer.
const WAIT: Duration = Duration::from_secs(20);

/// The turns. Clones share them.
#[derive(Debug, Clone)]
pub struct Expensive {
    permits: Arc<FairShare>,
    parsing: Arc<Semaphore>,
    forecasting: Arc<Semaphore>,
}

impl Default for Expensive {
    fn default() -> Expensive {
        Expensive {
            permits: FairShare::new(AT_ONCE),
            parsing: Arc::new(Semaphore::new(PARSED_AT_ONCE)),
            // One, so that a flood of forecasts leaves a processor to everybody else.
            forecasting: Arc::new(Semaphore::new(1)),
        }
    }
}

impl Expensive {
    /// Whether a body is, or may be, a large one.
    pub(super) fn is_large(body: &impl HttpBody) -> bool {
        body.size_hint().upper().is_none_or(|length| length > LARGE_BODY)
    }

    /// A permit, as soon as this client may have one.
    pub(super) async fn permit(&self, peer: &Peer) -> Result<Permit, Problem> {
        timeout(WAIT, self.permits.wait_for(&peer.identity)).await.map_err(|_| {
            let detail = format!(
                "this identity has several large requests under way, and this one has waited for {} in vain; nothing \
                 was done; come back as Retry-After says",
                humantime::format_duration(WAIT)
            );
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Too many large requests", detail).retry_after(5)
        })
    }

    /// The turn to make a forecast.
    pub(super) async fn forecast(&self) -> Option<OwnedSemaphorePermit> {
        self.forecasting.clone().acquire_owned().await.ok()
    }

    /// Reads what was submitted, up to `most` objects.
    pub(super) async fn parse(&self, body: Bytes, most: usize) -> Result<Submission, Problem> {
        if u64::try_from(body.len()).is_ok_and(|length| length <= LARGE_BODY) {
            return Ok(submission::read_at_most(&body, most)?);
        }
        let turn = self.parsing.clone().acquire_owned().await;
        let parsed = tokio::task::spawn_blocking(move || {
            let read = submission::read_at_most(&body, most);
            // A client that left has not ended this thread: the turn is over when the work is.
            drop(turn);
            read
        });
        match parsed.await {
            Ok(read) => Ok(read?),
            Err(died) => {
                let detail = format!("the reading of the body died: {died}; nothing was done");
                Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "Parser died", detail))
            }
        }
    }
}
