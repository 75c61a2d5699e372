//! `completions` and `man`: what the program can say about its own command line.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::output::{self, OutputError};
use super::{CommandLine, USAGE, complete, fail};

/// Flags of `completions`.
#[derive(Debug, Args)]
pub(super) struct CompletionsFlags {
    /// The shell. For bash: `source <(swarm-cluster-state-manager completions bash)` in ~/.bashrc; for zsh the same in
    /// ~/.zshrc, after compinit; for fish: `swarm-cluster-state-manager completions fish | source` in config.fish.
    shell: Shell,
}

/// Flags of `man`.
#[derive(Debug, Args)]
pub(super) struct ManFlags {
    /// Where to write a page for the program and for each subcommand. [default: the program's page goes to standard
    /// output]
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

pub(super) fn completions(flags: &CompletionsFlags) -> ExitCode {
    let script = complete::script(&flags.shell.to_string());
    end(script.and_then(|script| Ok(output::raw(&script)?)))
}

pub(super) fn man(flags: &ManFlags) -> ExitCode {
    end(write_man(flags))
}

fn write_man(flags: &ManFlags) -> anyhow::Result<()> {
    let command = CommandLine::command();
    let Some(directory) = &flags.directory else {
        let mut text = Vec::new();
        page(command).render(&mut text)?;
        return Ok(output::raw(&text)?);
    };
    let mut command = command.disable_help_subcommand(true);
    // With it the subcommands get their whole names.
    command.build();
    fs::create_dir_all(directory)
        .and_then(|()| write_pages(command, directory))
        .with_context(|| format!("the pages cannot be written to {}", directory.display()))
}

fn write_pages(command: Command, directory: &Path) -> io::Result<()> {
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()).cloned() {
        write_pages(command, directory)?;
    }
    page(command).generate_to(directory).map(drop)
}

/// All pages have the program's title, as the subcommands' whole names leave no room for it twice in a line, and nothing
/// beside it. A blank is what is written for nothing: an empty argument of the title would be passed over.
fn page(command: Command) -> Man {
    let source = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
    Man::new(command).title(env!("CARGO_PKG_NAME")).date(" ").source(source).manual(" ")
}

fn end(done: anyhow::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if matches!(error.downcast_ref(), Some(OutputError::Closed)) => ExitCode::SUCCESS,
        Err(error) => fail(USAGE, &format!("{error:#}")),
    }
}
