//! Time as data.
//!
//! The planner and the histories never read a clock: they are handed a [`Time`]. The [`Clock`] is where it
//! comes from: the wall clock read once, then tokio's monotonic clock, so that a step of the system clock moves
//! no deadline and a test on tokio's paused clock moves all of them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

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

    /// RFC 3339 in UTC with milliseconds, as Docker writes times.
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
}

impl Clock {
    /// A clock that starts at the wall clock's present.
    pub fn start() -> Clock {
        Clock::starting_at(Time::of_the_wall())
    }

    /// A clock that starts at a given moment: for simulations.
    pub fn starting_at(epoch: Time) -> Clock {
        Clock { epoch, started: Instant::now() }
    }

    /// The present.
    pub fn now(&self) -> Time {
        self.epoch + self.started.elapsed()
    }

    /// The instant to sleep until for `time` to have come; the present for moments gone by.
    pub fn instant(&self, time: Time) -> Instant {
        self.started + time.since(self.epoch)
    }
}
