//! The daemon on a real Docker Engine, told by curl and watched with `docker`: what issue 2 promises, in its order.
//!
//! Every test has a cluster name of its own, so all of them share the machine's engine and run at once. Times
//! are the engine's own, from its events; `cargo test -- --nocapture` shows those that were measured.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

mod support;

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::daemon::Setup;
use support::engine::{Foreign, Network};
use support::events::Event;
use support::process::{run, succeed, text};
use support::{
    Certificates, Client, Cluster, Container, Daemon, Dockerd, Engine, LABELS, Registry, Relay, SOON,
    holds_within, unique,
};

/// "Within a second" is what it takes on an idle machine, and what the tests print; so much is allowed on a busy one.
const REPLACED: Duration = Duration::from_secs(5);
/// `Update.Monitor` in these tests.
const MONITOR: Duration = Duration::from_millis(300);

fn object(name: &str, count: u32) -> Value {
    json!({"Name": name, "Image": "scsm-test:1", "Count": count, "Update": {"Monitor": "300ms"}})
}

/// An object with more fields, or with others.
fn object_with(name: &str, count: u32, more: Value) -> Value {
    let mut object = object(name, count);
    object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    object
}

fn ids(containers: &[Container]) -> Vec<&str> {
    containers.iter().map(|container| container.id.as_str()).collect()
}

#[track_caller]
fn runs(daemon: &Daemon, cluster: &Cluster, count: usize) -> Vec<Container> {
    let what = format!("{count} run, no fewer and no more");
    daemon.wait_until(SOON, &what, || cluster.running().len() == count);
    let running = cluster.running();
    daemon.wait_until(SOON, "and serve", || running.iter().all(|container| cluster.serves(container)));
    running
}

/// The time from the death of one container to the start of its slot's next.
#[track_caller]
fn replacement(events: &support::Events, dead: &Container) -> (Event, Duration) {
    let death = events.wait_for(SOON, "it dies", |event| {
        event.id == dead.id && ["die", "destroy"].contains(&&*event.action)
    });
    let start = events.wait_for(SOON, "its slot's next starts", |event| {
        event.action == "start" && event.slot == death.slot && event.id != dead.id && event.at > death.at
    });
    let took = start.at - death.at;
    (start, took)
}

// ---- 1. Two commands

#[test]
fn with_nothing_configured_it_makes_certificates_and_prints_a_curl_command_that_works() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("nothing");
    let home = tempfile::tempdir().unwrap();
    // A cluster name is all that keeps this test apart from the machine's own daemon.
    let start = || {
        let setup = Setup::in_directory(home.path()).flag(format!("--cluster={}", cluster.name()));
        match std::env::var("DOCKER_HOST") {
            Ok(endpoint) => setup.env("DOCKER_HOST", endpoint).start(),
            Err(_) => setup.start(),
        }
    };

    let first = start();
    let certificates = first.made();
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
        assert!(modes.contains_key(file), "{file} was not made: {modes:?}");
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

    // The status; the other command would pull nginx from a registry (contract.rs pastes that one).
    let commands = first.printed_curls();
    let command = commands.iter().find(|command| command.contains("/status")).unwrap();
    let output = run(Command::new("sh").args(["-c", command]));
    assert!(output.status.success(), "{command}\n{}{}", text(&output.stdout), text(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{command}\nanswers no JSON ({error}): {}", text(&output.stdout)));
    assert!(answer["status"].is_null(), "{command}\nanswers an error: {answer}");

    first.connected();
    // The bundle is the same client's: password "swarm".
    assert_eq!(Client::with_bundle(&first.url, &certificates).get("/healthz").status, 200);

    let before = std::fs::read(certificates.ca()).unwrap();
    drop(first);
    let second = start();
    assert_eq!(std::fs::read(certificates.ca()).unwrap(), before, "a second start makes no other CA");
    assert_eq!(second.client.get("/healthz").status, 200, "yesterday's certificates still open the door");
}

#[test]
fn without_an_engine_it_serves_and_says_so_and_starts_work_when_the_engine_comes() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("later");
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("docker.sock");
    let daemon = Setup::new()
        .flag(format!("--cluster={}", cluster.name()))
        .flag(format!("--swarm-manager=unix://{}", socket.display()))
        .start();
    let name = unique("later");

    assert_eq!(daemon.client.get("/healthz").status, 200, "the process is well");
    assert_eq!(daemon.client.get("/readyz").status, 503, "but not of use");
    daemon.wait_until(SOON, "the status says that there is no engine", || {
        let engine = &daemon.status()["Engine"];
        engine["Connected"] == false && engine["Error"].as_str().is_some_and(|error| !error.is_empty())
    });
    let said = daemon.status()["Engine"]["Error"].to_string();
    assert!(said.contains("docker.sock"), "it names the endpoint: {said}");
    assert!(daemon.log().contains("docker.sock"), "and so does the log:\n{}", daemon.log());
    daemon.client.submit(&object(&name, 2));
    assert_eq!(daemon.object(&name)["Running"], 0);
    assert_ne!(daemon.object(&name)["Phase"], "converged", "what is not known is not claimed");

    let relay = Relay::open(&socket, engine.endpoint());
    let took = daemon.wait_until(SOON, "it works by itself", || cluster.running().len() == 2);
    eprintln!("the engine came: two run {took:?} later");
    daemon.converges(&name, SOON);
    assert_eq!(daemon.client.get("/readyz").status, 200);
    let before = cluster.running();

    // The engine goes. What runs stays, what is submitted meanwhile is kept, and one dies unseen.
    drop(relay);
    daemon.wait_until(SOON, "the status says that the engine is gone", || {
        daemon.status()["Engine"]["Connected"] == false
    });
    daemon.client.submit(&object(&name, 3));
    engine.docker(&["kill", &before[0].id]);
    let _relay = Relay::open(&socket, engine.endpoint());
    let after = runs(&daemon, &cluster, 3);
    assert!(ids(&after).contains(&before[1].id.as_str()), "the one that never stopped still runs");
    daemon.converges(&name, SOON);
}

// ---- 2. The original's command line and calls

