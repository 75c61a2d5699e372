//! The daemon's log on standard error.
//!
//! One event is always one line: values from outside are escaped, and quoted if they could pass for other fields. Other
//! crates log only warnings and errors, whatever `SCSM_LOG` says: their details contain whole requests with the environment
//! and labels of containers.

use std::fmt::{self, Debug};
use std::io::{self, IsTerminal};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FormatFields, MakeWriter, layer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, registry};

use super::LogFormat;
use super::environment::variable;
use crate::core::sanitize;

/// The variable with the log filter.
const VARIABLE: &str = "SCSM_LOG";
/// The longest value, in bytes.
const VALUE_MAX_BYTES: usize = 8 * 1024;

/// Starts logging to standard error: by default as text on a terminal and as JSON elsewhere. The error is one message for the
/// user.
pub(super) fn to_stderr(format: Option<LogFormat>) -> Result<(), String> {
    let terminal = io::stderr().is_terminal();
    let format = format.unwrap_or(if terminal { LogFormat::Text } else { LogFormat::Json });
    let filter = match variable(VARIABLE) {
        Some(text) => filter(&text).ok_or_else(|| {
            format!(
                "{VARIABLE}: invalid filter '{}': expected off, error, warn, info, debug or trace, or a filter such as \
                 info,hyper=debug",
                sanitize::bounded(&text, VALUE_MAX_BYTES)
            )
        })?,
        None => EnvFilter::new("info"),
    };
    subscriber(format, filter, terminal, io::stderr).init();
    Ok(())
}

/// Parses levels and `TARGET=LEVEL`, separated by commas. The library accepts more: a misspelt level would be a target.
fn filter(text: &str) -> Option<EnvFilter> {
    let level = |text: &str| !text.is_empty() && text.parse::<LevelFilter>().is_ok();
    let target = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-'))
    };
    let directives: Vec<&str> = text.split(',').map(str::trim).collect();
    let valid = directives.iter().all(|directive| match directive.split_once('=') {
        Some((name, limit)) => target(name) && level(limit),
        None => level(directive),
    });
    EnvFilter::try_new(directives.join(",")).ok().filter(|_| valid)
}

fn subscriber<W>(format: LogFormat, filter: EnvFilter, ansi: bool, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = match format {
        LogFormat::Text => {
            layer().fmt_fields(TextFields).with_target(false).with_ansi(ansi).with_writer(writer).boxed()
        }
        LogFormat::Json => {
            layer().json().flatten_event(true).with_target(false).with_writer(JsonLines(writer)).boxed()
        }
    };
    registry().with(lines.with_filter(filter.and(filter_fn(is_harmless))))
}

/// Whether an event is no detail of another crate.
fn is_harmless(event: &Metadata<'_>) -> bool {
    let ours = event.target().split("::").next() == Some(env!("CARGO_CRATE_NAME"));
    ours || *event.level() <= Level::WARN
}

/// Formats the fields of an event as text.
struct TextFields;

impl<'w> FormatFields<'w> for TextFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut line = Line { writer, empty: true, result: Ok(()) };
        fields.record(&mut line);
        line.result
    }
}

/// An incomplete line.
struct Line<'w> {
    writer: Writer<'w>,
    empty: bool,
    result: fmt::Result,
}

