//! `backup` and `restore`: the state as a file to keep elsewhere, and back.
//!
//! A running daemon is asked for its state, as nobody else may open it; of one that does not run, `--offline` reads the
//! data directory. A restore is always offline: it takes the directory's lock, so that no daemon is at work there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use http::Method;

use super::connection::Connection;
use super::flags::default_data_dir;
use super::{REFUSED, fail, output};
use crate::client::{Ask, ClientError};
use crate::clock;
use crate::core::desired::Desired;
use crate::core::identity::Identity;
use crate::store::backup::{self, Backup};
use crate::store::redb;

/// Flags of `backup`.
#[derive(Debug, Args)]
pub(super) struct BackupFlags {
    /// The file to write, or - for standard output. It may hold secrets, as what was submitted may.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// Read the data directory of a daemon that does not run.
    #[arg(long)]
    offline: bool,
    /// With --offline: the state of simulated:// endpoints, which is kept apart.
    #[arg(long, requires = "offline")]
    simulated: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Flags of `restore`.
#[derive(Debug, Args)]
pub(super) struct RestoreFlags {
    /// A file that `backup` made, or - for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The data directory. [default: as the daemon's]
    #[arg(long, env = "SCSM_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Where a text comes from or goes to when no file is meant.
fn is_standard(file: &Path) -> bool {
    file.as_os_str() == "-"
}

pub(super) fn save(flags: &BackupFlags) -> ExitCode {
    if flags.offline {
        return match save_offline(flags) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(REFUSED, &format!("{error:#}")),
        };
    }
    flags.connection.run(REFUSED, async |daemon| {
        let answer = daemon.ask(Ask::new(Method::GET, "/backup")).await;
        let answer = answer.map_err(|error| match error {
            ClientError::NotSent { .. } => anyhow::Error::new(error).context(
                "no backup was made (of a daemon that does not run, --offline reads the data directory)",
            ),
            other => other.into(),
        })?;
        let text = std::str::from_utf8(&answer.body).context("the daemon's answer is no text")?;
        keep(text, &flags.file)?;
        Ok(0)
    })
}

fn save_offline(flags: &BackupFlags) -> anyhow::Result<()> {
    let dir = flags.connection.state_dir()?;
    let shown = dir.display();
    anyhow::ensure!(dir.is_dir(), "there is no directory {shown}: say with --data-dir where the state is");
    let _lock = redb::Lock::take(&dir).context("leave --offline out to ask a running daemon")?;
    let (desired, identity) = redb::export(&redb::place(&dir, flags.simulated))?;
    keep(&backup::write(&desired, identity.as_ref(), clock::wall_now())?, &flags.file)
}

/// Checks a backup and writes it, whole or not at all.
fn keep(text: &str, file: &Path) -> anyhow::Result<()> {
    let desired = backup::read(text)?.desired;
    if is_standard(file) {
        return Ok(output::raw(text.as_bytes())?);
    }
    let mut new = file.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let write = || {
        let mut options = OpenOptions::new();
        let mut written = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        written.write_all(text.as_bytes())?;
        written.sync_all()?;
        fs::rename(&new, file)
    };
    write().with_context(|| format!("{} cannot be written", file.display()))?;
    output::note(format!("{}: {}", file.display(), contents(&desired)));
    Ok(())
}

/// What a state holds, for people.
fn contents(desired: &Desired) -> String {
    let deleted = desired.objects.values().filter(|o| o.deleted.is_some()).count();
    let live = desired.objects.len() - deleted + desired.quarantined.len();
    format!("objects: {live}, tombstones of deleted ones: {deleted}")
}

pub(super) fn restore(flags: &RestoreFlags) -> ExitCode {
    match try_restore(flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(REFUSED, &format!("{error:#}")),
    }
}

fn try_restore(flags: &RestoreFlags) -> anyhow::Result<()> {
    let (dir, _lock, Backup { desired, identity, at: made }) =
        prepare(flags).context("nothing was changed")?;
    let contents = contents(&desired);
    let whose = identity.as_ref().map(whose).unwrap_or_default();
    let aside = redb::restore(&dir, desired, identity, clock::wall_now())?;
    output::line(format!(
        "{}: {contents}, as of {made}{whose}. Start the daemon: what runs and is among them is taken over; \
         containers of what was submitted later are left alone and listed as Unclaimed in /status.",
        dir.display()
    ))?;
    if let Some(aside) = aside {
        output::line(format!("The state before is in {}.", aside.display()))?;
    }
    Ok(())
}

/// Whose state it is, for people.
fn whose(identity: &Identity) -> String {
    format!(
        ", for the cluster '{}'. It goes on as manager {}: do not run the daemon that the backup was made of beside it",
        identity.cluster, identity.manager
    )
}

/// All that can be refused before anything is touched: the directory of the state, taken, and what it is to hold.
fn prepare(flags: &RestoreFlags) -> anyhow::Result<(PathBuf, redb::Lock, Backup)> {
    let mut text = String::new();
    let read = match is_standard(&flags.file) {
        true => io::stdin().read_to_string(&mut text),
        false => File::open(&flags.file).and_then(|mut file| file.read_to_string(&mut text)),
    };
    read.with_context(|| format!("{} cannot be read", flags.file.display()))?;
    let backup = backup::read(&text).with_context(|| flags.file.display().to_string())?;
    let dir = flags.data_dir.clone().map_or_else(default_data_dir, Ok).map_err(anyhow::Error::msg)?;
    anyhow::ensure!(dir.as_os_str() != "none", "the data directory `none` keeps nothing: give --data-dir");
    let lock = redb::Lock::take(&dir)?;
    let engine = backup.identity.as_ref().and_then(|identity| identity.engine.as_ref());
    let simulated = engine.is_some_and(|engine| engine.kind.is_simulated());
    Ok((redb::prepare(&dir, simulated)?, lock, backup))
}
