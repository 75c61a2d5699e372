//! Responses that are the same for all clients: built once, and shared.
//!
//! With thousands of containers, a response that shows everything has megabytes. All clients that ask for it while it is
//! up to date get the same bytes; a slow reader holds a reference and no copy. The memory of outdated versions that are
//! still being read is bounded: beyond the bound no new version is built.

use std::sync::Arc;

use axum::body::Bytes;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, watch};

use crate::api::problem::{Problem, ProblemKind};

/// The memory of all versions of a response that are still being read, in KiB: 32 MiB are ten versions of the status of
/// 5,000 containers.
const HELD_KIB: u32 = 32 << 10;
/// A response that was larger than this, in bytes, is built on a thread of its own; below, that takes milliseconds.
const LARGE: usize = 128 << 10;

/// The newest version of one response.
pub(super) struct SharedResponse {
    state: Mutex<State>,
    held: Arc<Semaphore>,
}

struct State {
    sources: Vec<Box<dyn Source>>,
    built: Option<Built>,
}

struct Built {
    key: String,
    bytes: Bytes,
}

/// Something that a response is built from.
trait Source: Send {
    /// Whether it has changed since the last call.
    fn take_change(&mut self) -> bool;
}

impl<T: Send + Sync> Source for watch::Receiver<T> {
    fn take_change(&mut self) -> bool {
        let changed = self.has_changed().unwrap_or(true);
        self.mark_unchanged();
        changed
    }
}

/// The bytes of one version, and their permit for the memory.
struct Held {
    bytes: Vec<u8>,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The sources of a response.
#[derive(Default)]
pub(super) struct Sources(Vec<Box<dyn Source>>);

impl Sources {
    pub(super) fn and<T: Send + Sync + 'static>(mut self, source: watch::Receiver<T>) -> Sources {
        self.0.push(Box::new(source));
        self
    }
}

impl SharedResponse {
    /// A response that is built from these.
    pub(super) fn new(sources: Sources) -> SharedResponse {
        let state = State { sources: sources.0, built: None };
        SharedResponse { state: Mutex::new(state), held: Arc::new(Semaphore::new(HELD_KIB as usize)) }
    }

    /// The last version, if no source has changed since and `key` is the same; else a new one.
    pub(super) async fn get(
        &self,
        key: String,
        build: impl FnOnce() -> Result<Vec<u8>, Problem> + Send + 'static,
    ) -> Result<Bytes, Problem> {
        // One request builds; the others wait for it.
        let mut state = self.state.lock().await;
        // No short circuit: each source must be marked as seen.
        let changed = state.sources.iter_mut().fold(false, |changed, source| source.take_change() | changed);
        let large = state.built.as_ref().is_some_and(|built| built.bytes.len() > LARGE);
        if let Some(built) = state.built.take_if(|built| changed || built.key != key) {
            drop(built);
        }
        if let Some(built) = &state.built {
            return Ok(built.bytes.clone());
        }
        let bytes = match large {
            false => build()?,
            true => tokio::task::spawn_blocking(build).await.map_err(|panic| {
                Problem::new(ProblemKind::NoAnswer, format!("the response could not be built: {panic}"))
            })??,
        };
        let bytes = self.hold(bytes)?;
        state.built = Some(Built { key, bytes: bytes.clone() });
        Ok(bytes)
    }

    fn hold(&self, mut bytes: Vec<u8>) -> Result<Bytes, Problem> {
        bytes.shrink_to_fit();
        // A version that is larger than the bound takes all permits.
        let kib = u32::try_from(bytes.len().div_ceil(1024)).unwrap_or(u32::MAX).min(HELD_KIB);
        let permit = self.held.clone().try_acquire_many_owned(kib).map_err(|_| {
            let detail =
                "too many clients are still reading earlier responses; try again as Retry-After says";
            Problem::new(ProblemKind::TooManyUnread, detail).retry_after(5)
        })?;
        Ok(Bytes::from_owner(Held { bytes, _permit: permit }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(answer: &SharedResponse, key: &str, text: &'static str) -> Bytes {
        answer.get(key.to_owned(), move || Ok(text.into())).await.unwrap()
    }

    #[tokio::test]
    async fn all_readers_of_one_version_share_its_bytes() {
        let (source, other) = (watch::Sender::new(1), watch::Sender::new(1));
        let answer = SharedResponse::new(Sources::default().and(source.subscribe()).and(other.subscribe()));
        let first = get(&answer, "a", "first").await;
        let again = get(&answer, "a", "not built").await;
        assert_eq!((first.as_ptr(), &*again), (again.as_ptr(), &b"first"[..]));
        source.send_replace(2);
        other.send_replace(2);
        assert_eq!(get(&answer, "a", "changed").await, "changed");
        assert_eq!(get(&answer, "a", "not built").await, "changed");
        assert_eq!(get(&answer, "b", "other key").await, "other key");
        assert_eq!(first, "first", "a reader keeps its version");
    }

    #[tokio::test]
    async fn older_versions_held_by_readers_are_bounded() {
        let answer = SharedResponse::new(Sources::default());
        let mebibyte = |version: usize| {
            let bytes = vec![b'x'; 1 << 20];
            answer.get(version.to_string(), move || Ok(bytes))
        };
        let mut held = Vec::new();
        for version in 0..32 {
            held.push(mebibyte(version).await.unwrap());
        }
        assert!(mebibyte(32).await.is_err());
        held.truncate(31);
        mebibyte(33).await.expect("room again");
    }
}
