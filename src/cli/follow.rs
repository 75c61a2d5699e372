//! Reading a stream to whoever wants its lines, over lost connections.

use serde_json::Value;
use tokio::time::sleep;

use super::output;
use crate::client::{Ask, ClientError, Daemon};

/// Hands every line of a stream to `each`, until nobody reads what that writes. After a lost connection it goes on
/// behind the last line that had an `Id`, with `again`; without `again` the stream's end is the end.
pub(super) async fn follow(
    daemon: &Daemon,
    first: Ask,
    again: Option<Ask>,
    each: impl FnMut(&str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    tokio::select! {
        ended = read(daemon, first, again, each) => ended,
        closed = output::closed() => Err(closed.into()),
    }
}

async fn read(
    daemon: &Daemon,
    first: Ask,
    again: Option<Ask>,
    mut each: impl FnMut(&str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut begun = false;
    let mut last: Option<String> = None;
    loop {
        let ask = match (&again, &last) {
            (Some(again), Some(id)) => again.clone().with("since", id),
            _ => first.clone(),
        };
        let ended = match daemon.stream(ask).await {
            Ok(mut lines) => {
                begun = true;
                loop {
                    match lines.next().await {
                        Ok(Some(line)) => {
                            each(&line)?;
                            last = id(&line).or(last);
                        }
                        Ok(None) => break None,
                        Err(error) => break Some(error),
                    }
                }
            }
            Err(error) => Some(error),
        };
        let pause = ended.as_ref().map_or(Some(ClientError::SOON), ClientError::passes_after);
        match (ended, pause.filter(|_| begun && again.is_some())) {
            (ended, Some(pause)) => {
                let why =
                    ended.map_or_else(|| "the daemon has ended the stream".to_owned(), |e| e.to_string());
                output::note(format_args!("{why}; asking again"));
                sleep(pause).await;
            }
            (Some(error), None) => return Err(error.into()),
            (None, None) => return Ok(()),
        }
    }
}

/// The `Id` of a line, by which a later stream knows where this one ended.
fn id(line: &str) -> Option<String> {
    match serde_json::from_str::<Value>(line).ok()?.get("Id")? {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}
