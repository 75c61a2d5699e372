//! What scripts can rely on: a submit that waits, is rehearsed, prunes, goes back, or is refused, told by curl and by
//! clients that keep their connections, without Docker.

use serde_json::{Value, json};

mod changes;
mod dry_run;
mod preconditions;
mod waiting;

fn object(name: &str, image: &str, count: u32) -> Value {
    json!({"Name": name, "Image": image, "Count": count, "Update": {"Monitor": "100ms"}})
}

/// The members of an answer that a script looks at.
fn outcome(answer: &Value) -> (&str, u64, &str, &str) {
    let text = |name: &str| answer[name].as_str().unwrap_or_default();
    (text("Name"), answer["Generation"].as_u64().unwrap_or_default(), text("Result"), text("Outcome"))
}
