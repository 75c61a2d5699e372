//! Time as data: the planner and the memories are handed a [`Time`] and never read a clock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub u64);

impl Time {
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

/// How far the wall clock is ahead of this process's. All clocks of a process that were read from the wall
/// agree on it, since tokio's clock is one.
pub(crate) static AHEAD: Ahead = Ahead::new();
/// A smaller difference is no set clock but its daily correction, and would only make times that were shown move.
const SET: u64 = 500;

/// How far the wall clock is ahead of a process's, in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Ahead(AtomicI64);

impl Ahead {
    const fn new() -> Ahead {
        Ahead(AtomicI64::new(0))
    }

    pub(crate) fn note(&self, wall: Time, now: Time) {
        let ahead = i64::try_from(i128::from(wall.0) - i128::from(now.0)).unwrap_or(0);
        if ahead.abs_diff(self.0.load(Ordering::Relaxed)) > SET {
            self.0.store(ahead, Ordering::Relaxed);
        }
    }

    pub(crate) fn shown(&self, time: Time) -> Time {
        Time(time.0.saturating_add_signed(self.0.load(Ordering::Relaxed)))
    }
}
