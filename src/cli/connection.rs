//! Where a client's command finds the daemon, and the certificates that it shows it.
//!
//! The one place that knows the order in which flags, variables and defaults are looked at.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::complain;
use super::environment::variable;
use super::flags::default_data_dir;
use super::output::OutputError;
use crate::certificates::{Files, Identity};
use crate::client::{Address, ClientError, Daemon};

/// How to reach the daemon.
#[derive(Debug, Args)]
#[command(next_help_heading = "Finding the daemon")]
pub(super) struct Connection {
    /// Where the daemon is: HOST:PORT or https://HOST:PORT. Its certificate has to name that host. Of several, as the
    /// daemon's own flag may have them, the first is asked; 0.0.0.0 is this machine.
    #[arg(
        long,
        env = "SCSM_ADDR",
        value_name = "HOST:PORT",
        value_delimiter = ',',
        default_value = "127.0.0.1:3476"
    )]
    addr: Vec<Address>,
    /// The directory with ca.pem, cert.pem and key.pem. [default: $DOCKER_CERT_PATH, else `certs` in the data
    /// directory, where a daemon of this machine has made a set]
    #[arg(long, env = "SCSM_CERT_PATH", value_name = "DIR")]
    cert_path: Option<PathBuf>,
    /// The data directory of a daemon of this machine, for the certificates that it made. [default: as the daemon's]
    #[arg(long, env = "SCSM_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl Connection {
    /// Runs a command that speaks with the daemon, to its exit code. `refused` is the code for whatever the user has
    /// to change first, the daemon's refusal among it.
    pub(super) fn run(
        &self,
        refused: u8,
        command: impl AsyncFnOnce(&Daemon) -> anyhow::Result<u8>,
    ) -> ExitCode {
        let done = self.try_run(command);
        match done {
            Ok(code) => ExitCode::from(code),
            Err(error) if matches!(error.downcast_ref(), Some(OutputError::Closed)) => ExitCode::SUCCESS,
            Err(error) => complain(refused, &format!("{error:#}")),
        }
    }

    fn try_run(&self, command: impl AsyncFnOnce(&Daemon) -> anyhow::Result<u8>) -> anyhow::Result<u8> {
        let (directory, source) = self.certificates()?;
        let file = |name| directory.join(name);
        let files = Files { ca: file("ca.pem"), cert: file("cert.pem"), key: file("key.pem") };
        let looked = format!("the client's certificates are looked for in {}, {source}", directory.display());
        let identity = Identity::load(&files).with_context(|| {
            format!("{looked}; say with --cert-path or SCSM_CERT_PATH where ca.pem, cert.pem and key.pem are")
        })?;
        let address = self.addr.first().cloned().context("--addr names no address")?;
        let daemon = Daemon::new(address, &identity)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let done = runtime.block_on(command(&daemon));
        // A name lookup that hangs is nobody's any more.
        runtime.shutdown_background();
        done.map_err(|error| match error.downcast_ref() {
            Some(ClientError::Certificate { .. }) => error.context(looked),
            _ => error,
        })
    }

    /// The directory with the certificates, and who says so.
    fn certificates(&self) -> anyhow::Result<(PathBuf, &'static str)> {
        if let Some(directory) = &self.cert_path {
            return Ok((directory.clone(), "as --cert-path or SCSM_CERT_PATH says"));
        }
        if let Some(directory) = variable("DOCKER_CERT_PATH") {
            return Ok((directory.into(), "as DOCKER_CERT_PATH says"));
        }
        let data = self.state_dir().context("give --cert-path")?;
        Ok((data.join("certs"), "where a daemon of this machine makes them"))
    }

    /// The data directory of a daemon of this machine.
    pub(super) fn state_dir(&self) -> anyhow::Result<PathBuf> {
        match &self.data_dir {
            Some(none) if none.as_os_str() == "none" => {
                anyhow::bail!(
                    "a daemon with the data directory `none` keeps no state and makes no certificates"
                )
            }
            Some(directory) => Ok(directory.clone()),
            None => default_data_dir().map_err(anyhow::Error::msg),
        }
    }
}
