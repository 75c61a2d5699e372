//! `backup` and `restore`: the state as a file.
//!
//! A running daemon returns its state on request, as no other process can open it; with `--offline`, a backup reads the data
//! directory of a stopped daemon. A restore is always offline: it takes the lock of the directory, so no daemon can run.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use http::Method;

use super::connection::Connection;
use super::exit::{REFUSED, finish};
use super::flags::default_data_dir;
use super::output;
use crate::client::{Ask, ClientError};
use crate::clock;
use crate::core::desired::Desired;
use crate::core::identity::Identity;
use crate::store::backup::{self, Backup};
use crate::store::redb;

/// Flags of `backup`.
#[derive(Debug, Args)]
pub(super) struct BackupFlags {
    /// The file to write, or - for standard output. It contains the submitted specs, which may include secrets.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// Read the data directory of a stopped daemon.
    #[arg(long)]
    offline: bool,
    /// With --offline: back up the state of simulated:// endpoints, which is stored separately.
    #[arg(long, requires = "offline")]
    simulated: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Flags of `restore`.
#[derive(Debug, Args)]
pub(super) struct RestoreFlags {
    /// A backup file, or - for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The data directory. [default: that of the daemon]
    #[arg(long, env = "SCSM_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Whether standard input or output is meant.
fn is_standard(file: &Path) -> bool {
    file.as_os_str() == "-"
}

pub(super) fn save(flags: &BackupFlags) -> ExitCode {
    if flags.offline {
        return finish(save_offline(flags), REFUSED);
    }
    flags.connection.run(REFUSED, async |daemon| {
        let answer = daemon.ask(Ask::new(Method::GET, "/backup")).await;
        let answer = answer.map_err(|error| match error {
            ClientError::NotSent { .. } => anyhow::Error::new(error)
                .context("no backup was made (if the daemon is stopped, use --offline)"),
            other => other.into(),
        })?;
        let text = std::str::from_utf8(&answer.body).context("the daemon's answer is not UTF-8")?;
        keep(text, &flags.file)?;
        Ok(0)
    })
}

fn save_offline(flags: &BackupFlags) -> anyhow::Result<()> {
    let dir = flags.connection.state_dir()?;
    let shown = dir.display();
    anyhow::ensure!(dir.is_dir(), "there is no directory {shown}: set the data directory with --data-dir");
    let _lock = redb::Lock::take(&dir).context("to back up a running daemon, omit --offline")?;
    let (desired, identity) = redb::export(&redb::place(&dir, flags.simulated))?;
    keep(&backup::write(&desired, identity.as_ref(), clock::wall_now())?, &flags.file)
}

/// Validates a backup and writes it atomically.
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
    write()
        .inspect_err(|_| drop(fs::remove_file(&new)))
        .with_context(|| format!("cannot write {}", file.display()))?;
    output::note(format!("{}: {}", file.display(), contents(&desired)));
    Ok(())
}

/// The contents of a state, in words.
fn contents(desired: &Desired) -> String {
    let deleted = desired.objects.values().filter(|o| o.deleted.is_some()).count();
    let live = desired.objects.len() - deleted + desired.quarantined.len();
    format!("objects: {live}, tombstones: {deleted}")
}

pub(super) fn restore(flags: &RestoreFlags) -> ExitCode {
    finish(try_restore(flags), REFUSED)
}

fn try_restore(flags: &RestoreFlags) -> anyhow::Result<()> {
    let (dir, _lock, Backup { desired, identity, at: made }) =
        prepare(flags).context("nothing was changed")?;
    let contents = contents(&desired);
    let whose = identity.as_ref().map(whose).unwrap_or_default();
    let aside = redb::restore(&dir, desired, identity, clock::wall_now())?;
    output::line(format!(
        "{}: {contents}, as of {made}{whose}. Start the daemon: it adopts the running containers of these objects; \
         containers of objects submitted later are left alone and listed as Unclaimed in /status.",
        dir.display()
    ))?;
    if let Some(aside) = aside {
        output::line(format!("The previous state is in {}.", aside.display()))?;
    }
    Ok(())
}

/// The owner of a state, in words.
fn whose(identity: &Identity) -> String {
    format!(
        ", for the cluster '{}'. It continues as manager {}: do not run it beside the daemon that was backed up",
        identity.cluster, identity.manager
    )
}

/// Everything that can fail before anything is changed: locks the data directory and reads the backup.
fn prepare(flags: &RestoreFlags) -> anyhow::Result<(PathBuf, redb::Lock, Backup)> {
    let mut text = String::new();
    let read = match is_standard(&flags.file) {
        true => io::stdin().read_to_string(&mut text),
        false => File::open(&flags.file).and_then(|mut file| file.read_to_string(&mut text)),
    };
    read.with_context(|| format!("cannot read {}", flags.file.display()))?;
    let backup = backup::read(&text).with_context(|| flags.file.display().to_string())?;
    let dir = flags.data_dir.clone().map_or_else(default_data_dir, Ok).map_err(anyhow::Error::msg)?;
    anyhow::ensure!(dir.as_os_str() != "none", "the data directory `none` stores nothing: set --data-dir");
    let lock = redb::Lock::take(&dir)?;
    let engine = backup.identity.as_ref().and_then(|identity| identity.engine.as_ref());
    let simulated = engine.is_some_and(|engine| engine.kind.is_simulated());
    Ok((redb::prepare(&dir, simulated)?, lock, backup))
}
