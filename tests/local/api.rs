//! The parts of the API that scripts rely on: waits, dry runs, pruning, rollback and preconditions, on the simulated engine.

use serde_json::Value;

mod changes;
mod dry_run;
mod preconditions;
mod waiting;

/// The fields of an answer that a script checks.
fn outcome(answer: &Value) -> (&str, u64, &str, &str) {
    let text = |name: &str| answer[name].as_str().unwrap_or_default();
    (text("Name"), answer["Generation"].as_u64().unwrap_or_default(), text("Result"), text("Outcome"))
}
