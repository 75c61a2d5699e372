//! Runs the objects in `examples/` on a real engine, with the commands in their first comment.
//!
//! The images are fakes (`support/programs.rs`); objects, networks, volumes and published ports get unique names. All else
//! is as in the file.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use regex::Regex;
use serde_json::Value;
use support::process::{run, text};
use support::runner::{REPOSITORY, Runner, example};
use support::{Cluster, Container, Daemon, Engine, programs, unique};

/// A rollout replaces one container after the other, and each waits for its health check.
const ROLLED_OUT: Duration = Duration::from_secs(50);
/// The longest range of ports in an example.
const PORTS: u16 = 10;

/// An example on an engine. What it created is removed when it is dropped.
struct Trial {
    // Dropped first: containers before networks and volumes.
    runner: Runner,
    cluster: Cluster,
    resources: Resources,
    file: String,
    text: String,
    suffix: String,
    port: u16,
}

/// Its networks and volumes.
struct Resources {
    engine: Engine,
    networks: Vec<String>,
    volumes: Vec<String>,
}

impl Drop for Resources {
    fn drop(&mut self) {
        for network in &self.networks {
            let _ = self.engine.try_docker(&["network", "rm", network]);
        }
        for volume in &self.volumes {
            let _ = self.engine.try_docker(&["volume", "rm", volume]);
        }
    }
}

impl Trial {
    /// `None` if the tests with Docker are skipped.
    fn of(file: &str) -> Option<Trial> {
        let engine = Engine::local()?;
        programs::provide(&engine);
        let cluster = engine.cluster("example");
        let runner = Runner::on(Daemon::managing(&cluster));
        let suffix = unique("example");
        let suffix = suffix.trim_start_matches("example").to_owned();
        let (port, original) = (free_ports(), example(file));
        let found = |pattern: &str| -> Vec<String> {
            let pattern = Regex::new(pattern).unwrap();
            pattern.captures_iter(&original).map(|found| found[1].to_owned()).collect()
        };
        let (names, networks, volumes) = (
            found(r"(?m)^Name: (\S+)$"),
            found(r"(?m)^#   docker network create (\S+)$"),
            found(r"(?m)^ +- ([a-z-]+):/"),
        );
        let mut text = programs::with_fake_images(&original);
        for name in &names {
            for pattern in [format!("(?m)^Name: {name}()$"), format!(r"\b{name}(\.1\.1)\b")] {
                let whole = if pattern.contains("Name") { "Name: " } else { "" };
                text = replaced(&text, &pattern, &format!("{whole}{name}{suffix}$1"));
            }
        }
        for network in &networks {
            let pattern = format!(r"(?m)( |--network |create |NetworkMode: ){network}(:?)( |$)");
            text = replaced(&text, &pattern, &format!("${{1}}{network}{suffix}$2$3"));
        }
        for volume in &volumes {
            text = replaced(&text, &format!(r"- {volume}:/"), &format!("- {volume}{suffix}:/"));
        }
        text = text.replace("8080-8089", &format!("{port}-{}", port + PORTS - 1));
        text = text.replace("8080", &port.to_string());
        let own = |names: Vec<String>| names.iter().map(|name| format!("{name}{suffix}")).collect();
        let resources = Resources { engine, networks: own(networks), volumes: own(volumes) };
        let trial = Trial { runner, cluster, resources, file: file.to_owned(), text, suffix, port };
        trial.runner.write_example(file, &trial.text);
        Some(trial)
    }

    /// Runs the commands of the first comment, and returns the output of the last one.
    #[track_caller]
    fn run_commands(&self) -> String {
        let comment = self.text.lines().take_while(|line| line.starts_with('#'));
        let commands: Vec<&str> = comment
            .filter_map(|line| line.strip_prefix("#   "))
            .filter(|line| {
                ["docker ", "curl ", "swarm-cluster-state-manager "].iter().any(|p| line.starts_with(p))
            })
            .collect();
        assert!(commands.iter().any(|command| command.contains(&format!("examples/{}", self.file))));
        let mut last = String::new();
        for command in commands {
            // curl shows its progress if its output is not a terminal.
            let command = command.replacen("curl http", "curl --silent http", 1).replacen(
                "curl --location",
                "curl --silent --location",
                1,
            );
            last = self.succeeds(&command);
            if command.contains("submit") {
                assert!(last.contains("converged after "), "{last}");
            }
        }
        last
    }

    #[track_caller]
    fn succeeds(&self, command: &str) -> String {
        let environment = BTreeMap::from([
            ("SCSM_ADDR".to_owned(), self.runner.address().to_owned()),
            (
                "SCSM_CERT_PATH".to_owned(),
                self.runner.daemon.certificates().directory().display().to_string(),
            ),
            ("DOCKER_HOST".to_owned(), self.resources.engine.endpoint().to_owned()),
        ]);
        let (code, output) = self.runner.bash("-e", command, &environment);
        assert_eq!(code, 0, "{command}\n{output}\n{}", self.runner.daemon.diagnostics());
        output
    }

    /// Submits the example again with a change.
    #[track_caller]
    fn change(&self, from: &str, to: &str) {
        assert!(self.text.contains(from), "{from} is not in {}", self.file);
        self.runner.write_example(&self.file, &self.text.replace(from, to));
        let output =
            self.succeeds(&format!("swarm-cluster-state-manager submit --wait 50s examples/{}", self.file));
        assert!(output.contains("converged after "), "{output}");
    }

