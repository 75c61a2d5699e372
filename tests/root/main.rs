//! Tests that need root: they mount file systems, trace the daemon with strace, or start a `dockerd` of their own.
//! `SCSM_SKIP_ROOT=1` skips them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod disk;
mod endpoints;
mod stress;
mod upgrade;
