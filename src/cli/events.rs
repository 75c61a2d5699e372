//! `events`: what the manager did, and why.

use std::process::ExitCode;

use clap::Args;
use http::Method;

use super::arguments::{number, object_name};
use super::connection::Connection;
use super::exit::REFUSED;
use super::follow::follow;
use super::format::TextFormat;
use super::output;
use crate::api::event::Event;
use crate::client::Ask;
use crate::core::name::ObjectName;

/// Flags of `events`.
#[derive(Debug, Args)]
pub(super) struct EventsFlags {
    /// Follow new events until interrupted, also across a restart of the daemon.
    #[arg(long, short)]
    follow: bool,
    /// Begin with the last N events, up to 10000.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = number(0..=10_000_u16))]
    tail: u16,
    /// Only events of this object.
    #[arg(long, value_name = "NAME", value_parser = object_name)]
    object: Option<ObjectName>,
    /// The output format.
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: TextFormat,
    #[command(flatten)]
    connection: Connection,
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
                (TextFormat::Text, Ok(event)) => output::line(text(&event))?,
                (TextFormat::Json, _) => output::json(line)?,
                // An unknown event is printed unchanged.
                (TextFormat::Text, Err(_)) => output::line(line)?,
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
