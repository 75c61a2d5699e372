//! Tests on the machine's Docker Engine (`$DOCKER_HOST`, or the default socket). `SCSM_SKIP_DOCKER=1` skips them.
//!
//! Every test has a cluster name of its own, so all of them share the engine and run at the same time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod answers;
mod convert;
mod examples;
mod fields;
mod first_start;
mod interference;
mod logs;
mod ownership;
mod replacement;
mod restarts;
mod scaling;
mod updates;
