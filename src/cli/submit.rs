//! `submit`: hands objects to the daemon, and waits for what becomes of them if asked to.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use http::{Method, header};
use tokio::time::sleep;

use super::connection::Connection;
use super::files::Files;
use super::input::Objects;
use super::json::{self, Format};
use super::wait::{self, Patience};
use super::{REFUSED, output, plan};
use crate::client::answers::{OneOrMany, Receipt};
use crate::client::{Answer, Ask, ClientError, Daemon};
use crate::clock;
use crate::core::submission::seconds_or_duration;

/// The longest `--wait`: what the daemon allows.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// Flags of `submit`.
#[derive(Debug, Args)]
pub(super) struct SubmitFlags {
    #[command(flatten)]
    files: Files,
    /// Wait up to this long, such as 2m, until the objects have converged or failed.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    wait: Option<Duration>,
    /// End the wait with the first object that has failed; the others are worked on further.
    #[arg(long, requires = "wait")]
    fail_fast: bool,
    /// Delete objects whose names begin with this and that are not among those given, in the same transaction.
    #[arg(long, value_name = "PREFIX")]
    prune: Option<String>,
    /// Only if the object's generation still is this one. For a single object.
    #[arg(long, value_name = "GENERATION", conflicts_with_all = ["create_only", "prune"])]
    if_match: Option<u64>,
    /// Only if there is no object of this name. For a single object.
    #[arg(long, conflicts_with = "prune")]
    create_only: bool,
    /// Only show what would be done, as `plan` does. Exit codes: 0 it would be taken, 1 it would not.
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
    /// How to write it. With --wait, JSON is asked for and answered in one request, with the outcome.
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Format,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(flags: &SubmitFlags) -> ExitCode {
    flags.connection.run(REFUSED, async |daemon| {
        let objects = flags.files.read()?;
        if flags.dry_run {
            let ask = flags.request(&objects).with("dry_run", "true");
            let answer = daemon.ask(ask).await.map_err(|error| placed(error.into(), &objects))?;
            match flags.output {
                Format::Text => plan::show(&answer.json()?),
                Format::Json => output::raw(&answer.body)?,
            }
            return Ok(0);
        }
        if flags.output == Format::Json {
            anyhow::ensure!(
                !flags.fail_fast,
                "--fail-fast is for --output text: JSON is one answer about all objects"
            );
            let done = json::change(daemon, flags.request(&objects), flags.wait).await;
            return done.map_err(|error| placed(error, &objects));
        }
        let answer = flags.submit(daemon, &objects).await.map_err(|error| placed(error, &objects))?;
        let receipts = Vec::from(answer.json::<OneOrMany<Receipt>>()?);
        conclude(daemon, &receipts, Patience::of(flags.wait, flags.fail_fast)).await
    })
}

impl SubmitFlags {
    /// Submits. Where it is not known whether the daemon took it, and it is to be waited for anyhow, the same is
    /// submitted again: what was taken is unchanged then.
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
                        "{error}; whether the submit was taken is not known: submitting the same again, which changes \
                         nothing if it was"
                    ));
                    sleep(pause).await;
                }
                None if sent => return Err(unknown(error)),
                None => return Err(error.into()),
            }
        }
    }

    fn request(&self, objects: &Objects) -> Ask {
        let mut ask = Ask::new(Method::POST, "/submit").body(objects.body(self.prune.is_some()));
        if let Some(prefix) = &self.prune {
            ask = ask.with("prune", prefix);
        }
        if let Some(generation) = self.if_match {
            ask = ask.header(header::IF_MATCH, format!("\"{generation}\""));
        }
        if self.create_only {
            ask = ask.header(header::IF_NONE_MATCH, "*");
        }
        ask
    }
}

/// Adds the file to an error that names a field.
pub(super) fn placed(error: anyhow::Error, objects: &Objects) -> anyhow::Error {
    let field = match error.downcast_ref() {
        // Of the only object the file is known without a field, too.
        Some(ClientError::Refused(problem)) if problem.status == 422 => {
            Some(problem.field.as_deref().unwrap_or_default())
        }
        Some(ClientError::Refused(problem)) => problem.field.as_deref(),
        _ => None,
    };
    match field.and_then(|field| objects.place(field)) {
        Some(place) => anyhow::anyhow!("{error} ({place})"),
        None => error,
    }
}

/// An error of a request that changes something and was not answered.
pub(super) fn unknown(error: ClientError) -> anyhow::Error {
    match error {
        ClientError::Broken { .. } => anyhow::Error::from(error)
            .context("whether the daemon took it is not known; `status` and `history` tell"),
        error => error.into(),
    }
}

/// Says what was taken, then waits for it if asked to: the exit code.
pub(super) async fn conclude(
    daemon: &Daemon,
    receipts: &[Receipt],
    patience: Option<Patience>,
) -> anyhow::Result<u8> {
    for Receipt { name, generation, result, rolled_back_to, .. } in receipts {
        let back = rolled_back_to.map(|to| format!(", with the spec of generation {to}")).unwrap_or_default();
        // It is taken, whoever reads of it.
        let _ = output::line(format_args!("{name} {result}: generation {generation}{back}"));
    }
    match patience {
        Some(patience) => wait::wait(daemon, receipts, patience).await,
        None => Ok(0),
    }
}

/// A `--wait`; a plain number is one of seconds, as everywhere else.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    seconds_or_duration(text)
        .filter(|d| !d.is_zero() && *d <= WAIT_MAX)
        .ok_or_else(|| "expected a duration such as 60s or 2m, or a number of seconds, up to 1h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_a_duration_or_a_number_of_seconds_up_to_an_hour() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("1m30s", 90), ("3600", 3600), ("1h", 3600)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "0", "0s", "-1", "1.5", "3601", "2h", "soon"] {
            assert!(duration(bad).unwrap_err().contains("or a number of seconds"), "{bad}");
        }
    }
}
