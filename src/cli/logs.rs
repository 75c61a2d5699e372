//! `logs`: the output of the containers of an object.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use http::Method;

use super::arguments::{number, object_name};
use super::connection::Connection;
use super::environment::variable;
use super::exit::REFUSED;
use super::follow::{Reader, read};
use super::format::TextFormat;
use super::output;
use crate::api::logs::{LogLine, LogNote, LogNoteKind, LogsLine};
use crate::client::Ask;
use crate::clock;
use crate::core::name::ObjectName;
use crate::core::sanitize;
use crate::engine::logs::LogTime;
use crate::logs::Seen;

/// After a lost connection, lines are requested from this long before the newest one: the clocks of nodes differ, and lines
/// of different nodes may arrive out of order. Lines that were shown are not repeated.
const OVERLAP: Duration = Duration::from_secs(30);
/// With more containers than this, those that were silent for longer than [`OVERLAP`] are forgotten.
const REMEMBERED: usize = 1_000;
/// The colours of containers on a terminal, by slot: cyan, yellow, green, magenta, blue, red.
const COLOURS: [u8; 6] = [36, 33, 32, 35, 34, 31];

/// Flags of `logs`.
#[derive(Debug, Args)]
pub(super) struct LogsFlags {
    /// The object.
    #[arg(value_name = "NAME", value_parser = object_name)]
    name: ObjectName,
    /// Follow new lines, including those of new containers, until the object is gone or the command is interrupted; also
    /// across a restart of the daemon.
    #[arg(long, short)]
    follow: bool,
    /// Begin with the last N lines of each container, up to 10000. [default: 100, and 10000 with --since]
    #[arg(long, value_name = "N", value_parser = number(0..=10_000_u16))]
    tail: Option<u16>,
    /// Omit lines before this: a duration such as 10m, or a time such as 2026-11-26T16:00:00Z.
    #[arg(long, value_name = "10m|TIME", value_parser = since)]
    since: Option<String>,
    /// Show containers that have exited, instead of running ones; with --follow, both.
    #[arg(long, short)]
    previous: bool,
    /// Show the time of each line.
    #[arg(long, short)]
    timestamps: bool,
    /// Show only the container with this name, such as web.1.1, running or not.
    #[arg(long, short, value_name = "NAME")]
    container: Option<String>,
    /// The output format.
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: TextFormat,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(flags: &LogsFlags) -> ExitCode {
    flags.connection.run(REFUSED, async |daemon| {
        read(daemon, Shown::new(flags)).await?;
        Ok(0)
    })
}

/// Checks a `--since`, which the daemon parses.
fn since(text: &str) -> Result<String, String> {
    match humantime::parse_duration(text).is_ok() || LogTime::parse(text).is_some() {
        true => Ok(text.to_owned()),
        false => Err(
            "expected a duration such as 10m or 1h30m, or a time with a zone, such as 2026-11-26T16:00:00Z"
                .to_owned(),
        ),
    }
}

/// What was shown so far, and how to continue.
struct Shown<'a> {
    flags: &'a LogsFlags,
    begun: Instant,
    /// The time of the newest line.
    newest: Option<LogTime>,
    /// The lines shown of each container.
    seen: BTreeMap<String, Seen>,
    /// The same at the last request.
    before: BTreeMap<String, Seen>,
    prefix: Prefix,
    terminal: bool,
}

impl Shown<'_> {
    fn new(flags: &LogsFlags) -> Shown<'_> {
        let terminal = io::stdout().is_terminal();
        let dumb = variable("TERM").is_some_and(|term| term == "dumb");
        let coloured = terminal && !dumb && variable("NO_COLOR").is_none();
        Shown {
            flags,
            begun: clock::monotonic().into_std(),
            newest: None,
            seen: BTreeMap::new(),
            before: BTreeMap::new(),
            prefix: Prefix { width: 0, coloured },
            terminal,
        }
    }

    /// Forgets lines that are too old to be repeated.
    fn forget(&mut self) {
        let oldest = self.newest.map(|newest| newest.earlier(OVERLAP));
        self.seen.retain(|_, seen| seen.last() >= oldest);
    }

    /// Whether a line was not shown before.
    fn is_new(&mut self, container: &str, at: Option<LogTime>) -> bool {
        if self.before.get_mut(container).is_some_and(|before| before.covers(at)) {
            return false;
        }
        self.newest = self.newest.max(at);
        if self.seen.len() > REMEMBERED && !self.seen.contains_key(container) {
            self.forget();
        }
        match self.seen.get_mut(container) {
            Some(seen) => seen.note(at),
            None => {
                let mut seen = Seen::default();
                seen.note(at);
                self.seen.insert(container.to_owned(), seen);
            }
        }
        true
    }
}

