//! The streams `/status?watch` and `/events` of a daemon on the simulated engine, read by `curl -N`.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::daemon::Setup;
use support::objects::nginx;
use support::{Daemon, SOON, Stream, holds_within};

fn simulated() -> Daemon {
    // Short, so that a test notices a line that every resync repeats.
    let daemon = Setup::new().flag("--swarm-manager=simulated://3").flag("--resync=500ms").start();
    daemon.connected();
    daemon
}

/// The number after the `-` of an Id.
fn number(line: &Value) -> u64 {
    let id = line["Id"].as_str().unwrap();
    id.split_once('-').unwrap().1.parse().unwrap()
}

fn epoch(line: &Value) -> String {
    line["Id"].as_str().unwrap().split_once('-').unwrap().0.to_owned()
}

fn converged(name: &str, count: u32) -> impl Fn(&[Value]) -> bool {
    move |lines| {
        let of_object = |line: &&Value| line["Object"]["Name"] == name;
        lines
            .iter()
            .rev()
            .find(of_object)
            .is_some_and(|line| line["Object"]["Phase"] == "converged" && line["Object"]["Count"] == count)
    }
}

fn gone(name: &str) -> impl Fn(&[Value]) -> bool {
    move |lines| {
        lines.last().is_some_and(|line| *line == json!({"Id": line["Id"], "Kind": "gone", "Name": name}))
    }
}

// ---- /status?watch

#[test]
fn a_watch_sends_each_change_from_the_submit_to_the_deletion_in_both_formats() {
    let daemon = simulated();
    let lines = daemon.client.stream("/status?watch", &[]);
    let events = daemon.client.event_stream("/status?watch=true", &[]);
    lines.until(SOON, "the engine is the first line", |lines| lines.len() == 1);
    holds_within(SOON, || events.events().len() == 1);
    daemon.client.submit(&nginx("web", 3));
    lines.until(SOON, "it converges", converged("web", 3));
    // Further resyncs send nothing.
    let quiet = lines.lines().len();
    thread::sleep(Duration::from_secs(2));
    assert_eq!(lines.lines().len(), quiet, "{:?}", lines.lines().last());
    daemon.client.delete("/objects/web");
    let received = lines.until(SOON, "it is gone", gone("web"));

    assert_eq!(received[0]["Kind"], "engine");
    assert_eq!(
        (&received[0]["Engine"]["Connected"], &received[0]["Engine"]["Kind"]),
        (&json!(true), &json!("simulated"))
    );
    for field in ["LastCompleteList", "LastCompleteListAgeSeconds", "NextRetry"] {
        assert!(received[0]["Engine"][field].is_null(), "{field} changes by itself");
    }
    assert!(received.windows(2).all(|pair| number(&pair[0]) < number(&pair[1])), "Ids grow");
    assert!(received.iter().all(|line| epoch(line) == epoch(&received[0])));
    let objects: Vec<&Value> = received[1..received.len() - 1].iter().map(|line| &line["Object"]).collect();
    assert!(objects.windows(2).all(|pair| pair[0] != pair[1]), "each line is a change");
    let phases: Vec<&str> = objects.iter().map(|object| object["Phase"].as_str().unwrap()).collect();
    let at = |phase| phases.iter().position(|seen| *seen == phase);
    assert!(at("progressing") < at("converged"), "{phases:?}");
    // A deletion may begin and end between two lines.
    assert!(at("deleting").is_none_or(|deleting| at("converged") < Some(deleting)), "{phases:?}");
    let last_whole = objects[phases.iter().rposition(|phase| *phase == "converged").unwrap()];
    assert_eq!(
        last_whole["Containers"].as_array().map(Vec::len),
        Some(3),
        "a line has the object's whole status"
    );

    assert!(holds_within(SOON, || events.events().len() >= received.len()).is_some(), "{}", events.body());
    let sent: Vec<Value> = events.events().into_iter().map(|event| event.data).collect();
    assert_eq!(sent, received, "both formats have the same lines");
    let head = |stream: &Stream| stream.head().unwrap();
    assert!(head(&lines).contains("\ncontent-type: application/x-ndjson\r"), "{}", head(&lines));
    assert!(head(&events).contains("\ncontent-type: text/event-stream\r"), "{}", head(&events));
    assert!(head(&events).contains("\ncache-control: no-cache\r"), "{}", head(&events));
}

