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
use crate::api::status::{ClusterStatus, ObjectStatus, StatusChange};
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
        Ok(StatusChange::Object { object }) => {
            let ObjectStatus { name, phase, reason, ready, count, generation, .. } = *object;
            output::line(format_args!("{name} {phase} {ready}/{count} generation {generation}: {reason}"))?;
        }
        Ok(StatusChange::Gone { name }) => output::line(format_args!("{name} gone"))?,
        Ok(StatusChange::Engine { engine }) => {
            cluster::engine(&engine, Ages::now()).into_iter().try_for_each(output::line)?;
        }
        // From a newer daemon.
        Ok(StatusChange::Other) | Err(_) => {}
    }
    Ok(())
}

fn cluster(answer: &Answer) -> anyhow::Result<()> {
    let status: ClusterStatus = answer.json()?;
    let ages = Ages::of(answer);
    for line in cluster::head(&status, ages) {
        output::line(line)?;
    }
    match status.objects.is_empty() {
        true => output::line("no objects")?,
        false => output::table(&cluster::rows(&status.objects, ages))?,
    }
    for line in cluster::foot(&status) {
        output::line(line)?;
    }
    Ok(())
}

fn object(answer: &Answer) -> anyhow::Result<()> {
    let (status, ages) = (answer.json::<ObjectStatus>()?, Ages::of(answer));
    for line in object::head(&status, ages) {
        output::line(line)?;
    }
    for line in object::containers(&status.containers, ages, output::width()) {
        output::line(line)?;
    }
    Ok(())
}
