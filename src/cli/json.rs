//! `--output json` of what changes something: the daemon's own answer, as it came.

use std::time::Duration;

use clap::ValueEnum;
use serde::Deserialize;

use super::submit::unknown;
use super::{FAILED, TIMED_OUT, output};
use crate::client::{Answer, Ask, Daemon};

/// How to write what a command has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Lines for people.
    Text,
    /// JSON: the daemon's own, where it is the daemon that says it.
    Json,
}

/// Makes a change, waiting in the same request if asked to, and writes the answer: the exit code.
pub(super) async fn change(daemon: &Daemon, ask: Ask, wait: Option<Duration>) -> anyhow::Result<u8> {
    let answer = daemon.ask_for_any(waiting(ask, wait)).await.map_err(unknown)?;
    conclude(answer)
}

/// Has the daemon wait for the outcome.
pub(super) fn waiting(ask: Ask, wait: Option<Duration>) -> Ask {
    match wait {
        Some(wait) => ask.wait(wait),
        None => ask,
    }
}

/// Writes what was taken, and what became of it. What was not taken is an error as everywhere.
pub(super) fn conclude(answer: Answer) -> anyhow::Result<u8> {
    let code = match outcome(&answer) {
        Some(code) => code,
        None => return written(&answer.succeeded()?).map(|()| 0),
    };
    written(&answer)?;
    Ok(code)
}

fn written(answer: &Answer) -> anyhow::Result<()> {
    Ok(output::raw(&answer.body)?)
}

/// What became of a change that was taken, and is no success.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Unsettled {
    outcome: Option<String>,
    objects: Vec<Unsettled>,
}

/// The exit code for a change that was taken, and is no success.
fn outcome(answer: &Answer) -> Option<u8> {
    if answer.status.is_success() {
        return None;
    }
    let Unsettled { outcome, objects } = answer.json::<Unsettled>().ok()?;
    let words: Vec<String> =
        outcome.into_iter().chain(objects.into_iter().filter_map(|o| o.outcome)).collect();
    let failed = words.iter().any(|word| word == "failed" || word == "rolled_back");
    match words.is_empty() {
        true => None,
        false => Some(if failed { FAILED } else { TIMED_OUT }),
    }
}
