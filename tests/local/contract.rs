//! The HTTP contract without Docker: a daemon on the simulated engine, driven by curl.

mod clients;
mod input;
mod whole;

use std::time::Duration;

use support::objects::nginx as object;

const MIB: usize = 1024 * 1024;
/// The time limit for a stop while clients are connected.
const STOP: Duration = Duration::from_secs(8);
