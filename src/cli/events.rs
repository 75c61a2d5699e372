//! `events`: what the manager did, and why.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use http::Method;

use super::connection::Connection;
use super::follow::follow;
use super::{REFUSED, object_name, output};
use crate::api::event::Event;
use crate::client::Ask;
use crate::core::name::ObjectName;

/// Flags of `events`.
#[derive(Debug, Args)]
pub(super) struct EventsFlags {
    /// Go on with what happens from now, until it is interrupted; also over a restart of the daemon.
    #[arg(long, short)]
    follow: bool,
    /// How many of the last events to begin with, up to 10000.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(0..=10_000))]
    tail: u16,
    /// Only those of this object.
    #[arg(long, value_name = "NAME", value_parser = object_name)]
    object: Option<ObjectName>,
    /// How to write them.
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Format,
    #[command(flatten)]
    connection: Connection,
}

/// How to write lines of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

pub(super) fn run(flags: &EventsFlags) -> ExitCode {
    flags.connection.run(REFUSED, async |daemon| {
        let mut all = Ask::new(Method::GET, "/events");
        if let Some(object) = &flags.object {
            all = all.with("object", object.as_str());
        }
        let first = all.clone().with("tail", &flags.tail.to_string());
        let (first, again) = match flags.follow {
            true => (first, Some(all)),
            false => (first.with("follow", "false"), None),
        };
        follow(daemon, first, again, |line| {
            match (flags.output, serde_json::from_str(line)) {
                (Format::Text, Ok(event)) => output::line(text(&event))?,
                (Format::Json, _) => output::json(line)?,
                // Better as it came than not at all.
                (Format::Text, Err(_)) => output::line(line)?,
            }
            Ok(())
        })
        .await?;
        Ok(0)
    })
}

fn text(event: &Event) -> String {
    let Event { at, kind, object, generation, by, text, .. } = event;
    let about = match (object, generation) {
        (Some(object), Some(generation)) => format!(" {object} ({generation})"),
        (Some(object), None) => format!(" {object}"),
        _ => String::new(),
    };
    let by = by.as_deref().map(|by| format!(", by {by}")).unwrap_or_default();
    format!("{at} {kind}{about}: {text}{by}").trim_start().to_owned()
}
