//! The first start: nothing is configured, or no engine answers yet.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;
use support::daemon::Setup;
use support::process::{run, text};
use support::{Client, Engine, Relay, SOON, unique};

use support::objects::*;

#[test]
fn without_configuration_it_generates_certificates_and_prints_a_curl_command_that_works() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("nothing");
    let home = tempfile::tempdir().unwrap();
    // Only the cluster name separates this test from the machine's own daemon.
    let start = || {
        let setup = Setup::in_directory(home.path()).flag(format!("--cluster={}", cluster.name()));
        match std::env::var("DOCKER_HOST") {
            Ok(endpoint) => setup.env("DOCKER_HOST", endpoint).start(),
            Err(_) => setup.start(),
        }
    };

    let first = start();
    let certificates = first.certificates();
    let modes: BTreeMap<String, u32> = certificates
        .directory()
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().permissions().mode() & 0o777)
        })
        .collect();
    for file in ["ca.pem", "cert.pem", "key.pem", "cert.pfx", "server.pem", "server-key.pem"] {
        assert!(modes.contains_key(file), "{file} is missing: {modes:?}");
    }
    for (file, mode) in &modes {
        let secret = file.contains("key") || file.ends_with(".pfx");
        assert!(!secret || *mode == 0o600, "{file} holds a key and has mode {mode:o}");
    }
    let directory = certificates.directory().display().to_string();
    assert!(
        first.banner().contains(&directory),
        "the banner says where the certificates are:\n{}",
        first.banner()
    );

    // Only the status: the other command pulls nginx from a registry. (contract.rs runs that one.)
    let commands = first.printed_curls();
    let command = commands.iter().find(|command| command.contains("/status")).unwrap();
    let output = run(Command::new("sh").args(["-c", command]));
    assert!(output.status.success(), "{command}\n{}{}", text(&output.stdout), text(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{command}\nanswers no JSON ({error}): {}", text(&output.stdout)));
    assert!(answer["status"].is_null(), "{command}\nanswers an error: {answer}");

    first.connected();
    // The bundle holds the same certificate; its password is "swarm".
    assert_eq!(Client::with_bundle(&first.url, &certificates).get("/healthz").status, 200);

    let before = std::fs::read(certificates.ca()).unwrap();
    drop(first);
    let second = start();
    assert_eq!(std::fs::read(certificates.ca()).unwrap(), before, "a second start keeps the CA");
    assert_eq!(second.client.get("/healthz").status, 200, "the earlier certificates are still accepted");
}

#[test]
fn without_an_engine_it_serves_and_starts_work_when_the_engine_answers() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("later");
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("docker.sock");
    let daemon = Setup::new()
        .flag(format!("--cluster={}", cluster.name()))
        .flag(format!("--swarm-manager=unix://{}", socket.display()))
        .start();
    let name = unique("later");

    assert_eq!(daemon.client.get("/healthz").status, 200, "the process is alive");
    assert_eq!(daemon.client.get("/readyz").status, 503, "but not ready");
    daemon.wait_until(SOON, "the status reports that there is no engine", || {
        let engine = &daemon.status()["Engine"];
        engine["Connected"] == false && engine["Error"].as_str().is_some_and(|error| !error.is_empty())
    });
    let error = daemon.status()["Engine"]["Error"].to_string();
    assert!(error.contains("docker.sock"), "it names the endpoint: {error}");
    assert!(daemon.log().contains("docker.sock"), "the log names it, too:\n{}", daemon.log());
    daemon.client.submit(&object(&name, 2));
    assert_eq!(daemon.object(&name)["Running"], 0);
    assert_ne!(daemon.object(&name)["Phase"], "converged", "nothing is known about the engine");

    let relay = Relay::open(&socket, engine.endpoint());
    let took = daemon.wait_until(SOON, "two run without another submit", || cluster.running().len() == 2);
    eprintln!("the engine is back: two run after {took:?}");
    daemon.converges(&name, SOON);
    assert_eq!(daemon.client.get("/readyz").status, 200);
    let before = cluster.running();

    // The engine is disconnected. Meanwhile an object is submitted, and a container dies.
    drop(relay);
    daemon.wait_until(SOON, "the engine is disconnected", || daemon.status()["Engine"]["Connected"] == false);
    daemon.client.submit(&object(&name, 3));
    engine.docker(&["kill", &before[0].id]);
    let _relay = Relay::open(&socket, engine.endpoint());
    let after = runs(&daemon, &cluster, 3);
    assert!(ids(&after).contains(&before[1].id.as_str()), "the other container still runs");
    daemon.converges(&name, SOON);
}
