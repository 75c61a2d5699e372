//! The command line: flags, environment, and what they come to.
//!
//! Without a subcommand the program runs the daemon; this form is fixed by existing deployments. Whatever is
//! wrong with a flag, a file or an address ends the program with exit code 2 and one message, before anything
//! is touched.
//!
//! The subcommands are clients of a running daemon, for people and for pipelines: each is a small file that asks
//! through [`client`](crate::client) and writes what it hears through `output`. Their exit codes are an interface;
//! those that wait tell a refusal (1) from a failure (2) and from time that ran out (3).

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::app;
use crate::core::name::ObjectName;

mod backup;
mod complete;
mod connection;
mod context;
mod convert;
mod delete;
mod diff;
mod environment;
mod events;
mod files;
mod flags;
mod follow;
mod get;
mod healthcheck;
mod history;
mod input;
mod json;
mod logging;
mod logs;
mod manual;
mod output;
mod plan;
mod progress;
mod reference;
mod rollback;
mod scale;
mod status;
mod submit;
mod verbs;
mod version;
mod wait;
mod yaml;

#[cfg(any(test, fuzzing))]
pub use convert::fuzzing::command_line as fuzz_command_line;

pub use flags::{DaemonFlags, LogFormat, Settings};

/// The exit code for whatever the user has to change before trying again: of the daemon, and of commands that have
/// another use for 1.
const USAGE: u8 = 2;
/// The exit code of a client's command that was not taken: bad input, a refusal, no daemon.
const REFUSED: u8 = 1;
/// The exit code for what was taken and did not come about.
const FAILED: u8 = 2;
/// The exit code for what had not come about when the wait was over.
const TIMED_OUT: u8 = 3;

/// Keeps exactly as many containers running as you asked for.
///
/// Runs an HTTPS daemon beside a Docker Engine or a classic Swarm manager.
/// Submit what you want with curl:
///
///     curl https://HOST:3476/submit \
///       --cacert ca.pem --cert cert.pem --key key.pem \
///       -d '{"Name": "nginx", "Image": "nginx:1.9.6", "Count": 5}'
///
/// With no flags at all it manages the local engine and makes its own
/// certificates. Every flag has an environment variable. Exit codes: 0 after a
/// graceful stop, 1 when it died, 2 when a flag, a file or an address has to be
/// changed first.
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
    /// Submits objects from files of JSON or YAML.
    ///
    /// With --wait it also waits for the outcome.
    ///
    /// Exit codes: 0 taken, or converged with --wait; 1 not taken (bad input, refused, no daemon); 2 failed or rolled
    /// back; 3 not converged when the wait was over. The last line says which, and why.
    #[command(visible_alias = "apply")]
    Submit(submit::SubmitFlags),
    /// Shows what a submit would do, step by step, and does nothing.
    ///
    /// Exit codes: 0 nothing would change; 1 something would; 2 it cannot be told.
    Plan(plan::PlanFlags),
    /// Shows field by field what a submit would change.
    ///
    /// Exit codes: 0 nothing differs; 1 something does; 2 it cannot be told.
    Diff(diff::DiffFlags),
    /// Shows how objects are doing.
    #[command(visible_aliases = ["ps", "ls", "describe"])]
    Status(status::StatusFlags),
    /// Shows objects as they were submitted, ready to be sent back.
    ///
    /// With --output yaml they can be changed and submitted again. What is shown holds the Generation that the object has. Submitted again with it, it is only taken where the object
    /// has not changed meanwhile.
    Get(get::GetFlags),
    /// Changes how many containers of an object run.
    ///
    /// Exit codes as of submit.
    Scale(scale::ScaleFlags),
    /// Deletes objects and their containers.
    ///
    /// Exit codes as of submit: 0 deleted, or nothing left of them with --wait; 1 not taken; 3 the wait was over.
    #[command(visible_alias = "rm")]
    Delete(delete::DeleteFlags),
    /// Shows what an object has been.
    History(history::HistoryFlags),
    /// Brings an earlier spec of an object back.
    ///
    /// Exit codes as of submit.
    Rollback(rollback::RollbackFlags),
    /// Shows what the manager did, and why.
    Events(events::EventsFlags),
    /// Shows what the containers of an object write.
    Logs(logs::LogsFlags),
    /// Shows the versions of this program, the daemon and its engine.
    ///
    /// Exit codes: 0 shown; 1 no daemon, after the client's own version.
    Version(version::VersionFlags),
    /// Names daemons, and chooses one of them.
    Context(context::ContextFlags),
    /// Turns a `docker run` command line into an object.
    ///
    /// Prints the object, for `submit -`, and on standard error what of the command line has no place in it. Asks no
    /// daemon. Exit codes: 0 converted; 1 not.
    Convert(convert::ConvertFlags),
    /// Writes the state of the daemon to a file.
    ///
    /// Of a daemon that does not run, with --offline.
    Backup(backup::BackupFlags),
    /// Puts a backup in the place of a daemon's state.
    ///
    /// The daemon must not run.
    Restore(backup::RestoreFlags),
    /// Asks a daemon whether it is alive.
    ///
    /// Exit codes: 0 if so, 1 if not. For container health checks.
    Healthcheck(healthcheck::HealthcheckFlags),
    /// Prints a script for completion in a shell.
    ///
    /// It completes commands, flags, files, and the names of objects and contexts.
    Completions(manual::CompletionsFlags),
    /// Prints the manual page, or writes all pages.
    Man(manual::ManFlags),
    /// Prints the tables of flags and exit codes in the documentation.
    #[command(hide = true)]
    Reference(reference::ReferenceFlags),
}

