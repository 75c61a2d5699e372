//! The heartbeat of the loop, for `/healthz`.
//!
//! The dispatcher beats in every iteration, busy or idle. A server whose loop hangs still answers, and reports it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::core::time::Time;

/// How often the loop beats.
pub(crate) const PERIOD: Duration = Duration::from_secs(2);
/// Without a beat for this long the loop counts as stalled: several periods, to allow for a very busy machine.
const STALLED_AFTER: Duration = Duration::from_secs(15);

/// The last beat. Clones share it.
#[derive(Debug, Clone)]
pub struct Heartbeat(Arc<AtomicU64>);

impl Heartbeat {
    /// A heartbeat whose first beat is now.
    pub(crate) fn new(now: Time) -> Heartbeat {
        Heartbeat(Arc::new(AtomicU64::new(now.0)))
    }

    /// Beats.
    pub(crate) fn beat(&self, now: Time) {
        self.0.store(now.0, Ordering::Relaxed);
    }

    /// Why the loop counts as stalled, if it does.
    pub(crate) fn stalled(&self, now: Time) -> Option<String> {
        let silent = now.since(Time(self.0.load(Ordering::Relaxed)));
        (silent > STALLED_AFTER)
            .then(|| format!("the control loop has made no progress for {} s", silent.as_secs()))
    }
}
