//! Users and the engine interfere with the manager's containers, on a real Docker Engine.
//!
//! Every test has its own cluster name, so all of them share the machine's engine and run at once. The engine's events show
//! how many containers ran at any time.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use support::daemon::Setup;
use support::objects::{object, object_with};
use support::process::{run, succeed};
use support::{Cluster, Daemon, Engine, SOON, holds_within};

/// Submits and waits for the outcome; returns status code and answer.
fn submit_and_wait(daemon: &Daemon, object: &Value) -> (u16, Value) {
    let reply = daemon.client.post("/submit?wait=60s", object.to_string());
    (reply.status, reply.json())
}

fn converge(daemon: &Daemon, object: &Value) {
    let (status, answer) = submit_and_wait(daemon, object);
    assert_eq!(status, 200, "{answer:#}");
}

/// The number of running containers of this image.
fn running(cluster: &Cluster, image: &str) -> usize {
    cluster.running().iter().filter(|container| container.image == image).count()
}

#[test]
fn a_stuck_rollout_costs_no_replica_of_the_last_converged_spec() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("stuck");
    let directory = tempfile::tempdir().unwrap();
    let start = || Setup::in_directory(directory.path()).managing(&cluster).start();
    let daemon = start();
    converge(&daemon, &object("x", 3));
    for more in [json!({"Image": "nosuch:1", "Pull": "never"}), json!({"Cmd": ["--exit=3"]})] {
        daemon.client.submit(&object_with("x", 3, more.clone()));
        daemon.wait_until(SOON, "the rollout fails", || {
            daemon.object("x")["Reason"].as_str().unwrap().contains("failed")
        });
        let killed = kill_old(&cluster, 2);
        daemon.wait_until(SOON, &format!("three of the old spec run despite {more}"), || {
            let run = old_spec(&cluster);
            run.len() == 3 && !killed.iter().any(|id| run.contains(id))
        });
    }
    // The same after a restart of the daemon, and with another Count.
    drop(daemon);
    let daemon = start();
    daemon.connected();
    kill_old(&cluster, 2);
    daemon.wait_until(SOON, "three of the old spec run after a restart", || old_spec(&cluster).len() >= 3);
    daemon.client.submit(&object_with("x", 5, json!({"Image": "nosuch:1", "Pull": "never"})));
    daemon.wait_until(SOON, "five of the old spec run", || old_spec(&cluster).len() == 5);
    let status = daemon.object("x");
    assert_eq!((&status["Updated"], &status["Ready"]), (&json!(0), &json!(5)), "{status:#}");
    // Once the new spec works, it replaces the old one.
    converge(&daemon, &object_with("x", 5, json!({"Image": "scsm-test:2"})));
    assert_eq!((running(&cluster, "scsm-test:2"), cluster.running().len()), (5, 5));
}

/// Running containers without arguments for the server: those of the spec that works.
fn old_spec(cluster: &Cluster) -> Vec<String> {
    let arguments = |id: &String| cluster.engine().try_docker(&["inspect", "--format", "{{json .Args}}", id]);
    running_ids(cluster).into_iter().filter(|id| arguments(id).is_some_and(|found| found == "[]")).collect()
}

/// Kills some of them, and returns which.
fn kill_old(cluster: &Cluster, how_many: usize) -> Vec<String> {
    let killed: Vec<String> = old_spec(cluster).into_iter().take(how_many).collect();
    for id in &killed {
        // The rollout may have replaced it in the meantime.
        cluster.engine().try_docker(&["kill", id]);
    }
    killed
}

fn running_ids(cluster: &Cluster) -> Vec<String> {
    cluster.running().into_iter().map(|container| container.id).collect()
}

