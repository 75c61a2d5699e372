//! The amount of testing: `SCSM_TEST_TIER=quick` (the default) or `full`. Both run the same tests; `full` takes hours.

use std::env;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The number for the chosen tier.
pub fn by_tier<T>(quick: T, full: T) -> T {
    match env::var("SCSM_TEST_TIER").as_deref() {
        Err(env::VarError::NotPresent) | Ok("quick") => quick,
        Ok("full") => full,
        other => panic!("SCSM_TEST_TIER must be quick or full, not {other:?}"),
    }
}

/// The seed of `SCSM_SEED`, which replays one run of a randomized test.
pub fn chosen_seed() -> Option<u64> {
    number("SCSM_SEED")
}

/// A number from the environment.
pub fn number<T: std::str::FromStr>(name: &str) -> Option<T> {
    let value = env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is not a number: {value:?}")))
}

/// Held by a test that measures or loads the machine: the tests that hold it run one at a time.
pub struct Alone {
    _lock: MutexGuard<'static, ()>,
}

/// Waits until no other test of this binary runs alone.
pub fn alone() -> Alone {
    static LOCK: Mutex<()> = Mutex::new(());
    // A test that failed while it held the lock has been reported already.
    Alone { _lock: LOCK.lock().unwrap_or_else(PoisonError::into_inner) }
}