#[test]
fn the_originals_command_line_and_curl_calls_work_to_the_letter() {
    let Some(machine) = Engine::local() else { return };
    let certificates = Certificates::docker_machine();
    let mut dockerd = Dockerd::new(&machine, &certificates);
    let cluster = dockerd.engine().cluster("original");
    // The daemon may well be up before the engine.
    let daemon = Setup::new()
        .flag(format!("--cluster={}", cluster.name()))
        .flag(format!("--swarm-manager={}", dockerd.endpoint()))
        .certificates(&certificates)
        .start();
    let in_certificates = |line: &str| -> Value {
        let line = line.replace("https://HOST:3476", &daemon.url);
        let output = run(Command::new("sh").args(["-c", &line]).current_dir(certificates.directory()));
        assert!(output.status.success(), "{line}\n{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{line}\n{}", text(&output.stdout)))
    };
    let submit = |object: &str| {
        in_certificates(&format!(
            "curl https://HOST:3476/submit -d '{object}' --cacert ca.pem --cert cert.pfx --cert-type P12 --pass swarm"
        ))
    };
    let status = || {
        in_certificates(
            "curl https://HOST:3476/status --cacert ca.pem --cert cert.pfx --cert-type P12 --pass swarm",
        )
    };

    assert_eq!(status()["Engine"]["Connected"], false);
    dockerd.start();
    dockerd.engine().docker(&["tag", "scsm-test:1", "nginx:1.9.6"]);
    dockerd.engine().docker(&["tag", "scsm-test:2", "nginx:1.9.7"]);

    let answer = submit(r#"{"Name": "nginx", "Image": "nginx:1.9.6", "Count": 5}"#);
    assert_eq!((&answer["Name"], &answer["Result"]), (&json!("nginx"), &json!("created")), "{answer}");
    let five = runs(&daemon, &cluster, 5);
    let names: Vec<&str> = five.iter().map(|container| container.name.as_str()).collect();
    assert_eq!(names, ["nginx.1.1", "nginx.2.1", "nginx.3.1", "nginx.4.1", "nginx.5.1"]);
    daemon.converges("nginx", SOON);
    let seen = status();
    assert_eq!(seen["Engine"]["Endpoint"], dockerd.endpoint(), "{seen}");
    assert_eq!(seen["Engine"]["Connected"], true, "{seen}");
    let nginx = &seen["Objects"][0];
    let counted = [&nginx["Name"], &nginx["Image"], &nginx["Count"], &nginx["Running"], &nginx["Phase"]];
    assert_eq!(
        counted.map(Value::clone),
        [json!("nginx"), json!("nginx:1.9.6"), json!(5), json!(5), json!("converged")]
    );

    // The engine is restarted, and its containers with it: they stop with it and come back by the daemon.
    dockerd.stop();
    daemon.wait_until(SOON, "the engine is missed", || status()["Engine"]["Connected"] == false);
    dockerd.start();
    let again = runs(&daemon, &cluster, 5);
    assert!(
        again.iter().all(|container| !ids(&five).contains(&container.id.as_str())),
        "none of the old: {again:?}"
    );
    daemon.converges("nginx", SOON);

    submit(r#"{"Name": "nginx", "Image": "nginx:1.9.7", "Count": 2, "Update": {"Monitor": "300ms"}}"#);
    daemon.wait_until(SOON, "two of the new image run", || {
        let running = cluster.running();
        running.len() == 2 && running.iter().all(|container| container.image == "nginx:1.9.7")
    });
    submit(r#"{"Name": "nginx", "Image": "nginx:1.9.7", "Count": 0}"#);
    runs(&daemon, &cluster, 0);
}

#[test]
fn what_is_killed_stopped_or_removed_by_hand_comes_back_within_a_second() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("keep");
    let daemon = Daemon::managing(&cluster);
    let name = unique("keep");
    let begun = Instant::now();
    let answer = daemon.client.submit(&object(&name, 5));
    assert_eq!(answer, json!({"Name": name, "Generation": 1, "Result": "created"}));
    let five = runs(&daemon, &cluster, 5);
    eprintln!("submit of five: all run {:?} later", begun.elapsed());
    daemon.converges(&name, SOON);

    let events = cluster.events();
    let mut times = Vec::new();
    let victim = |at: usize| five[at].id.as_str();
    for (victim, how) in [
        (&five[0], vec!["kill", victim(0)]),
        (&five[1], vec!["stop", victim(1)]),
        (&five[2], vec!["rm", "--force", victim(2)]),
        (&five[3], vec!["exec", victim(3), "/server", "tell", "/crash"]),
    ] {
        match how[0] {
            // What tells it to crash runs in the container, and may end with it before it has an answer.
            "exec" => drop(engine.try_docker(&how)),
            _ => drop(engine.docker(&how)),
        }
        let (start, took) = replacement(&events, victim);
        eprintln!("docker {}: {} runs {took:?} after its predecessor's end", how[0], start.name);
        times.push((how[0].to_owned(), took));
        let (stem, attempt) = start.name.rsplit_once('.').unwrap();
        assert_eq!(stem, victim.name.rsplit_once('.').unwrap().0, "the same slot");
        // Of one that was removed nothing is left to count on from.
        assert!(
            attempt == "2" || how[0] == "rm" && attempt == "1",
            "the slot's next attempt: {}",
            start.name
        );
    }
    assert!(times.iter().all(|(_, took)| *took < REPLACED), "{times:?}\n{}", daemon.account());
    daemon.converges(&name, SOON);
    let now = runs(&daemon, &cluster, 5);
    assert!(ids(&now).contains(&five[4].id.as_str()), "the one that nobody touched runs on");
    // Nothing was too much at any time, and nothing more comes.
    assert!(events.running_over_time(5).iter().all(|count| *count <= 5), "{:?}", events.running_over_time(5));
    thread::sleep(Duration::from_millis(500));
    assert_eq!(ids(&cluster.running()), ids(&now));
    let dead = cluster.containers().len() - now.len();
    assert!(dead <= 3, "one dead container a slot is kept, for `docker logs`: {:#?}", cluster.containers());

    let shown = daemon.object(&name);
    let containers = shown["Containers"].as_array().unwrap();
    for container in &now {
        let row = containers
            .iter()
            .find(|row| row["Name"] == container.name.as_str())
            .unwrap_or_else(|| panic!("{} is not in the status: {shown}", container.name));
        assert!(container.id.starts_with(row["Id"].as_str().unwrap()), "{row}");
        assert_eq!((&row["State"], &row["Image"]), (&json!("running"), &json!("scsm-test:1")), "{row}");
        assert_eq!(format!("{name}.{}.{}", row["Slot"], row["Attempt"]), container.name);
    }
}

#[test]
fn a_smaller_count_stops_what_is_too_much_and_none_and_delete_stop_all_gracefully() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("scale");
    let daemon = Daemon::managing(&cluster);
    let (name, other) = (unique("scale"), unique("stays"));
    let answer = daemon.client.submit(&json!([object(&name, 5), object(&other, 1)]));
    assert_eq!(answer.as_array().map(Vec::len), Some(2), "an array is answered by an array: {answer}");
    daemon.converges(&name, SOON);
    daemon.converges(&other, SOON);
    let five = runs(&daemon, &cluster, 6);

    let events = cluster.events();
    let answer = daemon.client.submit(&object(&name, 2));
    assert_eq!(answer, json!({"Name": name, "Generation": 2, "Result": "updated"}));
    daemon.converges(&name, SOON);
    let two = runs(&daemon, &cluster, 3);
    assert!(ids(&two).iter().all(|id| ids(&five).contains(id)), "nothing is restarted for a count");
    let slots = |word: &str| {
        two.iter().filter(|one| one.name.starts_with(word)).map(|one| one.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(slots(&name), [format!("{name}.1.1"), format!("{name}.2.1")], "slots above the count go");
    assert_eq!(
        daemon.client.submit(&object(&name, 2)),
        json!({"Name": name, "Generation": 2, "Result": "unchanged"}),
    );
    daemon.client.submit(&object(&name, 0));
    daemon.converges(&name, SOON);
    runs(&daemon, &cluster, 1);
    assert_eq!(daemon.object(&name)["Running"], 0);

    daemon.client.submit(&object(&name, 2));
    daemon.converges(&name, SOON);
    runs(&daemon, &cluster, 3);
    assert!(matches!(daemon.client.delete(&format!("/objects/{name}")).status, 200 | 202 | 204));
    daemon.wait_until(SOON, "nothing is left of what was deleted, also no dead container", || {
        cluster.containers().iter().all(|one| one.name.starts_with(&other))
    });
    assert_eq!(daemon.client.delete(&format!("/objects/{name}")).status, 404);
    assert_eq!(daemon.client.get(&format!("/objects/{name}")).status, 404);
    let deaths = events.of(&["die"]);
    assert!(deaths.len() >= 7, "{deaths:#?}");
    for death in &deaths {
        assert_eq!(
            death.exit_code.as_deref(),
            Some("15"),
            "ended by its stop signal, in its own time: {death:?}"
        );
    }
    assert_eq!(ids(&cluster.running()).len(), 1, "the other object has seen nothing of this");
    assert!(deaths.iter().all(|death| !death.name.starts_with(&other)));
}

#[test]
fn stop_signal_and_stop_timeout_are_the_objects_own() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("stop");
    let daemon = Daemon::managing(&cluster);
    let (signal, lingers, stubborn) = (unique("signal"), unique("lingers"), unique("stubborn"));
    daemon.client.submit(&json!([
        object_with(&signal, 1, json!({"StopSignal": "SIGUSR1"})),
        object_with(&lingers, 1, json!({"Cmd": ["--linger=2500"], "StopTimeout": 30})),
        object_with(&stubborn, 1, json!({"Cmd": ["--ignore-term"], "StopTimeout": 1})),
    ]));
    for name in [&signal, &lingers, &stubborn] {
        daemon.converges(name, SOON);
    }
    runs(&daemon, &cluster, 3);
    let events = cluster.events();
    daemon.client.submit(&object_with(&signal, 0, json!({"StopSignal": "SIGUSR1"})));
    for name in [&lingers, &stubborn] {
        daemon.client.delete(&format!("/objects/{name}"));
    }
    let death = |name: &str| {
        events.wait_for(SOON, &format!("{name} ends"), |event| {
            event.action == "die" && event.name.starts_with(name)
        })
    };
    let kills = |name: &str| -> Vec<(String, Duration)> {
        let kills = events.of(&["kill"]).into_iter().filter(|event| event.name.starts_with(name));
        kills.map(|event| (event.signal.unwrap_or_default(), event.at)).collect()
    };
    let signals = |name: &str| kills(name).into_iter().map(|(signal, _)| signal).collect::<Vec<_>>();

    assert_eq!(death(&signal).exit_code.as_deref(), Some("10"), "SIGUSR1 ended it");
    assert_eq!(signals(&signal), ["10"]);
    let end = death(&stubborn);
    assert_eq!(end.exit_code.as_deref(), Some("137"), "it was asked, then killed");
    assert_eq!(signals(&stubborn), ["15", "9"]);
    let waited = end.at - kills(&stubborn)[0].1;
    assert!(
        waited > Duration::from_millis(900) && waited < Duration::from_secs(5),
        "a second, not {waited:?}"
    );
    let end = death(&lingers);
    assert_eq!(end.exit_code.as_deref(), Some("15"), "it ended by itself");
    assert_eq!(signals(&lingers), ["15"], "and nobody lost patience with it");
    assert!(end.at - kills(&lingers)[0].1 > Duration::from_millis(2400));
    daemon.wait_until(SOON, "no container of the deleted is left", || {
        cluster.containers().iter().all(|one| one.name.starts_with(&signal))
    });
}

#[test]
fn another_image_replaces_one_after_the_other_new_before_old() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("update");
    let daemon = Daemon::managing(&cluster);
    let name = unique("update");
    daemon.client.submit(&object(&name, 3));
    daemon.converges(&name, SOON);
    let before = runs(&daemon, &cluster, 3);

    // What needs no new container restarts nothing.
    daemon.client.submit(&object_with(
        &name,
        3,
        json!({"Update": {"Monitor": "301ms", "Parallelism": 1}, "History": 2}),
    ));
    daemon.client.submit(&object(&name, 3));
    thread::sleep(Duration::from_millis(700));
    assert_eq!(ids(&cluster.running()), ids(&before), "neither Update nor History is a new container");

    let events = cluster.events();
    let answer = daemon.client.submit(&object_with(&name, 3, json!({"Image": "scsm-test:2"})));
    assert_eq!(answer["Result"], "updated");
    daemon.wait_until(SOON, "all three are of the new image", || {
        let running = cluster.running();
        running.len() == 3 && running.iter().all(|container| container.image == "scsm-test:2")
    });
    daemon.converges(&name, SOON);

    let over_time = events.running_over_time(3);
    assert!(
        over_time.iter().all(|count| (3..=4).contains(count)),
        "one more at most, never one fewer: {over_time:?}"
    );
    let first = |action: &str, slot: usize, image: &str| {
        let slot = slot.to_string();
        let fits = |event: &Event| event.action == action && event.slot == slot && event.image == image;
        events.wait_for(SOON, &format!("{action} in slot {slot} of {image}"), fits)
    };
    for slot in 1..=3 {
        let start = first("start", slot, "scsm-test:2");
        let stop = first("kill", slot, "scsm-test:1");
        let ran = stop.at.checked_sub(start.at).unwrap_or_else(|| panic!("slot {slot}: old before new"));
        assert!(
            ran >= MONITOR,
            "slot {slot}: the new one ran for {ran:?} only before the old one was stopped"
        );
    }
    for death in events.of(&["die"]) {
        assert_eq!(death.exit_code.as_deref(), Some("15"), "{death:?}");
    }
    assert_eq!(daemon.object(&name)["Updated"], 3);
}

