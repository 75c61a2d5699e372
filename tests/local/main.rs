//! Tests that need neither root nor a Docker Engine.
//!
//! They run the program against its simulated engine and drive it with curl or with its own subcommands, or they run
//! the production code in this process against a [`fake_docker`] or the simulated engine, on tokio's paused clock.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod api;
mod certificates;
mod client;
mod command_line;
mod contract;
mod dashboard;
mod documents;
mod examples;
mod expiry;
mod failing;
mod fake_docker;
mod faults;
mod hostile_engine;
mod layering;
mod logs;
mod metrics;
mod names;
mod openapi;
mod seeds;
mod simulation;
mod state;
mod streams;
mod swarm;
mod upgrade;
