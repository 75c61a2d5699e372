//! `scale`: another `Count` for an object, and nothing else.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use http::{Method, StatusCode, header};
use serde_json::{Map, Value};

use super::connection::Connection;
use super::json::{self, Format};
use super::submit::{conclude, duration, unknown};
use super::wait::Patience;
use super::{REFUSED, object_name};
use crate::api::change::{OneOrMany, Receipt};
use crate::client::{Answer, Ask, Daemon};
use crate::core::name::ObjectName;
use crate::core::spec::MAX_COUNT;

/// How often it is tried again where others change the object at the same time.
const RETRIES: usize = 5;

/// Flags of `scale`.
#[derive(Debug, Args)]
pub(super) struct ScaleFlags {
    /// The object.
    #[arg(value_name = "NAME", value_parser = object_name)]
    name: ObjectName,
    /// How many containers are to run; 0 stops all of them.
    #[arg(value_name = "COUNT", value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_COUNT)))]
    count: u32,
    /// Wait up to this long, such as 2m, until it has converged or failed.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    wait: Option<Duration>,
    /// How to write it. With --wait, JSON is asked for and answered in one request, with the outcome.
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Format,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(flags: &ScaleFlags) -> ExitCode {
    flags.connection.run(REFUSED, async |daemon| {
        if flags.output == Format::Json {
            return json::conclude(scale(daemon, &flags.name, flags.count, flags.wait).await?);
        }
        let answer = scale(daemon, &flags.name, flags.count, None).await?.succeeded()?;
        let receipts = Vec::from(answer.json::<OneOrMany<Receipt>>()?);
        conclude(daemon, &receipts, Patience::of(flags.wait, false)).await
    })
}

/// Reads the object, and submits it with another `Count` on the condition that it is still the same. Where somebody
/// else has changed it meanwhile, their change is read and kept.
async fn scale(
    daemon: &Daemon,
    name: &ObjectName,
    count: u32,
    wait: Option<Duration>,
) -> anyhow::Result<Answer> {
    let mut retries = 0..RETRIES;
    loop {
        let read = daemon.ask(Ask::new(Method::GET, format!("/objects/{name}"))).await?;
        let mut object: Map<String, Value> = read.json()?;
        let generation = object.remove("Generation").and_then(|g| g.as_u64());
        let generation =
            generation.with_context(|| format!("the daemon does not say {name}'s generation"))?;
        object.insert("Count".to_owned(), count.into());
        let ask = Ask::new(Method::POST, "/submit")
            .header(header::IF_MATCH, format!("\"{generation}\""))
            .body(Value::Object(object).to_string());
        let answer = daemon.ask_for_any(json::waiting(ask, wait)).await.map_err(unknown)?;
        if answer.status != StatusCode::PRECONDITION_FAILED || retries.next().is_none() {
            return Ok(answer);
        }
    }
}
