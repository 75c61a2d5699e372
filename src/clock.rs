//! Time as data.
//!
//! The planner and the histories never read a clock: they are handed a [`Time`]. The [`Clock`] is where it
//! comes from: the wall clock read once, then tokio's monotonic clock, so that a step of the system clock moves
//! no deadline and a test on tokio's paused clock moves all of them.
//!
//! What people read is the wall clock's time all the same: where that was set, or the machine slept, [`Time::shown`] adds
//! how far it is ahead by now. What is kept for later processes is the wall clock's from the beginning
//! ([`Clock::wall`]).

use std::time::SystemTime;

use tokio::time::Instant;

use crate::core::time::{AHEAD, Time};

/// The present, by the system's clock; for what lives too briefly to need a [`Clock`].
pub fn wall_now() -> Time {
    Time::of_system(system_now())
}

/// The present, by the system's clock, as certificates and HTTP have it.
#[allow(clippy::disallowed_methods, reason = "the one place that reads this clock")]
pub fn system_now() -> SystemTime {
    SystemTime::now()
}

/// The present of the monotonic clock, for deadlines and durations. It stands still where a test has paused it.
#[allow(clippy::disallowed_methods, reason = "the one place that reads this clock")]
pub fn monotonic() -> Instant {
    Instant::now()
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
        Clock { of_the_wall: true, ..Clock::starting_at(wall_now()) }
    }

    /// A clock that starts at a given moment: for simulations.
    pub fn starting_at(epoch: Time) -> Clock {
        Clock { epoch, started: monotonic(), of_the_wall: false }
    }

    /// The present.
    pub fn now(&self) -> Time {
        let now = self.epoch + self.started.elapsed();
        if self.of_the_wall {
            AHEAD.note(wall_now(), now);
        }
        now
    }

    /// The wall clock's present, for what other processes read; in a simulation its own.
    pub fn wall(&self) -> Time {
        if self.of_the_wall { wall_now() } else { self.now() }
    }

    /// The instant to sleep until for `time` to have come; the present for moments gone by.
    pub fn instant(&self, time: Time) -> Instant {
        self.started + time.since(self.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::Ahead;

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