#[test]
fn nobody_elses_container_is_touched_even_one_that_has_the_name() {
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
    first.wait_until(SOON, "the first manager's are gone", || one.containers().is_empty());
    assert_eq!(names(&two).len(), 2, "those of the other manager are not its affair");
    second.client.submit(&object_with(&name, 2, json!({"Image": "scsm-test:2"})));
    second.wait_until(SOON, "the second manager goes on", || {
        let running = two.running();
        running.len() == 2 && running.iter().all(|container| container.image == "scsm-test:2")
    });
    second.client.submit(&object(&name, 0));
    runs(&second, &two, 0);
    assert_eq!(foreign.trace(), trace);
}

#[test]
fn what_was_submitted_arrives_in_the_container_and_labels_say_whose_it_is() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("fields");
    let daemon = Daemon::managing(&cluster);
    let name = unique("fields");
    daemon.client.submit(&object_with(
        &name,
        1,
        json!({
            "Cmd": ["--linger=1"], "Env": ["GREETING=hello world"], "Labels": {"team": "blue"}, "User": "65534",
            "WorkingDir": "/tmp", "StopSignal": "SIGINT", "StopTimeout": 7, "Hostname": "box",
            "Healthcheck": {"Test": ["CMD", "/server", "healthcheck"], "Interval": 500_000_000, "Retries": 2},
            "HostConfig": {"NetworkMode": "none", "Memory": 67_108_864, "CapDrop": ["ALL"], "ReadonlyRootfs": true},
        }),
    ));
    daemon.converges(&name, SOON);
    let container = runs(&daemon, &cluster, 1).remove(0);
    let inspect: Value = serde_json::from_str(&engine.docker(&["inspect", &container.id])).unwrap();
    let (config, host) = (&inspect[0]["Config"], &inspect[0]["HostConfig"]);
    assert_eq!(config["Cmd"], json!(["--linger=1"]));
    assert!(config["Env"].as_array().unwrap().contains(&json!("GREETING=hello world")), "{config}");
    assert_eq!(
        [
            &config["User"],
            &config["WorkingDir"],
            &config["StopSignal"],
            &config["StopTimeout"],
            &config["Hostname"]
        ],
        [&json!("65534"), &json!("/tmp"), &json!("SIGINT"), &json!(7), &json!("box")],
    );
    assert_eq!(config["Healthcheck"]["Interval"], 500_000_000);
    assert_eq!(
        [&host["NetworkMode"], &host["Memory"], &host["CapDrop"], &host["ReadonlyRootfs"]],
        [&json!("none"), &json!(67_108_864), &json!(["ALL"]), &json!(true)],
    );
    assert!(
        ["no", ""].contains(&host["RestartPolicy"]["Name"].as_str().unwrap()),
        "the daemon restarts, not the engine"
    );
    let label = |word: &str| config["Labels"][format!("{LABELS}.{word}")].as_str().unwrap_or_default();
    assert_eq!(
        ["cluster", "object", "slot", "attempt"].map(label),
        [cluster.name(), &name, "1", "1"],
        "{}",
        config["Labels"]
    );
    assert!(!label("template").is_empty());
    assert_eq!(config["Labels"]["team"], "blue");
    assert_eq!(container.name, format!("{name}.1.1"));
    daemon.wait_until(SOON, "the status shows its health", || {
        daemon.object(&name)["Containers"][0]["Health"] == "healthy"
    });
    assert_eq!(daemon.object(&name)["Ready"], 1);
}

