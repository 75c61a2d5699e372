//! `diff`: the differences between the stored objects and the files, field by field.
//!
//! The daemon decides whether anything differs and whether it would accept the submit: a dry run comes first. A field that
//! only states a default is no difference.

use std::process::ExitCode;

use clap::Args;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use self::compare::Line;
use super::dry_run::DryRunFlags;
use super::exit::USAGE;
use super::format::TextFormat;
use super::output::{self, OutputError};
use crate::client::answers::Plans;
use crate::client::{Ask, Daemon};
use crate::core::submission;

mod compare;

/// The exit code if something differs, as for diff(1).
const DIFFERENCES: u8 = 1;

/// Flags of `diff`.
#[derive(Debug, Args)]
pub(super) struct DiffFlags {
    #[command(flatten)]
    dry_run: DryRunFlags,
}

/// The differences of one object.
struct Difference {
    name: String,
    /// The stored generation; none for a new object.
    generation: Option<Value>,
    /// It would be deleted.
    deleted: bool,
    lines: Vec<Line>,
}

pub(super) fn run(DiffFlags { dry_run }: &DiffFlags) -> ExitCode {
    dry_run.connection.run(USAGE, async |daemon| {
        let (objects, answer) = dry_run.plan(daemon).await?;
        let plans: Plans = answer.json()?;
        let mut differences = Vec::new();
        for plan in plans.objects.iter().filter(|plan| plan.result != "unchanged") {
            let stored = stored(daemon, &plan.name).await?;
            let given = objects.named(&plan.name).filter(|_| plan.result != "deleted");
            differences.push(Difference {
                name: plan.name.clone(),
                generation: stored.as_ref().and_then(|stored| stored.get("Generation").cloned()),
                deleted: given.is_none(),
                lines: between(stored.as_ref(), given),
            });
        }
        // A closed standard output does not change the exit code.
        let _ = match dry_run.output {
            TextFormat::Text => differences.iter().try_for_each(show),
            TextFormat::Json => output::json(&Value::from_iter(differences.iter().map(as_json)).to_string()),
        };
        Ok(if differences.is_empty() { 0 } else { DIFFERENCES })
    })
}

/// The stored object, if it still exists.
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
    // All of a new or deleted object; and if the daemon reports a difference, fields that it does not count as defaults.
    differ(submission::as_stored)
}

fn show(difference: &Difference) -> Result<(), OutputError> {
    let Difference { name, generation, deleted, lines } = difference;
    let deleted = if *deleted { ", would be deleted" } else { "" };
    match generation {
        Some(generation) => output::line(format_args!("{name} (generation {generation}{deleted})"))?,
        None => output::line(format_args!("{name} (new)"))?,
    }
    lines.iter().try_for_each(output::line)
}

fn as_json(difference: &Difference) -> Value {
    let Difference { name, generation, deleted, lines } = difference;
    let result = match (generation, deleted) {
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