#[test]
fn docker_restart_pause_rename_and_update_never_cause_one_too_many() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("manual");
    let daemon = Daemon::managing(&cluster);
    // A restart takes the whole grace period, during which the container does not run.
    converge(&daemon, &object_with("x", 3, json!({"Cmd": ["--ignore-term"]})));
    let events = cluster.events();
    for round in 0..4 {
        let running = cluster.running();
        let victim = &running[round % running.len()];
        daemon.wait_until(SOON, "it serves", || cluster.serves(victim));
        cluster.engine().docker(&["restart", "--time=1", &victim.id]);
    }
    let victim = cluster.running().remove(0);
    cluster.engine().docker(&["pause", &victim.id]);
    daemon.wait_until(SOON, "the pause is reported", || {
        daemon.object("x")["Reason"].as_str().unwrap().contains("is paused")
    });
    cluster.engine().docker(&["unpause", &victim.id]);
    cluster.engine().docker(&["update", "--memory=64m", "--memory-swap=64m", &victim.id]);
    cluster.engine().docker(&["rename", &victim.id, &format!("{}-renamed", cluster.name())]);
    daemon.converges("x", SOON);
    // Nothing more happens during two resyncs.
    let listed = || daemon.status()["Engine"]["LastCompleteList"].clone();
    for _ in 0..2 {
        let before = listed();
        daemon.wait_until(Duration::from_secs(30), "a resync", || listed() != before);
    }
    let over_time = events.running_over_time(3);
    assert!(over_time.iter().all(|count| *count <= 3), "{over_time:?}");
    assert_eq!(cluster.running().len(), 3);
    assert_eq!(events.of(&["create", "destroy"]).len(), 0, "{:#?}", events.of(&["create", "destroy"]));
}

#[test]
fn a_stopped_container_is_replaced_if_no_one_starts_it_again() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("stopped");
    let daemon = Daemon::managing(&cluster);
    converge(&daemon, &object("x", 2));
    let events = cluster.events();
    let victim = cluster.running().remove(0);
    daemon.wait_until(SOON, "it serves", || cluster.serves(&victim));
    cluster.engine().docker(&["stop", &victim.id]);
    daemon.wait_until(SOON, "the reason says why it waits", || {
        daemon.object("x")["Reason"].as_str().unwrap().contains("was stopped by a user")
    });
    daemon.converges("x", SOON);
    assert!(events.running_over_time(2).iter().all(|count| *count <= 2));
    // A killed container is replaced at once, as `docker kill` does not start it again.
    let victim = cluster.running().remove(0);
    cluster.engine().docker(&["kill", &victim.id]);
    let death = events.wait_for(SOON, "it dies", |event| event.id == victim.id && event.action == "die");
    let next = events.wait_for(SOON, "the next container of its slot starts", |event| {
        event.action == "start" && event.slot == death.slot && event.at > death.at
    });
    assert!(next.at - death.at < Duration::from_secs(3), "{:?}", next.at - death.at);
}

#[test]
fn an_end_after_a_signal_that_does_not_request_it_is_backed_off() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("hup");
    let daemon = Daemon::managing(&cluster);
    daemon.client.submit(&object("x", 1));
    let events = cluster.events();
    // The server of the test image ends on HUP, like a program without a handler for it.
    let failed = holds_within(Duration::from_secs(60), || {
        for container in cluster.running() {
            if cluster.serves(&container) {
                cluster.engine().try_docker(&["kill", "--signal=HUP", &container.id]);
            }
        }
        daemon.object("x")["Reason"].as_str().unwrap().contains("failed 4 times in a row")
    });
    assert!(failed.is_some(), "{}", daemon.diagnostics());
    let created = events.of(&["create"]).len();
    assert!(created <= 6, "{created} were created");
    assert_ne!(daemon.object("x")["Phase"], "converged");
}

#[test]
fn a_command_that_fails_under_its_own_restart_policy_is_a_failure() {
    let Some(engine) = Engine::local() else { return };
    for policy in ["always", "unless-stopped"] {
        let cluster = engine.cluster(policy);
        let daemon = Daemon::managing(&cluster);
        // With the default `Update.Monitor`, as it runs for a moment between two restarts.
        let restart_policy = json!({"RestartPolicy": {"Name": policy}});
        let restart = json!({"Cmd": ["--exit=3"], "HostConfig": restart_policy, "Update": {}});
        let (status, answer) = submit_and_wait(&daemon, &object_with("x", 1, restart));
        let reason = answer["Reason"].as_str().unwrap().to_owned();
        assert_eq!((status, &answer["Outcome"]), (424, &json!("failed")), "{answer:#}");
        assert!(reason.contains("exit code 3") && reason.contains("restart policy"), "{reason}");
    }
}

