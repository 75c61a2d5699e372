//! `version`: the client's version, the daemon's, and the engine's.

use std::process::ExitCode;

use clap::Args;
use http::Method;

use super::connection::Connection;
use super::{REFUSED, output};
use crate::client::Ask;
use crate::client::answers::Versions;

/// Flags of `version`.
#[derive(Debug, Args)]
pub(super) struct VersionFlags {
    /// Only the client's; no daemon is asked.
    #[arg(long)]
    client: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(flags: &VersionFlags) -> ExitCode {
    let own = env!("CARGO_PKG_VERSION");
    // Known whether or not there is a daemon.
    if output::line(format_args!("client {own}")).is_err() || flags.client {
        return ExitCode::SUCCESS;
    }
    flags.connection.run(REFUSED, async |daemon| {
        let Versions { manager, engine } = daemon.ask(Ask::new(Method::GET, "/status")).await?.json()?;
        output::line(format_args!("daemon {} at {}", manager.version, daemon.address()))?;
        let known = [engine.kind, engine.version].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let known = if known.is_empty() { "unknown".to_owned() } else { known };
        let api = engine.api_version.map(|api| format!(", API {api}")).unwrap_or_default();
        let lost = if engine.connected { "" } else { ", not connected" };
        output::line(format_args!("engine {known}{api} at {}{lost}", engine.endpoint))?;
        Ok(0)
    })
}
