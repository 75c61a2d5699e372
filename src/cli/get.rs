//! `get`: objects as they were submitted, ready to be changed and sent back.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use http::Method;
use serde_json::Value;

use super::connection::Connection;
use super::{REFUSED, object_name, output, yaml};
use crate::api::object::StoredObject;
use crate::client::Ask;
use crate::core::name::ObjectName;

/// Flags of `get`.
#[derive(Debug, Args)]
pub(super) struct GetFlags {
    /// The objects; all of them where none is named.
    #[arg(value_name = "NAME", value_parser = object_name)]
    names: Vec<ObjectName>,
    /// How to write them.
    #[arg(long, short, value_name = "FORMAT", default_value = "table")]
    output: Format,
    #[command(flatten)]
    connection: Connection,
}

/// How to write objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Columns for people.
    Table,
    /// A document for each object, for `submit`.
    Yaml,
    /// The object, or an array of several, for `submit`.
    Json,
}

pub(super) fn run(flags: &GetFlags) -> ExitCode {
    flags.connection.run(REFUSED, async |daemon| {
        let objects: Vec<Value> = match flags.names.as_slice() {
            [] => daemon.ask(Ask::new(Method::GET, "/objects")).await?.json()?,
            names => {
                let mut objects = Vec::new();
                for name in names {
                    objects
                        .push(daemon.ask(Ask::new(Method::GET, format!("/objects/{name}"))).await?.json()?);
                }
                objects
            }
        };
        match flags.output {
            Format::Table => table(&objects)?,
            Format::Yaml => output::raw(yaml::documents(&objects)?.as_bytes())?,
            Format::Json => {
                let text = match (objects.as_slice(), flags.names.len()) {
                    ([one], 1) => serde_json::to_string_pretty(one)?,
                    (many, _) => serde_json::to_string_pretty(many)?,
                };
                output::json(&text)?;
            }
        }
        Ok(0)
    })
}

fn table(objects: &[Value]) -> anyhow::Result<()> {
    if objects.is_empty() {
        return Ok(output::line("no objects")?);
    }
    let mut rows = vec!["NAME\tCOUNT\tIMAGE\tGENERATION".to_owned()];
    for object in objects {
        let StoredObject { generation, spec } = serde_json::from_value(object.clone())?;
        rows.push(output::row(&[&spec.name(), &spec.count(), &spec.image(), &generation]));
    }
    Ok(output::table(&rows)?)
}
