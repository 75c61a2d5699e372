//! The HTTP contract without Docker: a daemon on the simulated engine, driven by curl.

mod clients;
mod input;
mod whole;

use std::time::Duration;

use serde_json::{Value, json};

const MIB: usize = 1024 * 1024;
/// The time limit for a stop while clients are connected.
const STOP: Duration = Duration::from_secs(8);

fn object(name: &str, count: u32) -> Value {
    json!({"Name": name, "Image": "nginx:1.9.6", "Count": count, "Update": {"Monitor": "100ms"}})
}
