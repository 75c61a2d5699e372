//! Ownership of containers on a real Docker Engine: two managers of one cluster, copies of the manager's containers,
//! states of other clusters and engines, and a data directory that is removed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use support::daemon::{Setup, program};
use support::engine::Foreign;
use support::process::{run, text};
use support::{Certificates, Cluster, Daemon, Engine, LABELS, SOON, unique};

use support::objects::*;

fn ids(cluster: &Cluster) -> BTreeSet<String> {
    cluster.containers().into_iter().map(|container| container.id).collect()
}

/// The error of a daemon that must not start.
#[track_caller]
fn refused(dir: &Path, flags: &[&str]) -> String {
    let mut command = program();
    command.args(flags).arg("--addr=127.0.0.1:0").arg(format!("--data-dir={}", dir.display()));
    let output = run(&mut command);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    text(&output.stderr).to_string()
}

/// The flags of `docker run` that copy the manager's labels of a container.
fn our_labels(engine: &Engine, container: &str) -> Vec<String> {
    let labels = engine.docker(&["inspect", "--format", "{{json .Config.Labels}}", container]);
    let labels: Value = serde_json::from_str(&labels).unwrap();
    let ours = labels.as_object().unwrap().iter().filter(|(key, _)| key.starts_with(LABELS));
    ours.map(|(key, value)| format!("--label={key}={}", value.as_str().unwrap())).collect()
}

/// Waits until every event so far has been reconciled: one more object converges and is deleted.
#[track_caller]
fn reconcile_once_more(daemon: &Daemon) {
    let name = unique("round");
    daemon.client.submit(&object(&name, 1));
    daemon.converges(&name, SOON);
    assert_eq!(daemon.client.delete(&format!("/objects/{name}?wait=30s")).status, 200);
}

