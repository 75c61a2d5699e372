//! `submit`: submits objects, and waits until they have converged if asked to.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use http::header;
use tokio::time::sleep;

use super::arguments::{generation, wait_duration};
use super::change::{conclude, outcome_unknown};
use super::connection::Connection;
use super::dry_run::{self, summary};
use super::exit::REFUSED;
use super::files::Files;
use super::format::TextFormat;
use super::input::Objects;
use super::output;
use super::wait::WaitLimits;
use crate::client::{Answer, Ask, ClientError, Daemon};
use crate::clock;

/// Flags of `submit`.
#[derive(Debug, Args)]
pub(super) struct SubmitFlags {
    #[command(flatten)]
    files: Files,
    /// Wait up to this long, such as 2m, until all objects have converged or failed.
    #[arg(long, value_name = "DURATION", value_parser = wait_duration)]
    wait: Option<Duration>,
    /// End the wait with the first object that fails. The daemon continues with the others.
    #[arg(long, requires = "wait")]
    fail_fast: bool,
    /// Also delete the objects whose names begin with PREFIX and that are not in the files, in the same transaction.
    #[arg(long, value_name = "PREFIX")]
    prune: Option<String>,
    /// Submit only if the object still has this generation. For a single object.
    #[arg(long, value_name = "GENERATION", allow_negative_numbers = true, value_parser = generation("get"), conflicts_with_all = ["create_only", "prune"])]
    if_match: Option<u64>,
    /// Submit only if no object has this name. For a single object.
    #[arg(long, conflicts_with = "prune")]
    create_only: bool,
    /// Only show the plan, as `plan` does. Exit codes: 0 it would be accepted, 1 it would not.
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
    /// The output format. With --wait, JSON is one answer that includes the outcome.
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: TextFormat,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(flags: &SubmitFlags) -> ExitCode {
    flags.connection.run(REFUSED, async |daemon| {
        let objects = flags.files.read()?;
        if flags.dry_run {
            let ask = flags.request(&objects).with("dry_run", "true");
            let answer = daemon.ask(ask).await.map_err(|error| objects.locate(error.into()))?;
            match flags.output {
                TextFormat::Text => summary::show(&answer.json()?),
                TextFormat::Json => output::raw(&answer.body)?,
            }
            return Ok(0);
        }
        let answer = flags.submit(daemon, &objects).await.map_err(|error| objects.locate(error))?;
        let limits = flags.wait.map(|wait| WaitLimits { wait, fail_fast: flags.fail_fast });
        conclude(daemon, &answer, flags.output, limits).await
    })
}

impl SubmitFlags {
    /// Submits. If a connection breaks before the answer and there is a wait, submits the same again: if the daemon
    /// accepted the first submit, the second changes nothing.
    async fn submit(&self, daemon: &Daemon, objects: &Objects) -> anyhow::Result<Answer> {
        let until = clock::monotonic() + self.wait.unwrap_or_default();
        let conditional = self.if_match.is_some() || self.create_only || objects.are_conditional();
        let mut sent = false;
        loop {
            let error = match daemon.ask(self.request(objects)).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            sent |= matches!(error, ClientError::Broken { .. });
            let pause = error.passes_after().filter(|_| sent && !conditional && clock::monotonic() < until);
            match pause {
                Some(pause) => {
                    output::note(format_args!(
                        "{error}; it is unknown whether the submit was accepted: submitting the same again, which changes \
                         nothing if it was"
                    ));
                    sleep(pause).await;
                }
                None if sent => return Err(outcome_unknown(error)),
                None => return Err(error.into()),
            }
        }
    }

    fn request(&self, objects: &Objects) -> Ask {
        let mut ask = dry_run::submit(objects, self.prune.as_deref());
        if let Some(generation) = self.if_match {
            ask = ask.header(header::IF_MATCH, format!("\"{generation}\""));
        }
        if self.create_only {
            ask = ask.header(header::IF_NONE_MATCH, "*");
        }
        ask
    }
}
