//! `man`: manual pages.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Command};
use clap_mangen::Man;

use super::exit::{REFUSED, finish};
use super::output;

/// Flags of `man`.
#[derive(Debug, Args)]
pub(super) struct ManFlags {
    /// Write a page for the program and for each subcommand to this directory. [default: print the program's page]
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

pub(super) fn run(flags: &ManFlags, command: Command) -> ExitCode {
    finish(write(flags, command), REFUSED)
}

fn write(flags: &ManFlags, command: Command) -> anyhow::Result<()> {
    let Some(directory) = &flags.directory else {
        let mut text = Vec::new();
        page(command).render(&mut text)?;
        return Ok(output::raw(&text)?);
    };
    let mut command = command.disable_help_subcommand(true);
    // This gives the subcommands their full names.
    command.build();
    fs::create_dir_all(directory)
        .and_then(|()| write_pages(command, directory))
        .with_context(|| format!("cannot write the pages to {}", directory.display()))
}

fn write_pages(command: Command, directory: &Path) -> io::Result<()> {
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()).cloned() {
        write_pages(command, directory)?;
    }
    page(command).generate_to(directory).map(drop)
}

/// All pages have the program's title: the full name of a subcommand does not fit twice into a line. A blank stands for an
/// empty date and section, as an empty argument would be skipped.
fn page(command: Command) -> Man {
    let source = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
    Man::new(command).title(env!("CARGO_PKG_NAME")).date(" ").source(source).manual(" ")
}
