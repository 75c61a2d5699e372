//! Turns for the few requests that cost much: submits with a large body, dry runs, and `/plan`.
//!
//! Such a request takes a permit before its body is read, and keeps it until what was made of the body is stored or
//! thrown away. So a flood of them takes the memory and the time of a few, and its clients wait with their bodies
//! unsent; and as one identity has half of the permits at most, another one's request is not behind all of a flood.
//! Large bodies are parsed, and forecasts made, one at a time on a thread that gives way to all others.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use axum::http::StatusCode;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::endpoint;
use super::problem::Problem;
use crate::core::policy;
use crate::core::submission::{self, Generations, Submission};
use crate::engine::EngineInfo;
use crate::server::fair_share::{FairShare, Permit};
use crate::server::peer::Peer;

/// Expensive requests at once, most of which wait for their turn with a body of up to 1 MiB in memory.
const AT_ONCE: usize = 8;
/// A body that is longer than this many bytes is a large one: below it, parsing takes a millisecond.
const LARGE_BODY: u64 = 32 << 10;
/// The nice value of the thread: next to one that wants the processor, too, it has a tenth of it.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;
/// The longest wait for a permit. Below the deadline of handlers, so that it ends with an answer.
const WAIT: Duration = Duration::from_secs(20);

/// How long the thread stays when it has nothing to do. When it ends, the allocator gives back what it used.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Permits for expensive requests, and the thread that works on them. Clones share both.
#[derive(Debug, Clone)]
pub struct Expensive {
    permits: Arc<FairShare>,
    background: Arc<Background>,
}

impl Expensive {
    /// Fails where the system does not give the process what a thread needs.
    pub fn new() -> io::Result<Expensive> {
        Ok(Expensive { permits: FairShare::new(AT_ONCE), background: Arc::new(Background::new()?) })
    }

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

    /// Does what needs the processor for long, after all that was given before. If the client leaves, what has not
    /// begun is not begun.
    pub(super) async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        AbortOnDropHandle::new(self.background.handle.spawn_blocking(work)).await.map_err(|died| {
            let detail = format!("the work on this request died: {died}; nothing was done");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "Request failed", detail)
        })
    }

    /// Reads what was submitted, up to `most` objects, for this endpoint, where it has answered once; and the generations that
    /// the objects must have.
    pub(super) async fn parse(
        &self,
        body: Bytes,
        most: usize,
        endpoint: Option<EngineInfo>,
    ) -> Result<(Submission, Generations), Problem> {
        let small = u64::try_from(body.len()).is_ok_and(|length| length <= LARGE_BODY);
        let parse = move || -> Result<(Submission, Generations), Problem> {
            let (submission, generations) = submission::read_at_most(&body, most)?;
            policy::authorize(&submission)?;
            endpoint.map_or(Ok(()), |info| endpoint::check(&info, &submission))?;
            Ok((submission, generations))
        };
        Ok(if small { parse()? } else { self.in_turn(parse).await?? })
    }
}

/// One thread, which runs when there is work.
#[derive(Debug)]
struct Background {
    handle: Handle,
    /// There until this is dropped.
    runtime: Option<Runtime>,
}

impl Background {
    fn new() -> io::Result<Background> {
        // No task ever runs in this runtime; of its parts only the pool of blocking threads is used.
        let runtime = Builder::new_current_thread()
            .max_blocking_threads(1)
            .thread_keep_alive(KEEP_ALIVE)
            .thread_name("expensive")
            .on_thread_start(give_way)
            .build()?;
        Ok(Background { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }
}

impl Drop for Background {
    /// A runtime may not be waited for within another one.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Lets the system prefer every other thread to this one, so that a flood of large requests delays nobody else.
#[cfg(target_os = "linux")]
fn give_way() {
    // A nice value is that of the thread on Linux, and may always be raised.
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE) {
        tracing::debug!(%error, "a large request runs with the priority of all others");
    }
}

/// Elsewhere a nice value is that of the whole process.
#[cfg(not(target_os = "linux"))]
fn give_way() {}