#[test]
fn what_turns_unhealthy_is_replaced() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("health");
    let daemon = Daemon::managing(&cluster);
    let name = unique("health");
    // On a busy machine the engine itself fails a check now and then; not six in a row.
    let check = json!({"Test": ["CMD", "/server", "healthcheck"], "Interval": 300_000_000, "Retries": 6});
    daemon.client.submit(&object_with(&name, 2, json!({"Healthcheck": check})));
    daemon.converges(&name, SOON);
    let two = runs(&daemon, &cluster, 2);
    let healthy = |one: &Container| {
        engine.docker(&["inspect", "--format={{.State.Health.Status}}", &one.id]) == "healthy"
    };
    assert!(
        two.iter().all(healthy),
        "converged means healthy, where there is a health check\n{}",
        daemon.account()
    );
    engine.docker(&["exec", &two[0].id, "/server", "tell", "/unhealthy"]);
    let took = daemon.wait_until(SOON, "another one runs in its place", || {
        let running = cluster.running();
        running.len() == 2 && !ids(&running).contains(&two[0].id.as_str())
    });
    eprintln!("turned unhealthy: replaced {took:?} later");
    daemon.converges(&name, SOON);
    assert!(ids(&cluster.running()).contains(&two[1].id.as_str()), "the healthy one stays");
}

