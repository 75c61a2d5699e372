//! What goes on as long as one listens: `/status?watch` and `/events`, of a daemon on the simulated engine, read
//! by `curl -N`.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::daemon::Setup;
use support::{Daemon, SOON, Stream, holds_within};

/// As many as may wait or watch at a time.
const PLACES: usize = 200;

fn object(name: &str, count: u32) -> Value {
    json!({"Name": name, "Image": "nginx:1.9.6", "Count": count, "Update": {"Monitor": "100ms"}})
}

fn simulated() -> Daemon {
    // Often, so that a line that comes with each resync is seen.
    let daemon = Setup::new().flag("--swarm-manager=simulated://3").flag("--resync=500ms").start();
    daemon.connected();
    daemon
}

/// The number behind the `-` of an Id.
fn number(line: &Value) -> u64 {
    let id = line["Id"].as_str().unwrap();
    id.split_once('-').unwrap().1.parse().unwrap()
}

fn epoch(line: &Value) -> String {
    line["Id"].as_str().unwrap().split_once('-').unwrap().0.to_owned()
}

fn converged(name: &str, count: u32) -> impl Fn(&[Value]) -> bool {
    move |lines| {
        let of_it = |line: &&Value| line["Object"]["Name"] == name;
        lines
            .iter()
            .rev()
            .find(of_it)
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
fn a_watch_tells_each_change_from_the_submit_to_the_end_in_both_forms() {
    let daemon = simulated();
    let lines = daemon.client.stream("/status?watch", &[]);
    let events = daemon.client.event_stream("/status?watch=true", &[]);
    lines.until(SOON, "the engine is told of first", |lines| lines.len() == 1);
    holds_within(SOON, || events.events().len() == 1);
    daemon.client.submit(&object("web", 3));
    lines.until(SOON, "it converges", converged("web", 3));
    // Some resyncs later nothing more is told.
    let quiet = lines.lines().len();
    thread::sleep(Duration::from_secs(2));
    assert_eq!(lines.lines().len(), quiet, "{:?}", lines.lines().last());
    daemon.client.delete("/objects/web");
    let told = lines.until(SOON, "it is gone", gone("web"));

    assert_eq!(told[0]["Kind"], "engine");
    assert_eq!(
        (&told[0]["Engine"]["Connected"], &told[0]["Engine"]["Kind"]),
        (&json!(true), &json!("simulated"))
    );
    for field in ["LastCompleteList", "LastCompleteListAgeSeconds", "NextRetry"] {
        assert!(told[0]["Engine"][field].is_null(), "{field} changes by itself");
    }
    assert!(told.windows(2).all(|pair| number(&pair[0]) < number(&pair[1])), "Ids grow");
    assert!(told.iter().all(|line| epoch(line) == epoch(&told[0])));
    let objects: Vec<&Value> = told[1..told.len() - 1].iter().map(|line| &line["Object"]).collect();
    assert!(objects.windows(2).all(|pair| pair[0] != pair[1]), "each is a change");
    let phases: Vec<&str> = objects.iter().map(|object| object["Phase"].as_str().unwrap()).collect();
    let at = |phase| phases.iter().position(|seen| *seen == phase);
    assert!(at("progressing") < at("converged"), "{phases:?}");
    // Between two looks of the feed a deletion may begin and end.
    assert!(at("deleting").is_none_or(|deleting| at("converged") < Some(deleting)), "{phases:?}");
    let last_whole = objects[phases.iter().rposition(|phase| *phase == "converged").unwrap()];
    assert_eq!(
        last_whole["Containers"].as_array().map(Vec::len),
        Some(3),
        "a line is the object's whole status"
    );

    assert!(holds_within(SOON, || events.events().len() >= told.len()).is_some(), "{}", events.body());
    let sent: Vec<Value> = events.events().into_iter().map(|event| event.data).collect();
    assert_eq!(sent, told, "both forms say the same");
    let head = |stream: &Stream| stream.head().unwrap();
    assert!(head(&lines).contains("\ncontent-type: application/x-ndjson\r"), "{}", head(&lines));
    assert!(head(&events).contains("\ncontent-type: text/event-stream\r"), "{}", head(&events));
    assert!(head(&events).contains("\ncache-control: no-cache\r"), "{}", head(&events));
}

#[test]
fn who_watches_one_object_hears_of_that_and_may_come_back() {
    let mut daemon = simulated();
    daemon.client.submit(&object("web", 1));
    daemon.client.submit(&object("db", 1));
    let mut first = daemon.client.stream("/status/web?watch", &[]);
    let told = first.until(SOON, "it converges", converged("web", 1));
    assert!(told.iter().all(|line| line["Kind"] == "object" && line["Object"]["Name"] == "web"), "{told:?}");
    first.kill();
    let last = told.last().unwrap()["Id"].as_str().unwrap().to_owned();
    let header = format!("Last-Event-ID: {last}");

    daemon.client.submit(&object("db", 2));
    daemon.converges("db", SOON);
    let back = daemon.client.stream("/status/web?watch", &["--header", &header]);
    let whole = daemon.client.stream(&format!("/status?watch&since={last}"), &[]);
    assert_eq!((back.answered(SOON), whole.answered(SOON)), (200, 200));
    let told = whole.until(SOON, "what was missed is told", converged("db", 2));
    assert!(told.iter().all(|line| line["Object"]["Name"] == "db" || line["Kind"] == "engine"), "{told:?}");
    assert_eq!(back.lines(), [json!(null); 0], "nothing new of that one");
    daemon.client.delete("/objects/web");
    back.until(SOON, "its end is told", gone("web"));
    assert_eq!(daemon.client.get("/status/web?watch").status, 404, "and then there is nothing to watch");
    let header = ["--header", header.as_str()];
    let late = daemon.client.stream("/status/web?watch", &header);
    late.until(SOON, "its end is told to one who knew it", gone("web"));

    // Another process gives other Ids, and whoever brings an old one begins anew.
    let data = tempfile::tempdir().unwrap();
    let again = || Setup::in_directory(data.path()).flag("--swarm-manager=simulated://1").start();
    drop(std::mem::replace(&mut daemon, again()));
    daemon.client.submit(&object("web", 1));
    let told = daemon.client.stream("/status?watch", &header).until(SOON, "all is told", converged("web", 1));
    assert_ne!(epoch(&told[0]), last.split_once('-').unwrap().0);
    assert_eq!(told[0]["Kind"], "engine", "from the beginning");
}

#[test]
fn what_was_submitted_is_in_what_a_watch_tells_first() {
    let daemon = simulated();
    for count in 0..10 {
        let generation = daemon.client.submit(&object("web", count))["Generation"].clone();
        let watching = daemon.client.stream("/status/web?watch", &[]);
        let told = watching.until(SOON, "something", |lines| !lines.is_empty());
        assert_eq!(told[0]["Object"]["Generation"], generation, "no older state is told");
    }
}

// ---- /events

#[test]
fn the_log_is_read_on_where_one_was_cut_without_loss_and_without_repetition() {
    let daemon = simulated();
    let uninterrupted = daemon.client.stream("/events?since=0", &[]);
    let mut gathered: Vec<Value> = Vec::new();
    let mut last = "0".to_owned();
    for round in 1..=8 {
        daemon.client.submit(&object("web", round));
        let path = if round % 2 == 0 { format!("/events?since={last}") } else { "/events".to_owned() };
        let header = format!("Last-Event-ID: {last}");
        let arguments = ["--header", header.as_str()];
        let mut cut = daemon.client.stream(&path, if round % 2 == 0 { &[] } else { &arguments });
        cut.until(SOON, "some more events", |lines| !lines.is_empty());
        // Wherever it is now.
        thread::sleep(Duration::from_millis(u64::from(round) * 17));
        cut.kill();
        gathered.extend(cut.lines());
        last = gathered.last().unwrap()["Id"].to_string();
    }
    daemon.converges("web", SOON);
    let header = format!("Last-Event-ID: {last}");
    let rest = daemon.client.request("/events?follow=false", &["--header", &header], b"");
    gathered.extend(rest.body.lines().map(|line| serde_json::from_str(line).unwrap()));

    let all = daemon.client.get("/events?follow=false&tail=10000").body;
    let all: Vec<Value> = all.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(gathered, all[..gathered.len()], "cut and taken up again");
    assert!(gathered.len() + 2 >= all.len(), "to the end");
    uninterrupted.until(SOON, "it follows", |lines| lines.len() >= all.len());
    assert_eq!(uninterrupted.lines()[..all.len()], all);

    let kinds: Vec<&str> = all.iter().map(|event| event["Kind"].as_str().unwrap()).collect();
    assert_eq!(kinds[..2], ["started", "engine"], "{kinds:?}");
    for kind in ["submitted", "step", "phase"] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    assert_eq!(kinds.iter().filter(|kind| **kind == "engine").count(), 1, "not one a resync: {all:?}");
}

#[test]
fn of_the_log_one_gets_what_one_asks_for() {
    let daemon = simulated();
    daemon.client.submit(&object("web", 1));
    daemon.converges("web", SOON);
    daemon.client.submit(&json!([object("db", 1), object("cache", 0)]));
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
    assert_eq!(get("since=1000000"), all, "of a log that is no more");
    let of_web: Vec<Value> = all.iter().filter(|event| event["Object"] == "web").cloned().collect();
    assert!(of_web.len() >= 4, "{of_web:?}");
    assert_eq!(get("object=web"), of_web);
    assert_eq!(get("object=web&tail=2"), of_web[of_web.len() - 2..], "the last of that object, not of all");
    assert_eq!(get("object=nobody"), [json!(null); 0]);
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

// ---- Those who are slow, silent or many

#[test]
fn what_is_silent_is_kept_alive() {
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
    assert!(begun.elapsed() > Duration::from_secs(10), "and nobody is told more often than needed");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    // And they go on.
    daemon.client.submit(&object("web", 1));
    open[0].until(SOON, "it converges", converged("web", 1));
    assert!(holds_within(SOON, || open[3].events().iter().any(|event| event.event == "submitted")).is_some());
}

/// Resident memory, in KiB.
fn resident(daemon: &Daemon) -> u64 {
    let path = format!("/proc/{}/status", daemon.child().id());
    let status = std::fs::read_to_string(path).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The newest line of each object.
fn newest(stream: &Stream) -> BTreeMap<String, Value> {
    let objects = stream.lines().into_iter().filter(|line| line["Kind"] == "object");
    objects.map(|line| (line["Object"]["Name"].to_string(), line)).collect()
}

#[test]
fn those_who_take_nothing_cost_little_get_the_newest_when_they_do_and_are_cut_when_they_do_not() {
    const STOPPED: u64 = 40;
    const OBJECTS: usize = 500;
    let daemon = Setup::new().flag("--swarm-manager=simulated://3").start();
    let round = |number: u32| {
        let image = format!("{}:{number}", "long".repeat(50));
        let object = |i| json!({"Name": format!("web-{i}"), "Image": image, "Count": 0});
        daemon.client.submit(&(0..OBJECTS).map(object).collect());
    };
    let quick = daemon.client.stream("/status?watch", &[]);
    // First as much as the store remembers of each object, so that no memory is counted that is not the readers'.
    (0..10).for_each(round);
    let mut stopped: Vec<Stream> = (0..STOPPED).map(|_| daemon.client.stream("/status?watch", &[])).collect();
    for stream in &stopped {
        assert_eq!(stream.answered(SOON), 200);
        stream.signal("STOP");
    }
    let (before, told_before) = (resident(&daemon), quick.body().len());
    let mut most = before;
    let begun = Instant::now();
    let mut rounds = 10;
    // More than the kernel keeps for a reader, so that those who do not read hold somebody up.
    const ENOUGH: usize = 10 << 20;
    let told = || quick.body().len() - told_before;
    while told() < ENOUGH && begun.elapsed() < Duration::from_secs(60) {
        round(rounds);
        rounds += 1;
        most = most.max(resident(&daemon));
    }
    let heard = || newest(&quick).values().filter(|line| line["Object"]["Phase"] == "converged").count();
    assert!(holds_within(SOON, || heard() == OBJECTS).is_some(), "{}", daemon.account());
    let made = (quick.body().len() - told_before) as u64 / 1024;
    let grown = most.max(resident(&daemon)) - before;
    eprintln!(
        "{made} KiB were made for each reader; with {STOPPED} that do not read memory grew by {grown} KiB"
    );
    assert!(grown < STOPPED * made / 8, "{grown} KiB for {STOPPED} readers of {made} KiB each");

    let mut back = stopped.pop().unwrap();
    back.signal("CONT");
    assert!(
        holds_within(SOON, || newest(&back) == newest(&quick)).is_some(),
        "it gets to the newest of each"
    );
    let (told, all) = (back.lines().len(), quick.lines().len());
    eprintln!("one that came back got {told} of {all} lines");
    assert!(told < all * 3 / 4, "what is out of date was passed over");
    back.kill();

    // The others have 30 s.
    let shown_out = || daemon.log().contains("it took nothing of its answer for 30s");
    assert!(holds_within(Duration::from_secs(40), shown_out).is_some(), "{}", daemon.log());
    // All of them: what is left open is the quick reader's, and that of this question.
    let open = || {
        let metrics = daemon.client.get("/metrics").body;
        let line =
            metrics.lines().find_map(|line| line.strip_prefix("scsm_connections_open ").map(str::to_owned));
        line.and_then(|count| count.parse::<f64>().ok())
    };
    let all_cut = holds_within(Duration::from_secs(60), || open().is_some_and(|count| count <= 2.0));
    assert!(all_cut.is_some(), "{:?} connections are open", open());
    for stream in &mut stopped {
        stream.signal("CONT");
        let end = stream.ended(SOON).expect("the connection was cut");
        assert!(!end.success(), "and curl says so");
    }
}

#[test]
fn two_hundred_hear_of_a_submit_promptly_and_the_stop_waits_for_none_of_them() {
    let mut daemon = simulated();
    let mut open: Vec<Stream> = Vec::new();
    for i in 0..PLACES {
        open.push(daemon.client.stream(if i % 2 == 0 { "/status?watch" } else { "/events" }, &[]));
        if i % 20 == 19 {
            open.iter().for_each(|stream| assert_eq!(stream.answered(SOON), 200));
        }
    }
    let begun = Instant::now();
    daemon.client.submit(&object("web", 2));
    for stream in &open {
        stream.until(SOON, "the submit", |lines| {
            lines.iter().any(|line| line["Object"]["Name"] == "web" || line["Object"] == "web")
        });
    }
    eprintln!("{PLACES} had heard of the submit after {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());

    for path in ["/status?watch", "/events", "/events?follow=false"] {
        let refused = daemon.client.get(path);
        assert_eq!(refused.status, 503, "{path}: {refused:?}");
        assert!(refused.headers.iter().any(|line| line.starts_with("retry-after:")), "{refused:?}");
        assert!(refused.problem().0.contains("200"), "{refused:?}");
    }
    assert_eq!(daemon.client.get("/status/web").status, 200, "all else is answered");
    open.pop().unwrap().kill();
    let freed = || daemon.client.get("/events?follow=false&tail=1").status == 200;
    assert!(holds_within(Duration::from_secs(2), freed).is_some(), "who leaves frees a place");

    daemon.signal("TERM");
    let begun = Instant::now();
    let status = daemon.ended(SOON).expect("it ends");
    eprintln!("SIGTERM with {} who watch: ended after {:?}", open.len(), begun.elapsed());
    assert!(status.success() && begun.elapsed() < Duration::from_secs(2), "{status} {:?}", begun.elapsed());
    for stream in &mut open {
        let end = stream.ended(SOON).expect("the stream ends");
        assert!(end.success(), "as if complete: {end}");
    }
}