#[test]
fn a_watch_of_one_object_sends_only_that_object_and_can_be_resumed() {
    let mut daemon = simulated();
    daemon.client.submit(&nginx("web", 1));
    daemon.client.submit(&nginx("db", 1));
    let mut first = daemon.client.stream("/status/web?watch", &[]);
    let received = first.until(SOON, "it converges", converged("web", 1));
    assert!(
        received.iter().all(|line| line["Kind"] == "object" && line["Object"]["Name"] == "web"),
        "{received:?}"
    );
    first.kill();
    let last = received.last().unwrap()["Id"].as_str().unwrap().to_owned();
    let header = format!("Last-Event-ID: {last}");

    daemon.client.submit(&nginx("db", 2));
    daemon.converges("db", SOON);
    let back = daemon.client.stream("/status/web?watch", &["--header", &header]);
    let whole = daemon.client.stream(&format!("/status?watch&since={last}"), &[]);
    assert_eq!((back.answered(SOON), whole.answered(SOON)), (200, 200));
    let received = whole.until(SOON, "missed changes are sent", converged("db", 2));
    assert!(
        received.iter().all(|line| line["Object"]["Name"] == "db" || line["Kind"] == "engine"),
        "{received:?}"
    );
    assert_eq!(back.lines(), [json!(null); 0], "nothing changed for that object");
    daemon.client.delete("/objects/web");
    back.until(SOON, "its deletion is sent", gone("web"));
    assert_eq!(daemon.client.get("/status/web?watch").status, 404, "there is nothing to watch any more");
    let header = ["--header", header.as_str()];
    let late = daemon.client.stream("/status/web?watch", &header);
    late.until(SOON, "its deletion is sent to a client that resumes", gone("web"));

    // Another process has other Ids; a client with an old one gets everything again.
    let data = tempfile::tempdir().unwrap();
    let again = || Setup::in_directory(data.path()).flag("--swarm-manager=simulated://1").start();
    drop(std::mem::replace(&mut daemon, again()));
    daemon.client.submit(&nginx("web", 1));
    let received =
        daemon.client.stream("/status?watch", &header).until(SOON, "everything is sent", converged("web", 1));
    assert_ne!(epoch(&received[0]), last.split_once('-').unwrap().0);
    assert_eq!(received[0]["Kind"], "engine", "it starts from the beginning");
}

#[test]
fn the_first_line_of_a_watch_includes_an_earlier_submit() {
    let daemon = simulated();
    for count in 0..10 {
        let generation = daemon.client.submit(&nginx("web", count))["Generation"].clone();
        let watching = daemon.client.stream("/status/web?watch", &[]);
        let received = watching.until(SOON, "a line", |lines| !lines.is_empty());
        assert_eq!(received[0]["Object"]["Generation"], generation, "no older state is sent");
    }
}

// ---- /events

#[test]
fn the_event_log_resumes_after_a_cut_without_loss_or_repetition() {
    let daemon = simulated();
    let uninterrupted = daemon.client.stream("/events?since=0", &[]);
    let mut collected: Vec<Value> = Vec::new();
    let mut last = "0".to_owned();
    for round in 1..=8 {
        daemon.client.submit(&nginx("web", round));
        let path = if round % 2 == 0 { format!("/events?since={last}") } else { "/events".to_owned() };
        let header = format!("Last-Event-ID: {last}");
        let arguments = ["--header", header.as_str()];
        let mut cut = daemon.client.stream(&path, if round % 2 == 0 { &[] } else { &arguments });
        cut.until(SOON, "some more events", |lines| !lines.is_empty());
        // Cut at an arbitrary point.
        thread::sleep(Duration::from_millis(u64::from(round) * 17));
        cut.kill();
        collected.extend(cut.lines());
        last = collected.last().unwrap()["Id"].to_string();
    }
    daemon.converges("web", SOON);
    let header = format!("Last-Event-ID: {last}");
    let rest = daemon.client.request("/events?follow=false", &["--header", &header], b"");
    collected.extend(rest.body.lines().map(|line| serde_json::from_str(line).unwrap()));

    let all = daemon.client.get("/events?follow=false&tail=10000").body;
    let all: Vec<Value> = all.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(collected, all[..collected.len()], "nothing is lost or repeated");
    assert!(collected.len() + 2 >= all.len(), "up to the end");
    uninterrupted.until(SOON, "it follows", |lines| lines.len() >= all.len());
    assert_eq!(uninterrupted.lines()[..all.len()], all);

    let kinds: Vec<&str> = all.iter().map(|event| event["Kind"].as_str().unwrap()).collect();
    assert_eq!(kinds[..2], ["started", "engine"], "{kinds:?}");
    for kind in ["submitted", "step", "phase"] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    assert_eq!(kinds.iter().filter(|kind| **kind == "engine").count(), 1, "not one per resync: {all:?}");
}

