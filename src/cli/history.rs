//! `history`: the revisions of an object, newest first.

use std::process::ExitCode;

use clap::Args;
use http::Method;

use super::arguments::object_name;
use super::connection::Connection;
use super::exit::REFUSED;
use super::format::TableFormat;
use super::output;
use crate::client::Ask;
use crate::client::answers::{History, Revision};
use crate::core::name::ObjectName;

/// Flags of `history`.
#[derive(Debug, Args)]
pub(super) struct HistoryFlags {
    /// The object; it may be deleted.
    #[arg(value_name = "NAME", value_parser = object_name)]
    name: ObjectName,
    /// The output format. JSON includes the specs.
    #[arg(long, short, value_name = "FORMAT", default_value = "table")]
    output: TableFormat,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(flags: &HistoryFlags) -> ExitCode {
    flags.connection.run(REFUSED, async |daemon| {
        let answer = daemon.ask(Ask::new(Method::GET, format!("/objects/{}/history", flags.name))).await?;
        if flags.output == TableFormat::Json {
            output::raw(&answer.body)?;
            return Ok(0);
        }
        let History { deleted, revisions } = answer.json()?;
        if let Some(at) = deleted {
            output::line(format_args!("{} was deleted at {at}", flags.name))?;
        }
        let head = "GENERATION\tAT\tCOUNT\tIMAGE\tBY\tNOTE".to_owned();
        output::table(&std::iter::once(head).chain(revisions.iter().map(row)).collect::<Vec<_>>())?;
        Ok(0)
    })
}

fn row(revision: &Revision) -> String {
    let Revision { generation, at, by, rolled_back_to, object } = revision;
    let note = rolled_back_to.map(|to| format!("rolled back to generation {to}")).unwrap_or_default();
    output::row(&[generation, at, &object.count, &object.image, by, &note])
}
