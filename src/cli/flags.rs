//! The daemon's flags, and how they become [`Settings`].

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::arguments::{number, object_name};
use super::environment::variable;
use crate::app::settings::Settings;
use crate::certificates::Files;
use crate::core::identity::Claims;
use crate::core::manager_id::ManagerId;
use crate::core::name::ObjectName;
use crate::engine::endpoint::Endpoint;

/// The default port.
const DEFAULT_PORT: u16 = 3476;
/// The default of `--parallel`.
const DEFAULT_PARALLEL: u16 = 8;
const DEFAULT_ENGINE: &str = "unix:///var/run/docker.sock";
const PROGRAM: &str = "swarm-cluster-state-manager";

/// Flags of the daemon.
#[derive(Debug, Args)]
pub(super) struct DaemonFlags {
    /// An address to listen on, always with mutual TLS. Repeatable.
    #[arg(long, env = "SCSM_ADDR", value_name = "IP:PORT", value_delimiter = ',', value_parser = address, default_value = "127.0.0.1:3476")]
    addr: Vec<SocketAddr>,

    /// The Docker API endpoint: unix:///PATH, tcp://HOST:PORT (mutual TLS), or simulated://NODES for a simulation without
    /// Docker. [default: $DOCKER_HOST, else unix:///var/run/docker.sock]
    #[arg(long, env = "SCSM_SWARM_MANAGER", value_name = "ENDPOINT")]
    swarm_manager: Option<String>,

    #[command(flatten)]
    tls: TlsFlags,

    /// The CA that must sign the endpoint's certificate. [default: --tlscacert]
    #[arg(long, env = "SCSM_ENGINE_TLSCACERT", value_name = "FILE")]
    engine_tlscacert: Option<PathBuf>,
    /// The client certificate for the endpoint. [default: --tlscert]
    #[arg(long, env = "SCSM_ENGINE_TLSCERT", value_name = "FILE")]
    engine_tlscert: Option<PathBuf>,
    /// The key of --engine-tlscert.
    #[arg(long, env = "SCSM_ENGINE_TLSKEY", value_name = "FILE")]
    engine_tlskey: Option<PathBuf>,
    /// Use plain TCP for a tcp:// endpoint. Everyone who can reach that port is root on its node.
    #[arg(long, env = "SCSM_ALLOW_PLAIN_ENGINE")]
    allow_plain_engine: bool,

    /// The directory for state and generated certificates, or `none` to store nothing. [default: root:
    /// /var/lib/swarm-cluster-state-manager, others: $XDG_STATE_HOME/swarm-cluster-state-manager]
    #[arg(long, env = "SCSM_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// The cluster name in the labels of this manager's containers. Managers with different cluster names can share an
    /// endpoint.
    #[arg(long, env = "SCSM_CLUSTER", value_name = "NAME", default_value = "default", value_parser = object_name)]
    cluster: ObjectName,

    /// Take over the containers of another manager of this cluster that is gone for good, by its id from /status. `any`
    /// takes over those of every other manager found during this run. Repeatable. A takeover is permanent.
    #[arg(long, env = "SCSM_TAKE_OVER", value_name = "MANAGER_ID", value_delimiter = ',', value_parser = take_over)]
    take_over: Vec<TakeOver>,

    /// Use the state in the data directory although it belongs to another cluster or engine: its name or id, as shown in
    /// the error. Repeatable. Has no effect if the state belongs to none of them.
    #[arg(long, env = "SCSM_ADOPT_STATE", value_name = "CLUSTER|ENGINE_ID", value_delimiter = ',')]
    adopt_state: Vec<String>,

    /// The period of complete lists of all containers, in addition to events.
    #[arg(long, env = "SCSM_RESYNC", value_name = "DURATION", default_value = "10s", value_parser = period)]
    resync: Duration,

