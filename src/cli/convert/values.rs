//! Values of flags, parsed as docker's client does.

use anyhow::{Context, bail, ensure};

/// A size in bytes, such as `512`, `512m`, `1.5g`, `64kb`, `1GiB`.
pub(super) fn size(text: &str) -> anyhow::Result<i64> {
    let invalid =
        || format!("invalid size: {text:?}; expected a number with b, k, m, g, t or p, such as 512m");
    let end = text.rfind(|c: char| c.is_ascii_digit() || matches!(c, '.' | ' ')).with_context(invalid)?;
    let (number, suffix) = text.split_at(end + 1);
    let number: f64 = number.strip_suffix(' ').unwrap_or(number).parse().ok().with_context(invalid)?;
    let shift = match suffix.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        "p" | "pb" | "pib" => 50,
        _ => bail!(invalid()),
    };
    let bytes = number * (1_u64 << shift) as f64;
    ensure!((0.0..9.0e18).contains(&bytes), invalid());
    Ok(bytes as i64)
}

/// A size, or -1 for no limit.
pub(super) fn size_or_none(text: &str) -> anyhow::Result<i64> {
    if text == "-1" { Ok(-1) } else { size(text) }
}

/// An integer with an optional base prefix, as in Go: `10`, `0x1f`, `0o17`, `017`, `0b11`.
pub(super) fn integer(text: &str) -> anyhow::Result<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, lower.trim_start_matches("0x")),
        [b'0', b'o', ..] => (8, lower.trim_start_matches("0o")),
        [b'0', b'b', ..] => (2, lower.trim_start_matches("0b")),
        [b'0', _, ..] => (8, lower.as_str()),
        _ => (10, lower.as_str()),
    };
    let plain = digits.bytes().all(|b| b.is_ascii_alphanumeric());
    let number = plain.then(|| i64::from_str_radix(&format!("{sign}{digits}"), base).ok()).flatten();
    number.with_context(|| format!("{text:?} is not an integer"))
}

/// A non-negative duration in nanoseconds, such as `30s`, `1m30s`, `1.5h`, `300ms`.
pub(super) fn nanoseconds(text: &str) -> anyhow::Result<i64> {
    const UNITS: [(&str, f64); 8] = [
        ("ns", 1.0),
        ("us", 1e3),
        ("µs", 1e3),
        ("μs", 1e3),
        ("ms", 1e6),
        ("s", 1e9),
        ("m", 6e10),
        ("h", 3.6e12),
    ];
    let invalid = || format!("invalid duration {text:?}; expected one such as 30s or 1m30s");
    ensure!(!text.starts_with('-'), "the duration {text} is negative");
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Ok(0);
    }
    ensure!(!rest.is_empty(), invalid());
    let mut total = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').with_context(invalid)?;
        let (number, after) = rest.split_at(end);
        let number: f64 = number.parse().ok().with_context(invalid)?;
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).with_context(invalid)?;
        total += number * factor;
        rest = after;
    }
    ensure!(total < 9.0e18, invalid());
    Ok(total.round() as i64)
}

/// A number of CPUs, such as `1.5`, in billionths.
pub(super) fn nano_cpus(text: &str) -> anyhow::Result<i64> {
    let invalid = || format!("{text:?} is not a number of CPUs such as 1.5");
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    ensure!(digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty()), invalid());
    let fraction = fraction.trim_end_matches('0');
    ensure!(fraction.len() <= 9, "{text} is too precise: at most nine decimals are allowed");
    format!("{whole}{fraction:0<9}").parse().with_context(invalid)
}

/// A boolean, as in `--init=false`.
pub(super) fn truth(text: &str) -> anyhow::Result<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => bail!("{text:?} is neither true nor false"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_parsed_as_docker_does() {
        for (text, bytes) in [
            ("0", 0),
            ("32", 32),
            ("32b", 32),
            ("512k", 512 << 10),
            ("512m", 512 << 20),
            ("512M", 512 << 20),
            ("1g", 1 << 30),
            ("1.5g", 3 << 29),
            ("64kb", 64 << 10),
            ("64KiB", 64 << 10),
            ("2 mb", 2 << 20),
            ("32.3", 32),
        ] {
            assert_eq!(size(text).unwrap(), bytes, "{text}");
        }
        for text in ["", "hello", "-1", "-512m", "m", "32bb", "1 k b", "32mm", "1e", " "] {
            assert!(size(text).is_err(), "{text}");
        }
        assert_eq!(size_or_none("-1").unwrap(), -1);
    }

    #[test]
    fn durations_are_parsed_as_go_does() {
        for (text, nanos) in [
            ("0", 0),
            ("5s", 5_000_000_000),
            ("1m30s", 90_000_000_000),
            ("1.5h", 5_400_000_000_000),
            ("300ms", 300_000_000),
            ("2us", 2_000),
            ("2µs", 2_000),
        ] {
            assert_eq!(nanoseconds(text).unwrap(), nanos, "{text}");
        }
        for text in ["", "5", "s", "5x", "-5s", "1.2.3s", "5 s", "."] {
            assert!(nanoseconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn integers_are_parsed_as_go_does() {
        for (text, number) in [("0", 0), ("7", 7), ("-1", -1), ("0x10", 16), ("010", 8), ("0b11", 3)] {
            assert_eq!(integer(text).unwrap(), number, "{text}");
        }
        for text in ["", "-", "1.5", "x", "0x", "--1", "1 "] {
            assert!(integer(text).is_err(), "{text}");
        }
    }

    #[test]
    fn cpus_are_in_billionths() {
        for (text, nanos) in
            [("1", 1_000_000_000), ("0.5", 500_000_000), (".25", 250_000_000), ("1.", 1_000_000_000)]
        {
            assert_eq!(nano_cpus(text).unwrap(), nanos, "{text}");
        }
        for text in ["", ".", "-1", "1,5", "0.0000000001", "x"] {
            assert!(nano_cpus(text).is_err(), "{text}");
        }
    }
}
