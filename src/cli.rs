//! The command line of the daemon and of its client.
//!
//! Without a subcommand the program runs the daemon. A wrong flag, file or address ends it with exit code 2 and one message
//! before it touches anything.
//!
//! The subcommands are clients of a running daemon, for people and for pipelines. Each is a small file that sends requests
//! through [`client`](crate::client) and prints the answers with `output`. Exit codes are an interface (`exit`); commands
//! that wait distinguish a refusal (1), a failure (2) and a timeout (3).

use std::process::ExitCode;

use clap::CommandFactory;

use self::command_line::{Command, CommandLine};
use self::exit::{USAGE, fail};
use self::flags::DaemonFlags;
use crate::app;

mod arguments;
mod backup;
mod change;
mod command_line;
mod complete;
mod completions;
mod connection;
mod context;
mod convert;
mod delete;
mod diff;
mod display;
mod dry_run;
mod environment;
mod events;
mod exit;
mod files;
mod flags;
mod follow;
mod format;
mod get;
mod healthcheck;
mod history;
mod input;
mod logging;
mod logs;
mod man;
mod output;
mod plan;
mod reason;
mod reference;
mod rollback;
mod runtime;
mod scale;
mod status;
mod submit;
mod unknown_command;
mod version;
mod wait;
mod yaml;

#[cfg(any(test, fuzzing))]
pub use convert::fuzzing::command_line as fuzz_command_line;
pub(crate) use flags::LogFormat;

/// Runs the program.
pub fn main() -> ExitCode {
    if let Some(code) = complete::requested() {
        return code;
    }
    let CommandLine { command, daemon } = match command_line::read() {
        Ok(line) => line,
        Err(code) => return code,
    };
    match command {
        Some(Command::Submit(flags)) => submit::run(&flags),
        Some(Command::Plan(flags)) => plan::run(&flags),
        Some(Command::Diff(flags)) => diff::run(&flags),
        Some(Command::Status(flags)) => status::run(&flags),
        Some(Command::Get(flags)) => get::run(&flags),
        Some(Command::Scale(flags)) => scale::run(&flags),
        Some(Command::Delete(flags)) => delete::run(&flags),
        Some(Command::History(flags)) => history::run(&flags),
        Some(Command::Rollback(flags)) => rollback::run(&flags),
        Some(Command::Events(flags)) => events::run(&flags),
        Some(Command::Logs(flags)) => logs::run(&flags),
        Some(Command::Version(flags)) => version::run(&flags),
        Some(Command::Context(flags)) => context::run(&flags),
        Some(Command::Convert(flags)) => convert::run(&flags),
        Some(Command::Backup(flags)) => backup::save(&flags),
        Some(Command::Restore(flags)) => backup::restore(&flags),
        Some(Command::Healthcheck(flags)) => healthcheck::run(&flags),
        Some(Command::Completions(flags)) => completions::run(&flags, &CommandLine::command()),
        Some(Command::Man(flags)) => man::run(&flags, CommandLine::command()),
        Some(Command::Reference(flags)) => reference::run(&flags, CommandLine::command()),
        None => run_daemon(daemon),
    }
}

fn run_daemon(flags: DaemonFlags) -> ExitCode {
    let settings = logging::to_stderr(flags.log_format).and_then(|()| flags.settle());
    let settings = match settings {
        Ok(settings) => settings,
        Err(message) => return fail(USAGE, &message),
    };
    match app::start(settings) {
        Ok(app) => match app.run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "the daemon stops because of an error");
                fail(1, &format!("{error:#}"))
            }
        },
        Err(error) => fail(USAGE, &format!("{error:#}")),
    }
}
