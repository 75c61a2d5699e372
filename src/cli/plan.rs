//! `plan`: the steps that a submit of the same files would cause. Nothing is stored or done.

use std::process::ExitCode;

use clap::Args;

use super::dry_run::{DryRunFlags, summary};
use super::exit::USAGE;
use super::format::TextFormat;
use super::output;
use crate::client::answers::Plans;

/// The exit code if something would change, as for `diff`.
const CHANGES: u8 = 1;

/// Flags of `plan`.
#[derive(Debug, Args)]
pub(super) struct PlanFlags {
    #[command(flatten)]
    dry_run: DryRunFlags,
}

pub(super) fn run(PlanFlags { dry_run }: &PlanFlags) -> ExitCode {
    dry_run.connection.run(USAGE, async |daemon| {
        let (_, answer) = dry_run.plan(daemon).await?;
        if dry_run.output == TextFormat::Json {
            output::raw(&answer.body)?;
        }
        let plans: Plans = answer.json()?;
        let waiting = plans.objects.iter().find_map(|plan| Some((&plan.name, plan.waiting.as_ref()?)));
        if let (0, Some((name, why))) = (plans.changes, waiting) {
            anyhow::bail!("the plan for {name} is unknown: {why}");
        }
        if dry_run.output == TextFormat::Text {
            summary::show(&plans);
        }
        Ok(if plans.changes == 0 { 0 } else { CHANGES })
    })
}
