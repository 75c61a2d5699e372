//! Time as data: the planner and its memory are given a [`Time`] and never read a clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub u64);

impl Time {
    /// A moment of the standard library's wall clock; one before 1970 is 1970.
    pub(crate) fn of_system(moment: SystemTime) -> Time {
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

    /// A moment of a process's clock as the wall clock shows it: RFC 3339 in UTC with milliseconds.
    pub(crate) fn shown(self, offset: WallOffset) -> String {
        Time(self.0.saturating_add_signed(offset.0)).rfc3339()
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

/// How far the wall clock is ahead of a process's clock, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WallOffset(pub i64);
