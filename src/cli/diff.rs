//! `diff`: what differs between the objects that are stored and those that would be submitted, field by field.
//!
//! Whether something differs at all, and whether it would be taken, the daemon says: it is asked for a dry run first. What
//! only states a default is no difference.

use std::process::ExitCode;

use clap::Args;
use http::{Method, StatusCode};
use serde_json::Value;

use super::connection::Connection;
use super::files::Files;
use super::{USAGE, output, submit};
use crate::client::answers::Plans;
use crate::client::{Ask, Daemon};
use crate::model::submission;

mod compare;

use compare::Line;

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
    #[command(flatten)]
    connection: Connection,
}

/// What differs in one object.
struct Difference {
    head: String,
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
        let plans: Plans = answer.json()?;
        let mut some = false;
        for plan in plans.objects.iter().filter(|plan| plan.result != "unchanged") {
            let Some(stored) = stored(daemon, &plan.name).await? else {
                show(&added(&plan.name, objects.named(&plan.name)));
                some = true;
                continue;
            };
            show(&match plan.result.as_str() {
                "deleted" => removed(&plan.name, &stored),
                _ => changed(&plan.name, &stored, objects.named(&plan.name)),
            });
            some = true;
        }
        Ok(if some { DIFFERENCES } else { 0 })
    })
}

/// What is stored, if it still is.
async fn stored(daemon: &Daemon, name: &str) -> anyhow::Result<Option<Value>> {
    match daemon.ask(Ask::new(Method::GET, format!("/objects/{name}"))).await {
        Err(error) if error.is(StatusCode::NOT_FOUND) => Ok(None),
        answer => Ok(Some(answer?.json()?)),
    }
}

fn added(name: &str, given: Option<&Value>) -> Difference {
    let lines = compare::lines(None, given.map(submission::as_stored).as_ref());
    Difference { head: format!("{name} (new)"), lines }
}

fn removed(name: &str, stored: &Value) -> Difference {
    let lines = compare::lines(Some(&submission::as_stored(stored)), None);
    Difference { head: format!("{name} ({}, would be deleted)", generation(stored)), lines }
}

fn changed(name: &str, stored: &Value, given: Option<&Value>) -> Difference {
    let between = |of: fn(&Value) -> Value| compare::lines(Some(&of(stored)), given.map(of).as_ref());
    let mut lines = between(submission::without_defaults);
    if lines.is_empty() {
        // What makes the difference to the daemon is no default to it.
        lines = between(submission::as_stored);
    }
    Difference { head: format!("{name} ({})", generation(stored)), lines }
}

fn generation(stored: &Value) -> String {
    format!("generation {}", stored.get("Generation").unwrap_or(&Value::Null))
}

/// The exit code is the answer, also for somebody who reads none of this.
fn show(difference: &Difference) {
    let _ = output::line(&difference.head);
    for line in &difference.lines {
        let _ = output::line(line);
    }
}
