//! What users and the engine do to containers behind the manager's back, on a real Docker Engine.
//!
//! Every test has a cluster name of its own, so all of them share the machine's engine and run at once. How many ran
//! at which time is told by the engine's own events.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use support::daemon::Setup;
use support::process::{run, succeed};
use support::{Cluster, Daemon, Engine, SOON, holds_within};

fn object(name: &str, count: u32, more: Value) -> Value {
    let mut object =
        json!({"Name": name, "Image": "scsm-test:1", "Count": count, "Update": {"Monitor": "300ms"}});
    object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    object
}

/// Submits and waits for the outcome; returns status code and answer.
fn submit_and_wait(daemon: &Daemon, object: &Value) -> (u16, Value) {
    let reply = daemon.client.post("/submit?wait=60s", object.to_string());
    (reply.status, reply.json())
}

fn converge(daemon: &Daemon, object: &Value) {
    let (status, answer) = submit_and_wait(daemon, object);
    assert_eq!(status, 200, "{answer:#}");
}

/// How many containers of this image run.
fn running(cluster: &Cluster, image: &str) -> usize {
    cluster.running().iter().filter(|container| container.image == image).count()
}

#[test]
fn a_rollout_that_is_stuck_costs_no_replica_of_the_spec_that_worked() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("stuck");
    let directory = tempfile::tempdir().unwrap();
    let start = || Setup::in_directory(directory.path()).managing(&cluster).start();
    let daemon = start();
    converge(&daemon, &object("x", 3, json!({})));
    for more in [json!({"Image": "nosuch:1", "Pull": "never"}), json!({"Cmd": ["--exit=3"]})] {
        daemon.client.submit(&object("x", 3, more.clone()));
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
    daemon.client.submit(&object("x", 5, json!({"Image": "nosuch:1", "Pull": "never"})));
    daemon.wait_until(SOON, "five of the old spec run", || old_spec(&cluster).len() == 5);
    let account = daemon.object("x");
    assert_eq!((&account["Updated"], &account["Ready"]), (&json!(0), &json!(5)), "{account:#}");
    // And once the new spec works, it takes over.
    converge(&daemon, &object("x", 5, json!({"Image": "scsm-test:2"})));
    assert_eq!((running(&cluster, "scsm-test:2"), cluster.running().len()), (5, 5));
}

/// Running containers that were made without arguments for the server: those of the spec that works.
fn old_spec(cluster: &Cluster) -> Vec<String> {
    let arguments = |id: &String| cluster.engine().try_docker(&["inspect", "--format", "{{json .Args}}", id]);
    running_ids(cluster).into_iter().filter(|id| arguments(id).is_some_and(|found| found == "[]")).collect()
}

/// Kills some of them, and returns which.
fn kill_old(cluster: &Cluster, how_many: usize) -> Vec<String> {
    let killed: Vec<String> = old_spec(cluster).into_iter().take(how_many).collect();
    for id in &killed {
        // One that has just been replaced by the rollout does not run any more.
        cluster.engine().try_docker(&["kill", id]);
    }
    killed
}

fn running_ids(cluster: &Cluster) -> Vec<String> {
    cluster.running().into_iter().map(|container| container.id).collect()
}

#[test]
fn docker_restart_pause_rename_and_update_never_make_one_too_many() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("manual");
    let daemon = Daemon::managing(&cluster);
    // It takes the whole grace period to restart: the longest time in which the old one is not running.
    converge(&daemon, &object("x", 3, json!({"Cmd": ["--ignore-term"]})));
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
    // Nothing more happens after that: two resyncs are seen.
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
fn a_stopped_container_is_replaced_once_it_is_clear_that_nobody_starts_it_again() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("stopped");
    let daemon = Daemon::managing(&cluster);
    converge(&daemon, &object("x", 2, json!({})));
    let events = cluster.events();
    let victim = cluster.running().remove(0);
    daemon.wait_until(SOON, "it serves", || cluster.serves(&victim));
    cluster.engine().docker(&["stop", &victim.id]);
    daemon.wait_until(SOON, "the status says why it waits", || {
        daemon.object("x")["Reason"].as_str().unwrap().contains("was stopped by a user")
    });
    daemon.converges("x", SOON);
    assert!(events.running_over_time(2).iter().all(|count| *count <= 2));
    // A killed one is replaced at once: nothing starts that again.
    let victim = cluster.running().remove(0);
    cluster.engine().docker(&["kill", &victim.id]);
    let death = events.wait_for(SOON, "it dies", |event| event.id == victim.id && event.action == "die");
    let next = events.wait_for(SOON, "its slot's next starts", |event| {
        event.action == "start" && event.slot == death.slot && event.at > death.at
    });
    assert!(next.at - death.at < Duration::from_secs(3), "{:?}", next.at - death.at);
}

