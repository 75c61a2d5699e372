//! The daemon under test: the built binary, started as a user starts it, on a free port.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::process::{CapturedOutput, end, signal, wait};
use super::{Certificates, Client, Cluster, Reply, holds_within};

/// From exec to the banner. The first start generates certificates; a busy machine is slow.
const START: Duration = Duration::from_secs(20);
/// SIGTERM ends the daemon within 8 s.
const STOP: Duration = Duration::from_secs(10);
/// How much of the log a failing test shows.
const LOG_TAIL: usize = 80;

/// The program that Cargo built for the tests.
pub(crate) fn built_program() -> PathBuf {
    let built = std::env::var_os("CARGO_BIN_EXE_swarm-cluster-state-manager");
    built.expect("Cargo names the program; run the tests with `cargo test`").into()
}

/// The program to run: the one that Cargo built, or another build that `SCSM_TEST_BINARY` names.
pub fn program() -> Command {
    let other = std::env::var_os("SCSM_TEST_BINARY").map(PathBuf::from);
    let mut command = Command::new(other.unwrap_or_else(built_program));
    // The developer's settings for docker and for other daemons must not affect the tests.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("SCSM_") || name.starts_with("DOCKER_") || name == "RUST_LOG" {
            command.env_remove(name.as_ref());
        }
    }
    command
}

/// A running daemon. Dropping it ends the process; the [`Cluster`] removes the containers.
pub struct Daemon {
    child: Child,
    /// `https://127.0.0.1:PORT`, from the banner.
    pub url: String,
    pub client: Client,
    data: PathBuf,
    stdout: CapturedOutput,
    stderr: CapturedOutput,
    _own: Option<TempDir>,
}

/// Flags and environment of a daemon that is not started yet.
pub struct Setup {
    command: Command,
    address: String,
    data: PathBuf,
    own: Option<TempDir>,
    certificates: Option<Certificates>,
}

impl Setup {
    /// On a free port, with a data directory of its own.
    pub fn new() -> Self {
        let own = TempDir::with_prefix("scsm-data-").unwrap();
        Self { own: None, ..Self::in_directory(own.path()) }.owning(own)
    }

    /// On a free port, with this data directory, which outlives it.
    pub fn in_directory(data: &Path) -> Self {
        let mut command = program();
        command.arg(format!("--data-dir={}", data.display()));
        let address = "127.0.0.1:0".to_owned();
        Self { command, address, data: data.to_owned(), own: None, certificates: None }
    }

    fn owning(mut self, own: TempDir) -> Self {
        self.own = Some(own);
        self
    }

    /// On the port of a daemon that has ended, so that its clients reach the successor.
    pub fn succeeding(mut self, url: &str) -> Self {
        self.address = url.trim_start_matches("https://").to_owned();
        self
    }

    pub fn flag(mut self, flag: impl AsRef<str>) -> Self {
        self.command.arg(flag.as_ref());
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Manages a cluster on that cluster's engine.
    pub fn managing(self, cluster: &Cluster) -> Self {
        let endpoint = format!("--swarm-manager={}", cluster.engine().endpoint());
        self.flag(format!("--cluster={}", cluster.name())).flag(endpoint)
    }

    /// With these certificates instead of generated ones.
    pub fn certificates(mut self, certificates: &Certificates) -> Self {
        self.command.args(certificates.server_flags());
        self.certificates = Some(certificates.clone());
        self
    }

    /// Starts it and waits for the banner.
    #[track_caller]
    pub fn start(self) -> Daemon {
        self.try_start().unwrap_or_else(|(_, what)| panic!("{what}"))
    }

    /// Starts it and waits for the banner. If it exits first, returns the exit status and all output.
    #[track_caller]
    pub fn try_start(mut self) -> Result<Daemon, (Option<ExitStatus>, String)> {
        self.command.arg(format!("--addr={}", self.address));
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap();
        let stdout = CapturedOutput::from(child.stdout.take().unwrap());
        let stderr = CapturedOutput::from(child.stderr.take().unwrap());
        let mut url = None;
        let mut ended = None;
        holds_within(START, || {
            url = served(&stdout.text());
            ended = child.try_wait().unwrap();
            url.is_some() || ended.is_some()
        });
        let Some(url) = url else {
            let _ = child.kill();
            let end = ended.map_or(format!("no banner within {START:?}"), |status| status.to_string());
            let output = format!("stdout: {}\nstderr: {}", stdout.text(), stderr.text());
            return Err((ended, format!("{:?}: {end}\n{output}", self.command)));
        };
        let generated = Certificates::in_directory(&self.data.join("certs"));
        let client = Client::new(&url, self.certificates.as_ref().unwrap_or(&generated));
        Ok(Daemon { child, url, client, data: self.data, stdout, stderr, _own: self.own })
    }
}

/// The address in the banner, once it is complete.
fn served(banner: &str) -> Option<String> {
    let start = banner.find("https://")?;
    let (scheme, rest) = banner[start..].split_at("https://".len());
    let end = rest.find(|sign: char| !(sign.is_ascii_alphanumeric() || ".:-[]".contains(sign)))?;
    Some(format!("{scheme}{}", rest[..end].trim_end_matches('.')))
}

impl Daemon {
    /// A daemon that manages this cluster, with generated certificates.
    #[track_caller]
    pub fn managing(cluster: &Cluster) -> Self {
        Setup::new().managing(cluster).start()
    }

