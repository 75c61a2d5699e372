//! Options of logging drivers that concern only a container's own log.

/// The largest `max-buffer-size`: the engine keeps so much of a container's output in its own memory.
const BUFFER_MAX_BYTES: u64 = 16 * 1024 * 1024;

/// The most files of a rotated log: the engine renames each of them at each rotation.
const FILES_MAX: u64 = 100;
/// The smallest `max-size`: a log that is rotated with each line keeps the engine busy.
const SIZE_MIN_BYTES: u64 = 4 * 1024;

/// Whether an option with this value is allowed. No allowed option names a path, an address or an account, whatever the
/// driver.
pub(super) fn allowed(name: &str, value: &str) -> bool {
    match name {
        "compress" | "mode" => true,
        "max-file" => value.parse::<u64>().is_ok_and(|files| files <= FILES_MAX),
        // -1 means no limit, which is also the default.
        "max-size" => value == "-1" || bytes(value).is_some_and(|size| size >= SIZE_MIN_BYTES),
        // Properties of the container that are logged beside its output.
        "labels" | "labels-regex" | "env" | "env-regex" => true,
        "tag" => is_plain(value),
        "max-buffer-size" => bytes(value).is_some_and(|size| size <= BUFFER_MAX_BYTES),
        _ => false,
    }
}

/// Fields of the container that a tag may name.
const TAG_FIELDS: [&str; 7] = ["ID", "FullID", "Name", "ImageID", "ImageFullID", "ImageName", "DaemonName"];

/// Whether a tag only names fields. It is a template that the engine executes, and a function such as `pad` turns a few
/// characters into any amount of text in front of each line.
fn is_plain(tag: &str) -> bool {
    let mut rest = tag;
    while let Some((_, template)) = rest.split_once("{{") {
        let Some((expression, after)) = template.split_once("}}") else { return false };
        if !expression.trim().strip_prefix('.').is_some_and(|field| TAG_FIELDS.contains(&field)) {
            return false;
        }
        rest = after;
    }
    true
}

/// A size as Docker writes it: `64`, `512k`, `1.5m`, `4MB`, `4MiB`.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text.get(digits.len()..)?.trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return None,
    };
    let (whole, fraction) = digits.trim_end().split_once('.').unwrap_or((digits.trim_end(), ""));
    let whole: u64 = whole.parse().ok()?;
    // Any fraction is rounded up: this is a bound.
    let whole = whole.checked_add(u64::from(fraction.bytes().any(|b| b != b'0')))?;
    whole.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_docker_reads_them() {
        for (text, size) in [
            ("64", Some(64)),
            ("512k", Some(512 << 10)),
            ("1.5m", Some(2 << 20)),
            ("4MB", Some(4 << 20)),
            ("4MiB", Some(4 << 20)),
            ("4 mb", Some(4 << 20)),
            ("99999999999999p", None),
            ("-1", None),
            ("m", None),
            ("1x", None),
            ("", None),
        ] {
            assert_eq!(bytes(text), size, "{text}");
        }
    }

    #[test]
    fn no_option_names_a_destination() {
        for name in [
            "syslog-address",
            "syslog-tls-ca-cert",
            "gelf-address",
            "fluentd-address",
            "splunk-url",
            "MAX-SIZE",
        ] {
            assert!(!allowed(name, ""), "{name}");
        }
        assert!(allowed("max-buffer-size", "4m"));
        assert!(!allowed("max-buffer-size", "1g"));
    }

    #[test]
    fn a_tag_names_fields_and_calls_nothing() {
        for good in ["", "web", "{{.Name}}", "{{.ImageName}}/{{ .ID }}", "a}}b"] {
            assert!(allowed("tag", good), "{good}");
        }
        for bad in [
            "{{pad \"x\" 30000000 1}}",
            "{{.Name}}{{printf \"%9999999d\" 1}}",
            "{{",
            "{{.Name",
            "{{.}}",
            "{{- .Name}}",
            "{{.Name | len}}",
            "{{.ExtraAttributes nil}}",
            "{{define \"x\"}}",
            "{{{.Name}}}",
            "{{.ContainerEnv}}",
        ] {
            assert!(!allowed("tag", bad), "{bad}");
        }
    }

    #[test]
    fn a_log_cannot_keep_the_engine_busy_with_its_rotation() {
        for (name, good, bad) in [
            ("max-file", ["1", "3", "100"], ["101", "2000000000", "-1"]),
            ("max-size", ["10m", "4k", "-1"], ["1", "100b", "0"]),
        ] {
            assert!(good.iter().all(|value| allowed(name, value)), "{name}");
            assert!(bad.iter().all(|value| !allowed(name, value)), "{name}");
        }
    }
}
