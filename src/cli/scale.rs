//! `scale`: changes the `Count` of an object, and nothing else.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use http::{Method, StatusCode, header};
use serde_json::{Map, Value};

use super::arguments::{ChangeFlags, number, object_name};
use super::change::{conclude, outcome_unknown};
use super::connection::Connection;
use super::exit::REFUSED;
use crate::client::{Answer, Ask, Daemon};
use crate::core::name::ObjectName;
use crate::core::spec::MAX_COUNT;

/// How often to retry if others change the object at the same time.
const RETRIES: usize = 5;

/// Flags of `scale`.
#[derive(Debug, Args)]
pub(super) struct ScaleFlags {
    /// The object.
    #[arg(value_name = "NAME", value_parser = object_name)]
    name: ObjectName,
    /// The number of containers; 0 stops all of them.
    #[arg(value_name = "COUNT", allow_negative_numbers = true, value_parser = number(0..=MAX_COUNT))]
    count: u32,
    #[command(flatten)]
    change: ChangeFlags,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(flags: &ScaleFlags) -> ExitCode {
    flags.connection.run(REFUSED, async |daemon| {
        let answer = scale(daemon, &flags.name, flags.count).await?.succeeded()?;
        conclude(daemon, &answer, flags.change.output, flags.change.limits()).await
    })
}

/// Reads the object and submits it with another `Count`, on the condition that it has not changed meanwhile. If someone
/// else has changed it, reads that change and keeps it.
async fn scale(daemon: &Daemon, name: &ObjectName, count: u32) -> anyhow::Result<Answer> {
    let mut retries = 0..RETRIES;
    loop {
        let read = daemon.ask(Ask::new(Method::GET, format!("/objects/{name}"))).await?;
        let mut object: Map<String, Value> = read.json()?;
        let generation = object.remove("Generation").and_then(|g| g.as_u64());
        let generation =
            generation.with_context(|| format!("the daemon's answer has no generation of {name}"))?;
        object.insert("Count".to_owned(), count.into());
        let ask = Ask::new(Method::POST, "/submit")
            .header(header::IF_MATCH, format!("\"{generation}\""))
            .body(Value::Object(object).to_string());
        let answer = daemon.ask_for_any(ask).await.map_err(outcome_unknown)?;
        if answer.status != StatusCode::PRECONDITION_FAILED || retries.next().is_none() {
            return Ok(answer);
        }
    }
}
