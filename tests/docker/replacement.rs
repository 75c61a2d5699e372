//! Containers that end, become unhealthy or are removed are replaced: at once the first time, then with a growing delay.
//!
//! Times are from the engine's events; `cargo test -- --nocapture` prints the measured ones.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::events::Event;
use support::{Container, Daemon, Engine, SOON, unique};

use support::objects::*;

/// It takes a second on an idle machine; this much is accepted on a busy one.
const REPLACED: Duration = Duration::from_secs(5);

/// The start of the next container of a slot, and the time since the end of the previous one.
#[track_caller]
fn replacement(events: &support::Events, dead: &Container) -> (Event, Duration) {
    let death = events.wait_for(SOON, "it dies", |event| {
        event.id == dead.id && ["die", "destroy"].contains(&&*event.action)
    });
    let start = events.wait_for(SOON, "the next container of its slot starts", |event| {
        event.action == "start" && event.slot == death.slot && event.id != dead.id && event.at > death.at
    });
    let took = start.at - death.at;
    (start, took)
}

#[test]
fn a_container_that_is_killed_stopped_or_removed_by_hand_is_replaced_soon() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("keep");
    let daemon = Daemon::managing(&cluster);
    let name = unique("keep");
    let begun = Instant::now();
    let answer = daemon.client.submit(&object(&name, 5));
    assert_eq!(answer, json!({"Name": name, "Generation": 1, "Result": "created"}));
    let five = runs(&daemon, &cluster, 5);
    eprintln!("submit of five: all run after {:?}", begun.elapsed());
    daemon.converges(&name, SOON);

    let events = cluster.events();
    let mut times = Vec::new();
    let victim = |at: usize| five[at].id.as_str();
    for (victim, how) in [
        (&five[0], vec!["kill", victim(0)]),
        (&five[1], vec!["stop", victim(1)]),
        (&five[2], vec!["rm", "--force", victim(2)]),
        (&five[3], vec!["exec", victim(3), "/server", "get", "/crash"]),
    ] {
        match how[0] {
            // The command runs in the container, and may end with it before it has an answer.
            "exec" => drop(engine.try_docker(&how)),
            _ => drop(engine.docker(&how)),
        }
        let (start, took) = replacement(&events, victim);
        eprintln!("docker {}: {} runs {took:?} after its predecessor's end", how[0], start.name);
        times.push((how[0].to_owned(), took));
        let (stem, attempt) = start.name.rsplit_once('.').unwrap();
        assert_eq!(stem, victim.name.rsplit_once('.').unwrap().0, "the same slot");
        // A removed container leaves no attempt to count from.
        assert!(
            attempt == "2" || how[0] == "rm" && attempt == "1",
            "the slot's next attempt: {}",
            start.name
        );
    }
    assert!(times.iter().all(|(_, took)| *took < REPLACED), "{times:?}\n{}", daemon.diagnostics());
    daemon.converges(&name, SOON);
    let now = runs(&daemon, &cluster, 5);
    assert!(ids(&now).contains(&five[4].id.as_str()), "the untouched container keeps running");
    // There were never too many, and nothing more happens.
    assert!(events.running_over_time(5).iter().all(|count| *count <= 5), "{:?}", events.running_over_time(5));
    thread::sleep(Duration::from_millis(500));
    assert_eq!(ids(&cluster.running()), ids(&now));
    let dead = cluster.containers().len() - now.len();
    assert!(
        dead <= 3,
        "one ended container per slot is kept, for `docker logs`: {:#?}",
        cluster.containers()
    );

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
fn an_unhealthy_container_is_replaced() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("health");
    let daemon = Daemon::managing(&cluster);
    let name = unique("health");
    // On a busy machine a check may fail because of the engine, but not six in a row.
    let check = json!({"Test": ["CMD", "/server", "healthcheck"], "Interval": 300_000_000, "Retries": 6});
    daemon.client.submit(&object_with(&name, 2, json!({"Healthcheck": check})));
    daemon.converges(&name, SOON);
    let two = runs(&daemon, &cluster, 2);
    let healthy = |one: &Container| {
        engine.docker(&["inspect", "--format={{.State.Health.Status}}", &one.id]) == "healthy"
    };
    assert!(
        two.iter().all(healthy),
        "with a health check, converged means healthy\n{}",
        daemon.diagnostics()
    );
    engine.docker(&["exec", &two[0].id, "/server", "get", "/unhealthy"]);
    let took = daemon.wait_until(SOON, "another container has replaced it", || {
        let running = cluster.running();
        running.len() == 2 && !ids(&running).contains(&two[0].id.as_str())
    });
    eprintln!("unhealthy: replaced after {took:?}");
    daemon.converges(&name, SOON);
    assert!(ids(&cluster.running()).contains(&two[1].id.as_str()), "the healthy one stays");
}

#[test]
fn a_container_that_always_ends_at_once_is_retried_with_a_growing_delay() {
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
    // At once, then after about 1, 2 and 4 s: it backs off, and it does not give up.
    assert!(
        (2..=6).contains(&starts.len()),
        "{} starts within {watched:?}\n{}",
        starts.len(),
        daemon.diagnostics()
    );
    let gaps: Vec<Duration> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.last() > gaps.first(), "the delay grows: {gaps:?}");
    // `NextRetry` is not set during an attempt.
    let mut shown = Value::Null;
    daemon.wait_until(SOON, "the status shows the next retry", || {
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
    let events_text = daemon.client.get(&format!("/events?follow=false&tail=1000&object={bad}")).body;
    let ends =
        events_text.lines().filter(|line| line.contains("\"ended\"") && line.contains("exit code 3")).count();
    assert!(ends as u64 >= shown["Restarts"].as_u64().unwrap(), "{events_text}");
    let causes =
        events_text.lines().filter(|line| line.contains("create") && line.contains("exit code 3")).count();
    assert!(causes >= 1, "each end is the cause of the next create: {events_text}");
    let kept = cluster.containers().iter().filter(|one| one.name.starts_with(&bad)).count();
    assert!(kept <= 2, "one ended container is kept beside the newest one: {kept}");

    // A new spec inherits no back-off.
    daemon.client.submit(&object(&bad, 1));
    let took = daemon.converges(&bad, SOON);
    assert!(took < REPLACED, "{took:?}");
}
