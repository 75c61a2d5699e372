//! How long to wait after a failure: at once, then 1 s doubling to 5 min, with jitter.
//!
//! Pure: chance arrives as an argument (a seed made of what failed), so that the same world gives the same
//! plan, and yet a hundred slots that failed together do not come back together.

use std::time::Duration;

/// The wait after the second failure in a row; the first failure is repaired at once.
pub(crate) const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait, jitter apart.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// A run of this length ends a row of failures.
pub(crate) const STABLE_RUN: Duration = Duration::from_secs(60);

/// The wait after `failures` failures in a row of a container that had been running: none after the first.
pub(crate) fn after_exit(failures: u32, seed: u64) -> Duration {
    match failures {
        0 | 1 => Duration::ZERO,
        n => doubling(n - 2, seed),
    }
}

/// The wait after this many consecutive refusals of something that never ran: an image, a spec, an engine.
pub(crate) fn after_refusal(failures: u32, seed: u64) -> Duration {
    match failures {
        0 => Duration::ZERO,
        n => doubling(n - 1, seed),
    }
}

fn doubling(exponent: u32, seed: u64) -> Duration {
    let wait = FIRST_WAIT.saturating_mul(1 << exponent.min(16)).min(LONGEST_WAIT);
    // Up to a tenth is added, never taken away: a wait that is printed is a wait that was kept.
    let tenths_of_percent = u32::try_from(scramble(seed ^ u64::from(exponent)) % 100).unwrap_or(0);
    wait + wait * tenths_of_percent / 1000
}

/// SplitMix64's finaliser: spreads neighbouring seeds over the whole range.
fn scramble(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_exit_is_repaired_at_once_then_the_wait_doubles_to_its_bound() {
        let waits: Vec<u64> = (1..=12).map(|n| after_exit(n, 7).as_secs()).collect();
        assert_eq!(waits[..5], [0, 1, 2, 4, 8]);
        assert!((300..=330).contains(&waits[11]), "{waits:?}");
    }

    #[test]
    fn a_refusal_waits_from_the_first() {
        assert!(after_refusal(1, 3) >= FIRST_WAIT);
    }

    #[test]
    fn jitter_differs_by_seed_and_never_shortens() {
        let waits: std::collections::BTreeSet<_> = (0..50).map(|seed| after_refusal(6, seed)).collect();
        assert!(waits.len() > 10);
        assert!(waits.iter().all(|w| *w >= Duration::from_secs(32) && *w <= Duration::from_millis(35_200)));
    }
}
