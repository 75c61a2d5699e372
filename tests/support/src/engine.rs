//! A Docker Engine, used through the `docker` command.
//!
//! An [`Engine`] is an endpoint; a [`Cluster`] is one test's share of it: the containers with one cluster label, removed
//! when the test ends. Tests inspect the engine and interfere with it here, never through the daemon's own code.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::process::{run, succeed, text};
use super::skip::{skips_docker, skips_root};
use super::{Certificates, Events, LABELS, holds_within, image, unique};

/// One endpoint, with the test images.
#[derive(Clone, Debug)]
pub struct Engine {
    endpoint: String,
    flags: Vec<String>,
}

impl Engine {
    /// The machine's own engine (`$DOCKER_HOST`, or the default socket); `None` if these tests are skipped. Panics with
    /// advice if no engine answers.
    pub fn local() -> Option<Self> {
        if skips_docker() {
            return None;
        }
        let endpoint =
            std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
        let engine = Self::plain(&endpoint);
        if let Err(error) = engine.answers() {
            panic!(
                "No Docker Engine answers on {} ({error}): start one (`systemctl start docker`, or `dockerd` \
                 as root), name another with DOCKER_HOST, or skip these tests with SCSM_SKIP_DOCKER=1.",
                engine.endpoint
            );
        }
        image::provide(&engine);
        Some(engine)
    }

    /// The same for a test that starts another `dockerd`, which needs root.
    pub fn local_as_root() -> Option<Self> {
        if skips_root() { None } else { Self::local() }
    }

    /// Another engine, without TLS; it need not answer yet.
    pub fn plain(endpoint: &str) -> Self {
        Self { endpoint: endpoint.to_owned(), flags: vec![format!("--host={endpoint}")] }
    }

    /// Another engine, spoken to as its certificates' client; it need not answer yet.
    pub fn at(endpoint: &str, certificates: &Certificates) -> Self {
        let flags = vec![
            format!("--host={endpoint}"),
            "--tlsverify".to_owned(),
            format!("--tlscacert={}", certificates.ca().display()),
            format!("--tlscert={}", certificates.cert().display()),
            format!("--tlskey={}", certificates.key().display()),
        ];
        Self { endpoint: endpoint.to_owned(), flags }
    }

    /// In the form of `--swarm-manager` and `DOCKER_HOST`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub fn answers(&self) -> Result<(), String> {
        let output = run(&mut self.command(&["version", "--format", "{{.Server.Version}}"]));
        if output.status.success() { Ok(()) } else { Err(text(&output.stderr).trim().replace('\n', " ")) }
    }

    /// Runs `docker ARGUMENTS…`, which must succeed, and returns its trimmed stdout.
    pub fn docker(&self, arguments: &[&str]) -> String {
        succeed(&mut self.command(arguments))
    }

    /// The same; `None` if docker fails.
    pub fn try_docker(&self, arguments: &[&str]) -> Option<String> {
        let output = run(&mut self.command(arguments));
        output.status.success().then(|| text(&output.stdout).trim().to_owned())
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.args(&self.flags).args(arguments);
        for variable in ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"] {
            command.env_remove(variable);
        }
        command
    }

    /// A share of this engine for one test; `word` makes it recognizable in `docker ps`.
    pub fn cluster(&self, word: &str) -> Cluster {
        Cluster { name: unique(&format!("test-{word}")), engine: self.clone() }
    }
}

/// A network that an operator created; removed when it is dropped, which has to be after its containers.
pub struct Network {
    pub name: String,
    engine: Engine,
}

impl Network {
    /// `flags` are those of `docker network create`.
    pub fn create(engine: &Engine, name: &str, flags: &[&str]) -> Self {
        engine.docker(&[&["network", "create"], flags, &[name]].concat());
        Self { name: name.to_owned(), engine: engine.clone() }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = self.engine.try_docker(&["network", "rm", &self.name]);
    }
}

/// One manager's containers on an engine. All of them are removed when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    name: String,
    engine: Engine,
}

/// A container in `docker ps --all`.
#[derive(Clone, Debug)]
pub struct Container {
    pub id: String,
    pub name: String,
    pub image: String,
    /// `created`, `running`, `exited`, …
    pub state: String,
}

impl Cluster {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// For the filters of `docker ps` and `docker events`.
    pub fn filter(&self) -> String {
        format!("label={LABELS}.cluster={}", self.name)
    }

    /// All of them, in any state, sorted by name.
    pub fn containers(&self) -> Vec<Container> {
        let list = ["ps", "--all", "--no-trunc", "--format", "{{json .}}", "--filter", &self.filter()];
        let mut containers: Vec<Container> = self
            .engine
            .docker(&list)
            .lines()
            .map(|line| {
                let fields: Value = serde_json::from_str(line).unwrap();
                let text = |name: &str| fields[name].as_str().unwrap().to_owned();
                Container { id: text("ID"), name: text("Names"), image: text("Image"), state: text("State") }
            })
            .collect();
        containers.sort_by(|one, other| one.name.cmp(&other.name));
        containers
    }

    pub fn running(&self) -> Vec<Container> {
        self.containers().into_iter().filter(|container| container.state == "running").collect()
    }

    /// Whether the program in a container serves. Before that it does not handle signals yet, and process 1 ignores
    /// signals without a handler.
    pub fn serves(&self, container: &Container) -> bool {
        self.engine.try_docker(&["logs", &container.id]).is_some_and(|log| log.contains("serving on"))
    }

    /// Records the events of these containers from now on.
    pub fn events(&self) -> Events {
        Events::record(self)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let list = ["ps", "--all", "--quiet", "--no-trunc", "--filter", &self.filter()];
        let Some(ids) = self.engine.try_docker(&list) else { return };
        let mut remove = vec!["rm", "--force", "--volumes"];
        remove.extend(ids.lines());
        if remove.len() > 3 {
            let _ = self.engine.try_docker(&remove);
        }
    }
}

/// A foreign container, without the manager's labels unless `flags` set them; removed when it is dropped.
pub struct Foreign {
    pub name: String,
    pub id: String,
    engine: Engine,
}

impl Foreign {
    pub fn run(engine: &Engine, name: &str) -> Self {
        Self::run_with(engine, name, &[])
    }

    /// With further flags of `docker run`.
    pub fn run_with(engine: &Engine, name: &str, flags: &[&str]) -> Self {
        let run = ["run", "--detach", "--name", name, "--network=none"];
        let id = engine.docker(&[&run[..], flags, &image::TAGS[..1]].concat());
        Self { name: name.to_owned(), id, engine: engine.clone() }
    }

    /// A line that changes if anything happens to the container.
    pub fn trace(&self) -> String {
        let format =
            "{{.Id}} {{.Name}} {{.State.Status}} {{.State.StartedAt}} {{.RestartCount}} {{.Config.Labels}}";
        self.engine.docker(&["inspect", "--format", format, &self.id])
    }

    /// Waits until the same container runs again after a restart of its engine.
    #[track_caller]
    pub fn returns(&self, deadline: Duration) {
        let format = ["inspect", "--format", "{{.Id}} {{.State.Status}}", &self.name];
        let state = || self.engine.docker(&format);
        let back = holds_within(deadline, || state() == format!("{} running", self.id));
        assert!(back.is_some(), "{} was {}, now: {}", self.name, self.id, state());
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.engine.try_docker(&["rm", "--force", &self.id]);
    }
}