    /// A daemon on a simulated engine of three nodes.
    #[track_caller]
    pub fn simulated() -> Self {
        Setup::new().flag("--swarm-manager=simulated://3").start()
    }

    pub fn banner(&self) -> String {
        self.stdout.text()
    }

    /// The `curl` commands in the banner, as a user copies them.
    pub fn printed_curls(&self) -> Vec<String> {
        let banner = self.banner();
        let mut lines = banner.lines();
        let mut commands = Vec::new();
        while let Some(line) = lines.next() {
            if !line.trim_start().starts_with("curl ") {
                continue;
            }
            let mut command = line.to_owned();
            while command.ends_with('\\') {
                command = format!("{command}\n{}", lines.next().unwrap());
            }
            commands.push(command);
        }
        assert!(!commands.is_empty(), "no curl command in the banner:\n{banner}");
        commands
    }

    pub fn log(&self) -> String {
        self.stderr.text()
    }

    /// The certificates that it generated.
    pub fn certificates(&self) -> Certificates {
        Certificates::in_directory(&self.data.join("certs"))
    }

    pub fn child(&self) -> &Child {
        &self.child
    }

    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits for an exit that the test has requested; `None` after the deadline.
    pub fn ended(&mut self, deadline: Duration) -> Option<ExitStatus> {
        wait(&mut self.child, deadline)
    }

    /// The whole of `/status`.
    pub fn status(&self) -> Value {
        self.client.get("/status").json()
    }

    /// `/status/NAME`.
    pub fn object(&self, name: &str) -> Value {
        let reply = self.client.get(&format!("/status/{name}"));
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    /// `/status/NAME`, if there is one.
    pub fn object_or_none(&self, name: &str) -> Option<Value> {
        let reply = self.client.get(&format!("/status/{name}"));
        (reply.status == 200).then(|| reply.json())
    }

    /// Waits until `condition` holds and returns how long that took; panics with [`Self::diagnostics`] otherwise.
    #[track_caller]
    pub fn wait_until(&self, deadline: Duration, what: &str, condition: impl FnMut() -> bool) -> Duration {
        holds_within(deadline, condition)
            .unwrap_or_else(|| panic!("not within {deadline:?}: {what}\n{}", self.diagnostics()))
    }

    /// Waits until the engine is connected, and returns its status.
    #[track_caller]
    pub fn connected(&self) -> Value {
        self.wait_until(START, "the engine is connected", || self.status()["Engine"]["Connected"] == true);
        self.status()["Engine"].clone()
    }

    /// Waits until `/status/NAME` says converged.
    #[track_caller]
    pub fn converges(&self, name: &str, deadline: Duration) -> Duration {
        self.wait_until(deadline, &format!("{name} converges"), || self.object(name)["Phase"] == "converged")
    }

    /// Status and the end of the log, for the message of a failing test.
    pub fn diagnostics(&self) -> String {
        let status = match self.client.try_request("/status", &[], b"") {
            Ok(Reply { body, .. }) => body,
            Err(error) => error,
        };
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(LOG_TAIL)..].join("\n");
        format!("--- /status\n{status}\n--- the end of the log\n{tail}")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        end(&mut self.child, STOP);
        if std::thread::panicking() {
            eprintln!("--- banner\n{}--- log\n{}", self.banner(), self.log());
        }
    }
}
