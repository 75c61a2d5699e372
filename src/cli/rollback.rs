//! `rollback`: restores an earlier spec of an object, as a new generation.

use std::process::ExitCode;

use clap::Args;
use http::Method;

use super::arguments::{ChangeFlags, generation, object_name};
use super::change::{conclude, outcome_unknown};
use super::connection::Connection;
use super::exit::REFUSED;
use crate::client::Ask;
use crate::core::name::ObjectName;

/// Flags of `rollback`.
#[derive(Debug, Args)]
pub(super) struct RollbackFlags {
    /// The object. A deleted one is created again.
    #[arg(value_name = "NAME", value_parser = object_name)]
    name: ObjectName,
    /// The generation whose spec to restore; `history` lists them. [default: the last one that differs]
    #[arg(long, value_name = "GENERATION", allow_negative_numbers = true, value_parser = generation("history"))]
    to: Option<u64>,
    #[command(flatten)]
    change: ChangeFlags,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(flags: &RollbackFlags) -> ExitCode {
    flags.connection.run(REFUSED, async |daemon| {
        let mut ask = Ask::new(Method::POST, format!("/objects/{}/rollback", flags.name));
        if let Some(to) = flags.to {
            ask = ask.with("to", &to.to_string());
        }
        // Never sent twice: a second rollback would restore another spec.
        let answer = daemon.ask(ask).await.map_err(outcome_unknown)?;
        conclude(daemon, &answer, flags.change.output, flags.change.limits()).await
    })
}