    fn curl(&self, port: u16) -> Option<String> {
        let url = format!("http://127.0.0.1:{port}/");
        let output =
            run(std::process::Command::new("curl").args(["--silent", "--fail", "--max-time", "5", &url]));
        output.status.success().then(|| text(&output.stdout))
    }

    /// The running containers of one object.
    fn containers(&self, object: &str) -> Vec<Container> {
        let prefix = format!("{object}{}.", self.suffix);
        self.cluster.running().into_iter().filter(|container| container.name.starts_with(&prefix)).collect()
    }

    fn inspect(&self, container: &Container) -> Value {
        let found: Value =
            serde_json::from_str(&self.resources.engine.docker(&["inspect", &container.id])).unwrap();
        found[0].clone()
    }

    /// Kills an object's only container and waits until another one is healthy.
    #[track_caller]
    fn kill_and_wait(&self, object: &str) {
        let [before] = &self.containers(object)[..] else { panic!("there is one") };
        self.resources.engine.docker(&["kill", &before.id]);
        let healthy =
            |container: &Container| self.inspect(container)["State"]["Health"]["Status"] == "healthy";
        self.runner.daemon.wait_until(
            ROLLED_OUT,
            "another container is healthy",
            || matches!(&self.containers(object)[..], [after] if after.id != before.id && healthy(after)),
        );
    }
}

fn replaced(text: &str, pattern: &str, with: &str) -> String {
    Regex::new(pattern).unwrap().replace_all(text, with).into_owned()
}

/// The first of [`PORTS`] consecutive free ports that no other test of this process uses. They are below the kernel's
/// range of ephemeral ports.
fn free_ports() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = u16::try_from(std::process::id() % 1000).unwrap();
    (0..1000)
        .find_map(|_| {
            let ordinal = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 1000;
            let first = 20_000 + ordinal * PORTS;
            let range = first..first + PORTS;
            range.map(|port| TcpListener::bind(("0.0.0.0", port))).collect::<Result<Vec<_>, _>>().ok()?;
            Some(first)
        })
        .expect("there are free ports")
}

#[test]
fn each_web_server_has_a_port_of_the_range_and_is_healthy() {
    let Some(trial) = Trial::of("web.yaml") else { return };
    assert!(trial.run_commands().contains("hello from "));
    let containers = trial.containers("web");
    assert_eq!(containers.len(), 3);
    for container in &containers {
        let found = trial.inspect(container);
        assert_eq!(found["State"]["Health"]["Status"], "healthy");
        let port = found["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"].as_str().unwrap();
        let port: u16 = port.parse().unwrap();
        assert!((trial.port..trial.port + PORTS).contains(&port), "{port}");
        assert_eq!(trial.curl(port), Some(format!("hello from {}\n", &container.id[..12])));
    }
}

#[test]
fn the_data_in_a_named_volume_survives_a_replacement() {
    let Some(trial) = Trial::of("volume.yaml") else { return };
    assert_eq!(trial.run_commands(), "started 1 times\n");
    trial.kill_and_wait("database");
    // The program refuses to start while its predecessor has the files open.
    trial.change("change-me", "changed");
    let [database] = &trial.containers("database")[..] else { panic!("there is one") };
    let ask = format!("docker exec {} psql --username=postgres --command='SELECT version()'", database.name);
    assert_eq!(trial.succeeds(&ask), "started 3 times\n");
}

#[test]
fn an_alias_resolves_to_an_objects_containers() {
    let Some(trial) = Trial::of("network.yaml") else { return };
    let output = trial.run_commands();
    let containers = trial.containers("catalog");
    assert_eq!(containers.len(), 2);
    assert!(containers.iter().any(|c| output == format!("hello from {}\n", &c.id[..12])), "{output}");
}

#[test]
fn the_proxy_reaches_the_service_by_its_alias_even_after_a_rollout() {
    let Some(trial) = Trial::of("proxy.yaml") else { return };
    let is_from_app = |output: &str| {
        trial.containers("app").iter().any(|c| output == format!("hello from {}\n", &c.id[..12]))
    };
    let output = trial.run_commands();
    assert!(is_from_app(&output), "{output}");
    let before = trial.containers("app");
    trial.change("Healthcheck:", "Env: [A=1]\nHealthcheck:");
    assert!(trial.containers("app").iter().all(|c| before.iter().all(|b| b.id != c.id)));
    let output = trial.curl(trial.port).unwrap();
    assert!(is_from_app(&output), "{output}");
}

#[test]
fn the_stack_works_as_a_whole_and_keeps_its_data() {
    let Some(trial) = Trial::of("stack.yaml") else { return };
    assert_eq!(trial.run_commands(), "database: started 1 times\ncache: PONG\n");
    trial.kill_and_wait("blog-database");
    assert_eq!(trial.curl(trial.port).as_deref(), Some("database: started 2 times\ncache: PONG\n"));
}

#[test]
fn each_example_of_an_object_is_listed_and_run() {
    let listed = example("README.md");
    let mut objects = Vec::new();
    for entry in fs::read_dir(format!("{}/examples", REPOSITORY)).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name == "README.md" || listed.contains(&format!("({name})")),
            "{name} is not in examples/README.md"
        );
        if name.ends_with(".yaml") {
            objects.push(name);
        }
    }
    let here = include_str!("examples.rs");
    for name in objects {
        assert!(here.contains(&format!("Trial::of(\"{name}\")")), "{name} is not run");
    }
    assert!(listed.lines().count() <= 60);
}