    /// How long a node may be down before its containers are replaced on other nodes.
    #[arg(long, env = "SCSM_LOST_AFTER", value_name = "DURATION", default_value = "30s", value_parser = period)]
    lost_after: Duration,

    /// The maximum number of concurrent engine calls.
    #[arg(long, env = "SCSM_PARALLEL", value_name = "N", default_value_t = DEFAULT_PARALLEL, value_parser = number(1..=256_u16))]
    parallel: u16,

    /// The log format on standard error. SCSM_LOG sets the level: error, warn, info, debug, or a filter such as
    /// info,hyper=debug. [default: text on a terminal, else json]
    #[arg(long, env = "SCSM_LOG_FORMAT", value_name = "FORMAT")]
    pub(super) log_format: Option<LogFormat>,
}

/// The three certificate files, as `docker` names them.
#[derive(Debug, Args)]
pub(super) struct TlsFlags {
    /// The CA that must sign the certificates of clients and of the endpoint. [default: a set generated on the first
    /// start, in the data directory]
    #[arg(long, env = "SCSM_TLSCACERT", value_name = "FILE")]
    pub(super) tlscacert: Option<PathBuf>,
    /// This daemon's certificate, also used as client certificate for the endpoint.
    #[arg(long, env = "SCSM_TLSCERT", value_name = "FILE")]
    pub(super) tlscert: Option<PathBuf>,
    /// The key of --tlscert.
    #[arg(long, env = "SCSM_TLSKEY", value_name = "FILE")]
    pub(super) tlskey: Option<PathBuf>,
}

/// The log format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

impl DaemonFlags {
    /// Combines flags and environment. The error is one message for the user.
    pub(super) fn settle(self) -> Result<Settings, String> {
        let (name, text) = match self.swarm_manager {
            Some(text) => ("--swarm-manager", text),
            None => match variable("DOCKER_HOST") {
                Some(text) => ("DOCKER_HOST", text),
                None => ("--swarm-manager", DEFAULT_ENGINE.to_owned()),
            },
        };
        let endpoint: Endpoint = text.parse().map_err(|e| format!("{name}: {e}"))?;
        let files = self.tls.files()?;
        let engine_files = all_or_none([
            ("--engine-tlscacert", self.engine_tlscacert),
            ("--engine-tlscert", self.engine_tlscert),
            ("--engine-tlskey", self.engine_tlskey),
        ])?;
        // As after `eval $(docker-machine env …)`: the user's client certificates for the engine.
        let docker_files = || {
            let dir = PathBuf::from(variable("DOCKER_CERT_PATH")?);
            Some(Files { ca: dir.join("ca.pem"), cert: dir.join("cert.pem"), key: dir.join("key.pem") })
        };
        let engine_files = match &files {
            Some(_) => engine_files,
            None => engine_files.or_else(docker_files),
        };
        let data_dir = match self.data_dir {
            Some(dir) if dir.as_os_str() == "none" => None,
            Some(dir) => Some(dir),
            None => Some(default_data_dir()?),
        };
        if data_dir.is_none() && files.is_none() {
            return Err("with --data-dir=none, no certificates can be generated: set --tlscacert, --tlscert and --tlskey"
                .to_owned());
        }
        if self.allow_plain_engine && !matches!(endpoint, Endpoint::Tcp { .. }) {
            return Err(format!("--allow-plain-engine applies to tcp:// endpoints only, not to {endpoint}"));
        }
        let any = |taken: &TakeOver| matches!(taken, TakeOver::Any);
        let claims = Claims {
            cluster: self.cluster,
            simulated: matches!(endpoint, Endpoint::Simulated(_)),
            take_over_any: self.take_over.iter().any(any),
            take_over: self.take_over.into_iter().filter_map(TakeOver::one).collect(),
            adopt_state: self.adopt_state,
        };
        Ok(Settings {
            addresses: self.addr,
            endpoint,
            files,
            engine_files,
            allow_plain_engine: self.allow_plain_engine,
            data_dir,
            claims,
            resync: self.resync,
            lost_after: self.lost_after,
            parallel: usize::from(self.parallel),
        })
    }
}

