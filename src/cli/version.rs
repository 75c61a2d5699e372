//! `version`: the client's version, the daemon's, and the engine's.

use std::process::ExitCode;

use clap::Args;
use http::Method;
use serde_json::{Map, Value, json};

use super::connection::Connection;
use super::exit::REFUSED;
use super::format::TextFormat;
use super::output;
use crate::api::status::ClusterStatus;
use crate::client::Ask;

/// Flags of `version`.
#[derive(Debug, Args)]
pub(super) struct VersionFlags {
    /// Show only the client's version, without asking a daemon.
    #[arg(long)]
    client: bool,
    /// The output format.
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: TextFormat,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(flags: &VersionFlags) -> ExitCode {
    let own = env!("CARGO_PKG_VERSION");
    // Shown even without a daemon.
    let mut all = Map::new();
    all.insert("Client".to_owned(), json!({"Version": own}));
    if flags.output == TextFormat::Text && output::line(format_args!("client {own}")).is_err() {
        return ExitCode::SUCCESS;
    }
    if flags.client {
        if flags.output == TextFormat::Json {
            let _ = output::json(&Value::from(all).to_string());
        }
        return ExitCode::SUCCESS;
    }
    flags.connection.run(REFUSED, async |daemon| {
        let answer = daemon.ask(Ask::new(Method::GET, "/status")).await;
        if flags.output == TextFormat::Json {
            let answer =
                answer.and_then(|answer| Ok((answer.json::<ClusterStatus>()?, answer.json::<Value>()?)));
            if let Ok((versions, status)) = &answer {
                let place = daemon.address().to_string();
                let daemon = json!({"Version": versions.manager.version, "Addr": place});
                all.insert("Daemon".to_owned(), daemon);
                let known = ["Endpoint", "Connected", "Kind", "Version", "ApiVersion"];
                let engine =
                    known.iter().filter_map(|name| Some((*name, status.get("Engine")?.get(name)?.clone())));
                let engine = engine.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>();
                all.insert("Engine".to_owned(), engine.into());
            }
            output::json(&Value::from(all).to_string())?;
            answer?;
            return Ok(0);
        }
        let ClusterStatus { manager, engine, .. } = answer?.json()?;
        output::line(format_args!("daemon {} at {}", manager.version, daemon.address()))?;
        let known = [engine.kind.map(|kind| kind.to_string()), engine.version]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" ");
        let known = if known.is_empty() { "unknown".to_owned() } else { known };
        let api = engine.api_version.map(|api| format!(", API {api}")).unwrap_or_default();
        let lost = if engine.connected { "" } else { ", unavailable" };
        output::line(format_args!("engine {known}{api} at {}{lost}", engine.endpoint))?;
        Ok(0)
    })
}
