//! Where [`Time`] comes from.
//!
//! A [`Clock`] reads the wall clock once, then follows tokio's monotonic clock: setting the system clock moves no deadline,
//! and a test on tokio's paused clock moves all of them.
//!
//! Users nevertheless read wall-clock time: after the wall clock was set, or the machine was suspended,
//! [`Clock::offset`] is what [`Time::shown`] adds. Times that later processes read are wall-clock times from the start
//! ([`Clock::wall`]).

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use tokio::time::Instant;

use crate::core::time::{Time, WallOffset};

/// How far the wall clock is ahead of this process's. All clocks of a process that were read from the wall clock agree on
/// it, since they share tokio's clock.
static WALL_AHEAD: WallAhead = WallAhead::new();
/// A smaller difference is the daily correction of the clock; following it would make shown times jitter.
const MIN_STEP_MS: u64 = 500;

/// The system clock's present, for what is too short-lived to need a [`Clock`].
pub(crate) fn wall_now() -> Time {
    Time::of_system(system_now())
}

/// The present, by the system's clock, as certificates and HTTP have it.
#[allow(clippy::disallowed_methods, reason = "the one place that reads this clock")]
pub(crate) fn system_now() -> SystemTime {
    SystemTime::now()
}

/// The present of the monotonic clock, for deadlines and durations. It stands still where a test has paused it.
#[allow(clippy::disallowed_methods, reason = "the one place that reads this clock")]
pub(crate) fn monotonic() -> Instant {
    Instant::now()
}

/// Wall-clock time at the start of the process, monotonic from there.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    epoch: Time,
    started: Instant,
    /// It started as the wall clock, and is shown as wall-clock time.
    follows_wall: bool,
}

impl Clock {
    /// A clock that starts at the wall clock's present.
    pub(crate) fn start() -> Clock {
        Clock { follows_wall: true, ..Clock::starting_at(wall_now()) }
    }

    /// A clock that starts at a given time, for simulations.
    pub fn starting_at(epoch: Time) -> Clock {
        Clock { epoch, started: monotonic(), follows_wall: false }
    }

    /// The present.
    pub fn now(&self) -> Time {
        let now = self.epoch + self.started.elapsed();
        if self.follows_wall {
            WALL_AHEAD.note(wall_now(), now);
        }
        now
    }

    /// How far the wall clock is ahead of this one by now; zero in a simulation.
    pub(crate) fn offset(&self) -> WallOffset {
        if self.follows_wall { WALL_AHEAD.get() } else { WallOffset::default() }
    }

    /// The wall clock's present, for what other processes read; the clock's own in a simulation.
    pub(crate) fn wall(&self) -> Time {
        if self.follows_wall { wall_now() } else { self.now() }
    }

    /// The instant to sleep until for `time` to have come; the start of the clock for earlier times.
    pub(crate) fn instant(&self, time: Time) -> Instant {
        self.started + time.since(self.epoch)
    }
}

/// How far the wall clock is ahead, in milliseconds.
#[derive(Debug)]
struct WallAhead(AtomicI64);

impl WallAhead {
    const fn new() -> WallAhead {
        WallAhead(AtomicI64::new(0))
    }

    fn note(&self, wall: Time, now: Time) {
        let ahead = i64::try_from(i128::from(wall.0) - i128::from(now.0)).unwrap_or(0);
        if ahead.abs_diff(self.0.load(Ordering::Relaxed)) > MIN_STEP_MS {
            self.0.store(ahead, Ordering::Relaxed);
        }
    }

    fn get(&self) -> WallOffset {
        WallOffset(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_times_follow_a_changed_wall_clock_but_not_its_small_corrections() {
        let (ahead, now) = (WallAhead::new(), Time(10_000_000));
        for (wall, shown) in [
            (10_000_400, 10_000_000),
            (13_600_000, 13_600_000),
            (13_600_300, 13_600_000),
            (9_940_000, 9_940_000),
            (10_000_000, 10_000_000),
        ] {
            ahead.note(Time(wall), now);
            assert_eq!(now.shown(ahead.get()), Time(shown).rfc3339(), "{wall}");
        }
    }

    #[tokio::test]
    async fn a_simulated_clock_has_its_own_wall_time() {
        let simulated = Clock::starting_at(Time(7));
        assert!(simulated.wall() < Time(1_000_000));
        assert_eq!(simulated.offset(), WallOffset::default());
        assert!(Clock::start().wall() > Time(1_700_000_000_000));
    }
}
