//! Tests that the developer skips because this machine has no Docker Engine or because they are not root.
//!
//! Without these variables such a test fails, and its message names the variable. CI sets neither.

use std::env;
use std::io::Write;
use std::process::Command;

use super::process::succeed;

/// Whether `SCSM_SKIP_DOCKER` skips the tests that need a Docker Engine.
pub fn skips_docker() -> bool {
    skips("SCSM_SKIP_DOCKER")
}

/// Whether `SCSM_SKIP_ROOT` skips the tests that need root; panics if it does not and this process is not root.
pub fn skips_root() -> bool {
    if skips("SCSM_SKIP_ROOT") {
        return true;
    }
    let user = succeed(Command::new("id").arg("-u"));
    assert_eq!(user, "0", "this test needs root; SCSM_SKIP_ROOT=1 skips the tests that do");
    false
}

fn skips(variable: &str) -> bool {
    let skips = env::var_os(variable).is_some_and(|value| !value.is_empty() && value != "0");
    if skips {
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("a test");
        // Not with `eprintln`, whose output the test harness hides if the test passes.
        let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {variable} is set");
    }
    skips
}
