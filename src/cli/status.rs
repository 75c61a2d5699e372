//! `status`: the state of all objects, or of one.

use std::process::ExitCode;

use clap::Args;
use http::Method;

use self::ages::Ages;
use super::arguments::object_name;
use super::connection::Connection;
use super::exit::REFUSED;
use super::follow::follow;
use super::format::TableFormat;
use super::output;
use crate::client::answers::{Change, Cluster, Object};
use crate::client::{Answer, Ask};
use crate::core::name::ObjectName;

mod ages;
mod cluster;
mod object;

/// Flags of `status`.
#[derive(Debug, Args)]
pub(super) struct StatusFlags {
    /// Show one object, with its containers.
    #[arg(value_name = "NAME", value_parser = object_name)]
    name: Option<ObjectName>,
    /// Show the present state, then one line per change, until interrupted.
    #[arg(long, short)]
    watch: bool,
    /// The output format.
    #[arg(long, short, value_name = "FORMAT", default_value = "table")]
    output: TableFormat,
    #[command(flatten)]
    connection: Connection,
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
            (TableFormat::Json, _) => output::raw(&answer.body)?,
            (TableFormat::Table, None) => cluster(&answer)?,
            (TableFormat::Table, Some(_)) => object(&answer)?,
        }
        Ok(0)
    })
}

fn change(line: &str, format: TableFormat) -> anyhow::Result<()> {
    if format == TableFormat::Json {
        return Ok(output::json(line)?);
    }
    match serde_json::from_str(line) {
        Ok(Change::Object { object: Object { name, phase, reason, ready, count, generation, .. } }) => {
            output::line(format_args!("{name} {phase} {ready}/{count} generation {generation}: {reason}"))?;
        }
        Ok(Change::Gone { name }) => output::line(format_args!("{name} gone"))?,
        Ok(Change::Engine { engine }) => output::line(cluster::engine(&engine))?,
        // From a newer daemon.
        Ok(Change::Other) | Err(_) => {}
    }
    Ok(())
}

fn cluster(answer: &Answer) -> anyhow::Result<()> {
    let status: Cluster = answer.json()?;
    for line in cluster::head(&status) {
        output::line(line)?;
    }
    match status.objects.is_empty() {
        true => output::line("no objects")?,
        false => output::table(&cluster::rows(&status.objects, Ages::of(answer)))?,
    }
    for line in cluster::foot(&status) {
        output::line(line)?;
    }
    Ok(())
}

fn object(answer: &Answer) -> anyhow::Result<()> {
    let (status, ages) = (answer.json::<Object>()?, Ages::of(answer));
    for line in object::head(&status, ages) {
        output::line(line)?;
    }
    for line in object::containers(&status.containers, ages, output::width()) {
        output::line(line)?;
    }
    Ok(())
}
