//! Answers that are the same for everyone: built once, shared by all their readers.
//!
//! An answer that shows everything has megabytes where there are thousands of containers. Whoever asks while it is
//! still true gets the same bytes, also where hundreds ask at once; a reader that takes its time holds a reference and
//! no copy. What is still held of older ones has a bound: beyond it no new one is built.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::StatusCode;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, watch};

use super::problem::Problem;

/// Memory of all shared answers that are still being read, in KiB: 32 MiB is ten versions of the status of 5,000
/// containers.
const HELD_KIB: u32 = 32 << 10;
/// From this size on, in bytes, an answer is built on a thread of its own: below, it takes some milliseconds.
const LARGE: usize = 128 << 10;

/// The newest version of one answer.
pub(super) struct SharedAnswer {
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

/// Something that an answer is made from.
trait Source: Send {
    /// Whether it has changed since this was last asked.
    fn take_change(&mut self) -> bool;
}

impl<T: Send + Sync> Source for watch::Receiver<T> {
    fn take_change(&mut self) -> bool {
        let changed = self.has_changed().unwrap_or(true);
        self.mark_unchanged();
        changed
    }
}

/// The bytes of one version, and their part of the memory.
struct Held {
    bytes: Vec<u8>,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Collects the sources of an answer.
#[derive(Default)]
pub(super) struct Sources(Vec<Box<dyn Source>>);

impl Sources {
    pub(super) fn and<T: Send + Sync + 'static>(mut self, source: watch::Receiver<T>) -> Sources {
        self.0.push(Box::new(source));
        self
    }
}

impl SharedAnswer {
    /// An answer that is made from these.
    pub(super) fn new(sources: Sources) -> SharedAnswer {
        let state = State { sources: sources.0, built: None };
        SharedAnswer { state: Mutex::new(state), held: Arc::new(Semaphore::new(HELD_KIB as usize)) }
    }

    /// The answer: the last one built, where no source has changed since and `key` is the same; else a new one.
    pub(super) async fn get(
        &self,
        key: String,
        build: impl FnOnce() -> Result<Vec<u8>, Problem> + Send + 'static,
    ) -> Result<Bytes, Problem> {
        // One builds, and whoever asks meanwhile waits for that.
        let mut state = self.state.lock().await;
        // All of them are asked, so that each is marked.
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
            true => tokio::task::spawn_blocking(build).await.map_err(|died| {
                let detail = format!("the answer could not be built: {died}");
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "No answer", detail)
            })??,
        };
        let bytes = self.hold(bytes)?;
        state.built = Some(Built { key, bytes: bytes.clone() });
        Ok(bytes)
    }

    fn hold(&self, mut bytes: Vec<u8>) -> Result<Bytes, Problem> {
        bytes.shrink_to_fit();
        // One that is larger than all takes all.
        let kib = u32::try_from(bytes.len().div_ceil(1024)).unwrap_or(u32::MAX).min(HELD_KIB);
        let permit = self.held.clone().try_acquire_many_owned(kib).map_err(|_| {
            let detail = "too many clients are still reading earlier answers; come back as Retry-After says";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Too many unread answers", detail).retry_after(5)
        })?;
        Ok(Bytes::from_owner(Held { bytes, _permit: permit }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(answer: &SharedAnswer, key: &str, text: &'static str) -> Bytes {
        answer.get(key.to_owned(), move || Ok(text.into())).await.unwrap()
    }

    #[tokio::test]
    async fn all_readers_of_one_version_share_its_bytes() {
        let (source, other) = (watch::Sender::new(1), watch::Sender::new(1));
        let answer = SharedAnswer::new(Sources::default().and(source.subscribe()).and(other.subscribe()));
        let first = get(&answer, "a", "first").await;
        let again = get(&answer, "a", "not built").await;
        assert_eq!((first.as_ptr(), &*again), (again.as_ptr(), &b"first"[..]));
        source.send_replace(2);
        other.send_replace(2);
        assert_eq!(get(&answer, "a", "changed").await, "changed");
        assert_eq!(get(&answer, "a", "not built").await, "changed");
        assert_eq!(get(&answer, "b", "other key").await, "other key");
        assert_eq!(first, "first", "a reader keeps what it has");
    }

    #[tokio::test]
    async fn what_readers_hold_of_older_versions_has_a_bound() {
        let answer = SharedAnswer::new(Sources::default());
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