/// Runs the program.
pub fn main() -> ExitCode {
    if let Some(code) = complete::asked() {
        return code;
    }
    let CommandLine { command, daemon } = match read() {
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
        Some(Command::Completions(flags)) => manual::completions(&flags),
        Some(Command::Man(flags)) => manual::man(&flags),
        Some(Command::Reference(flags)) => reference::run(&flags),
        None => run_daemon(daemon),
    }
}

/// Reads the command line; help, the version and a complaint have been printed where there is only a code to end with.
fn read() -> Result<CommandLine, ExitCode> {
    let mut command = CommandLine::command();
    let first = std::env::args_os().nth(1).unwrap_or_default();
    let first = first.to_string_lossy();
    let found = command.find_subcommand(first.as_ref()).map(|found| found.get_name().to_owned());
    match &found {
        // The daemon's variables are not a subcommand's: of SCSM_ADDR a client takes more forms.
        Some(_) => command = command.mut_args(|arg| arg.env(None::<&str>)),
        None if first.is_empty() || first.starts_with('-') || first == "help" => {}
        None => {
            let known = command.get_subcommands().flat_map(clap::Command::get_name_and_visible_aliases);
            return Err(fail(USAGE, &verbs::unknown(&first, known)));
        }
    }
    let command = environment::without_empty(command);
    let read = command.try_get_matches().and_then(|matches| CommandLine::from_arg_matches(&matches));
    let name = found.as_deref().unwrap_or_default();
    read.map_err(|error| {
        let error = with_example(error, name);
        // A standard error that cannot be written to leaves nobody to tell.
        let _ = error.print();
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
            _ => ExitCode::from(wrong_usage(name)),
        }
    })
}

/// The exit code for a command line that cannot be read.
fn wrong_usage(command: &str) -> u8 {
    match command {
        // Commands for which 2 is the word for something that failed.
        "submit" | "scale" | "delete" | "rollback" | "status" | "get" | "history" | "events" | "logs"
        | "version" | "context" | "convert" => REFUSED,
        _ => USAGE,
    }
}

/// Adds a line that would be right to the complaint that there is no file.
fn with_example(mut error: clap::Error, command: &str) -> clap::Error {
    if error.kind() == ErrorKind::MissingRequiredArgument && matches!(command, "submit" | "plan" | "diff") {
        let example = format!("for example: swarm-cluster-state-manager {command} web.yaml");
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![example.into()]));
    }
    error
}

/// The name of an object, on the command line.
fn object_name(text: &str) -> Result<ObjectName, String> {
    ObjectName::parse(text).ok_or_else(|| format!("allowed are {}", ObjectName::ALLOWED))
}

fn run_daemon(flags: DaemonFlags) -> ExitCode {
    let settings = match flags.settle() {
        Ok(settings) => settings,
        Err(message) => return fail(USAGE, &message),
    };
    logging::to_stderr(settings.log_format);
    match app::start(settings) {
        Ok(app) => match app.run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "the daemon died");
                fail(1, &format!("{error:#}"))
            }
        },
        Err(error) => fail(USAGE, &format!("{error:#}")),
    }
}

/// One message, and the exit code.
fn fail(code: u8, message: &str) -> ExitCode {
    output::paragraph(format_args!("error: {message}"));
    ExitCode::from(code)
}
