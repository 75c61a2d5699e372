//! What follows an accepted change: its receipts, the wait, and the exit code.

use serde_json::{Map, Value, json};

use super::display::Display;
use super::format::TextFormat;
use super::output;
use super::wait::outcome::{Settled, WaitOutcome};
use super::wait::{self, WaitLimits, Waited, summary};
use crate::client::answers::{OneOrMany, Receipt};
use crate::client::{Answer, ClientError, Daemon};

/// Adds to the error of a change without an answer that it may have been accepted.
pub(super) fn outcome_unknown(error: ClientError) -> anyhow::Error {
    match error {
        ClientError::Broken { .. } => anyhow::Error::from(error).context(
            "it is unknown whether the daemon accepted the change; check with `status` and `history`",
        ),
        error => error.into(),
    }
}

/// Reports an accepted change and waits for it if there are limits. Returns the exit code.
pub(super) async fn conclude(
    daemon: &Daemon,
    answer: &Answer,
    format: TextFormat,
    limits: Option<WaitLimits>,
) -> anyhow::Result<u8> {
    let receipts = Vec::from(answer.json::<OneOrMany<Receipt>>()?);
    match (format, limits) {
        (TextFormat::Text, limits) => conclude_as_text(daemon, &receipts, limits).await,
        (TextFormat::Json, None) => {
            output::raw(&answer.body)?;
            Ok(0)
        }
        (TextFormat::Json, Some(limits)) => {
            let display = Display::quiet(&receipts, limits.wait);
            let waited = wait::wait(daemon, &receipts, limits, display).await?;
            output::json(&as_json(&answer.json()?, &waited).to_string())?;
            Ok(waited.interrupted.unwrap_or_else(|| worst(&waited).exit_code()))
        }
    }
}

/// Prints receipts, then waits if there are limits. Returns the exit code.
pub(super) async fn conclude_as_text(
    daemon: &Daemon,
    receipts: &[Receipt],
    limits: Option<WaitLimits>,
) -> anyhow::Result<u8> {
    for Receipt { name, generation, result, rolled_back_to, .. } in receipts {
        let back = rolled_back_to.map(|to| format!(", with the spec of generation {to}")).unwrap_or_default();
        // The change is accepted, even if standard output is closed.
        let _ = output::line(format_args!("{name} {result}: generation {generation}{back}"));
    }
    let Some(limits) = limits else { return Ok(0) };
    let display = Display::new(receipts, limits.wait);
    let waited = wait::wait(daemon, receipts, limits, display).await?;
    Ok(summary::report(&waited, receipts))
}

fn worst(waited: &Waited) -> WaitOutcome {
    waited.settled.iter().map(|one| one.outcome).max().unwrap_or(WaitOutcome::Converged)
}

/// The members with which the daemon answers a request with `wait`: the receipt, `Outcome` and `Reason` of one object;
/// for an array the worst outcome, and all objects. An object that is not settled has no outcome.
fn as_json(receipts: &OneOrMany<Map<String, Value>>, waited: &Waited) -> Value {
    let with_outcome = |receipt: &Map<String, Value>| {
        let mut members = receipt.clone();
        let name = receipt.get("Name").and_then(Value::as_str);
        let settled = waited.settled.iter().find(|one| Some(one.name.as_str()) == name);
        if let Some(Settled { outcome, reason, .. }) = settled {
            members.insert("Outcome".to_owned(), outcome.json().into());
            members.insert("Reason".to_owned(), reason.as_str().into());
        }
        Value::Object(members)
    };
    match receipts {
        OneOrMany::One(receipt) => with_outcome(receipt),
        OneOrMany::Many(receipts) => {
            let objects: Vec<Value> = receipts.iter().map(with_outcome).collect();
            json!({"Outcome": worst(waited).json(), "Objects": objects})
        }
    }
}
