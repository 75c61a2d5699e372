//! Arguments that several commands share.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use super::format::TextFormat;
use super::wait::WaitLimits;
use crate::core::name::ObjectName;
use crate::core::submission::seconds_or_duration;

/// The longest `--wait` that the daemon accepts.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// Flags of the commands that change one object.
#[derive(Debug, Args)]
pub(super) struct ChangeFlags {
    /// Wait up to this long, such as 2m, until the object has converged or failed.
    #[arg(long, value_name = "DURATION", value_parser = wait_duration)]
    wait: Option<Duration>,
    /// The output format. With --wait, JSON is one answer that includes the outcome.
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(super) output: TextFormat,
}

impl ChangeFlags {
    pub(super) fn limits(&self) -> Option<WaitLimits> {
        self.wait.map(|wait| WaitLimits { wait, fail_fast: false })
    }
}

/// Parses the name of an object.
pub(super) fn object_name(text: &str) -> Result<ObjectName, String> {
    ObjectName::parse(text).ok_or_else(|| format!("expected {}", ObjectName::ALLOWED))
}

/// Parses a number in this range.
pub(super) fn number<T>(allowed: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, String> + Clone
where
    T: FromStr + PartialOrd + Display + Clone,
{
    move |text| {
        let number = text.parse().ok().filter(|number| allowed.contains(number));
        number.ok_or_else(|| format!("expected a number from {} to {}", allowed.start(), allowed.end()))
    }
}

/// Parses a generation; `shown` is the command that shows it.
pub(super) fn generation(shown: &'static str) -> impl Fn(&str) -> Result<u64, String> + Clone {
    move |text| {
        let number = text.parse().ok().filter(|generation| *generation > 0);
        number.ok_or_else(|| format!("expected a generation, which is a number from 1, as in `{shown}`"))
    }
}

/// Parses a `--wait`; a plain number is in seconds, as everywhere else.
pub(super) fn wait_duration(text: &str) -> Result<Duration, String> {
    seconds_or_duration(text)
        .filter(|d| !d.is_zero() && *d <= WAIT_MAX)
        .ok_or_else(|| "expected a duration such as 60s or 2m, or a number of seconds, up to 1h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_a_duration_or_a_number_of_seconds_up_to_an_hour() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("1m30s", 90), ("3600", 3600), ("1h", 3600)] {
            assert_eq!(wait_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "0", "0s", "-1", "1.5", "3601", "2h", "soon"] {
            assert!(wait_duration(bad).unwrap_err().contains("or a number of seconds"), "{bad}");
        }
    }
}
