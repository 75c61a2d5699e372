//! Permits for expensive requests: submits with a large body, dry runs, and `/plan`.
//!
//! Such a request takes a permit before its body is read, and holds it until the parsed body is stored or dropped. So a
//! flood of them uses the memory and CPU time of a few, and its clients wait with their bodies unsent. One identity has at
//! most half of the permits, so that a flood does not lock out other identities. Large bodies are parsed and forecasts
//! are made one at a time, on a thread of low priority.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::caller::Caller;
use super::endpoint;
use crate::api::problem::{Problem, ProblemKind};
use crate::core::policy;
use crate::core::submission::{self, Generations, Submission};
use crate::engine::EngineInfo;
use crate::server::fair_share::{FairShare, Permit};

/// Expensive requests at a time. Most of them wait for the thread, with a body of up to 1 MiB in memory.
const AT_ONCE: usize = 8;
/// A body with more bytes than this is a large one; a smaller one is parsed within a millisecond.
const LARGE_BODY: u64 = 32 << 10;
/// The nice value of the thread: beside a busy thread of normal priority it gets a tenth of the CPU.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;
/// The longest wait for a permit. Shorter than the deadline of handlers, so that it ends with a proper response.
const WAIT: Duration = Duration::from_secs(20);

/// The idle time after which the thread ends, so that the allocator returns its memory.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Permits for expensive requests, and their thread. Clones share both.
#[derive(Debug, Clone)]
pub(crate) struct Expensive {
    permits: Arc<FairShare>,
    background: Arc<Background>,
}

impl Expensive {
    /// Fails if the runtime of the thread cannot be created.
    pub(crate) fn new() -> io::Result<Expensive> {
        Ok(Expensive { permits: FairShare::new(AT_ONCE), background: Arc::new(Background::new()?) })
    }

    /// Whether a body is, or may be, a large one.
    pub(super) fn is_large(body: &impl HttpBody) -> bool {
        body.size_hint().upper().is_none_or(|length| length > LARGE_BODY)
    }

    /// A permit, as soon as this caller may have one.
    pub(super) async fn permit(&self, caller: &Caller) -> Result<Permit, Problem> {
        timeout(WAIT, self.permits.wait_for(&caller.peer.identity)).await.map_err(|_| {
            let detail = format!(
                "this identity has several large requests under way, and this one has waited for {}; nothing was done; \
                 try again as Retry-After says",
                humantime::format_duration(WAIT)
            );
            Problem::new(ProblemKind::TooManyLargeRequests, detail).retry_after(5)
        })
    }

    /// Runs CPU-bound work on the thread, in the order of the calls. Work that has not begun is dropped when the client
    /// leaves.
    pub(super) async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        AbortOnDropHandle::new(self.background.handle.spawn_blocking(work)).await.map_err(|panic| {
            let detail = format!("the work on this request panicked: {panic}; nothing was done");
            Problem::new(ProblemKind::RequestFailed, detail)
        })
    }

    /// Parses up to `max` submitted objects, and the generations that they must have. Checks them against the endpoint, if
    /// that has answered before.
    pub(super) async fn parse(
        &self,
        body: Bytes,
        max: usize,
        endpoint: Option<EngineInfo>,
    ) -> Result<(Submission, Generations), Problem> {
        let small = u64::try_from(body.len()).is_ok_and(|length| length <= LARGE_BODY);
        let parse = move || -> Result<(Submission, Generations), Problem> {
            let (submission, generations) = submission::read_at_most(&body, max)?;
            policy::authorize(&submission)?;
            endpoint.map_or(Ok(()), |info| endpoint::check(&info, &submission))?;
            Ok((submission, generations))
        };
        Ok(if small { parse()? } else { self.in_turn(parse).await?? })
    }
}

/// One thread, which exists while there is work.
#[derive(Debug)]
struct Background {
    handle: Handle,
    /// `None` only while this is dropped.
    runtime: Option<Runtime>,
}

impl Background {
    fn new() -> io::Result<Background> {
        // Only the pool of blocking threads is used; no task runs in this runtime.
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
    /// A runtime must not be waited for within another one.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Lowers the priority of this thread, so that a flood of large requests delays no other request.
#[cfg(target_os = "linux")]
fn give_way() {
    // On Linux the nice value is one of the thread, and raising it needs no privilege.
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE) {
        tracing::debug!(%error, "large requests run at normal priority");
    }
}

/// Elsewhere the nice value is one of the whole process.
#[cfg(not(target_os = "linux"))]
fn give_way() {}
