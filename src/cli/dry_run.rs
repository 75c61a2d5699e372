//! A submit that the daemon only plans: for `plan` and `diff`.

use clap::Args;
use http::Method;

use super::connection::Connection;
use super::files::Files;
use super::format::TextFormat;
use super::input::Objects;
use crate::client::{Answer, Ask, Daemon};

pub(super) mod summary;

/// Flags of `plan` and `diff`.
#[derive(Debug, Args)]
pub(super) struct DryRunFlags {
    #[command(flatten)]
    files: Files,
    /// Include the objects that `submit --prune` would delete.
    #[arg(long, value_name = "PREFIX")]
    prune: Option<String>,
    /// The output format.
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(super) output: TextFormat,
    #[command(flatten)]
    pub(super) connection: Connection,
}

impl DryRunFlags {
    /// Reads the files and returns them with the daemon's plan.
    pub(super) async fn plan(&self, daemon: &Daemon) -> anyhow::Result<(Objects, Answer)> {
        let objects = self.files.read()?;
        let ask = submit(&objects, self.prune.as_deref()).with("dry_run", "true");
        let answer = daemon.ask(ask).await.map_err(|error| objects.locate(error.into()))?;
        Ok((objects, answer))
    }
}

/// The request that submits objects; with `prune` it also deletes the others with that prefix.
pub(super) fn submit(objects: &Objects, prune: Option<&str>) -> Ask {
    let ask = Ask::new(Method::POST, "/submit").body(objects.body(prune.is_some()));
    match prune {
        Some(prefix) => ask.with("prune", prefix),
        None => ask,
    }
}
