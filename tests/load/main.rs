//! Tests that measure, or that use every processor: response times under attack, many writers, hundreds of crashes.
//!
//! Nothing runs at the same time: Cargo runs this binary alone, and each test holds [`support::alone`]. They need neither
//! root nor a Docker Engine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod bounds;
mod crash;
mod readers;
mod waiters;
mod writers;