#[test]
fn the_event_log_is_filtered_by_parameters() {
    let daemon = simulated();
    daemon.client.submit(&nginx("web", 1));
    daemon.converges("web", SOON);
    daemon.client.submit(&json!([nginx("db", 1), nginx("cache", 0)]));
    daemon.converges("db", SOON);
    daemon.converges("cache", SOON);
    let get = |query: &str| -> Vec<Value> {
        let reply = daemon.client.get(&format!("/events?follow=false&{query}"));
        assert_eq!((reply.status, reply.content_type.as_str()), (200, "application/x-ndjson"), "{reply:?}");
        reply.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = get("tail=10000");
    assert_eq!(get(""), all, "there are fewer than a hundred");
    assert_eq!(get("tail=3"), all[all.len() - 3..]);
    assert_eq!(get("tail=0"), [json!(null); 0]);
    assert_eq!(get(&format!("since={}", all[4]["Id"])), all[5..]);
    assert_eq!(get("since=1000000"), all, "of an earlier log");
    let of_web: Vec<Value> = all.iter().filter(|event| event["Object"] == "web").cloned().collect();
    assert!(of_web.len() >= 4, "{of_web:?}");
    assert_eq!(get("object=web"), of_web);
    assert_eq!(get("object=web&tail=2"), of_web[of_web.len() - 2..], "the last events of that object");
    assert_eq!(get("object=missing"), [json!(null); 0]);
    let submitted = of_web.iter().find(|event| event["Kind"] == "submitted").unwrap();
    assert_eq!(submitted["Text"], "created: image=nginx:1.9.6 count=1");
    assert!(submitted["By"].as_str().unwrap().starts_with("O="), "{submitted}");

    let events = daemon.client.event_stream("/events?object=web", &[]);
    assert!(holds_within(SOON, || events.events().len() == of_web.len()).is_some(), "{}", events.body());
    let sent: Vec<Value> = events.events().into_iter().map(|event| event.data).collect();
    assert_eq!(sent, of_web);

    for (path, field, word) in [
        ("/events?tail=10001", "tail", "10000"),
        ("/events?tail=-1", "tail", "whole number"),
        ("/events?tail=1&since=2", "tail", "since"),
        ("/events?since=x", "since", "whole number"),
        ("/events?since=1-2", "since", "whole number"),
        ("/events?follow=perhaps", "follow", "true"),
        ("/events?object=-", "object", "letter"),
        ("/events?tail=1&tail=1", "tail", "once"),
        ("/events?tall=1", "", "tail"),
        ("/status?watch=perhaps", "watch", "true"),
        ("/status?watch&since=7", "since", "Id of a line"),
        ("/status?since=1-7", "since", "watch"),
        ("/status/web?watch&since=x-7", "since", "Id of a line"),
        ("/status?follow=false", "", "watch"),
    ] {
        let reply = daemon.client.get(path);
        assert_eq!(reply.status, 400, "{path}: {reply:?}");
        let (detail, at) = reply.problem();
        assert!(at == field && detail.contains(word), "{path}: {at}: {detail}");
    }
    let reply = daemon.client.request("/events", &["--header", "Last-Event-ID: x"], b"");
    assert_eq!((reply.status, reply.problem().1.as_str()), (400, "Last-Event-ID"));
    let reply = daemon.client.get("/status/wep?watch");
    assert!(reply.status == 404 && reply.problem().0.contains("did you mean 'web'?"), "{reply:?}");
    assert_eq!(daemon.client.post("/events", "").status, 405);
}

// ---- Silence

#[test]
fn a_silent_stream_is_kept_alive() {
    let daemon = simulated();
    let open = [
        daemon.client.stream("/status?watch", &[]),
        daemon.client.event_stream("/status?watch", &[]),
        daemon.client.stream("/events", &[]),
        daemon.client.event_stream("/events", &[]),
    ];
    let begun = Instant::now();
    for (stream, wanted) in open.iter().zip(["}\n\n", "\n\n: keep-alive\n\n"].iter().cycle()) {
        let kept = || stream.body().ends_with(wanted);
        assert!(holds_within(SOON, kept).is_some(), "{:?}", stream.body());
    }
    assert!(begun.elapsed() > Duration::from_secs(10), "no more often than needed");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    // The streams continue.
    daemon.client.submit(&nginx("web", 1));
    open[0].until(SOON, "it converges", converged("web", 1));
    assert!(holds_within(SOON, || open[3].events().iter().any(|event| event.event == "submitted")).is_some());
}