impl TlsFlags {
    /// The files, if given.
    pub(super) fn files(&self) -> Result<Option<Files>, String> {
        all_or_none([
            ("--tlscacert", self.tlscacert.clone()),
            ("--tlscert", self.tlscert.clone()),
            ("--tlskey", self.tlskey.clone()),
        ])
    }
}

fn all_or_none(given: [(&str, Option<PathBuf>); 3]) -> Result<Option<Files>, String> {
    let missing: Vec<&str> = given.iter().filter(|(_, file)| file.is_none()).map(|(name, _)| *name).collect();
    match given.map(|(_, file)| file) {
        [Some(ca), Some(cert), Some(key)] => Ok(Some(Files { ca, cert, key })),
        [None, None, None] => Ok(None),
        _ => Err(format!(
            "{} must be set, too: set all three certificate files or none",
            missing.join(" and ")
        )),
    }
}

/// The default of `--data-dir`.
pub(super) fn default_data_dir() -> Result<PathBuf, String> {
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib").join(PROGRAM));
    }
    let state = variable("XDG_STATE_HOME").map(PathBuf::from);
    let state = state.or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".local/state")));
    state.map(|dir| dir.join(PROGRAM)).ok_or_else(|| {
        "neither XDG_STATE_HOME nor HOME is set: set the data directory with --data-dir".to_owned()
    })
}

/// Parses `IP:PORT`; as in Go programs, `:PORT` means all addresses.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let wanted = format!("expected IP:PORT, such as 127.0.0.1:{DEFAULT_PORT} or 0.0.0.0:{DEFAULT_PORT}");
    if let Some(port) = text.strip_prefix(':') {
        let port = port.parse().map_err(|_| wanted)?;
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port));
    }
    if let Some(port) = text.strip_prefix("localhost:") {
        let port = port.parse().map_err(|_| wanted)?;
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    text.parse().map_err(|_| wanted)
}

/// Which managers to take over.
#[derive(Debug, Clone, PartialEq, Eq)]
enum TakeOver {
    /// Every other manager.
    Any,
    /// This one.
    One(ManagerId),
}

impl TakeOver {
    fn one(self) -> Option<ManagerId> {
        match self {
            TakeOver::Any => None,
            TakeOver::One(id) => Some(id),
        }
    }
}

fn take_over(text: &str) -> Result<TakeOver, String> {
    match text {
        "any" => Ok(TakeOver::Any),
        id => ManagerId::parse(id)
            .map(TakeOver::One)
            .ok_or_else(|| format!("expected the id of a manager ({}), or any", ManagerId::ALLOWED)),
    }
}

/// The shortest and longest `--resync` and `--lost-after`.
const PERIODS: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(24 * 3600);

fn period(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .ok()
        .filter(|d| PERIODS.contains(d))
        .ok_or_else(|| "expected a duration such as 10s or 1m30s, from 100ms to 24h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parsed_like_those_of_go_listeners() {
        assert_eq!(address(":3476").unwrap().to_string(), "0.0.0.0:3476");
        assert_eq!(address("localhost:1").unwrap().to_string(), "127.0.0.1:1");
        assert_eq!(address("[::1]:3476").unwrap().to_string(), "[::1]:3476");
        for bad in ["3476", "host:3476", "127.0.0.1", ":x", "127.0.0.1:99999"] {
            assert!(address(bad).unwrap_err().contains("expected IP:PORT"), "{bad}");
        }
    }

    #[test]
    fn all_three_files_or_none_must_be_set() {
        let error = all_or_none([("--a", Some("a".into())), ("--b", None), ("--c", None)]).unwrap_err();
        assert!(error.starts_with("--b and --c must be set, too"), "{error}");
    }
}
