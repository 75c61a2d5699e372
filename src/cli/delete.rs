//! `delete`: removes objects and their containers.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use http::Method;

use super::connection::Connection;
use super::submit::{conclude, duration, unknown};
use super::wait::Patience;
use super::{REFUSED, object_name};
use crate::client::Ask;
use crate::client::answers::{OneOrMany, Receipt};
use crate::model::ObjectName;

/// Flags of `delete`.
#[derive(Debug, Args)]
pub(super) struct DeleteFlags {
    /// The objects. They are deleted one after the other; the first that cannot be ends it.
    #[arg(required = true, value_name = "NAME", value_parser = object_name)]
    names: Vec<ObjectName>,
    /// Wait up to this long, such as 2m, until nothing is left of them.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    wait: Option<Duration>,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(flags: &DeleteFlags) -> ExitCode {
    flags.connection.run(REFUSED, async |daemon| {
        let mut receipts = Vec::new();
        for name in &flags.names {
            let answer = daemon.ask(Ask::new(Method::DELETE, format!("/objects/{name}"))).await;
            match answer.map_err(unknown).and_then(|answer| Ok(answer.json::<OneOrMany<Receipt>>()?)) {
                Ok(more) => receipts.extend(Vec::from(more)),
                Err(error) => {
                    conclude(daemon, &receipts, None).await?;
                    return Err(error);
                }
            }
        }
        conclude(daemon, &receipts, Patience::of(flags.wait, false)).await
    })
}
