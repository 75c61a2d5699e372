//! `completions` and `man`: what the program can say about its own command line.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::output::{self, OutputError};
use super::{CommandLine, USAGE, complain, complete};

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
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        return Ok(output::raw(&page)?);
    };
    fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(command, directory))
        .with_context(|| format!("the pages cannot be written to {}", directory.display()))
}

fn end(done: anyhow::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if matches!(error.downcast_ref(), Some(OutputError::Closed)) => ExitCode::SUCCESS,
        Err(error) => complain(USAGE, &format!("{error:#}")),
    }
}