#[test]
fn what_ends_at_once_again_and_again_is_tried_again_ever_more_slowly() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("loop");
    let daemon = Daemon::managing(&cluster);
    let (bad, good) = (unique("bad"), unique("good"));
    let events = cluster.events();
    daemon.client.submit(&object_with(&bad, 1, json!({"Cmd": ["--exit=3"]})));
    daemon.client.submit(&object(&good, 1));
    daemon.converges(&good, SOON);
    let begun = Instant::now();
    thread::sleep(Duration::from_secs(5));
    let starts: Vec<Duration> = events
        .of(&["start"])
        .into_iter()
        .filter(|event| event.name.starts_with(&bad))
        .map(|event| event.at)
        .collect();
    let watched = begun.elapsed();
    // At once, then after about 1, 2 and 4 s: it is a back-off, and it is not giving up.
    assert!(
        (2..=6).contains(&starts.len()),
        "{} starts within {watched:?}\n{}",
        starts.len(),
        daemon.account()
    );
    let gaps: Vec<Duration> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.last() > gaps.first(), "ever more slowly: {gaps:?}");
    // Not while a try is being made, of course.
    let mut shown = Value::Null;
    daemon.wait_until(SOON, "it says when it will try again", || {
        shown = daemon.object(&bad);
        shown["NextRetry"].is_string()
    });
    assert_ne!(shown["Phase"], "converged", "{shown}");
    assert!(shown["Reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{shown}");
    let rows = shown["Containers"].as_array().unwrap();
    assert!(rows.iter().any(|row| row["ExitCode"] == 3 && row["FinishedAt"].is_string()), "{shown}");
    assert!(shown["Restarts"].as_u64() >= Some(2), "{shown}");
    assert!(
        shown["LastExit"]["Reason"].as_str().unwrap().contains("ended with exit code 3 after"),
        "{shown}"
    );
    let told = daemon.client.get(&format!("/events?follow=false&tail=1000&object={bad}")).body;
    let ends = told.lines().filter(|line| line.contains("\"ended\"") && line.contains("exit code 3")).count();
    assert!(ends as u64 >= shown["Restarts"].as_u64().unwrap(), "{told}");
    let causes = told.lines().filter(|line| line.contains("create") && line.contains("exit code 3")).count();
    assert!(causes >= 1, "each end is why the next one is created: {told}");
    let kept = cluster.containers().iter().filter(|one| one.name.starts_with(&bad)).count();
    assert!(kept <= 2, "one dead one is kept, beside the one just made: {kept}");

    // A new spec starts afresh: no back-off is inherited.
    daemon.client.submit(&object(&bad, 1));
    let took = daemon.converges(&bad, SOON);
    assert!(took < REPLACED, "{took:?}");
}

#[test]
fn a_lost_data_directory_stops_nothing_and_its_containers_are_taken_over_without_a_restart_when_asked_for() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("anew");
    let name = unique("anew");
    let first = Daemon::managing(&cluster);
    // It dies in the middle of its work.
    first.client.submit(&object(&name, 6));
    first.wait_until(SOON, "work has begun", || !cluster.containers().is_empty());
    first.signal("KILL");
    drop(first);
    let left = cluster.containers();

    let data = tempfile::tempdir().unwrap();
    let second = Setup::in_directory(data.path()).managing(&cluster).start();
    second.wait_until(SOON, "it has seen the engine", || second.client.get("/readyz").status == 200);
    let untouched = cluster.containers();
    assert!(
        left.iter().all(|one| ids(&untouched).contains(&one.id.as_str())),
        "what nobody has submitted is left alone"
    );
    let unclaimed = second.status()["Unclaimed"].as_array().map(Vec::len);
    assert_eq!(unclaimed, Some(untouched.len()), "and it is said: {}", second.status());
    // What another manager has created is held, with the way out.
    second.client.submit(&object(&name, 6));
    second.wait_until(SOON, "it is held", || second.object(&name)["Phase"] == "blocked");
    let lost = second.status()["Manager"]["Rivals"][0]["Id"].as_str().unwrap().to_owned();
    let take_over = format!("--take-over={lost}");
    let reason = second.object(&name)["Reason"].as_str().unwrap().to_owned();
    assert!(reason.contains(&take_over), "{reason}");
    assert_eq!(ids(&cluster.containers()), ids(&untouched), "nothing was created or removed");
    drop(second);
    let running = cluster.running();
    let events = cluster.events();
    drop(Setup::in_directory(data.path()).managing(&cluster).flag(&take_over).start());
    // It holds from then on.
    let second = Setup::in_directory(data.path()).managing(&cluster).start();
    second.converges(&name, SOON);
    let now = runs(&second, &cluster, 6);
    assert!(ids(&running).iter().all(|id| ids(&now).contains(id)), "what ran still runs");
    assert!(events.running_over_time(running.len()).iter().all(|count| *count <= 6), "{:#?}", events.all());
}

#[test]
fn after_a_kill_the_work_goes_on_from_the_same_directory_without_being_asked_again() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("kept");
    let (name, gone) = (unique("kept"), unique("gone"));
    let data = tempfile::tempdir().unwrap();
    let start = || Setup::in_directory(data.path()).managing(&cluster).start();
    let first = start();
    first.client.submit(&object(&gone, 2));
    first.converges(&gone, SOON);
    first.client.submit(&object(&name, 6));
    first.wait_until(SOON, "work has begun", || cluster.containers().len() > 2);
    assert_eq!(first.client.delete(&format!("/objects/{gone}")).status, 200);
    first.signal("KILL");
    drop(first);
    let running = cluster.running();

    let second = start();
    second.converges(&name, SOON);
    let now = runs(&second, &cluster, 6);
    let kept = |one: &&Container| one.name.starts_with(&name);
    assert!(
        running.iter().filter(kept).all(|one| ids(&now).contains(&one.id.as_str())),
        "what ran still runs"
    );
    assert!(now.iter().all(|one| one.name.starts_with(&name)), "what was deleted is gone: {now:#?}");
    assert_eq!(second.client.get(&format!("/objects/{gone}")).status, 404);
}

#[test]
fn sigterm_in_the_middle_of_the_work_ends_it_in_time_and_leaves_nothing_half_done() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("term");
    let name = unique("term");
    let directory = tempfile::tempdir().unwrap();
    let start = || Setup::in_directory(directory.path()).managing(&cluster).start();
    let mut daemon = start();
    daemon.client.submit(&object(&name, 12));
    daemon.wait_until(SOON, "work has begun", || !cluster.containers().is_empty());
    daemon.signal("TERM");
    let begun = Instant::now();
    let status =
        daemon.ended(Duration::from_secs(8)).unwrap_or_else(|| panic!("still there\n{}", daemon.log()));
    eprintln!("SIGTERM amid creates: ended after {:?}", begun.elapsed());
    assert!(status.success(), "{status}\n{}", daemon.log());
    let left = cluster.containers();
    thread::sleep(Duration::from_millis(500));
    assert_eq!(ids(&cluster.containers()), ids(&left), "nothing happens after its end");
    let daemon = start();
    daemon.converges(&name, SOON);
    runs(&daemon, &cluster, 12);
}

// ---- 3. Endpoints, and images that are not there

