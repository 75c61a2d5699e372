//! Containers that end, turn unhealthy or are removed are replaced: soon the first time, later each further time.
//!
//! Times are the engine's own, from its events; `cargo test -- --nocapture` shows those that were measured.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::events::Event;
use support::{Container, Daemon, Engine, SOON, unique};

use crate::objects::*;

/// "Within a second" is what it takes on an idle machine, and what the tests print; so much is allowed on a busy one.
const REPLACED: Duration = Duration::from_secs(5);

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
