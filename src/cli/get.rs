//! `get`: objects as submitted, ready to edit and submit again.

use std::process::ExitCode;

use clap::Args;
use http::Method;
use serde_json::Value;

use super::arguments::object_name;
use super::connection::Connection;
use super::exit::REFUSED;
use super::format::ObjectFormat;
use super::{output, yaml};
use crate::client::Ask;
use crate::client::answers::Stored;
use crate::core::name::ObjectName;

/// Flags of `get`.
#[derive(Debug, Args)]
pub(super) struct GetFlags {
    /// The objects. [default: all]
    #[arg(value_name = "NAME", value_parser = object_name)]
    names: Vec<ObjectName>,
    /// The output format.
    #[arg(long, short, value_name = "FORMAT", default_value = "table")]
    output: ObjectFormat,
    #[command(flatten)]
    connection: Connection,
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
            ObjectFormat::Table => table(&objects)?,
            ObjectFormat::Yaml => output::raw(yaml::documents(&objects)?.as_bytes())?,
            ObjectFormat::Json => {
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
        let Stored { name, count, image, generation } = serde_json::from_value(object.clone())?;
        rows.push(output::row(&[&name, &count, &image, &generation]));
    }
    Ok(output::table(&rows)?)
}