impl Line<'_> {
    fn put(&mut self, field: &Field, value: &str) {
        // The bridge from the `log` crate repeats the origin of an event.
        if self.result.is_ok() && !field.name().starts_with("log.") {
            self.result = self.try_put(field.name(), &sanitize::bounded(value, VALUE_MAX_BYTES));
        }
    }

    fn try_put(&mut self, name: &str, value: &str) -> fmt::Result {
        if !std::mem::take(&mut self.empty) {
            self.writer.write_char(' ')?;
        }
        match name {
            "message" => return self.writer.write_str(value),
            name if self.writer.has_ansi_escapes() => {
                write!(self.writer, "\u{1b}[3m{name}\u{1b}[0m\u{1b}[2m=\u{1b}[0m")?;
            }
            name => write!(self.writer, "{name}=")?,
        }
        let plain = |c: char| !c.is_whitespace() && !matches!(c, '"' | '=' | '\\');
        if !value.is_empty() && value.chars().all(plain) {
            return self.writer.write_str(value);
        }
        self.writer.write_char('"')?;
        for c in value.chars() {
            if matches!(c, '"' | '\\') {
                self.writer.write_char('\\')?;
            }
            self.writer.write_char(c)?;
        }
        self.writer.write_char('"')
    }
}

impl Visit for Line<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, &format!("{value:?}"));
    }
}

/// Writes JSON lines with all control characters escaped; JSON itself escapes only some.
struct JsonLines<W>(W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for JsonLines<W> {
    type Writer = JsonLine<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        JsonLine(self.0.make_writer())
    }
}

/// One event, written with a single call.
struct JsonLine<W>(W);

impl<W: io::Write> io::Write for JsonLine<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(line) {
            Ok(text) if text.chars().any(must_be_escaped) => self.0.write_all(escaped(text).as_bytes())?,
            _ => self.0.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn must_be_escaped(c: char) -> bool {
    c != '\n' && !sanitize::harmless(c)
}

/// Equivalent JSON: such characters occur in strings only.
fn escaped(line: &str) -> String {
    let mut escaped = String::with_capacity(line.len() + 16);
    for c in line.chars() {
        if must_be_escaped(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| escaped.push_str(&format!("\\u{unit:04x}")));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::{debug, info, trace};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log(format: LogFormat, filter: &str, events: impl FnOnce()) -> String {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = subscriber(format, EnvFilter::new(filter), false, move || writer.clone());
        tracing::subscriber::with_default(subscriber, events);
        String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_value_cannot_pass_for_another_field_or_line() {
        let by = "x fingerprint=0 object=\"prod\"\\";
        let error = "no\n2026-01-01T00:00:00Z ERROR forged\u{1b}[2J\u{9b}1m\u{202e}";
        let events =
            || info!(by = %by, error, debug = ?error, empty = "", n = 7, plain = %"a/b:1", "done\r{error}");
        let text = log(LogFormat::Text, "info", events);
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains(r#" by="x fingerprint=0 object=\"prod\"\\" error="no"#), "{text}");
        assert!(text.ends_with(" empty=\"\" n=7 plain=a/b:1\n"), "{text}");
        assert!(text.trim_end().chars().all(sanitize::harmless), "{text:?}");
        let json = log(LogFormat::Json, "info", events);
        assert!(json.trim_end().chars().all(sanitize::harmless), "{json:?}");
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&read["by"], &read["error"]), (&by.into(), &error.into()), "JSON preserves the value");
    }

    #[test]
    fn details_of_other_crates_are_never_logged() {
        for filter in ["debug", "trace", "debug,bollard=trace", "hyper=trace,trace", "bollard::docker=debug"]
        {
            for format in [LogFormat::Text, LogFormat::Json] {
                let text = log(format, filter, || {
                    trace!(target: "bollard::docker", "SECRET");
                    debug!(target: "bollard", env = "SECRET", "request");
                    info!(target: "hyper_util::client", "SECRET");
                    debug!(target: "log", "SECRET");
                    debug!(target: "swarm_cluster_state_manager_other", "SECRET");
                    tracing::warn!(target: "rustls", "a warning");
                    debug!("our own");
                });
                assert!(!text.contains("SECRET"), "{filter}: {text}");
                assert_eq!(text.contains("our own"), filter != "bollard::docker=debug", "{filter}: {text}");
                assert_eq!(
                    text.contains("a warning"),
                    filter.contains("trace") || filter == "debug",
                    "{filter}"
                );
            }
        }
    }
}
