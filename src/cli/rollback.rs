//! `rollback`: brings an earlier spec of an object back, as a new generation.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use http::Method;

use super::connection::Connection;
use super::json::{self, Format};
use super::submit::{conclude, duration, unknown};
use super::wait::Patience;
use super::{REFUSED, object_name};
use crate::api::change::{OneOrMany, Receipt};
use crate::client::Ask;
use crate::core::name::ObjectName;

/// Flags of `rollback`.
#[derive(Debug, Args)]
pub(super) struct RollbackFlags {
    /// The object; a deleted one comes back.
    #[arg(value_name = "NAME", value_parser = object_name)]
    name: ObjectName,
    /// The generation whose spec is wanted; `history` lists them. [default: the last one that differs]
    #[arg(long, value_name = "GENERATION")]
    to: Option<u64>,
    /// Wait up to this long, such as 2m, until it has converged or failed.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    wait: Option<Duration>,
    /// How to write it. With --wait, JSON is asked for and answered in one request, with the outcome.
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Format,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(flags: &RollbackFlags) -> ExitCode {
    flags.connection.run(REFUSED, async |daemon| {
        let mut ask = Ask::new(Method::POST, format!("/objects/{}/rollback", flags.name));
        if let Some(to) = flags.to {
            ask = ask.with("to", &to.to_string());
        }
        if flags.output == Format::Json {
            return json::change(daemon, ask, flags.wait).await;
        }
        // Never sent twice: the last spec that differs is another one after it.
        let receipts = Vec::from(daemon.ask(ask).await.map_err(unknown)?.json::<OneOrMany<Receipt>>()?);
        conclude(daemon, &receipts, Patience::of(flags.wait, false)).await
    })
}
