//! `completions`: the script by which a shell has this program complete its command lines.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Command};
use clap_complete::Shell;
use clap_complete::env::Shells;

use super::exit::{REFUSED, finish};
use super::output;

/// The environment variable with which the script asks for completions.
pub(super) const VARIABLE: &str = "SCSM_COMPLETE";

/// Flags of `completions`.
#[derive(Debug, Args)]
pub(super) struct CompletionsFlags {
    /// The shell. For bash: `source <(swarm-cluster-state-manager completions bash)` in ~/.bashrc. For zsh: the same in
    /// ~/.zshrc, after compinit. For fish: `swarm-cluster-state-manager completions fish | source` in config.fish.
    shell: Shell,
}

pub(super) fn run(flags: &CompletionsFlags, command: &Command) -> ExitCode {
    let script = script(&flags.shell.to_string(), command.get_name());
    finish(script.and_then(|script| Ok(output::raw(&script)?)), REFUSED)
}

fn script(shell: &str, name: &str) -> anyhow::Result<Vec<u8>> {
    let shells = Shells::builtins();
    let shell = shells.completer(shell).with_context(|| format!("no completions for {shell}"))?;
    // Call the program as it was called now; a relative path becomes absolute.
    let called = std::env::args_os().next().unwrap_or_default();
    let completer = match called.to_string_lossy().contains('/') {
        true => std::env::current_exe().context("the path of this program is unknown")?.display().to_string(),
        false => name.to_owned(),
    };
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, name, name, &completer, &mut script)?;
    Ok(script)
}
