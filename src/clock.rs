//! Time as data.
//!
//! The planner and the histories never read a clock: they are handed a [`Time`]. The [`Clock`] is where it
//! comes from: the wall clock read once, then tokio's monotonic clock, so that a step of the system clock moves
//! no deadline and a test on tokio's paused clock moves all of them.
//!
//! What people read is the wall clock's time all the same: where that was set, or the machine slept, [`Time::shown`] adds
//! how far it is ahead by now. What is kept for later processes is the wall clock's from the beginning
//! ([`Clock::wall`]).

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// How far the wall clock is ahead of this process's. All clocks of a process that were read from the wall
/// agree on it, since tokio's clock is one.
static AHEAD: Ahead = Ahead::new();
/// A smaller difference is no set clock but its daily correction, and would only make times that were shown move.
const SET: u64 = 500;

/// A moment, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub u64);

impl Time {
    /// The present, by the system's clock; for what lives too briefly to need a [`Clock`].
    pub fn of_the_wall() -> Time {
        Time::of_system(SystemTime::now())
    }

    /// A moment of the standard library's wall clock; one before 1970 is 1970.
    pub fn of_system(moment: SystemTime) -> Time {
        let wall = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
        Time(u64::try_from(wall.as_millis()).unwrap_or(u64::MAX))
    }

    /// The time elapsed since `earlier`; zero if `earlier` lies in the future.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The same moment as the standard library's wall-clock time.
    pub fn system(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.0)
    }

    /// A moment of this process's clock as the wall clock would have it now: RFC 3339 in UTC with milliseconds.
    pub fn shown(self) -> String {
        AHEAD.shown(self).rfc3339()
    }

    /// A moment of the wall clock: RFC 3339 in UTC with milliseconds, as Docker writes times.
    pub fn rfc3339(self) -> String {
        humantime::format_rfc3339_millis(self.system()).to_string()
    }
}

impl std::ops::Add<Duration> for Time {
    type Output = Time;

    fn add(self, d: Duration) -> Time {
        Time(self.0.saturating_add(u64::try_from(d.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// Tells the time: wall clock at the start of the process, monotonic from there.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    epoch: Time,
    started: Instant,
    /// It began as the wall clock, and is shown as that.
    of_the_wall: bool,
}

impl Clock {
    /// A clock that starts at the wall clock's present.
    pub fn start() -> Clock {
        Clock { of_the_wall: true, ..Clock::starting_at(Time::of_the_wall()) }
    }

    /// A clock that starts at a given moment: for simulations.
    pub fn starting_at(epoch: Time) -> Clock {
        Clock { epoch, started: Instant::now(), of_the_wall: false }
    }

    /// The present.
    pub fn now(&self) -> Time {
        let now = self.epoch + self.started.elapsed();
        if self.of_the_wall {
            AHEAD.note(Time::of_the_wall(), now);
        }
        now
    }

    /// The wall clock's present, for what other processes read; in a simulation its own.
    pub fn wall(&self) -> Time {
        if self.of_the_wall { Time::of_the_wall() } else { self.now() }
    }

    /// The instant to sleep until for `time` to have come; the present for moments gone by.
    pub fn instant(&self, time: Time) -> Instant {
        self.started + time.since(self.epoch)
    }
}

/// How far the wall clock is ahead of a process's, in milliseconds.
#[derive(Debug, Default)]
struct Ahead(AtomicI64);

impl Ahead {
    const fn new() -> Ahead {
        Ahead(AtomicI64::new(0))
    }

    fn note(&self, wall: Time, now: Time) {
        let ahead = i64::try_from(i128::from(wall.0) - i128::from(now.0)).unwrap_or(0);
        if ahead.abs_diff(self.0.load(Ordering::Relaxed)) > SET {
            self.0.store(ahead, Ordering::Relaxed);
        }
    }

    fn shown(&self, time: Time) -> Time {
        Time(time.0.saturating_add_signed(self.0.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_follows_a_wall_clock_that_was_set_and_not_its_small_corrections() {
        let (ahead, now) = (Ahead::default(), Time(10_000_000));
        for (wall, shown) in [
            (10_000_400, 10_000_000),
            (13_600_000, 13_600_000),
            (13_600_300, 13_600_000),
            (9_940_000, 9_940_000),
            (10_000_000, 10_000_000),
        ] {
            ahead.note(Time(wall), now);
            assert_eq!(ahead.shown(now), Time(shown), "{wall}");
        }
    }

    #[tokio::test]
    async fn a_simulated_clock_has_a_wall_of_its_own() {
        assert!(Clock::starting_at(Time(7)).wall() < Time(1_000_000));
        assert!(Clock::start().wall() > Time(1_700_000_000_000));
    }
}
