//! Limits log lines about connections: one line per kind and period, with the number of suppressed lines.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, info};

use crate::clock;

pub(crate) struct Throttle {
    period: Duration,
    /// The kinds are literals in the source, so their number is bounded.
    kinds: Mutex<BTreeMap<&'static str, Kind>>,
}

struct Kind {
    since: Instant,
    left_out: u64,
}

impl Throttle {
    pub(crate) fn new(period: Duration) -> Throttle {
        Throttle { period, kinds: Mutex::new(BTreeMap::new()) }
    }

    /// Whether to write a line of this kind now; if so, how many were suppressed before it.
    pub(crate) fn pass(&self, kind: &'static str) -> Option<u64> {
        let now = clock::monotonic();
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        match kinds.get_mut(kind) {
            Some(kind) if now.duration_since(kind.since) < self.period => {
                kind.left_out += 1;
                None
            }
            known => {
                let left_out = known.map_or(0, |kind| kind.left_out);
                kinds.insert(kind, Kind { since: now, left_out: 0 });
                Some(left_out)
            }
        }
    }

    /// Logs the end of a connection and its reason; beyond one line per kind and period, at debug level.
    pub(crate) fn log(&self, kind: &'static str, peer: SocketAddr, what: &str, reason: &str) {
        match self.pass(kind) {
            Some(0) => info!(%peer, "{what}: {reason}"),
            Some(more) => info!(%peer, more, "{what}: {reason} (and `more` like it before)"),
            None => debug!(%peer, "{what}: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn one_line_per_kind_and_period_with_the_number_of_suppressed_lines() {
        let throttle = Throttle::new(Duration::from_millis(200));
        assert_eq!(throttle.pass("a"), Some(0));
        assert_eq!(throttle.pass("a"), None);
        assert_eq!(throttle.pass("a"), None);
        assert_eq!(throttle.pass("b"), Some(0), "kinds do not hide each other");
        thread::sleep(Duration::from_millis(200));
        assert_eq!(throttle.pass("a"), Some(2));
    }
}
