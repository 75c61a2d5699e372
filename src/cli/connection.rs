//! How a command finds the daemon, and the certificates for it.
//!
//! The only place that defines the precedence of flags, environment variables, contexts and defaults.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::context::file::{self, Contexts, Place};
use super::environment::variable;
use super::exit::fail;
use super::flags::default_data_dir;
use super::output;
use super::runtime::block_on;
use crate::certificates::{Files, Identity};
use crate::client::{Address, ClientError, Daemon};

/// The default address.
const DEFAULT: &str = "127.0.0.1:3476";

/// The heading of these flags in the help.
pub(super) const HEADING: &str = "Connection";

/// How to reach the daemon.
#[derive(Debug)]
pub(super) struct Connection {
    flags: ConnectionFlags,
    /// The flags on the command line itself; others are from the environment.
    given: Given,
}

#[derive(Debug, Args)]
#[command(next_help_heading = HEADING)]
struct ConnectionFlags {
    /// The daemon's address: HOST:PORT or https://HOST:PORT. Its certificate must name that host. If there are several, as
    /// for the daemon's own flag, the first is used; 0.0.0.0 means this machine. [default: that of the context, else
    /// 127.0.0.1:3476]
    #[arg(long, env = "SCSM_ADDR", value_name = "HOST:PORT", value_delimiter = ',')]
    addr: Vec<Address>,
    /// The directory with ca.pem, cert.pem and key.pem. [default: that of the context, else $DOCKER_CERT_PATH, else `certs`
    /// in the data directory, where a daemon on this machine generates them]
    #[arg(long, env = "SCSM_CERT_PATH", value_name = "DIR")]
    cert_path: Option<PathBuf>,
    /// The data directory of a daemon on this machine, for its generated certificates. [default: that of the daemon]
    #[arg(long, env = "SCSM_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The context with the address and the certificates; `default` means none. [default: the one selected with `context
    /// use`]
    #[arg(long, env = "SCSM_CONTEXT", value_name = "NAME")]
    context: Option<String>,
}

/// Which flags are on the command line.
#[derive(Debug, Clone, Copy, Default)]
struct Given {
    addr: bool,
    cert_path: bool,
    data_dir: bool,
    context: bool,
}

impl Given {
    fn of(matches: &ArgMatches) -> Given {
        let given = |id| matches.value_source(id) == Some(ValueSource::CommandLine);
        Given {
            addr: given("addr"),
            cert_path: given("cert_path"),
            data_dir: given("data_dir"),
            context: given("context"),
        }
    }
}

impl Args for Connection {
    fn augment_args(command: Command) -> Command {
        ConnectionFlags::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        ConnectionFlags::augment_args_for_update(command)
    }
}

