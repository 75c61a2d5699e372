//! A pool of permits that no single identity can exhaust.
//!
//! Each identity may hold at most half of the permits that the others leave. So one identity alone gets half of the pool,
//! the next one half of the rest, and later ones still get a permit: a pool of 200 admits seven greedy identities before
//! a newcomer has to wait.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The pool. Share it in an [`Arc`].
pub(crate) struct FairShare {
    limit: usize,
    held: Mutex<Held>,
    given_back: Notify,
}

#[derive(Default)]
struct Held {
    total: usize,
    /// Permits by identity; identities that hold none are not in it, so it is never larger than the pool.
    by_identity: HashMap<Arc<str>, usize>,
}

/// Why there is no permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPermit {
    /// All permits are held.
    #[error("all {limit} are in use")]
    Exhausted {
        /// The size of the pool.
        limit: usize,
    },
    /// This identity holds its share.
    #[error("this identity has {held} of {limit}; one identity may have half of what the others leave free")]
    ShareUsed {
        /// The permits it holds.
        held: usize,
        /// The size of the pool.
        limit: usize,
    },
}

impl FairShare {
    /// A pool of `limit` permits.
    pub(crate) fn new(limit: usize) -> Arc<FairShare> {
        Arc::new(FairShare { limit, held: Mutex::default(), given_back: Notify::new() })
    }

    /// The size of the pool.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// The number of permits in use.
    pub(crate) fn in_use(&self) -> usize {
        self.held().total
    }

    /// Returns a permit for this identity, without waiting.
    pub(crate) fn try_acquire(self: &Arc<Self>, identity: &Arc<str>) -> Result<Permit, NoPermit> {
        let limit = self.limit;
        let mut held = self.held();
        if held.total >= limit {
            return Err(NoPermit::Exhausted { limit });
        }
        let own = held.by_identity.get(identity).copied().unwrap_or(0);
        let left_by_others = limit - (held.total - own);
        // Half, rounded up, so that a single permit can be used.
        if own >= left_by_others.div_ceil(2) {
            return Err(NoPermit::ShareUsed { held: own, limit });
        }
        held.total += 1;
        held.by_identity.insert(identity.clone(), own + 1);
        Ok(Permit { pool: self.clone(), identity: identity.clone() })
    }

    /// Waits for a permit; returns [`NoPermit::ShareUsed`] at once if this identity holds its share. The caller sets the
    /// deadline.
    pub(crate) async fn acquire(self: &Arc<Self>, identity: &Arc<str>) -> Result<Permit, NoPermit> {
        loop {
            // Registered before the attempt, so that a permit returned in between wakes this one.
            let given_back = self.given_back.notified();
            match self.try_acquire(identity) {
                Err(NoPermit::Exhausted { .. }) => given_back.await,
                decided => return decided,
            }
        }
    }

    /// Waits until a permit is free and this identity holds less than its share. The caller sets the deadline.
    pub(crate) async fn wait_for(self: &Arc<Self>, identity: &Arc<str>) -> Permit {
        loop {
            let given_back = self.given_back.notified();
            match self.try_acquire(identity) {
                Ok(permit) => return permit,
                Err(_) => given_back.await,
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for FairShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FairShare").field("limit", &self.limit).field("in_use", &self.in_use()).finish()
    }
}

/// A permit, returned when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    pool: Arc<FairShare>,
    identity: Arc<str>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut held = self.pool.held();
        held.total = held.total.saturating_sub(1);
        if let Entry::Occupied(mut own) = held.by_identity.entry(self.identity.clone()) {
            match *own.get() {
                0 | 1 => drop(own.remove()),
                n => *own.get_mut() = n - 1,
            }
        }
        drop(held);
        self.pool.given_back.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Acquires permits until none is free.
    fn all(pool: &Arc<FairShare>, identity: &str) -> (Vec<Permit>, NoPermit) {
        let identity = identity.into();
        let mut permits = Vec::new();
        loop {
            match pool.try_acquire(&identity) {
                Ok(permit) => permits.push(permit),
                Err(why) => return (permits, why),
            }
        }
    }

    #[test]
    fn each_identity_gets_half_of_what_the_others_leave() {
        let pool = FairShare::new(200);
        let mut kept = Vec::new();
        for (identity, expected) in
            [("a", 100), ("b", 50), ("c", 25), ("d", 13), ("e", 6), ("f", 3), ("g", 2)]
        {
            let (permits, why) = all(&pool, identity);
            assert_eq!((permits.len(), why), (expected, NoPermit::ShareUsed { held: expected, limit: 200 }));
            kept.push(permits);
        }
        assert_eq!(pool.in_use(), 199);
        let (last, why) = all(&pool, "h");
        assert_eq!((last.len(), why), (1, NoPermit::Exhausted { limit: 200 }));
    }

    #[test]
    fn a_returned_permit_is_free_for_everyone() {
        let pool = FairShare::new(4);
        let (mut a, _) = all(&pool, "a");
        let (b, _) = all(&pool, "b");
        assert_eq!((a.len(), b.len()), (2, 1));
        a.pop();
        assert_eq!(all(&pool, "c").0.len(), 1);
        drop((a, b));
        assert_eq!(pool.in_use(), 0);
        assert!(pool.held().by_identity.is_empty(), "identities without permits are forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_gets_the_next_returned_permit() {
        let pool = FairShare::new(1);
        let (mut held, _) = all(&pool, "a");
        let waiting = tokio::spawn({
            let pool = pool.clone();
            async move { pool.acquire(&"b".into()).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        held.clear();
        waiting.await.unwrap().expect("the permit");
        assert_eq!(pool.in_use(), 0);
    }

    #[test]
    fn a_single_permit_goes_to_the_first_identity() {
        let pool = FairShare::new(1);
        let (first, why) = all(&pool, "a");
        assert_eq!((first.len(), why), (1, NoPermit::Exhausted { limit: 1 }));
        assert_eq!(all(&pool, "b").0.len(), 0);
    }
}
