//! The standard output and standard error of a container, as returned by an [`Engine`](super::Engine).

use std::fmt;
use std::time::{Duration, SystemTime};

use futures_util::stream::BoxStream;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::core::sanitize;
use crate::core::time::Time;

/// The longest line, in bytes; a longer one is cut. Docker splits messages at this size.
pub const LINE_MAX_BYTES: usize = 16 * 1024;
/// Room for the mark at the end of a cut line.
const MARK_MAX_BYTES: usize = 32;

/// The output of a line. A container with a terminal has only standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The time of a line, in nanoseconds since the Unix epoch, by the clock of the container's node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogTime(pub u64);

impl LogTime {
    /// Parses RFC 3339, with `Z` or an offset, and up to nine decimals.
    pub(crate) fn parse(text: &str) -> Option<LogTime> {
        let (local, offset) = match text.strip_suffix(['Z', 'z']) {
            Some(local) => (local, 0),
            None => {
                let at = text.len().checked_sub("+hh:mm".len())?;
                let (local, offset) = (text.get(..at)?, text.get(at..)?);
                let (hours, minutes) = offset.get(1..)?.split_once(':')?;
                let number = |two: &str, most: i64| {
                    let digits = two.len() == 2 && two.bytes().all(|b| b.is_ascii_digit());
                    two.parse().ok().filter(|n: &i64| digits && *n <= most)
                };
                let seconds = number(hours, 23)? * 3600 + number(minutes, 59)? * 60;
                match offset.as_bytes().first()? {
                    b'+' => (local, seconds),
                    b'-' => (local, -seconds),
                    _ => return None,
                }
            }
        };
        let at = humantime::parse_rfc3339(&format!("{local}Z")).ok()?;
        let nanos = at.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_nanos();
        let nanos = i128::try_from(nanos).ok()? - i128::from(offset) * 1_000_000_000;
        u64::try_from(nanos).ok().map(LogTime)
    }

    /// An earlier time.
    #[must_use]
    pub(crate) fn earlier(self, by: Duration) -> LogTime {
        LogTime(self.0.saturating_sub(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// Seconds and nanoseconds.
    pub(crate) fn parts(self) -> (u64, u64) {
        (self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}

impl From<Time> for LogTime {
    fn from(time: Time) -> LogTime {
        LogTime(time.0.saturating_mul(1_000_000))
    }
}

impl fmt::Display for LogTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = SystemTime::UNIX_EPOCH + Duration::from_nanos(self.0);
        humantime::format_rfc3339_nanos(at).fmt(f)
    }
}

impl Serialize for LogTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Which lines of a container to return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRequest {
    /// The last N lines; `None` for all.
    pub(crate) tail: Option<u32>,
    /// Only lines at or after this time.
    pub(crate) since: Option<LogTime>,
    /// Follow new lines until the container's process ends.
    pub(crate) follow: bool,
}

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The output.
    pub(crate) stream: LogStream,
    /// The time; `None` if the engine does not report it.
    pub(crate) at: Option<LogTime>,
    /// The line without its newline, at most [`LINE_MAX_BYTES`] long. It is the container's raw output and must be escaped
    /// for a terminal.
    pub text: String,
}

/// The lines of one container, oldest first. After an error there are no more.
pub type LogLines = BoxStream<'static, Result<LogLine, LogsError>>;

/// The error of a log. The engine's messages are escaped and bounded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogsError {
    /// The container no longer exists.
    #[error("the container is gone")]
    Gone,
    /// Its logging driver cannot read logs.
    #[error(
        "its logging driver does not support reading ({0}): read the logs where the driver sends them, or set \
         HostConfig.LogConfig to json-file or local"
    )]
    NotReadable(String),
    /// Its node does not answer.
    #[error("its node does not answer; its log is unavailable until the node is back ({0})")]
    NodeAway(String),
    /// No data for this long.
    #[error("the engine sent nothing for {}", humantime::format_duration(*.0))]
    Silent(Duration),
    /// Anything else.
    #[error("cannot read its log: {0}")]
    Failed(String),
}

impl LogsError {
    /// Any other error message of the engine, escaped and bounded.
    pub(crate) fn failed(message: impl AsRef<str>) -> LogsError {
        LogsError::Failed(sanitize::message(message.as_ref()))
    }
}

/// The text of a line of `total` bytes that begins with `kept`. Invalid UTF-8 is replaced; a line that is too long is cut and
/// ends with its full length.
pub(crate) fn line_text(kept: &[u8], total: usize) -> String {
    let mut text = String::from_utf8_lossy(kept).into_owned();
    if total > kept.len() || text.len() > LINE_MAX_BYTES {
        let mut end = text.len().min(LINE_MAX_BYTES - MARK_MAX_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(&format!("… ({total} bytes)"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_parsed_with_offsets_and_formatted_in_utc() {
        for (given, written) in [
            ("2026-11-26T16:14:12.123456789Z", "2026-11-26T16:14:12.123456789Z"),
            ("2026-11-26T16:14:12Z", "2026-11-26T16:14:12.000000000Z"),
            ("2026-11-26T18:14:12.5+02:00", "2026-11-26T16:14:12.500000000Z"),
            ("2026-11-26T10:44:12-05:30", "2026-11-26T16:14:12.000000000Z"),
        ] {
            assert_eq!(LogTime::parse(given).map(|t| t.to_string()).as_deref(), Some(written), "{given}");
        }
        for bad in [
            "",
            "Z",
            "10m",
            "2026-11-26",
            "2026-11-26T16:14:12",
            "2026-11-26T16:14:12+0200",
            "2026-11-26T16:14:12+2:00",
            "2026-11-26T16:14:12+25:00",
            "2026-11-26T16:14:12é00:00",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+00:01",
        ] {
            assert_eq!(LogTime::parse(bad), None, "{bad}");
        }
        assert_eq!(LogTime(3_000_000_001).parts(), (3, 1));
        assert_eq!(LogTime(3_000_000_001).earlier(Duration::from_secs(9)), LogTime(0));
    }

    #[test]
    fn a_line_is_cut_at_a_character_boundary_and_shows_its_length() {
        assert_eq!(line_text(b"plain", 5), "plain");
        assert_eq!(line_text(b"a\xff\xfeb", 4), "a\u{fffd}\u{fffd}b");
        for kept in ["x", "é", "日"] {
            let kept = kept.repeat(LINE_MAX_BYTES);
            let text = line_text(&kept.as_bytes()[..LINE_MAX_BYTES], 10_000_000);
            assert!(text.ends_with("… (10000000 bytes)") && text.len() <= LINE_MAX_BYTES, "{}", text.len());
            assert!(text.len() > LINE_MAX_BYTES - 64 && !text.contains('\u{fffd}'), "{}", text.len());
        }
        // Replacement characters take three bytes.
        let text = line_text(&[0xff; LINE_MAX_BYTES], LINE_MAX_BYTES);
        assert!(text.ends_with("… (16384 bytes)") && text.len() <= LINE_MAX_BYTES, "{}", text.len());
        let exact = "x".repeat(LINE_MAX_BYTES);
        assert_eq!(line_text(exact.as_bytes(), LINE_MAX_BYTES), exact);
    }
}
