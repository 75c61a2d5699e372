//! `diff`: what differs between the objects that are stored and those that would be submitted, field by field.
//!
//! Whether something differs at all, and whether it would be taken, the daemon says: it is asked for a dry run first. What
//! only states a default is no difference.

use std::process::ExitCode;

use clap::Args;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use self::compare::Line;
use super::connection::Connection;
use super::files::Files;
use super::json::Format;
use super::output::{self, OutputError};
use super::{USAGE, submit};
use crate::api::change::ChangeResult;
use crate::api::plan::DryRun;
use crate::client::{Ask, Daemon};
use crate::core::submission;

mod compare;

/// Something differs: exit codes as those of `diff`.
const DIFFERENCES: u8 = 1;

/// Flags of `diff`.
#[derive(Debug, Args)]
pub(super) struct DiffFlags {
    #[command(flatten)]
    files: Files,
    /// Also show the objects that `submit --prune` would delete.
    #[arg(long, value_name = "PREFIX")]
    prune: Option<String>,
    /// How to write it.
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Format,
    #[command(flatten)]
    connection: Connection,
}

/// What differs in one object.
struct Difference {
    name: String,
    /// The generation that is stored; none of a new object.
    generation: Option<Value>,
    /// It would be deleted.
    goes: bool,
    lines: Vec<Line>,
}

pub(super) fn run(flags: &DiffFlags) -> ExitCode {
    flags.connection.run(USAGE, async |daemon| {
        let objects = flags.files.read()?;
        let mut ask = Ask::new(Method::POST, "/submit").with("dry_run", "true");
        ask = ask.body(objects.body(flags.prune.is_some()));
        if let Some(prefix) = &flags.prune {
            ask = ask.with("prune", prefix);
        }
        let answer = daemon.ask(ask).await.map_err(|error| submit::placed(error.into(), &objects))?;
        let plans: DryRun = answer.json()?;
        let mut differences = Vec::new();
        let receipts = plans.objects.iter().map(|plan| &plan.receipt);
        for receipt in receipts.filter(|receipt| receipt.result != ChangeResult::Unchanged) {
            let stored = stored(daemon, &receipt.name).await?;
            let given = objects.named(&receipt.name).filter(|_| !receipt.deleted());
            differences.push(Difference {
                name: receipt.name.clone(),
                generation: stored.as_ref().and_then(|stored| stored.get("Generation").cloned()),
                goes: given.is_none(),
                lines: between(stored.as_ref(), given),
            });
        }
        // The exit code is the answer, also for somebody who reads none of this.
        let _ = match flags.output {
            Format::Text => differences.iter().try_for_each(show),
            Format::Json => output::json(&Value::from_iter(differences.iter().map(as_json)).to_string()),
        };
        Ok(if differences.is_empty() { 0 } else { DIFFERENCES })
    })
}

/// What is stored, if it still is.
async fn stored(daemon: &Daemon, name: &str) -> anyhow::Result<Option<Value>> {
    match daemon.ask(Ask::new(Method::GET, format!("/objects/{name}"))).await {
        Err(error) if error.is(StatusCode::NOT_FOUND) => Ok(None),
        answer => Ok(Some(answer?.json()?)),
    }
}

fn between(stored: Option<&Value>, given: Option<&Value>) -> Vec<Line> {
    let differ = |of: fn(&Value) -> Value| compare::lines(stored.map(of).as_ref(), given.map(of).as_ref());
    if stored.is_some() && given.is_some() {
        let lines = differ(submission::without_defaults);
        if !lines.is_empty() {
            return lines;
        }
    }
    // All of one that is new or goes, and what is no default to the daemon, if it says that something differs.
    differ(submission::as_stored)
}

fn show(difference: &Difference) -> Result<(), OutputError> {
    let Difference { name, generation, goes, lines } = difference;
    let goes = if *goes { ", would be deleted" } else { "" };
    match generation {
        Some(generation) => output::line(format_args!("{name} (generation {generation}{goes})"))?,
        None => output::line(format_args!("{name} (new)"))?,
    }
    lines.iter().try_for_each(output::line)
}

fn as_json(difference: &Difference) -> Value {
    let Difference { name, generation, goes, lines } = difference;
    let result = match (generation, goes) {
        (_, true) => "deleted",
        (None, false) => "created",
        (Some(_), false) => "updated",
    };
    let line = |line: &Line| {
        let side = if line.added { "After" } else { "Before" };
        json!({"Field": line.field, side: line.value})
    };
    let lines: Vec<Value> = lines.iter().map(line).collect();
    json!({"Name": name, "Result": result, "Generation": generation, "Differences": lines})
}
