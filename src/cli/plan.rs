//! `plan`: what a submit of the same files would do, step by step. Nothing is stored or done.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use http::Method;

use super::connection::Connection;
use super::input::Objects;
use super::{USAGE, output, submit};
use crate::client::Ask;
use crate::client::answers::Plans;

/// Something would change: exit codes as those of `diff`, and so that a pipeline can ask before it acts.
const CHANGES: u8 = 1;

/// Flags of `plan`.
#[derive(Debug, Args)]
pub(super) struct PlanFlags {
    /// JSON or YAML, as for `submit`; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// As `submit --prune` would.
    #[arg(long, value_name = "PREFIX")]
    prune: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(flags: &PlanFlags) -> ExitCode {
    flags.connection.run(USAGE, async |daemon| {
        let objects = Objects::read(&flags.files)?;
        let mut ask = Ask::new(Method::POST, "/submit").with("dry_run", "true");
        ask = ask.body(objects.body(flags.prune.is_some()));
        if let Some(prefix) = &flags.prune {
            ask = ask.with("prune", prefix);
        }
        let answer = daemon.ask(ask).await.map_err(|error| submit::placed(error.into(), &objects))?;
        conclude(&answer.json()?)
    })
}

fn conclude(plans: &Plans) -> anyhow::Result<u8> {
    // The exit code is the answer, also for somebody who reads none of this.
    for plan in &plans.objects {
        let what = match plan.result.as_str() {
            "unchanged" => format!("unchanged: generation {}", plan.generation),
            result => format!("would be {result}: generation {}", plan.generation),
        };
        let _ = output::line(format_args!("{} {what}", plan.name));
        for step in &plan.plan {
            let _ = output::line(format_args!("    {step}"));
        }
        if plan.truncated {
            let _ = output::line("    … and more");
        }
        if let Some(waiting) = &plan.waiting {
            let _ = output::line(format_args!("    the steps are not known yet: {waiting}"));
        }
    }
    let waiting = plans.objects.iter().find_map(|plan| Some((&plan.name, plan.waiting.as_ref()?)));
    match (plans.changes, waiting) {
        (0, Some((name, why))) => anyhow::bail!("what would be done for {name} is not known: {why}"),
        (0, None) => {
            let _ = output::line("nothing would change");
            Ok(0)
        }
        (n, _) => {
            let _ = output::line(format_args!("{n} of {} objects would change", plans.objects.len()));
            Ok(CHANGES)
        }
    }
}
