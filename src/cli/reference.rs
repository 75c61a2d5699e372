//! The hidden subcommand `reference`: the tables of flags, commands and exit codes in `docs/`, as Markdown.
//!
//! A test runs it and compares its output with the documents, so that they cannot drift from the flags.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{Arg, Args, Command, ValueEnum};

use super::connection::HEADING as CONNECTION_HEADING;
use super::exit::{USAGE, finish, usage_code};
use super::output;

/// Flags of `reference`.
#[derive(Debug, Args)]
pub(super) struct ReferenceFlags {
    /// The table to print.
    table: Table,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Table {
    /// The daemon's flags.
    DaemonFlags,
    /// The flags by which the client commands find the daemon.
    ConnectionFlags,
    /// One section per client command, with its flags.
    Commands,
    /// The exit codes of each command.
    ExitCodes,
}

/// Prints a table.
pub(super) fn run(flags: &ReferenceFlags, mut program: Command) -> ExitCode {
    program.build();
    let text = match flags.table {
        Table::DaemonFlags => flag_table(program.get_arguments()),
        Table::ConnectionFlags => connection_flags(&program),
        Table::Commands => commands(&mut program),
        Table::ExitCodes => exit_codes(&program),
    };
    finish(output::raw(text.as_bytes()).map_err(Into::into), USAGE)
}

fn flag_table<'a>(flags: impl Iterator<Item = &'a Arg>) -> String {
    let mut table = String::from("| flag | default | meaning |\n|---|---|---|\n");
    for flag in flags.filter(|flag| is_shown(flag)) {
        let (meaning, default) = meaning(flag);
        let mut name = spelling(flag);
        if let Some(variable) = flag.get_env() {
            let _ = write!(name, "<br>`{}`", variable.to_string_lossy());
        }
        let _ = writeln!(table, "| {name} | {default} | {meaning} |");
    }
    table
}

fn connection_flags(program: &Command) -> String {
    let status = program.find_subcommand("status");
    flag_table(status.into_iter().flat_map(Command::get_arguments).filter(|flag| is_connection(flag)))
}

fn commands(program: &mut Command) -> String {
    let mut text = String::new();
    for command in program.get_subcommands_mut().filter(|command| is_listed(command)) {
        section(&mut text, command, "");
        let parent = format!("{} ", command.get_name());
        for nested in command.get_subcommands_mut().filter(|nested| is_listed(nested)) {
            section(&mut text, nested, &parent);
        }
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

/// One command: its usage, what it does, its flags.
fn section(text: &mut String, command: &mut Command, parent: &str) {
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim();
    let _ = writeln!(text, "### {parent}{}\n\n    {usage}\n", command.get_name());
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string);
    for paragraph in about.unwrap_or_default().split("\n\n").filter(|it| !it.starts_with("Exit codes")) {
        let _ = writeln!(text, "{}\n", sentence(paragraph));
    }
    let aliases: Vec<String> = command.get_visible_aliases().map(|alias| format!("`{alias}`")).collect();
    if !aliases.is_empty() {
        let _ = writeln!(text, "Aliases: {}.\n", aliases.join(", "));
    }
    let flags: Vec<&Arg> =
        command.get_arguments().filter(|flag| is_shown(flag) && !is_connection(flag)).collect();
    if !flags.is_empty() {
        let _ = writeln!(text, "{}", flag_table(flags.into_iter()));
    }
}

fn exit_codes(program: &Command) -> String {
    let mut table = String::from("| command | exit codes | wrong usage |\n|---|---|---|\n");
    for command in program.get_subcommands().filter(|command| is_listed(command)) {
        let name = command.get_name();
        let about = command.get_long_about().map(ToString::to_string).unwrap_or_default();
        let said = about.split("\n\n").find_map(|paragraph| Some(paragraph.split_once("Exit codes")?.1));
        let codes = match said {
            Some(codes) => {
                escaped(codes.trim_start_matches(':').trim().trim_end_matches('.')).replace("; ", "<br>")
            }
            None => "0 success<br>1 failed, refused, or no daemon".to_owned(),
        };
        let _ = writeln!(table, "| `{name}` | {codes} | {} |", usage_code(name));
    }
    table
}

fn is_listed(command: &Command) -> bool {
    !command.is_hide_set() && command.get_name() != "help"
}

fn is_shown(flag: &Arg) -> bool {
    !flag.is_hide_set() && !matches!(flag.get_id().as_str(), "help" | "version")
}

fn is_connection(flag: &Arg) -> bool {
    flag.get_help_heading() == Some(CONNECTION_HEADING)
}

/// As it is typed: `--addr IP:PORT`, `FILE`.
fn spelling(flag: &Arg) -> String {
    let takes_value = flag.get_action().takes_values() && !flag.is_last_set();
    let values = flag.get_value_names().unwrap_or_default().join(" ").replace('|', "\\|");
    let short = flag.get_short().map(|short| format!("`-{short}`, ")).unwrap_or_default();
    match flag.get_long() {
        Some(long) if takes_value => format!("{short}`--{long} {values}`"),
        Some(long) => format!("{short}`--{long}`"),
        None => format!("`{values}`"),
    }
}

/// The help text of a flag, and its default, which the text may state itself.
fn meaning(flag: &Arg) -> (String, String) {
    let help = flag.get_long_help().or(flag.get_help()).map(ToString::to_string).unwrap_or_default();
    let (text, stated) = match help.split_once("[default: ") {
        Some((text, rest)) => {
            (text.trim().to_owned(), rest.split_once(']').map(|(default, _)| default.to_owned()))
        }
        None => (help, None),
    };
    let values: Vec<_> = flag.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let is_switch = !flag.get_action().takes_values();
    let default = match stated {
        Some(default) => escaped(&default),
        None if is_switch || values.is_empty() => String::new(),
        None => format!("`{}`", values.join(",")),
    };
    (sentence(&text) + &choices(flag), default)
}

/// The values that a flag with a fixed choice takes.
fn choices(flag: &Arg) -> String {
    let values = if flag.get_action().takes_values() { flag.get_possible_values() } else { Vec::new() };
    let values: Vec<String> = values
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if values.is_empty() { String::new() } else { format!(" One of {}.", values.join(", ")) }
}

/// As [`escaped`], with a period at the end; clap drops it from one-paragraph help.
fn sentence(text: &str) -> String {
    let text = escaped(text);
    if text.is_empty() || text.ends_with('.') { text } else { text + "." }
}

/// On one line, and without what Markdown would take for markup.
fn escaped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|").replace('<', "\\<")
}