#[test]
fn two_managers_of_one_cluster_never_fight_and_the_blocked_one_says_why() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("rivals");
    let name = unique("web");
    let managers = [Daemon::managing(&cluster), Daemon::managing(&cluster)];
    managers.iter().for_each(|manager| drop(manager.connected()));
    let events = cluster.events();
    std::thread::scope(|scope| {
        for manager in &managers {
            scope.spawn(|| manager.client.submit(&object(&name, 4)));
        }
    });
    let phase = |manager: &Daemon| manager.object(&name)["Phase"].as_str().unwrap().to_owned();
    let one_is_blocked = || {
        let phases = managers.each_ref().map(phase);
        phases.iter().all(|p| p == "blocked" || p == "converged") && phases.contains(&"blocked".to_owned())
    };
    managers[0].wait_until(SOON, "one of them is blocked, or both are", one_is_blocked);
    let before = ids(&cluster);
    for manager in &managers {
        reconcile_once_more(manager);
    }
    assert_eq!(ids(&cluster), before, "nothing was created or removed meanwhile");
    let of_web =
        |action: &str| events.all().iter().filter(|e| e.action == action && before.contains(&e.id)).count();
    assert!(of_web("create") <= 4 && of_web("destroy") == 0, "{:#?}", events.all());

    let blocked = managers.iter().find(|manager| phase(manager) == "blocked").unwrap();
    let status = blocked.status();
    let rival = status["Manager"]["Rivals"][0]["Id"].as_str().unwrap().to_owned();
    let other = managers.iter().find(|m| m.status()["Manager"]["Id"] == rival.as_str());
    assert!(other.is_some(), "it names the other manager: {status}");
    let reason = blocked.object(&name)["Reason"].as_str().unwrap().to_owned();
    for words in
        [&format!("manager {rival} has created"), &format!("--take-over={rival}"), "another --cluster"]
    {
        assert!(reason.contains(words), "{words}: {reason}");
    }
    assert!(blocked.log().contains("other managers have containers in this cluster"), "{}", blocked.log());
    let events_text = blocked.client.get("/events?follow=false&tail=1000").body;
    assert!(events_text.contains("other managers have containers in this cluster"), "{events_text}");
    let metrics = blocked.client.get("/metrics").body;
    assert!(metrics.contains("scsm_rival_managers 1\n"), "{metrics}");
    let plan = blocked.client.get("/plan").body;
    assert!(plan.contains("--take-over="), "{plan}");

    // A deletion removes only the manager's own containers.
    let theirs: BTreeSet<String> = blocked.object(&name)["Containers"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|container| container["Manager"] == rival.as_str())
        .map(|container| container["Id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(blocked.client.delete(&format!("/objects/{name}?wait=30s")).status, 200);
    assert!(ids(&cluster).is_superset(&theirs), "the other manager's containers stay");
    let other = other.unwrap();
    other.converges(&name, SOON);
}

#[test]
fn a_container_that_only_copies_the_labels_is_never_counted_and_never_touched() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("copies");
    let name = unique("web");
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::in_directory(data.path()).managing(&cluster).start();
    daemon.client.submit(&object(&name, 2));
    daemon.converges(&name, SOON);
    let original = format!("{name}.1.1");
    let image = format!("scsm-copy-{name}");
    engine.docker(&["commit", &original, &image]);
    let flags = our_labels(&engine, &original);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    assert_eq!(flags.len(), 6, "{flags:?}");

    let debug = format!("{name}-debug");
    engine.docker(&["run", "--detach", "--name", &debug, "--network=none", "--volume=/data", &image]);
    let next = Foreign::run_with(&engine, &format!("{name}.1.2"), &flags);
    let scaled = Foreign::run_with(&engine, &format!("project_{name}_1"), &flags);
    let slot = format!("--label={LABELS}.slot=9");
    let above = Foreign::run_with(&engine, &format!("{name}-above"), &[&flags[..], &[&slot]].concat());
    let malformed = format!("--label={LABELS}.manager=malformed");
    let broken = Foreign::run_with(&engine, &format!("{name}.7.7"), &[&flags[..], &[&malformed]].concat());
    let never = engine.docker(&[&["create", "--network=none"], &flags[..], &["scsm-test:1"]].concat());
    let traces = || [&next, &scaled, &above, &broken].map(Foreign::trace);
    let before = traces();
    let state =
        |id: &str| engine.docker(&["inspect", "--format", "{{.Id}} {{.State.Status}} {{len .Mounts}}", id]);
    let (debugged, created) = (state(&debug), state(&never));

    reconcile_once_more(&daemon);
    assert_eq!(traces(), before);
    assert_eq!((state(&debug), state(&never)), (debugged.clone(), created.clone()));
    assert_eq!(daemon.object(&name)["Running"], 2, "only the manager's own containers are counted");
    let unclaimed = daemon.status()["Unclaimed"].clone();
    let shown = unclaimed.as_array().unwrap().iter().find(|c| c["Name"] == debug.as_str()).unwrap();
    let reason = format!("its labels are those of {original}");
    assert!(shown["Reason"].as_str().unwrap().contains(&reason), "{shown}");

    // A copy has the next attempt's name: the one after that is used.
    engine.docker(&["rm", "--force", &original]);
    daemon.converges(&name, SOON);
    // The record is removed with the container: the first attempt's name is free again.
    assert_eq!(traces(), before);

    // A renamed container stays the manager's, also after a restart; a copy that takes its name is foreign.
    let second = format!("{name}.2.1");
    let id = engine.docker(&["inspect", "--format", "{{.Id}}", &second]);
    let kept = format!("{name}-kept");
    engine.docker(&["rename", &second, &kept]);
    let same = our_labels(&engine, &kept);
    let same: Vec<&str> = same.iter().map(String::as_str).collect();
    let impostor = Foreign::run_with(&engine, &second, &same);
    let trace = impostor.trace();
    reconcile_once_more(&daemon);
    drop(daemon);
    let daemon = Setup::in_directory(data.path()).managing(&cluster).start();
    daemon.converges(&name, SOON);
    reconcile_once_more(&daemon);
    assert_eq!(impostor.trace(), trace);
    let ours = daemon.object(&name)["Containers"].clone();
    let ours: Vec<&str> = ours.as_array().unwrap().iter().map(|c| c["Id"].as_str().unwrap()).collect();
    assert!(ours.contains(&id.as_str()) && !ours.contains(&impostor.id.as_str()), "{ours:?}");
    assert_eq!(daemon.object(&name)["Running"], 2);

    // A deletion removes the manager's containers, and no copy.
    assert_eq!(daemon.client.delete(&format!("/objects/{name}?wait=30s")).status, 200);
    assert!(engine.try_docker(&["inspect", &id]).is_none());
    assert_eq!((traces(), impostor.trace()), (before, trace));
    assert_eq!((state(&debug), state(&never)), (debugged, created));
    engine.docker(&["rm", "--force", "--volumes", &debug]);
    engine.docker(&["rmi", &image]);
}

#[test]
fn a_state_for_another_cluster_is_refused_before_anything_is_touched() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("blue");
    let green = engine.cluster("green");
    let data = tempfile::tempdir().unwrap();
    let name = unique("web");
    let daemon = Setup::in_directory(data.path()).managing(&cluster).start();
    daemon.client.submit(&object(&name, 1));
    daemon.converges(&name, SOON);
    drop(daemon);
    let before = ids(&cluster);
    let endpoint = format!("--swarm-manager={}", engine.endpoint());
    let error = refused(data.path(), &[&endpoint, &format!("--cluster={}", green.name())]);
    for words in [cluster.name(), green.name(), "--data-dir", "--adopt-state="] {
        assert!(error.contains(words), "{words}: {error}");
    }
    assert!(ids(&green).is_empty());
    assert_eq!(ids(&cluster), before);
    Setup::in_directory(data.path()).managing(&cluster).start().converges(&name, SOON);
    assert_eq!(ids(&cluster), before);
}

