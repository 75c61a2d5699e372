//! `delete`: removes objects and their containers.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use http::{Method, StatusCode};
use tokio::time::sleep;

use super::connection::Connection;
use super::json::{self, Format};
use super::submit::{conclude, duration, unknown};
use super::wait::{self, Patience};
use super::{REFUSED, object_name, output, plan};
use crate::client::answers::{OneOrMany, Receipt};
use crate::client::{Ask, ClientError, Daemon};
use crate::core::name::ObjectName;

/// Flags of `delete`.
#[derive(Debug, Args)]
pub(super) struct DeleteFlags {
    /// The objects. They are deleted one after the other; one that cannot be deleted does not stop the others.
    #[arg(required = true, value_name = "NAME", value_parser = object_name)]
    names: Vec<ObjectName>,
    /// Wait up to this long, such as 2m, until nothing is left of them.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    wait: Option<Duration>,
    /// An object that does not exist is no error.
    #[arg(long)]
    ignore_missing: bool,
    /// Only show what would be done.
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
    /// How to write it: JSON is the daemon's answer, one for each object. With --wait for one object only.
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Format,
    #[command(flatten)]
    connection: Connection,
}

/// How often a deletion that came too fast is tried again.
const BUSY_TRIES: u32 = 30;

/// What has become of one name.
enum Done {
    /// It is deleted, by this or by an earlier request.
    Deleted(Receipt),
    /// There is nothing to delete, and that is fine.
    Missing,
}

pub(super) fn run(flags: &DeleteFlags) -> ExitCode {
    flags.connection.run(REFUSED, async |daemon| match flags.output {
        _ if flags.dry_run => flags.dry_run(daemon).await,
        Format::Text => flags.delete(daemon).await,
        Format::Json => flags.delete_as_json(daemon).await,
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
                Ok(Done::Deleted(receipt)) => receipts.push(receipt),
                // It is done, even if nobody reads of it.
                Ok(Done::Missing) => drop(output::line(format_args!("{name} does not exist"))),
                Err(error) => {
                    if let [_] = names.as_slice() {
                        return Err(unknown(error));
                    }
                    let unreachable =
                        matches!(error, ClientError::NotSent { .. } | ClientError::Certificate { .. });
                    if let ClientError::Broken { .. } = error {
                        refused.push(format!("{name} (not known)"));
                        output::note(format_args!("{name}: {:#}", unknown(error)));
                    } else {
                        refused.push(name.to_string());
                        output::note(format_args!("{name} not deleted: {error}"));
                    }
                    if unreachable {
                        // The others would only take their time to end in the same way.
                        refused.extend(names.iter().skip(i + 1).map(ToString::to_string));
                        break;
                    }
                }
            }
        }
        let code = match receipts.is_empty() {
            true => 0,
            false => conclude(daemon, &receipts, Patience::of(self.wait, false)).await?,
        };
        match (refused.as_slice(), code) {
            ([], code) => Ok(code),
            // The user has stopped it.
            (_, code) if code >= wait::INTERRUPTED => Ok(code),
            (refused, _) => anyhow::bail!(
                "{} of {} objects not deleted: {}",
                refused.len(),
                names.len(),
                refused.join(", ")
            ),
        }
    }

    /// Shows what deleting them would do.
    async fn dry_run(&self, daemon: &Daemon) -> anyhow::Result<u8> {
        for name in &self.names {
            let ask = Ask::new(Method::DELETE, format!("/objects/{name}")).with("dry_run", "true");
            match (daemon.ask(ask).await, self.output) {
                (Err(error), _) if self.ignore_missing && error.is(StatusCode::NOT_FOUND) => {}
                (answer, Format::Text) => plan::show(&answer?.json()?),
                (answer, Format::Json) => output::raw(&answer?.body)?,
            }
        }
        Ok(0)
    }

    /// Writes the daemon's answers as they come; what is refused is told on standard error.
    async fn delete_as_json(&self, daemon: &Daemon) -> anyhow::Result<u8> {
        let several = self.names.len() > 1;
        anyhow::ensure!(!several || self.wait.is_none(), "with --output json, --wait is for one object");
        let mut refused = Vec::new();
        let mut code = 0;
        for name in &self.names {
            let ask = Ask::new(Method::DELETE, format!("/objects/{name}"));
            match json::change(daemon, ask, self.wait).await {
                Ok(outcome) => code = outcome,
                Err(error) if self.ignore_missing && is_missing(&error) => {}
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

    async fn one(&self, daemon: &Daemon, name: &ObjectName) -> Result<Done, ClientError> {
        let mut tries = 0;
        let answer = loop {
            let answer = daemon.ask(Ask::new(Method::DELETE, format!("/objects/{name}"))).await;
            match answer {
                // Many at once are more than one client may ask in a second: nothing was done.
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
                return Ok(receipts.into_iter().next().map_or(Done::Missing, Done::Deleted));
            }
        };
        // What was deleted before has a status until nothing of it is left; nothing is wanted of it.
        match wait::status(daemon, name.as_str()).await? {
            Some(going) if going.count == 0 => {
                Ok(Done::Deleted(Receipt::going(going.name, going.generation)))
            }
            _ if self.ignore_missing => Ok(Done::Missing),
            _ => Err(missing),
        }
    }
}

fn is_missing(error: &anyhow::Error) -> bool {
    error.downcast_ref::<ClientError>().is_some_and(|error| error.is(StatusCode::NOT_FOUND))
}
