//! Exit codes, which are an interface, and the error message that goes with one.

use std::process::ExitCode;

use super::output;

/// The user has to change something before trying again: for the daemon, and for commands that use 1 otherwise.
pub(super) const USAGE: u8 = 2;
/// A client command was not accepted: bad input, a refusal, no daemon.
pub(super) const REFUSED: u8 = 1;
/// A change was accepted and failed or was rolled back.
pub(super) const FAILED: u8 = 2;
/// A change was accepted and had not converged when the wait ended.
pub(super) const TIMED_OUT: u8 = 3;
/// Ended by SIGINT or SIGTERM, as shells report it.
pub(super) const INTERRUPTED: u8 = 130;
pub(super) const TERMINATED: u8 = 143;

/// Prints an error and returns its exit code.
pub(super) fn fail(code: u8, message: &str) -> ExitCode {
    output::paragraph(format_args!("error: {message}"));
    ExitCode::from(code)
}

/// Ends a command that only writes: a reader that has gone away is no failure.
pub(super) fn finish(done: anyhow::Result<()>, code: u8) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if output::is_closed(&error) => ExitCode::SUCCESS,
        Err(error) => fail(code, &format!("{error:#}")),
    }
}

/// The exit code for a command line that cannot be parsed.
pub(super) fn usage_code(command: &str) -> u8 {
    match command {
        // For these, 2 means that a change failed.
        "submit" | "scale" | "delete" | "rollback" | "status" | "get" | "history" | "events" | "logs"
        | "version" | "context" | "convert" => REFUSED,
        _ => USAGE,
    }
}