#[test]
fn an_engine_with_mutual_tls_is_believed_only_with_the_right_certificates() {
    let Some(machine) = Engine::local() else { return };
    let (certificates, stranger) = (Certificates::docker_machine(), Certificates::stranger());
    let mut dockerd = Dockerd::new(&machine, &certificates);
    dockerd.start();
    let endpoint = dockerd.endpoint();
    let name = unique("tls");
    let engine_flags = |trust: &Certificates, identity: &Certificates| {
        [
            format!("--engine-tlscacert={}", trust.ca().display()),
            format!("--engine-tlscert={}", identity.cert().display()),
            format!("--engine-tlskey={}", identity.key().display()),
        ]
    };
    for (trust, identity, what) in [
        (&stranger, &certificates, "an engine of another CA"),
        (&certificates, &stranger, "an engine that does not know us"),
    ] {
        let cluster = dockerd.engine().cluster("untrusted");
        let setup = Setup::new().flag(format!("--cluster={}", cluster.name()));
        let setup = engine_flags(trust, identity).into_iter().fold(setup, Setup::flag);
        let daemon = setup.flag(format!("--swarm-manager={endpoint}")).start();
        daemon.client.submit(&object(&name, 1));
        daemon.wait_until(SOON, what, || {
            let engine = &daemon.status()["Engine"];
            let said = engine["Error"].as_str().unwrap_or_default().to_lowercase();
            engine["Connected"] == false
                && (said.contains("certificate") || said.contains("issuer") || said.contains("ca"))
        });
        eprintln!("{what}: {}", daemon.status()["Engine"]["Error"]);
        assert!(cluster.containers().is_empty());
    }

    // Clients of one CA, the engine of another.
    let cluster = dockerd.engine().cluster("trusted");
    let setup = Setup::new().managing(&cluster).certificates(&stranger);
    let daemon = engine_flags(&certificates, &certificates).into_iter().fold(setup, Setup::flag).start();
    daemon.client.submit(&object(&name, 2));
    runs(&daemon, &cluster, 2);
    drop(daemon);

    // What `docker-machine env` sets is enough.
    let daemon = Setup::new()
        .flag(format!("--cluster={}", cluster.name()))
        .env("DOCKER_HOST", &endpoint)
        .env("DOCKER_TLS_VERIFY", "1")
        .env("DOCKER_CERT_PATH", certificates.directory())
        .start();
    assert_eq!(daemon.connected()["Endpoint"], endpoint);
}

#[test]
fn missing_images_are_pulled_and_what_the_registry_says_is_in_the_status() {
    let Some(machine) = Engine::local() else { return };
    let certificates = Certificates::docker_machine();
    let mut dockerd = Dockerd::new(&machine, &certificates);
    dockerd.start();
    let engine = dockerd.engine();
    let registry = Registry::start();
    let cluster = engine.cluster("pull");
    let daemon = Setup::new().managing(&cluster).certificates(&certificates).start();
    let names = ["good", "cut", "absent", "refused", "never"].map(|word| (word, unique(word)));
    let name = |word: &str| names.iter().find(|(known, _)| *known == word).unwrap().1.clone();
    // Nothing listens on port 1: the connection is refused at once.
    let nowhere = "127.0.0.1:1/scsm-test:1".to_owned();
    for (word, image) in [
        ("cut", registry.image("cut")),
        ("absent", registry.image("absent")),
        ("refused", nowhere),
        ("good", registry.image("good")),
    ] {
        daemon.client.submit(&object_with(&name(word), 3, json!({"Image": image})));
    }
    daemon.client.submit(&object_with(
        &name("never"),
        3,
        json!({"Image": "scsm-test:unheard-of", "Pull": "never"}),
    ));

    let took = daemon.converges(&name("good"), SOON);
    eprintln!("pulled, and three run {took:?} later");
    assert_eq!(registry.pulls("good"), 1, "one pull for all three");
    for (word, engines_words) in [
        ("cut", "unknown blob"),
        ("absent", "manifest unknown"),
        ("refused", "connection refused"),
        ("never", "no such image"),
    ] {
        daemon.wait_until(
            SOON,
            &format!("{word}: the engine's words {engines_words:?} are the reason"),
            || {
                let shown = daemon.object(&name(word));
                shown["Reason"].as_str().is_some_and(|reason| reason.to_lowercase().contains(engines_words))
                    && shown["NextRetry"].is_string()
            },
        );
        let shown = daemon.object(&name(word));
        eprintln!("{word}: {}: {}", shown["Phase"], shown["Reason"]);
        assert!(["blocked", "degraded"].contains(&shown["Phase"].as_str().unwrap()), "{shown}");
    }
    // It backs off the object, not each of its three containers.
    thread::sleep(Duration::from_secs(4));
    for word in ["cut", "absent"] {
        let pulls = registry.pulls(word);
        assert!((2..=5).contains(&pulls), "{word}: {pulls} pulls\n{}", daemon.account());
    }
    assert_eq!(cluster.containers().len(), 3, "those of the good image and nothing else");

    // The image comes by another way; the next attempt finds it.
    engine.docker(&["tag", "scsm-test:1", "scsm-test:unheard-of"]);
    daemon.converges(&name("never"), Duration::from_secs(30));
    // And another reference is tried at once.
    daemon.client.submit(&object_with(&name("absent"), 3, json!({"Image": registry.image("good")})));
    let took = daemon.converges(&name("absent"), SOON);
    assert!(took < REPLACED, "{took:?}");
}

