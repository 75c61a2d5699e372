//! Ages, in one unit.

use std::time::{Duration, SystemTime};

use crate::client::Answer;
use crate::clock;

/// Ages by the daemon's clock, which may differ from this machine's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ages {
    now: SystemTime,
}

impl Ages {
    /// At the time of an answer, or by this machine's clock if the answer has none.
    pub(super) fn of(answer: &Answer) -> Ages {
        answer.date.map_or_else(Ages::now, |now| Ages { now })
    }

    /// By this machine's clock.
    pub(super) fn now() -> Ages {
        Ages { now: clock::system_now() }
    }

    #[cfg(test)]
    pub(super) fn at(now: &str) -> Ages {
        Ages { now: humantime::parse_rfc3339(now).unwrap() }
    }

    /// How long ago that was, such as `5m`; `None` for never.
    pub(super) fn since(self, at: &str) -> Option<String> {
        let at = read(at)?;
        // Times have a finer resolution than the clock.
        Some(short(self.now.duration_since(at).unwrap_or_default()))
    }

    /// How long it is until then; `None` if that is past.
    pub(super) fn until(self, at: &str) -> Option<String> {
        let left = read(at)?.duration_since(self.now).ok()?;
        Some(short(left)).filter(|_| !left.is_zero())
    }
}

/// Engines write the year 1 for never.
fn read(at: &str) -> Option<SystemTime> {
    humantime::parse_rfc3339_weak(at).ok()
}

/// In one unit, with enough precision to tell changes.
fn short(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_written_as_docker_and_kubectl_do() {
        let ages = Ages::at("2026-11-24T12:00:00Z");
        for (at, age) in [
            ("2026-11-24T11:59:48Z", Some("12s")),
            ("2026-11-24T11:59:48.123456789Z", Some("11s")),
            ("2026-11-24T11:56:30Z", Some("3m")),
            ("2026-11-24T07:00:00Z", Some("5h")),
            ("2026-11-22T11:00:00Z", Some("2d")),
            ("2026-11-24T12:00:00.900Z", Some("0s")),
            ("0001-01-01T00:00:00Z", None),
            ("soon", None),
        ] {
            assert_eq!(ages.since(at).as_deref(), age, "{at}");
        }
        assert_eq!(ages.until("2026-11-24T12:00:08Z").as_deref(), Some("8s"));
        assert_eq!(ages.until("2026-11-24T11:00:08Z"), None);
    }
}
