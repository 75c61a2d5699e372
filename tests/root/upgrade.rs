//! An earlier version's state and containers are adopted on a real engine.

use std::time::Duration;

use serde_json::{Value, json};
use support::daemon::Setup;
use support::engine::Foreign;
use support::{Certificates, Dockerd, Engine, LABELS, SOON};

#[test]
fn state_and_containers_of_an_earlier_version_are_adopted_without_a_container_restart() {
    let Some(machine) = Engine::local_as_root() else { return };
    let certificates = Certificates::docker_machine();
    let mut dockerd = Dockerd::new(&machine, &certificates);
    dockerd.start();
    let engine = dockerd.engine();
    engine.docker(&["tag", "scsm-test:1", "own-pause:1"]);
    let containers: Value = serde_json::from_str(include_str!("../upgrade/1ab854b/containers.json")).unwrap();
    let running: Vec<Foreign> = containers
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, labels)| {
            let label =
                |(key, value): (&String, &Value)| format!("--label={key}={}", value.as_str().unwrap());
            let labels: Vec<String> = labels.as_object().unwrap().iter().map(label).collect();
            let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
            Foreign::run_with(&engine, name, &labels)
        })
        .collect();
    let before: Vec<String> = running.iter().map(Foreign::trace).collect();
    let data = support::earlier::earlier("real");
    let start = || {
        Setup::in_directory(data.path())
            .flag("--cluster=own-upgrade")
            .flag(format!("--swarm-manager={}", dockerd.endpoint()))
            .certificates(&certificates)
            .start()
    };
    for _ in 0..2 {
        let daemon = start();
        daemon.converges("kept", SOON);
        let kept = daemon.client.get("/objects/kept").json();
        assert_eq!((&kept["Generation"], &kept["Env"]), (&json!(3), &json!(["A=1"])));
        assert_eq!(daemon.client.get("/objects/gone").status, 404);
        assert_eq!(daemon.client.get("/objects/gone/history").status, 200, "its tombstone is kept");
        assert_eq!(daemon.status()["Unclaimed"], Value::Null);
    }
    assert_eq!(running.iter().map(Foreign::trace).collect::<Vec<_>>(), before);
    let count = engine.docker(&["ps", "--all", "--quiet"]).lines().count();
    assert_eq!(count, running.len(), "nothing was added");
    // New containers carry the manager's id.
    let daemon = start();
    daemon.client.submit(&json!({"Name": "kept", "Image": "own-pause:1", "Count": 3, "Env": ["A=1"],
        "Update": {"Monitor": "200ms"}}));
    daemon.converges("kept", Duration::from_secs(30));
    let manager = daemon.status()["Manager"]["Id"].as_str().unwrap().to_owned();
    let label = format!("{{{{index .Config.Labels \"{LABELS}.manager\"}}}}");
    assert_eq!(engine.docker(&["inspect", "--format", &label, "kept.3.1"]), manager);
    drop(daemon);
    engine.docker(&["rm", "--force", "kept.3.1"]);
}
