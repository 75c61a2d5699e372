//! The subcommands, and how the command line is parsed.

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use super::exit::{USAGE, fail, usage_code};
use super::flags::DaemonFlags;
use super::{
    backup, completions, context, convert, delete, diff, environment, events, get, healthcheck, history,
    logs, man, plan, reference, rollback, scale, status, submit, unknown_command, version,
};

/// Keeps exactly Count containers of every submitted object running.
///
/// Runs an HTTPS daemon beside a Docker Engine or a classic Swarm manager.
/// Submit the desired state with this program or with curl:
///
///     curl https://HOST:3476/submit \
///       --cacert ca.pem --cert cert.pem --key key.pem \
///       -d '{"Name": "nginx", "Image": "nginx:1.9.6", "Count": 5}'
///
/// Without flags, the daemon manages the local engine and creates its own
/// certificates. Every flag has an environment variable. Exit codes: 0 after a
/// graceful stop, 1 after a fatal error, 2 if a flag, a file or an address has
/// to be changed first.
#[derive(Debug, Parser)]
#[command(version, verbatim_doc_comment, args_conflicts_with_subcommands = true)]
pub(super) struct CommandLine {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) daemon: DaemonFlags,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Submit objects from JSON or YAML files.
    ///
    /// With --wait, wait until they have converged.
    ///
    /// Exit codes: 0 accepted, or converged with --wait; 1 not accepted (bad input, refused, no daemon); 2 failed or
    /// rolled back; 3 not converged when the wait ended. The last line says which, and why.
    #[command(visible_alias = "apply")]
    Submit(submit::SubmitFlags),
    /// Show the steps that a submit would cause, without submitting.
    ///
    /// Exit codes: 0 nothing would change; 1 something would; 2 unknown (bad input, refused, no daemon).
    Plan(plan::PlanFlags),
    /// Show field by field what a submit would change.
    ///
    /// Exit codes: 0 no differences; 1 differences; 2 unknown (bad input, refused, no daemon).
    Diff(diff::DiffFlags),
    /// Show objects and their containers.
    #[command(visible_aliases = ["ps", "ls", "describe"])]
    Status(status::StatusFlags),
    /// Show objects as submitted.
    ///
    /// With --output yaml, edit the result and submit it again. It includes the Generation, so the submit is refused if
    /// the object has changed in the meantime.
    Get(get::GetFlags),
    /// Change the number of containers of an object.
    ///
    /// Exit codes: as for submit.
    Scale(scale::ScaleFlags),
    /// Delete objects and their containers.
    ///
    /// Exit codes: as for submit; with --wait, 0 means that nothing is left of them.
    #[command(visible_alias = "rm")]
    Delete(delete::DeleteFlags),
    /// Show the revisions of an object.
    History(history::HistoryFlags),
    /// Restore an earlier spec of an object.
    ///
    /// Exit codes: as for submit.
    Rollback(rollback::RollbackFlags),
    /// Show what the manager did, and why.
    Events(events::EventsFlags),
    /// Show the output of an object's containers.
    Logs(logs::LogsFlags),
    /// Show the versions of this program, the daemon and its engine.
    ///
    /// Exit codes: 0 shown; 1 no daemon, after the version of this program.
    Version(version::VersionFlags),
    /// Name daemons and select one of them.
    Context(context::ContextFlags),
    /// Convert a `docker run` command line to an object.
    ///
    /// Prints the object, for `submit -`, and on standard error which flags were left out. Contacts no daemon. Exit
    /// codes: 0 converted; 1 not.
    Convert(convert::ConvertFlags),
    /// Write the daemon's state to a file.
    ///
    /// If the daemon is not running, use --offline.
    Backup(backup::BackupFlags),
    /// Replace a daemon's state with a backup.
    ///
    /// The daemon must not be running.
    Restore(backup::RestoreFlags),
    /// Check whether a daemon is alive.
    ///
    /// Exit codes: 0 alive, 1 not. For container health checks.
    Healthcheck(healthcheck::HealthcheckFlags),
    /// Print a shell completion script.
    ///
    /// It completes commands, flags, files, and the names of objects and contexts.
    Completions(completions::CompletionsFlags),
    /// Print the manual page, or write all pages to a directory.
    Man(man::ManFlags),
    /// Print the tables of flags and exit codes for the documentation.
    #[command(hide = true)]
    Reference(reference::ReferenceFlags),
}

/// Parses the command line. Help, the version and errors are printed here; then only an exit code is left.
pub(super) fn read() -> Result<CommandLine, ExitCode> {
    let mut command = CommandLine::command();
    let first = std::env::args_os().nth(1).unwrap_or_default();
    let first = first.to_string_lossy();
    let found = command.find_subcommand(first.as_ref()).map(|found| found.get_name().to_owned());
    match &found {
        // The daemon's variables are not for subcommands: a client accepts more forms of SCSM_ADDR.
        Some(_) => command = command.mut_args(|arg| arg.env(None::<&str>)),
        None if first.is_empty() || first.starts_with('-') || first == "help" => {}
        None => {
            let known = command.get_subcommands().flat_map(clap::Command::get_name_and_visible_aliases);
            return Err(fail(USAGE, &unknown_command::message(&first, known)));
        }
    }
    let command = environment::without_empty(command);
    let mut described = command.clone();
    let read = command.try_get_matches().and_then(|matches| CommandLine::from_arg_matches(&matches));
    let name = found.as_deref().unwrap_or_default();
    read.map_err(|error| {
        let error = with_plain_usage(with_example(error, name), &mut described, name);
        let error = with_variable(error, &mut described, name);
        // If standard error is closed, the exit code still reports the error.
        let _ = error.print();
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
            _ => ExitCode::from(usage_code(name)),
        }
    })
}

/// Names the variable instead of the flag if an invalid value is from there.
fn with_variable(mut error: clap::Error, program: &mut clap::Command, command: &str) -> clap::Error {
    let Some(ContextValue::String(invalid)) = error.get(ContextKind::InvalidArg) else { return error };
    program.build();
    let command = program.find_subcommand(command).unwrap_or(program);
    let variable = command.get_arguments().find(|arg| arg.to_string() == *invalid).and_then(|arg| {
        let flag = format!("--{}", arg.get_long()?);
        let given =
            std::env::args_os().any(|word| word.to_string_lossy().split('=').next() == Some(flag.as_str()));
        let variable = arg.get_env().filter(|variable| !given && std::env::var_os(variable).is_some())?;
        Some(variable.to_string_lossy().into_owned())
    });
    if let Some(variable) = variable {
        error.insert(ContextKind::InvalidArg, ContextValue::String(variable));
    }
    error
}

/// Replaces the usage in an error: clap adds options that are set by environment variables as if they were required.
fn with_plain_usage(mut error: clap::Error, program: &mut clap::Command, command: &str) -> clap::Error {
    // The usage of `context` would hide which of its subcommands is meant.
    if error.get(ContextKind::Usage).is_none() || command == "context" {
        return error;
    }
    program.build();
    let usage = match program.find_subcommand_mut(command) {
        Some(command) => command.render_usage(),
        None => program.render_usage(),
    };
    error.insert(ContextKind::Usage, ContextValue::StyledStr(usage));
    error
}

/// Adds an example to the error that no file was given.
fn with_example(mut error: clap::Error, command: &str) -> clap::Error {
    if error.kind() == ErrorKind::MissingRequiredArgument && matches!(command, "submit" | "plan" | "diff") {
        let example = format!("for example: swarm-cluster-state-manager {command} web.yaml");
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![example.into()]));
    }
    error
}
