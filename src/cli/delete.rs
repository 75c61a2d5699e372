//! `delete`: removes objects and their containers.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use http::{Method, StatusCode};
use tokio::time::sleep;

use super::arguments::{object_name, wait_duration};
use super::change::{conclude, conclude_as_text, outcome_unknown};
use super::connection::Connection;
use super::dry_run::summary;
use super::exit::{INTERRUPTED, REFUSED};
use super::format::TextFormat;
use super::output;
use super::wait::{WaitLimits, question};
use crate::client::answers::{OneOrMany, Receipt};
use crate::client::{Ask, ClientError, Daemon};
use crate::core::name::ObjectName;

/// Flags of `delete`.
#[derive(Debug, Args)]
pub(super) struct DeleteFlags {
    /// The objects. They are deleted one after the other; if one cannot be deleted, the others still are.
    #[arg(required = true, value_name = "NAME", value_parser = object_name)]
    names: Vec<ObjectName>,
    /// Wait up to this long, such as 2m, until nothing is left of them.
    #[arg(long, value_name = "DURATION", value_parser = wait_duration)]
    wait: Option<Duration>,
    /// Do not fail if an object does not exist.
    #[arg(long)]
    ignore_missing: bool,
    /// Only show the plan.
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
    /// The output format. JSON is one answer per object; with --wait, only for a single object.
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: TextFormat,
    #[command(flatten)]
    connection: Connection,
}

/// How often to retry a deletion that exceeded the rate limit.
const BUSY_TRIES: u32 = 30;

/// The result for one name.
enum Deletion {
    /// Deleted, by this or by an earlier request.
    Deleted(Receipt),
    /// There is nothing to delete, which is no error.
    Missing,
}

pub(super) fn run(flags: &DeleteFlags) -> ExitCode {
    flags.connection.run(REFUSED, async |daemon| match flags.output {
        _ if flags.dry_run => flags.dry_run(daemon).await,
        TextFormat::Text => flags.delete(daemon).await,
        TextFormat::Json => flags.delete_as_json(daemon).await,
    })
}

impl DeleteFlags {
    async fn delete(&self, daemon: &Daemon) -> anyhow::Result<u8> {
        let mut names: Vec<&ObjectName> = Vec::new();
        for name in &self.names {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let (mut receipts, mut refused) = (Vec::new(), Vec::new());
        for (i, name) in names.iter().enumerate() {
            match self.one(daemon, name).await {
                Ok(Deletion::Deleted(receipt)) => receipts.push(receipt),
                // A closed standard output does not stop the others.
                Ok(Deletion::Missing) => drop(output::line(format_args!("{name} does not exist"))),
                Err(error) => {
                    if let [_] = names.as_slice() {
                        return Err(outcome_unknown(error));
                    }
                    let unreachable =
                        matches!(error, ClientError::NotSent { .. } | ClientError::Certificate { .. });
                    if let ClientError::Broken { .. } = error {
                        refused.push(format!("{name} (unknown)"));
                        output::note(format_args!("{name}: {:#}", outcome_unknown(error)));
                    } else {
                        refused.push(name.to_string());
                        output::note(format_args!("{name} not deleted: {error}"));
                    }
                    if unreachable {
                        // The others would fail in the same way.
                        refused.extend(names.iter().skip(i + 1).map(ToString::to_string));
                        break;
                    }
                }
            }
        }
        let code = match receipts.is_empty() {
            true => 0,
            false => conclude_as_text(daemon, &receipts, self.limits()).await?,
        };
        match (refused.as_slice(), code) {
            ([], code) => Ok(code),
            // The user stopped it.
            (_, code) if code >= INTERRUPTED => Ok(code),
            (refused, _) => anyhow::bail!(
                "{} of {} objects not deleted: {}",
                refused.len(),
                names.len(),
                refused.join(", ")
            ),
        }
    }

    fn limits(&self) -> Option<WaitLimits> {
        self.wait.map(|wait| WaitLimits { wait, fail_fast: false })
    }

    /// Shows what deleting them would do.
    async fn dry_run(&self, daemon: &Daemon) -> anyhow::Result<u8> {
        for name in &self.names {
            let ask = Ask::new(Method::DELETE, format!("/objects/{name}")).with("dry_run", "true");
            match (daemon.ask(ask).await, self.output) {
                (Err(error), _) if self.ignore_missing && error.is(StatusCode::NOT_FOUND) => {}
                (answer, TextFormat::Text) => summary::show(&answer?.json()?),
                (answer, TextFormat::Json) => output::raw(&answer?.body)?,
            }
        }
        Ok(0)
    }

    /// Prints the daemon's answers, and refusals on standard error.
    async fn delete_as_json(&self, daemon: &Daemon) -> anyhow::Result<u8> {
        let several = self.names.len() > 1;
        anyhow::ensure!(!several || self.wait.is_none(), "with --output json, --wait is for one object");
        let mut refused = Vec::new();
        let mut code = 0;
        for name in &self.names {
            let ask = Ask::new(Method::DELETE, format!("/objects/{name}"));
            let concluded = match daemon.ask(ask).await {
                Err(error) if self.ignore_missing && error.is(StatusCode::NOT_FOUND) => continue,
                Ok(answer) => conclude(daemon, &answer, self.output, self.limits()).await,
                Err(error) => Err(outcome_unknown(error)),
            };
            match concluded {
                Ok(outcome) => code = outcome,
                Err(error) if !several => return Err(error),
                Err(error) => {
                    output::note(format_args!("{name} not deleted: {error:#}"));
                    refused.push(name.as_str());
                }
            }
        }
        let (refused, all) = (refused.join(", "), self.names.len());
        anyhow::ensure!(refused.is_empty(), "not all of {all} objects deleted: {refused}");
        Ok(code)
    }

    async fn one(&self, daemon: &Daemon, name: &ObjectName) -> Result<Deletion, ClientError> {
        let mut tries = 0;
        let answer = loop {
            let answer = daemon.ask(Ask::new(Method::DELETE, format!("/objects/{name}"))).await;
            match answer {
                // Over the rate limit: nothing was done.
                Err(error) if error.is(StatusCode::TOO_MANY_REQUESTS) && tries < BUSY_TRIES => {
                    tries += 1;
                    sleep(ClientError::SOON).await;
                }
                answer => break answer,
            }
        };
        let missing = match answer {
            Err(error) if error.is(StatusCode::NOT_FOUND) => error,
            answer => {
                let receipts = Vec::from(answer?.json::<OneOrMany<Receipt>>()?);
                return Ok(receipts.into_iter().next().map_or(Deletion::Missing, Deletion::Deleted));
            }
        };
        // An object that was deleted before has a status, with Count 0, until nothing is left of it.
        match question::status(daemon, name.as_str()).await? {
            Some(going) if going.count == 0 => {
                Ok(Deletion::Deleted(Receipt::going(going.name, going.generation)))
            }
            _ if self.ignore_missing => Ok(Deletion::Missing),
            _ => Err(missing),
        }
    }
}
