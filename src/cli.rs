//! The command line: flags, environment, and what they come to.
//!
//! Without a subcommand the program runs the daemon; this form is fixed by existing deployments. Whatever is
//! wrong with a flag, a file or an address ends the program with exit code 2 and one message, before anything
//! is touched.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::app;

mod flags;
mod healthcheck;

pub use flags::{DaemonFlags, LogFormat, Settings};

/// The exit code for whatever the user has to change before trying again.
const USAGE: u8 = 2;

/// Keeps exactly as many containers running as you asked for.
///
/// Runs an HTTPS daemon beside a Docker Engine or a classic Swarm manager. Submit what you want with curl:
///
///     curl https://HOST:3476/submit -d '{"Name": "nginx", "Image": "nginx:1.9.6", "Count": 5}' \
///       --cacert ca.pem --cert cert.pem --key key.pem
///
/// With no flags at all it manages the local engine and makes its own certificates. Every flag has an
/// environment variable. Exit codes: 0 after a graceful stop, 1 when it died, 2 when a flag, a file or an
/// address has to be changed first.
#[derive(Debug, Parser)]
#[command(version, verbatim_doc_comment, args_conflicts_with_subcommands = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    daemon: DaemonFlags,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Asks a running daemon whether it is alive: exit code 0 if so, 1 if not. For container health checks.
    Healthcheck(healthcheck::HealthcheckFlags),
}

/// Runs the program.
pub fn main() -> ExitCode {
    let CommandLine { command, daemon } = CommandLine::parse();
    match command {
        Some(Command::Healthcheck(flags)) => healthcheck::run(&flags),
        None => run_daemon(daemon),
    }
}

fn run_daemon(flags: DaemonFlags) -> ExitCode {
    let settings = match flags.settle() {
        Ok(settings) => settings,
        Err(message) => return complain(USAGE, &message),
    };
    log_to_stderr(settings.log_format);
    match app::start(settings) {
        Ok(app) => match app.run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "the daemon died");
                complain(1, &format!("{error:#}"))
            }
        },
        Err(error) => complain(USAGE, &format!("{error:#}")),
    }
}

/// One message, and the exit code.
fn complain(code: u8, message: &str) -> ExitCode {
    // A standard error that cannot be written to leaves nobody to tell.
    let _ = writeln!(std::io::stderr(), "error: {message}");
    ExitCode::from(code)
}

fn log_to_stderr(format: Option<LogFormat>) {
    let format = format.unwrap_or(match std::io::stderr().is_terminal() {
        true => LogFormat::Text,
        false => LogFormat::Json,
    });
    let filter = EnvFilter::try_from_env("SCSM_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    match format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}