impl Reader for Shown<'_> {
    fn ask(&mut self) -> Ask {
        let LogsFlags { name, follow, tail, since, previous, container, .. } = self.flags;
        let mut ask = Ask::new(Method::GET, format!("/objects/{name}/logs"));
        if let Some(container) = container {
            ask = ask.with("container", container);
        }
        if *follow {
            ask = ask.with("follow", "true");
        }
        let elapsed = self.begun.elapsed();
        if let Some(newest) = self.newest {
            self.forget();
            self.before = self.seen.clone();
            let since = newest.earlier(OVERLAP.min(elapsed));
            // Containers may have ended meanwhile.
            return ask.with("previous", "true").with("since", &since.to_string());
        }
        if *previous {
            ask = ask.with("previous", "true");
        }
        match (tail, since) {
            // With --tail=0, lines since the start of the command are shown.
            (Some(0), _) if elapsed > Duration::from_secs(1) => {
                ask.with("since", &format!("{}ms", elapsed.as_millis()))
            }
            (tail, since) => {
                if let Some(since) = since {
                    ask = ask.with("since", since);
                }
                match tail {
                    Some(tail) => ask.with("tail", &tail.to_string()),
                    None => ask,
                }
            }
        }
    }

    fn goes_on(&self) -> bool {
        self.flags.follow
    }

    fn take(&mut self, line: &str) -> anyhow::Result<ControlFlow<()>> {
        let read = serde_json::from_str(line);
        let json = self.flags.output == TextFormat::Json;
        match read {
            Ok(LogsLine::Line(LogLine { container, at, line: text, .. })) => {
                if !self.is_new(&container, at.as_deref().and_then(LogTime::parse)) {
                    return Ok(ControlFlow::Continue(()));
                }
                if json {
                    output::json(line)?;
                } else {
                    let at = at.filter(|_| self.flags.timestamps);
                    output::raw(self.text(&container, at.as_deref(), &text).as_bytes())?;
                }
            }
            Ok(LogsLine::Note(LogNote { kind, container, text })) => {
                match json {
                    true => output::json(line)?,
                    false => {
                        let about = container.map(|container| format!("{container}: ")).unwrap_or_default();
                        output::note(format_args!("{about}{text}"));
                    }
                }
                if kind == LogNoteKind::Gone {
                    return Ok(ControlFlow::Break(()));
                }
            }
            // An unknown line is printed unchanged.
            Err(_) => output::line(line)?,
        }
        Ok(ControlFlow::Continue(()))
    }
}

impl Shown<'_> {
    /// A line for people. Only a terminal needs escaping.
    fn text(&mut self, container: &str, at: Option<&str>, text: &str) -> String {
        let mut line = self.prefix.of(container);
        if let Some(at) = at {
            // Writing to a string cannot fail.
            let _ = write!(line, "{} ", sanitize::escape(at));
        }
        match self.terminal {
            true => line.push_str(&sanitize::escape_line(text)),
            false => line.push_str(text),
        }
        line.push('\n');
        line
    }
}

/// The prefix of a line.
struct Prefix {
    /// The longest name so far.
    width: usize,
    coloured: bool,
}

impl Prefix {
    fn of(&mut self, container: &str) -> String {
        let name = sanitize::escape(container);
        self.width = self.width.max(name.len());
        let prefix = format!("{name:<width$} | ", width = self.width);
        match self.coloured {
            true => format!("\u{1b}[{}m{prefix}\u{1b}[0m", colour(container)),
            false => prefix,
        }
    }
}

/// The colour of the slot; neighbouring slots differ.
fn colour(container: &str) -> u8 {
    let slot: usize = container.rsplit('.').nth(1).and_then(|slot| slot.parse().ok()).unwrap_or_default();
    COLOURS.iter().copied().cycle().nth(slot % COLOURS.len()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        flags: LogsFlags,
    }

    fn flags(arguments: &[&str]) -> LogsFlags {
        Line::parse_from([&["logs"], arguments].concat()).flags
    }

    fn path(ask: &Ask) -> String {
        format!("{ask:?}").split('"').nth(1).unwrap().to_owned()
    }

    #[test]
    fn names_are_aligned_and_coloured_by_slot() {
        let mut prefix = Prefix { width: 0, coloured: false };
        assert_eq!(prefix.of("web.1.1"), "web.1.1 | ");
        assert_eq!(prefix.of("web.10.12"), "web.10.12 | ");
        assert_eq!(prefix.of("web.2.1"), "web.2.1   | ");
        prefix.coloured = true;
        assert_eq!(prefix.of("web.1.1"), "\u{1b}[33mweb.1.1   | \u{1b}[0m");
        assert_eq!(colour("web.1.1"), colour("web.1.2"));
        assert_ne!(colour("web.1.1"), colour("web.2.1"));
        assert_eq!(colour("else"), COLOURS[0]);
    }

    #[test]
    fn a_lost_connection_continues_without_repeated_lines() {
        let flags = flags(&["web", "--follow", "--tail=5", "--since=10m"]);
        let mut shown = Shown::new(&flags);
        assert_eq!(path(&shown.ask()), "/objects/web/logs?follow=true&since=10m&tail=5");
        let at = |nanos: u64| Some(LogTime(1_764_000_000_000_000_000 + nanos));
        assert!(shown.is_new("web.1.1", at(5)));
        assert!(shown.is_new("web.2.1", at(3)));
        assert!(shown.is_new("web.2.1", at(3)));
        shown.begun = shown.begun.checked_sub(Duration::from_secs(1)).unwrap();
        let again = path(&shown.ask());
        assert!(
            again.starts_with("/objects/web/logs?follow=true&previous=true&since=2025-11-24T15%3A59%3A5"),
            "{again}"
        );
        for (container, nanos, news) in [
            ("web.1.1", 4, false),
            ("web.1.1", 5, false),
            ("web.1.1", 6, true),
            ("web.2.1", 3, false),
            ("web.2.1", 3, false),
            ("web.2.1", 3, true),
            ("web.3.1", 1, true),
        ] {
            assert_eq!(shown.is_new(container, at(nanos)), news, "{container} {nanos}");
        }
    }

    #[test]
    fn tail_zero_shows_lines_from_while_the_connection_was_lost() {
        let flags = flags(&["web", "-f", "--tail=0"]);
        let mut shown = Shown::new(&flags);
        assert_eq!(path(&shown.ask()), "/objects/web/logs?follow=true&tail=0");
        shown.begun = shown.begun.checked_sub(Duration::from_secs(7)).unwrap();
        let again = path(&shown.ask());
        assert!(
            again.starts_with("/objects/web/logs?follow=true&since=70") && again.ends_with("ms"),
            "{again}"
        );
    }
}