impl FromArgMatches for Connection {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Connection, clap::Error> {
        let given = Given::of(matches);
        Ok(Connection { flags: ConnectionFlags::from_arg_matches(matches)?, given })
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Connection, clap::Error> {
        let given = Given::of(matches);
        Ok(Connection { flags: ConnectionFlags::from_arg_matches_mut(matches)?, given })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Connection::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The client's certificates in their directory, as docker-machine and the daemon name them.
const FILES: [&str; 3] = ["ca.pem", "cert.pem", "key.pem"];

/// The address of a daemon, and the certificates for it.
struct Destination {
    address: Address,
    certificates: PathBuf,
    /// Where the path of the certificates is from, for messages.
    source: String,
}

/// A context and its file.
struct Chosen {
    context: file::Context,
    /// For messages.
    name: String,
}

impl Connection {
    /// Runs a command that talks to the daemon and returns its exit code. `refused` is the code for errors, including a
    /// refusal by the daemon.
    pub(super) fn run(
        &self,
        refused: u8,
        command: impl AsyncFnOnce(&Daemon) -> anyhow::Result<u8>,
    ) -> ExitCode {
        let done = self.ask(command);
        match done {
            Ok(code) => ExitCode::from(code),
            Err(error) if output::is_closed(&error) => ExitCode::SUCCESS,
            Err(error) => fail(refused, &format!("{error:#}")),
        }
    }

    /// Runs a command that talks to the daemon, without printing anything.
    pub(super) fn ask<T>(
        &self,
        command: impl AsyncFnOnce(&Daemon) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let Destination { address, certificates: directory, source } = self.destination()?;
        // For messages: "." does not say where that is.
        let directory = std::path::absolute(&directory).unwrap_or(directory);
        let [ca, cert, key] = FILES.map(|name| directory.join(name));
        let missing: Vec<&str> =
            FILES.into_iter().filter(|name| matches!(directory.join(name).try_exists(), Ok(false))).collect();
        anyhow::ensure!(
            missing.is_empty(),
            "no client certificate: {} (from {source}) lacks {}; set the directory with --cert-path, SCSM_CERT_PATH or \
             DOCKER_CERT_PATH, which `docker-machine env` prints, or select a context",
            directory.display(),
            missing.join(", ")
        );
        let from = format!("(certificates from {source})");
        let identity =
            Identity::load(&Files { ca, cert, key }).map_err(|error| anyhow::anyhow!("{error} {from}"))?;
        let daemon = Daemon::new(address, &identity)?;
        block_on(command(&daemon)).map_err(|error| match error.downcast_ref() {
            Some(ClientError::Certificate { .. }) => anyhow::anyhow!("{error} {from}"),
            Some(ClientError::NotSent { .. }) => {
                anyhow::anyhow!("{error}; is it running? Set its address with --addr, SCSM_ADDR or a context")
            }
            _ => error,
        })
    }

    /// Flags take precedence over variables, these over contexts, and these over defaults.
    fn destination(&self) -> anyhow::Result<Destination> {
        let ConnectionFlags { addr, cert_path, .. } = &self.flags;
        let given = self.given;
        let context = self.context()?;
        let context = context.as_ref();
        // A context on the command line takes precedence over variables.
        let named = context.filter(|_| given.context);
        let of = |chosen: &Chosen| chosen.context.addr.as_ref().map(|Place(address)| address.clone());
        let own = addr.first();
        let address = (own.filter(|_| given.addr).cloned())
            .or_else(|| named.and_then(of))
            .or_else(|| own.cloned())
            .or_else(|| context.and_then(of));
        let address = match address {
            Some(address) => address,
            None => DEFAULT.parse().map_err(anyhow::Error::msg)?,
        };
        let of = |chosen: &Chosen| {
            let directory = chosen.context.cert_path.clone()?;
            Some((directory, format!("the context {}", chosen.name)))
        };
        let name = if given.cert_path { "--cert-path" } else { "SCSM_CERT_PATH" };
        let own = cert_path.clone().map(|path| (path, name.to_owned()));
        let made = || -> anyhow::Result<(PathBuf, String)> {
            let data = self.state_dir().context("give --cert-path")?;
            Ok((data.join("certs"), "the data directory of a daemon on this machine".to_owned()))
        };
        let dockers = || Some((variable("DOCKER_CERT_PATH")?.into(), "DOCKER_CERT_PATH".to_owned()));
        let (certificates, source) = match own.clone().filter(|_| given.cert_path) {
            Some(own) => own,
            None if given.data_dir => made()?,
            None => match named.and_then(of).or(own).or_else(|| context.and_then(of)).or_else(dockers) {
                Some(found) => found,
                None => made()?,
            },
        };
        Ok(Destination { address, certificates, source })
    }

    /// The given context, or the current one. Its file is not read if the flags are sufficient.
    fn context(&self) -> anyhow::Result<Option<Chosen>> {
        let ConnectionFlags { addr, cert_path, context, .. } = &self.flags;
        let name = match context.as_deref() {
            Some(file::NONE) => return Ok(None),
            None if !addr.is_empty() && cert_path.is_some() => return Ok(None),
            named => named,
        };
        let path = match file::path() {
            Err(_) if name.is_none() => return Ok(None),
            path => path?,
        };
        let contexts = Contexts::read(&path)?;
        let Some(name) = name.or(contexts.current.as_deref()) else { return Ok(None) };
        let context = contexts.named(name, &path)?.clone();
        Ok(Some(Chosen { context, name: format!("{name} in {}", path.display()) }))
    }

    /// The data directory of a daemon on this machine.
    pub(super) fn state_dir(&self) -> anyhow::Result<PathBuf> {
        match &self.flags.data_dir {
            Some(none) if none.as_os_str() == "none" => {
                anyhow::bail!(
                    "a daemon with the data directory `none` stores no state and generates no certificates"
                )
            }
            Some(directory) => Ok(directory.clone()),
            None => default_data_dir().map_err(anyhow::Error::msg),
        }
    }
}