#[test]
fn what_the_engine_fills_in_and_normalises_is_taken_for_what_was_asked_for() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("normal");
    let daemon = Daemon::managing(&cluster);
    let (name, data, network) = (unique("normal"), unique("data"), unique("net"));
    engine.docker(&["network", "create", &network]);
    for host_config in [
        json!({}),
        json!({"CapDrop": ["chown", "NET_RAW"], "SecurityOpt": ["no-new-privileges"], "IpcMode": "shareable"}),
        json!({"Binds": [format!("{data}:/data/:ro")], "Tmpfs": {"/tmp": "size=1m"}, "CgroupnsMode": "private"}),
        json!({"Mounts": [{"Type": "volume", "Source": data, "Target": "/more"}, {"Type": "volume", "Target": "/anonymous"},
            {"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 65536}}]}),
        json!({"PortBindings": {"80": [{"HostIp": "127.0.0.1", "HostPort": "0"}]}, "PublishAllPorts": true}),
        json!({"LogConfig": {"Config": {"max-size": "1m"}}, "RestartPolicy": {"Name": "no"}}),
        json!({"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}, "NetworkMode": network}),
        json!({"Memory": 67_108_864, "OomKillDisable": true, "MemorySwap": -1, "BlkioWeight": 300, "CpuShares": 3}),
        json!({"Ulimits": [{"Name": "nofile", "Soft": 512, "Hard": 1024}], "ShmSize": 1_048_576, "Init": false}),
    ] {
        let object =
            object_with(&name, 1, json!({"HostConfig": host_config, "Volumes": {"/v": {}}, "Env": ["A=1"]}));
        let reply = daemon.client.post("/submit?wait=45s", object.to_string());
        assert_eq!(reply.status, 200, "{host_config}: {reply:?}");
    }
    let gone = daemon.client.request(&format!("/objects/{name}?wait=45s"), &["--request", "DELETE"], b"");
    assert_eq!(gone.status, 200, "{gone:?}");
    engine.docker(&["network", "rm", &network]);
    engine.docker(&["volume", "rm", &data]);
}

#[test]
fn what_the_engine_rejects_is_a_definite_no_in_its_own_words() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("rejected");
    let daemon = Daemon::managing(&cluster);
    let (host, evil) =
        (engine.docker(&["network", "inspect", "host", "--format", "{{.Id}}"]), unique("evil"));
    engine.docker(&[
        "volume",
        "create",
        "--opt",
        "type=none",
        "--opt",
        "o=bind",
        "--opt",
        "device=/etc",
        &evil,
    ]);
    let cases = [
        (json!({"StorageOpt": {"size": "1G"}}), "storage-opt"),
        (json!({"Binds": ["data:/d:rshared"]}), "invalid volume specification"),
        (json!({"Binds": ["data:/d:bogus"]}), "invalid mode"),
        (json!({"Memory": 1000}), "Minimum memory"),
        (json!({"CpusetCpus": "99"}), "Requested CPUs"),
        (json!({"IOMaximumIOps": 5}), "QoS"),
        (json!({"NetworkMode": &host[..1]}), "no network of the endpoint has exactly this name"),
        (json!({"Binds": [format!("{evil}:/x")]}), "is not for submitted objects"),
    ];
    let names: Vec<String> = cases.iter().map(|_| unique("no")).collect();
    let objects: Vec<Value> = cases
        .iter()
        .zip(&names)
        .map(|((host_config, _), name)| object_with(name, 1, json!({ "HostConfig": host_config })))
        .collect();
    daemon.client.submit(&Value::Array(objects));
    for ((host_config, words), name) in cases.iter().zip(&names) {
        daemon.wait_until(SOON, &format!("{host_config} is refused"), || {
            let reason = daemon.object(name)["Reason"].as_str().unwrap_or_default().to_owned();
            reason.contains(words) && !reason.contains("unknown") && !reason.contains("not known")
        });
    }
    assert!(cluster.running().is_empty(), "nothing of it runs: {:?}", cluster.running());
    engine.docker(&["volume", "rm", &evil]);
}

// ---- Waiting

#[test]
fn whoever_waits_is_told_what_really_became_of_it() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("wait");
    let daemon = Daemon::managing(&cluster);
    let submit = |object: &Value| {
        let reply = daemon.client.post("/submit?wait=45s", object.to_string());
        let outcome = reply.json()["Outcome"].as_str().unwrap_or_default().to_owned();
        (reply.status, outcome, reply.json()["Reason"].as_str().unwrap_or_default().to_owned())
    };
    let good = object("web", 3);
    assert_eq!(submit(&good), (200, "converged".to_owned(), "3 of 3 run, as wanted".to_owned()));
    let first = cluster.running();
    assert_eq!(first.len(), 3, "what is said to run does");

    // One that ends at once, and one that runs for a while: neither has ever converged, and the old ones go on.
    for (flag, monitor, ends) in
        [("--exit=3", "300ms", "exit code 3"), ("--crash-after=1000", "4s", "ended with exit code")]
    {
        let bad =
            object_with("web", 3, json!({"Cmd": [flag], "Update": {"Monitor": monitor, "FailAfter": "0s"}}));
        let begun = Instant::now();
        let (status, outcome, reason) = submit(&bad);
        eprintln!("{flag}: {outcome} after {:?}: {reason}", begun.elapsed());
        assert_eq!((status, &*outcome), (424, "failed"), "{reason}");
        assert!(reason.contains(ends) && reason.contains("failed 3 times in a row"), "{reason}");
        let still: Vec<Container> = cluster.running();
        assert!(first.iter().all(|old| still.iter().any(|new| new.id == old.id)), "{still:?}");
    }
    let back = daemon.client.request("/objects/web/rollback?to=1&wait=45s", &["--request", "POST"], b"");
    assert_eq!((back.status, &back.json()["Outcome"]), (200, &json!("converged")), "{back:?}");
    assert_eq!(ids(&cluster.running()), ids(&first), "and nothing was restarted");

    // A wait is about its own submit, also one that changes nothing: what failed before it does not end it.
    let network = unique("network");
    let on_network = json!({"HostConfig": {"NetworkMode": network}, "Update": {"FailAfter": "0s"}});
    let on_network = object_with("late", 1, on_network);
    let (status, _, reason) = submit(&on_network);
    assert!(status == 424 && reason.contains(&network), "{status} {reason}");
    let _network = Network::create(&engine, &network, &[]);
    let (status, outcome, reason) = submit(&on_network);
    assert_eq!((status, &*outcome), (200, "converged"), "{reason}");

    let (status, outcome, reason) =
        submit(&object_with("bad", 1, json!({"Cmd": ["--exit=0"], "Entrypoint": ["/nope"]})));
    assert_eq!((status, &*outcome), (424, "failed"), "{reason}");
    assert!(reason.contains("/nope"), "the engine's own words: {reason}");
    for name in ["web", "bad", "late"] {
        let gone = daemon.client.request(&format!("/objects/{name}?wait=45s"), &["--request", "DELETE"], b"");
        assert_eq!((gone.status, &gone.json()["Outcome"]), (200, &json!("converged")), "{gone:?}");
    }
    assert!(cluster.containers().is_empty(), "nothing of them is left: {:?}", cluster.containers());
}

// ---- What cannot exist twice, and what an endpoint cannot do

/// A port of this host that nothing listens at.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn publishing(name: &str, port: u16, more: Value) -> Value {
    let bindings = json!({"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": port.to_string()}]});
    let mut object = object_with(name, 1, json!({"HostConfig": {"PortBindings": bindings}}));
    object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    object
}