#[test]
fn a_failed_removal_is_reported_and_retried_until_it_succeeds() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("immutable");
    let daemon = Daemon::managing(&cluster);
    converge(&daemon, &object("x", 2));
    let victim = cluster.containers().into_iter().find(|container| container.name == "x.2.1").unwrap();
    let root = engine.docker(&["info", "--format", "{{.DockerRootDir}}"]);
    let file = Immutable::new(&Path::new(&root).join("containers").join(&victim.id).join("hostname"));
    daemon.client.submit(&object("x", 1));
    daemon.wait_until(SOON, "the status has the engine's message and the next retry", || {
        let status = daemon.object("x");
        let reason = status["Reason"].as_str().unwrap();
        reason.contains("x.2.1 cannot be removed")
            && reason.contains("times in a row")
            && !status["NextRetry"].is_null()
    });
    drop(file);
    daemon.converges("x", Duration::from_secs(60));
    assert_eq!(cluster.containers().len(), 1);
}

/// A file that cannot be removed until this is dropped.
struct Immutable(std::path::PathBuf);

impl Immutable {
    fn new(path: &Path) -> Immutable {
        succeed(Command::new("chattr").arg("+i").arg(path));
        Immutable(path.to_owned())
    }
}

impl Drop for Immutable {
    fn drop(&mut self) {
        run(Command::new("chattr").arg("-i").arg(&self.0));
    }
}

#[test]
fn a_stop_first_update_starts_the_new_container_as_soon_as_the_old_one_has_stopped() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("stop-first");
    let daemon = Daemon::managing(&cluster);
    let port = |image: &str| {
        // An object with a fixed host port is updated stop-first.
        let config = json!({"PortBindings": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "4699"}]}});
        object_with("x", 1, json!({"Image": image, "ExposedPorts": {"8080/tcp": {}}, "HostConfig": config}))
    };
    converge(&daemon, &port("scsm-test:1"));
    let events = cluster.events();
    converge(&daemon, &port("scsm-test:2"));
    assert_eq!(events.of(&["create"]).len(), 1, "{:#?}", events.of(&["create"]));
    let (death, start) = (&events.of(&["die"])[0], &events.of(&["start"])[0]);
    assert!(start.at - death.at < Duration::from_secs(3), "{:?}", start.at - death.at);
    // The same when it is scaled down and up again: the manager's own stops do not count as a user's.
    converge(&daemon, &object("y", 2));
    converge(&daemon, &object("y", 1));
    daemon.client.submit(&object("y", 2));
    daemon.wait_until(SOON, "two are ready again", || daemon.object("y")["Ready"] == 2);
    assert!(!daemon.log().contains("was stopped by a user"), "{}", daemon.log());
}

#[test]
fn a_container_with_a_restart_policy_survives_docker_restart_with_its_volumes() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("restarted");
    let daemon = Daemon::managing(&cluster);
    for policy in ["always", "unless-stopped", "on-failure"] {
        let config = json!({"RestartPolicy": {"Name": policy}});
        converge(&daemon, &object_with(policy, 1, json!({"Volumes": {"/data": {}}, "HostConfig": config})));
    }
    let before = cluster.running();
    for container in &before {
        daemon.wait_until(SOON, "it serves", || cluster.serves(container));
        cluster.engine().docker(&["restart", "--time=2", &container.id]);
    }
    for policy in ["always", "unless-stopped", "on-failure"] {
        daemon.converges(policy, SOON);
    }
    let ids = |containers: &[support::Container]| containers.iter().map(|c| c.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&cluster.containers()), ids(&before));
}
