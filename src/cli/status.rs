//! `status`: how everything, or one object, is doing.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use http::Method;

use super::connection::Connection;
use super::follow::follow;
use super::{REFUSED, object_name, output};
use crate::client::answers::{Change, Cluster, Container, Engine, Object};
use crate::client::{Answer, Ask};
use crate::model::ObjectName;

/// Flags of `status`.
#[derive(Debug, Args)]
pub(super) struct StatusFlags {
    /// One object, with its containers.
    #[arg(value_name = "NAME", value_parser = object_name)]
    name: Option<ObjectName>,
    /// Show how it is, then a line for each change, until it is interrupted.
    #[arg(long, short)]
    watch: bool,
    /// How to write it.
    #[arg(long, short, value_name = "FORMAT", default_value = "table")]
    output: Format,
    #[command(flatten)]
    connection: Connection,
}

/// How to write answers that are tables to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Columns for people.
    Table,
    /// The daemon's own JSON; of a stream, a line each.
    Json,
}

pub(super) fn run(flags: &StatusFlags) -> ExitCode {
    flags.connection.run(REFUSED, async |daemon| {
        let path = match &flags.name {
            Some(name) => format!("/status/{name}"),
            None => "/status".to_owned(),
        };
        let ask = Ask::new(Method::GET, path);
        if flags.watch {
            let ask = ask.with("watch", "true");
            follow(daemon, ask.clone(), Some(ask), |line| change(line, flags.output)).await?;
            return Ok(0);
        }
        let answer = daemon.ask(ask).await?;
        match (flags.output, &flags.name) {
            (Format::Json, _) => output::raw(&answer.body)?,
            (Format::Table, None) => cluster(&answer)?,
            (Format::Table, Some(_)) => object(&answer)?,
        }
        Ok(0)
    })
}

fn change(line: &str, format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        return Ok(output::json(line)?);
    }
    match serde_json::from_str(line) {
        Ok(Change::Object { object: Object { name, phase, reason, ready, count, generation, .. } }) => {
            output::line(format_args!("{name} {phase} {ready}/{count} generation {generation}: {reason}"))?;
        }
        Ok(Change::Gone { name }) => output::line(format_args!("{name} gone"))?,
        Ok(Change::Engine { engine }) => output::line(engine_line(&engine))?,
        // A newer daemon says more than this client knows.
        Ok(Change::Other) | Err(_) => {}
    }
    Ok(())
}

fn cluster(answer: &Answer) -> anyhow::Result<()> {
    let Cluster { manager, engine, objects, quarantined, unclaimed } = answer.json()?;
    output::line(engine_line(&engine))?;
    for rival in manager.rivals {
        output::line(format_args!(
            "manager {} has {} containers: {}",
            rival.id, rival.containers, rival.reason
        ))?;
    }
    let head = "NAME\tPHASE\tREADY\tIMAGE\tGENERATION\tREASON".to_owned();
    let rows: Vec<String> = std::iter::once(head).chain(objects.iter().map(row)).collect();
    match objects.is_empty() {
        true => output::line("no objects: nothing was submitted")?,
        false => output::table(&rows)?,
    }
    for object in quarantined {
        output::line(format_args!("{} cannot be read: {}", object.name, object.reason))?;
    }
    for container in unclaimed {
        let reason = container.reason.as_deref().unwrap_or("nobody submitted its object; it is left alone");
        output::line(format_args!("{} is unclaimed: {reason}", container.name))?;
    }
    Ok(())
}

fn engine_line(engine: &Engine) -> String {
    let Engine { endpoint, connected, error, version, nodes } = engine;
    let version = version.as_deref().map(|v| format!(", version {v}")).unwrap_or_default();
    let nodes = match nodes.len() {
        0 => String::new(),
        n => {
            let states = nodes.iter().map(|node| format!("{} {}", node.name, node.status));
            format!(", {n} nodes ({})", states.collect::<Vec<_>>().join(", "))
        }
    };
    let connected = if *connected { "connected" } else { "not connected" };
    let error = error.as_deref().map(|e| format!(": {e}")).unwrap_or_default();
    format!("engine {endpoint} {connected}{version}{nodes}{error}")
}

fn row(object: &Object) -> String {
    let Object { name, phase, ready, count, image, generation, reason, .. } = object;
    output::row(&[name, phase, &format_args!("{ready}/{count}"), image, generation, reason])
}

fn object(answer: &Answer) -> anyhow::Result<()> {
    let object: Object = answer.json()?;
    let Object { name, phase, ready, count, image, generation, reason, next_retry, containers, .. } = &object;
    output::line(format_args!("{name} {phase}: {reason}"))?;
    let retry = next_retry.as_deref().map(|at| format!(", next try at {at}")).unwrap_or_default();
    output::line(format_args!("{ready} of {count} ready, {image}, generation {generation}{retry}"))?;
    if !containers.is_empty() {
        let head = "CONTAINER\tSTATE\tHEALTH\tNODE\tIMAGE\tERROR".to_owned();
        let rows: Vec<String> = std::iter::once(head).chain(containers.iter().map(container_row)).collect();
        output::table(&rows)?;
    }
    Ok(())
}

fn container_row(container: &Container) -> String {
    let Container { name, node, state, health, image, exit_code, error, .. } = container;
    let node = node.as_deref().unwrap_or("-");
    let exit = exit_code.map(|code| format!(" ({code})")).unwrap_or_default();
    let error = error.as_deref().unwrap_or_default();
    output::row(&[name, &format_args!("{state}{exit}"), health, &node, image, &error])
}