#[test]
fn an_object_from_a_simulated_endpoint_is_never_created_on_a_real_engine() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("toys");
    let data = tempfile::tempdir().unwrap();
    let simulated = || {
        let named = format!("--cluster={}", cluster.name());
        Setup::in_directory(data.path()).flag("--swarm-manager=simulated://3").flag(named).start()
    };
    let daemon = simulated();
    daemon.client.submit(&object("toy", 2));
    daemon.converges("toy", SOON);
    drop(daemon);
    let daemon = Setup::in_directory(data.path()).managing(&cluster).start();
    daemon.connected();
    assert_eq!(daemon.client.get("/objects").json(), json!([]));
    reconcile_once_more(&daemon);
    drop(daemon);
    assert!(ids(&cluster).is_empty());
    let daemon = simulated();
    assert_eq!(daemon.client.get("/objects/toy").status, 200);
}

#[test]
fn a_data_directory_that_is_removed_while_in_use_is_reported_and_accepts_no_submit() {
    let data = tempfile::tempdir().unwrap();
    let dir = data.path().join("data");
    let daemon = Setup::in_directory(&dir).flag("--swarm-manager=simulated://1").start();
    daemon.client.submit(&object("web", 1));
    daemon.connected();
    // The client's certificates are in the directory, too.
    let aside = data.path().join("aside");
    fs::rename(&dir, &aside).unwrap();
    let client = support::Client::new(&daemon.url, &Certificates::in_directory(&aside.join("certs")));
    let reply = client.post("/submit", object("web", 2).to_string());
    assert_eq!(reply.status, 503, "{reply:?}");
    let detail = reply.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("was removed, moved or replaced"), "{detail}");
    assert_eq!(client.get("/readyz").status, 503);
    assert!(client.get("/status").body.contains("CANNOT BE WRITTEN"));
    assert!(client.get("/metrics").body.contains("scsm_state_writable 0\n"));
    // Another daemon on the same path starts empty.
    let other = Setup::in_directory(&dir).flag("--swarm-manager=simulated://1").start();
    assert_eq!(other.client.get("/objects").json(), json!([]));
    drop(other);
    assert_eq!(client.post("/submit", object("web", 2).to_string()).status, 503);
    assert_eq!(client.get("/backup").status, 200, "its state can be saved");
    fs::remove_dir_all(&dir).unwrap();
    fs::rename(&aside, &dir).unwrap();
    let back = || daemon.client.get("/readyz").status == 200;
    daemon.wait_until(SOON, "the directory is back in its place", back);
    assert_eq!(daemon.client.post("/submit", object("web", 2).to_string()).status, 200);
}

#[test]
fn a_foreign_container_is_never_touched_even_if_it_has_the_name() {
    let Some(engine) = Engine::local() else { return };
    let (one, two) = (engine.cluster("one"), engine.cluster("two"));
    let name = unique("nginx");
    let foreign = Foreign::run(&engine, &format!("{name}.1.1"));
    let trace = foreign.trace();
    // Two managers share the engine, and both have an object of that name.
    let (first, second) = (Daemon::managing(&one), Daemon::managing(&two));
    first.client.submit(&object(&name, 2));
    second.client.submit(&object(&name, 2));
    for (daemon, cluster) in [(&first, &one), (&second, &two)] {
        daemon.converges(&name, SOON);
        runs(daemon, cluster, 2);
    }
    let names = |cluster: &Cluster| cluster.running().into_iter().map(|one| one.name).collect::<Vec<_>>();
    for cluster in [&one, &two] {
        assert!(!names(cluster).contains(&foreign.name), "the name is taken: {:?}", names(cluster));
        assert!(names(cluster)[0].starts_with(&format!("{name}.1.")), "{:?}", names(cluster));
    }
    assert_eq!(foreign.trace(), trace);

    first.client.delete(&format!("/objects/{name}"));
    first.wait_until(SOON, "the first manager's containers are gone", || one.containers().is_empty());
    assert_eq!(names(&two).len(), 2, "the other manager's containers stay");
    second.client.submit(&object_with(&name, 2, json!({"Image": "scsm-test:2"})));
    second.wait_until(SOON, "the second manager continues", || {
        let running = two.running();
        running.len() == 2 && running.iter().all(|container| container.image == "scsm-test:2")
    });
    second.client.submit(&object(&name, 0));
    runs(&second, &two, 0);
    assert_eq!(foreign.trace(), trace);
}
