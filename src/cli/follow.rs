//! Reads a stream line by line, across lost connections.

use std::ops::ControlFlow;

use serde_json::Value;
use tokio::time::sleep;

use super::output;
use crate::client::{Ask, ClientError, Daemon};

/// A consumer of a stream.
pub(super) trait Reader {
    /// The next request: the first one, and after each lost connection.
    fn ask(&mut self) -> Ask;

    /// Whether to reconnect when the stream ends or breaks.
    fn goes_on(&self) -> bool;

    /// Processes a line; breaks after the last one.
    fn take(&mut self, line: &str) -> anyhow::Result<ControlFlow<()>>;
}

/// Calls `each` with every line of a stream, until standard output is closed. After a lost connection it continues after the
/// last line with an `Id`, using `again`; without `again` it ends with the stream.
pub(super) async fn follow(
    daemon: &Daemon,
    first: Ask,
    again: Option<Ask>,
    each: impl FnMut(&str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    read(daemon, ById { first, again, last: None, each }).await
}

/// Reads a stream to its end, or until standard output is closed.
pub(super) async fn read(daemon: &Daemon, reader: impl Reader) -> anyhow::Result<()> {
    tokio::select! {
        ended = read_on(daemon, reader) => ended,
        closed = output::closed() => Err(closed.into()),
    }
}

async fn read_on(daemon: &Daemon, mut reader: impl Reader) -> anyhow::Result<()> {
    let mut begun = false;
    loop {
        let ended = match daemon.stream(reader.ask()).await {
            Ok(mut lines) => {
                begun = true;
                loop {
                    match lines.next().await {
                        Ok(Some(line)) => {
                            if reader.take(&line)?.is_break() {
                                return Ok(());
                            }
                        }
                        Ok(None) => break None,
                        Err(error) => break Some(error),
                    }
                }
            }
            Err(error) => Some(error),
        };
        let pause = ended.as_ref().map_or(Some(ClientError::SOON), ClientError::passes_after);
        match (ended, pause.filter(|_| begun && reader.goes_on())) {
            (ended, Some(pause)) => {
                let why = ended.map_or_else(|| "the daemon ended the stream".to_owned(), |e| e.to_string());
                output::note(format_args!("{why}; reconnecting"));
                sleep(pause).await;
            }
            (Some(error), None) => return Err(error.into()),
            (None, None) => return Ok(()),
        }
    }
}

/// A consumer of lines with an `Id`.
struct ById<F> {
    first: Ask,
    again: Option<Ask>,
    last: Option<String>,
    each: F,
}

impl<F: FnMut(&str) -> anyhow::Result<()>> Reader for ById<F> {
    fn ask(&mut self) -> Ask {
        match (&self.again, &self.last) {
            (Some(again), Some(id)) => again.clone().with("since", id),
            _ => self.first.clone(),
        }
    }

    fn goes_on(&self) -> bool {
        self.again.is_some()
    }

    fn take(&mut self, line: &str) -> anyhow::Result<ControlFlow<()>> {
        (self.each)(line)?;
        self.last = id(line).or_else(|| self.last.take());
        Ok(ControlFlow::Continue(()))
    }
}

/// The `Id` of a line, from which a later stream continues.
fn id(line: &str) -> Option<String> {
    match serde_json::from_str::<Value>(line).ok()?.get("Id")? {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}