#[test]
fn an_end_for_a_signal_that_does_not_ask_for_one_is_backed_off() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("hup");
    let daemon = Daemon::managing(&cluster);
    daemon.client.submit(&object("x", 1, json!({})));
    let events = cluster.events();
    // The server of the test image ends for HUP, as one does that was not made for it.
    let failed = holds_within(Duration::from_secs(60), || {
        for container in cluster.running() {
            if cluster.serves(&container) {
                cluster.engine().try_docker(&["kill", "--signal=HUP", &container.id]);
            }
        }
        daemon.object("x")["Reason"].as_str().unwrap().contains("failed 4 times in a row")
    });
    assert!(failed.is_some(), "{}", daemon.account());
    let created = events.of(&["create"]).len();
    assert!(created <= 6, "{created} were made");
    assert_ne!(daemon.object("x")["Phase"], "converged");
}

#[test]
fn a_command_that_fails_under_its_own_restart_policy_is_a_failure() {
    let Some(engine) = Engine::local() else { return };
    for policy in ["always", "unless-stopped"] {
        let cluster = engine.cluster(policy);
        let daemon = Daemon::managing(&cluster);
        // With the default `Update.Monitor`: between two ends it runs for a moment.
        let policy_of_docker = json!({"RestartPolicy": {"Name": policy}});
        let restart = json!({"Cmd": ["--exit=3"], "HostConfig": policy_of_docker, "Update": {}});
        let (status, answer) = submit_and_wait(&daemon, &object("x", 1, restart));
        let reason = answer["Reason"].as_str().unwrap().to_owned();
        assert_eq!((status, &answer["Outcome"]), (424, &json!("failed")), "{answer:#}");
        assert!(reason.contains("exit code 3") && reason.contains("restart policy"), "{reason}");
    }
}

#[test]
fn a_removal_that_fails_is_reported_and_tried_again_until_it_works() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("immutable");
    let daemon = Daemon::managing(&cluster);
    converge(&daemon, &object("x", 2, json!({})));
    let victim = cluster.containers().into_iter().find(|container| container.name == "x.2.1").unwrap();
    let root = engine.docker(&["info", "--format", "{{.DockerRootDir}}"]);
    let file = Immutable::new(&Path::new(&root).join("containers").join(&victim.id).join("hostname"));
    daemon.client.submit(&object("x", 1, json!({})));
    daemon.wait_until(SOON, "the status has the engine's words and the next try", || {
        let account = daemon.object("x");
        let reason = account["Reason"].as_str().unwrap();
        reason.contains("x.2.1 cannot be removed")
            && reason.contains("times in a row")
            && !account["NextRetry"].is_null()
    });
    drop(file);
    daemon.converges("x", Duration::from_secs(60));
    assert_eq!(cluster.containers().len(), 1);
}

/// A file that nobody can remove, until this is dropped.
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
fn a_stop_first_update_stops_the_old_one_then_starts_the_new_one_and_waits_for_nothing_else() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("stop-first");
    let daemon = Daemon::managing(&cluster);
    let port = |image: &str| {
        // A fixed port of the host is updated stop-first.
        let config = json!({"PortBindings": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "4699"}]}});
        object("x", 1, json!({"Image": image, "ExposedPorts": {"8080/tcp": {}}, "HostConfig": config}))
    };
    converge(&daemon, &port("scsm-test:1"));
    let events = cluster.events();
    converge(&daemon, &port("scsm-test:2"));
    assert_eq!(events.of(&["create"]).len(), 1, "{:#?}", events.of(&["create"]));
    let (death, start) = (&events.of(&["die"])[0], &events.of(&["start"])[0]);
    assert!(start.at - death.at < Duration::from_secs(3), "{:?}", start.at - death.at);
    // The same when it is scaled down and up again: our own removals are no user's.
    converge(&daemon, &object("y", 2, json!({})));
    converge(&daemon, &object("y", 1, json!({})));
    daemon.client.submit(&object("y", 2, json!({})));
    daemon.wait_until(SOON, "it is there again", || daemon.object("y")["Ready"] == 2);
    assert!(!daemon.log().contains("was stopped by a user"), "{}", daemon.log());
}

#[test]
fn docker_restart_keeps_a_container_with_a_restart_policy_and_its_volumes() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("restarted");
    let daemon = Daemon::managing(&cluster);
    for policy in ["always", "unless-stopped", "on-failure"] {
        let config = json!({"RestartPolicy": {"Name": policy}});
        converge(&daemon, &object(policy, 1, json!({"Volumes": {"/data": {}}, "HostConfig": config})));
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