#[test]
fn a_port_that_our_own_stopping_container_still_has_is_waited_for() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("port");
    let daemon = Daemon::managing(&cluster);
    let port = free_port();
    let submit = |object: &Value, query: &str| {
        let reply = daemon.client.post(&format!("/submit?wait=45s{query}"), object.to_string());
        (reply.status, reply.body)
    };
    // The image exposes no port: what is to be published is exposed, as `docker run -p` does.
    let slow = json!({"Cmd": ["--linger=4000"], "Update": {"Monitor": "300ms", "FailAfter": "0s"}});
    let (status, body) = submit(&publishing("a-old", port, slow.clone()), "");
    assert_eq!(status, 200, "{body}");
    daemon.wait_until(SOON, "it is published", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    let shown = daemon.object("a-old");
    let ports = format!("127.0.0.1:{port}->8080/tcp");
    assert_eq!(shown["Containers"][0]["Ports"], json!([ports]), "{shown}");
    let old = runs(&daemon, &cluster, 1);

    // A name cannot be changed but by a new object: it gets the port as soon as the old one has let go of it.
    let (status, body) = submit(&json!([publishing("a-new", port, slow)]), "&prune=a-");
    assert_eq!(status, 200, "{body}");
    let told = daemon.client.get("/events?follow=false&tail=1000&object=a-new").body;
    let waits = format!("waiting: {} is going and still has host port {port}/tcp", old[0].name);
    assert!(told.contains(&waits) && !told.contains("step-failed"), "{told}");
    assert_eq!(cluster.running().len(), 1);
}

#[test]
fn what_has_a_fixed_address_is_updated_stop_first() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("address");
    let daemon = Daemon::managing(&cluster);
    let net = Network::create(&engine, &unique("fixed"), &["--subnet=10.213.77.0/24"]);
    let with = |count: u32, env: &str| {
        let endpoint = json!({net.name.clone(): {"IPAMConfig": {"IPv4Address": "10.213.77.9"}}});
        let more = json!({"Env": [env], "HostConfig": {"NetworkMode": net.name},
                          "NetworkingConfig": {"EndpointsConfig": endpoint}});
        daemon.client.post("/submit?wait=45s", object_with("fixed", count, more).to_string())
    };
    for env in ["A=1", "A=2"] {
        let reply = with(1, env);
        assert_eq!(reply.status, 200, "{env}: {reply:?}");
    }
    let reply = with(2, "A=2");
    assert_eq!(reply.status, 422, "{reply:?}");
    assert!(reply.body.contains("address 10.213.77.9"), "{reply:?}");
    let gone = daemon.client.request("/objects/fixed?wait=45s", &["--request", "DELETE"], b"");
    assert_eq!(gone.status, 200, "{gone:?}");
}

#[test]
fn a_dry_run_says_what_will_happen_and_refuses_what_the_endpoint_cannot_do() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("dry");
    let daemon = Daemon::managing(&cluster);
    daemon.wait_until(SOON, "it knows its engine", || daemon.client.get("/readyz").status == 200);
    let dry = |object: Value| daemon.client.post("/submit?dry_run", object.to_string());
    let plan = dry(object("web", 1)).json();
    assert_eq!(
        plan["Objects"][0]["Plan"],
        json!(["create web.1.1 image=scsm-test:1 cause=\"missing replica\""]),
        "the image is there, so none is pulled: {plan}"
    );
    assert_eq!(plan["Objects"][0]["Warnings"], Value::Null, "{plan}");
    let network = unique("nosuch");
    let plan = dry(object_with("web", 1, json!({"HostConfig": {"NetworkMode": network}}))).json();
    let warned = plan["Objects"][0]["Warnings"][0].as_str().unwrap_or_default().to_owned();
    assert!(warned.contains(&network), "{plan}");
    let plan = dry(object_with("web", 1, json!({"Image": "scsm-nosuch:1", "Pull": "never"}))).json();
    assert_eq!(
        plan["Objects"][0]["Warnings"],
        json!(["the image scsm-nosuch:1 is not there, and Pull is \"never\""]),
        "{plan}"
    );
    for (field, object) in [
        ("Constraints", object_with("web", 1, json!({"Constraints": ["name==n1"]}))),
        ("HostConfig.PortBindings.8080/tcp", publishing("web", 8080, json!({"Count": 2}))),
        (
            "Healthcheck.StartInterval",
            object_with("web", 1, json!({"Healthcheck": {"StartInterval": 5_000_000_000_u64}})),
        ),
    ] {
        let real = daemon.client.post("/submit", object.to_string());
        for reply in [dry(object), real] {
            assert_eq!((reply.status, &reply.json()["field"]), (422, &json!(field)), "{reply:?}");
        }
    }
}

/// A check of the tests' own ground: the certificates have docker-machine's shape.
#[test]
fn the_certificates_have_docker_machines_shape() {
    let certificates = Certificates::docker_machine();
    let shown =
        |file: &Path| succeed(Command::new("openssl").args(["x509", "-noout", "-text", "-in"]).arg(file));
    for file in [certificates.ca(), certificates.server(), certificates.cert()] {
        let text = shown(&file);
        let subject = text.lines().find(|line| line.contains("Subject:")).unwrap();
        assert!(subject.contains("O = ") && !subject.contains("CN"), "{subject}");
        assert!(text.contains("(2048 bit)"), "{text}");
    }
    assert!(shown(&certificates.server()).contains("IP Address:127.0.0.1"));
    assert!(shown(&certificates.cert()).contains("TLS Web Client Authentication"));
    assert!(holds_within(Duration::ZERO, || certificates.pfx().exists()).is_some());
}

#[test]
fn whatever_is_logged_no_secret_of_an_object_is() {
    let Some(engine) = Engine::local() else { return };
    for filter in ["trace", "debug,bollard=trace,hyper_util=trace"] {
        let cluster = engine.cluster("secrets");
        let daemon = Setup::new().managing(&cluster).env("SCSM_LOG", filter).env("RUST_LOG", "trace").start();
        let secrets = json!({
            "Env": ["PASSWORD=s3cr3t-env"],
            "Labels": {"token": "s3cr3t-label"},
            "Healthcheck": {"Test": ["CMD", "/server", "s3cr3t-check"], "Interval": 3_600_000_000_000_i64},
        });
        daemon.client.submit(&object_with("web", 1, secrets));
        runs(&daemon, &cluster, 1);
        daemon.client.delete("/objects/web");
        daemon.wait_until(SOON, "it is gone", || cluster.containers().is_empty());
        let log = daemon.log();
        assert!(log.contains("looking again after events"), "our own details are logged: {log}");
        assert!(!log.contains("s3cr3t"), "{log}");
    }
}
