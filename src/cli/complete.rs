//! Shell completion: commands, flags, files, and the names of objects and contexts.
//!
//! The script of `completions SHELL` calls this program for each completion, so names are current. An error or a timeout
//! offers nothing and prints nothing: a line is being typed.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use clap::{Command, CommandFactory, FromArgMatches};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::CompleteEnv;
use http::Method;

use super::command_line::CommandLine;
use super::completions::VARIABLE;
use super::connection::Connection;
use super::context::file::{self, Contexts};
use super::environment::{self, variable};
use super::exit::fail;
use crate::client::Ask;
use crate::client::answers::Stored;

/// The longest that a shell waits for names.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Commands whose arguments are names of objects, and the ids of these arguments.
const WITH_OBJECTS: [&str; 9] =
    ["status", "get", "scale", "delete", "history", "rollback", "events", "logs", "restart"];
const OBJECTS: [&str; 3] = ["name", "names", "object"];

/// Completes a line if a shell asks for it; then returns the exit code.
pub(super) fn requested() -> Option<ExitCode> {
    let requested = CompleteEnv::with_factory(command).var(VARIABLE);
    match requested.try_complete(std::env::args_os(), std::env::current_dir().ok().as_deref()) {
        Ok(false) => None,
        Ok(true) => Some(ExitCode::SUCCESS),
        Err(error) => Some(fail(1, &error.to_string())),
    }
}

/// The command line with completions for names. Flags are offered only after a dash, aliases only after their first letters.
fn command() -> Command {
    let flags = words().last().is_some_and(|word| word.to_string_lossy().starts_with('-'));
    let mut command = hide_flags(CommandLine::command(), !flags);
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    for name in names {
        command = command.mut_subcommand(&name, |sub| {
            let aliases: Vec<String> = sub.get_visible_aliases().map(str::to_owned).collect();
            let sub = hide_flags(sub.visible_alias(None::<&str>).aliases(aliases), !flags);
            match name.as_str() {
                "context" => ["use", "set", "rm"].into_iter().fold(sub, |sub, of| {
                    sub.mut_subcommand(of, |sub| offering(hide_flags(sub, !flags), &OBJECTS, contexts))
                }),
                name if WITH_OBJECTS.contains(&name) => {
                    offering(offering(sub, &OBJECTS, objects), &["context"], contexts)
                }
                _ => offering(sub, &["context"], contexts),
            }
        });
    }
    command
}

fn hide_flags(command: Command, hide: bool) -> Command {
    let command = command.disable_help_flag(hide);
    command.mut_args(|arg| if hide && !arg.is_positional() { arg.hide(true) } else { arg })
}

/// Adds candidates for the arguments with these ids.
fn offering(command: Command, arguments: &[&str], candidates: fn() -> Vec<CompletionCandidate>) -> Command {
    command.mut_args(|arg| match arguments.contains(&arg.get_id().as_str()) {
        true => arg.add(ArgValueCandidates::new(candidates)),
        false => arg,
    })
}

/// The words of the line, up to the one being typed.
fn words() -> Vec<OsString> {
    let mut words: Vec<OsString> = std::env::args_os().skip_while(|word| word != "--").skip(1).collect();
    let at = variable("_CLAP_COMPLETE_INDEX").and_then(|index| index.parse::<usize>().ok());
    words.truncate(at.map_or(words.len(), |at| at.saturating_add(1)));
    words
}

fn contexts() -> Vec<CompletionCandidate> {
    let contexts = file::path().and_then(|path| Contexts::read(&path)).unwrap_or_default();
    contexts.contexts.into_keys().map(CompletionCandidate::new).collect()
}

/// The objects of the daemon that the line addresses.
fn objects() -> Vec<CompletionCandidate> {
    let (give, given) = mpsc::channel();
    // The program ends without waiting for a lookup that hangs.
    std::thread::spawn(move || give.send(connection().and_then(|connection| stored(&connection))));
    let objects = given.recv_timeout(TIMEOUT).ok().flatten().unwrap_or_default();
    let candidate = |Stored { name, image, count, .. }| {
        CompletionCandidate::new(name).help(Some(format!("{count} of {image}").into()))
    };
    objects.into_iter().map(candidate).collect()
}

fn stored(connection: &Connection) -> Option<Vec<Stored>> {
    let asked = connection.ask(async |daemon| {
        Ok(daemon.ask(Ask::new(Method::GET, "/objects")).await?.json::<Vec<Stored>>()?)
    });
    asked.ok()
}

/// How to reach the daemon, from the line so far, the environment and contexts.
fn connection() -> Option<Connection> {
    let mut words = words();
    // The word being typed.
    words.pop();
    let command = CommandLine::command().mut_args(|arg| arg.env(None::<&str>)).ignore_errors(true);
    let mut matches = environment::without_empty(command).try_get_matches_from(words).ok()?;
    let (_, matches) = matches.remove_subcommand()?;
    Connection::from_arg_matches(&matches).ok()
}
