//! `GET /objects/NAME/logs` on the simulated engine, which makes lines up.

use serde_json::{Value, json};
use support::objects::nginx;
use support::{Daemon, SOON, Stream, holds_within};

/// A daemon on the simulated engine, where this many containers of `web` have written some lines each.
fn simulated(count: u32) -> Daemon {
    let daemon = Daemon::simulated();
    daemon.client.submit(&nginx("web", count));
    daemon.converges("web", SOON);
    let all = count as usize * 2;
    daemon.wait_until(SOON, "each has written two lines", || lines(&daemon, "").len() >= all);
    daemon
}

/// The lines for these parameters.
#[track_caller]
fn lines(daemon: &Daemon, query: &str) -> Vec<Value> {
    let reply = daemon.client.get(&format!("/objects/web/logs?{query}"));
    assert_eq!((reply.status, reply.content_type.as_str()), (200, "application/x-ndjson"), "{reply:?}");
    reply.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text(line: &Value) -> &str {
    line["Line"].as_str().unwrap_or_default()
}

/// The names of the containers that have written lines.
fn containers(lines: &[Value]) -> Vec<&str> {
    let mut names: Vec<&str> = lines.iter().filter_map(|line| line["Container"].as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[test]
fn the_last_lines_of_all_containers_are_ordered_by_time() {
    let daemon = simulated(3);
    let all = lines(&daemon, "");
    assert_eq!(containers(&all), ["web.1.1", "web.2.1", "web.3.1"]);
    let times: Vec<&str> = all.iter().map(|line| line["At"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert!(all.iter().all(|line| text(line).starts_with("simulated: ")), "{all:?}");
    assert!(all.iter().all(|line| line.as_object().unwrap().len() == 4), "{all:?}");

    let tail = lines(&daemon, "tail=1");
    assert_eq!((tail.len(), containers(&tail).len()), (3, 3), "one line of each: {tail:?}");
    assert_eq!(lines(&daemon, "tail=0"), [json!(null); 0]);
    let one = lines(&daemon, "container=web.2.1");
    assert_eq!(containers(&one), ["web.2.1"]);
    // From a time on, inclusive.
    let since = one[1]["At"].as_str().unwrap();
    assert_eq!(lines(&daemon, &format!("container=web.2.1&since={since}"))[0], one[1]);
    assert_eq!(lines(&daemon, "container=web.2.1&since=1h")[0], one[0]);
    assert_eq!(lines(&daemon, "since=0s"), [json!(null); 0]);
    let header = ["--header", &format!("Last-Event-ID: {since}")];
    let after = daemon.client.request("/objects/web/logs?container=web.2.1", &header, b"").body;
    assert!(!after.contains(since), "the last received line is not repeated: {after}");
}

#[test]
fn plain_text_is_safe_for_a_terminal() {
    let daemon = simulated(1);
    let plain = ["--header", "Accept: text/plain"];
    let reply = daemon.client.request("/objects/web/logs?tail=1", &plain, b"");
    assert_eq!(reply.content_type, "text/plain; charset=utf-8");
    assert!(reply.body.starts_with("web.1.1 | simulated: ") && reply.body.ends_with('\n'), "{reply:?}");
    let reply = daemon.client.request("/objects/web/logs?tail=1&timestamps", &plain, b"");
    let time = reply.body.strip_prefix("web.1.1 | 20").and_then(|rest| rest.split(' ').next()).unwrap();
    assert!(time.len() == 28 && time.ends_with('Z'), "{reply:?}");
    let reply = daemon.client.request("/objects/web/logs?previous", &plain, b"");
    assert!(reply.body.starts_with("# web has no exited container"), "{reply:?}");
}

#[test]
fn a_missing_object_or_an_invalid_parameter_is_refused() {
    let daemon = simulated(1);
    for (path, status, field, word) in [
        ("/objects/wep/logs", 404, "", "did you mean 'web'?"),
        ("/objects/-/logs", 404, "", "no object '-'"),
        ("/objects/web/logs?container=web.1.2", 404, "container", "did you mean 'web.1.1'?"),
        ("/objects/web/logs?container=db", 404, "container", "/status/web"),
        ("/objects/web/logs?container=", 400, "container", "web.1.1"),
        ("/objects/web/logs?tail=10001", 400, "tail", "10000"),
        ("/objects/web/logs?tail=-1", 400, "tail", "whole number"),
        ("/objects/web/logs?since=yesterday", 400, "since", "duration"),
        ("/objects/web/logs?since=1764000000", 400, "since", "duration"),
        ("/objects/web/logs?follow=perhaps", 400, "follow", "true"),
        ("/objects/web/logs?slot=1", 400, "", "previous"),
    ] {
        let reply = daemon.client.get(path);
        assert_eq!(reply.status, status, "{path}: {reply:?}");
        let (detail, at) = reply.problem();
        assert!(at == field && detail.contains(word), "{path}: {at}: {detail}");
    }
    assert_eq!(daemon.client.post("/objects/web/logs", "").status, 405);
}

#[test]
fn following_sends_each_line_once_over_a_replacement_until_the_object_is_gone() {
    let daemon = simulated(2);
    let mut followed = daemon.client.stream("/objects/web/logs?follow=true", &[]);
    let first = |name: &'static str| {
        move |lines: &[Value]| {
            lines.iter().any(|line| line["Container"] == name && text(line).contains(" started on "))
        }
    };
    followed.until(SOON, "the earlier lines", |lines| first("web.1.1")(lines) && first("web.2.1")(lines));
    let past = followed.lines().len();
    followed.until(SOON, "new lines", |lines| lines.len() >= past + 2);
    let mut other = nginx("web", 2);
    other["Image"] = json!("nginx:1.9.7");
    daemon.client.submit(&other);
    followed.until(SOON, "the lines of the new containers", |lines| {
        first("web.1.2")(lines) && first("web.2.2")(lines)
    });
    daemon.converges("web", SOON);
    daemon.client.delete("/objects/web");
    assert!(followed.ended(SOON).expect("it ends").success());
    let mut all = followed.lines();
    assert_eq!(all.pop(), Some(json!({"Kind": "gone", "Text": "the object web is gone"})));
    let mut each: Vec<String> = all.iter().map(Value::to_string).collect();
    each.sort_unstable();
    each.dedup();
    assert_eq!(each.len(), all.len(), "no line is repeated");
    for name in ["web.1.1", "web.2.1", "web.1.2", "web.2.2"] {
        let own: Vec<&str> = all.iter().filter(|line| line["Container"] == name).map(text).collect();
        for (number, line) in own.iter().enumerate().skip(1) {
            assert!(line.contains(&format!(" line {number} of ")), "{name} has a gap: {own:?}");
        }
    }
    assert_eq!(daemon.client.get("/objects/web/logs").status, 404);
}

#[test]
fn logs_count_as_long_running_requests_and_a_stop_ends_them() {
    let mut daemon = simulated(1);
    let in_use = || {
        let metrics = daemon.client.get("/metrics").body;
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix("scsm_long_running_requests ").map(str::to_owned));
        line.unwrap()
    };
    assert_eq!(in_use(), "0");
    let open: Vec<Stream> = [None, Some("Accept: text/event-stream"), Some("Accept: text/plain")]
        .into_iter()
        .map(|accept| {
            let header = accept.map(|accept| ["--header", accept]);
            daemon.client.stream("/objects/web/logs?follow=true", header.as_ref().map_or(&[][..], |h| &h[..]))
        })
        .collect();
    for stream in &open {
        assert!(holds_within(SOON, || stream.body().contains("simulated: ")).is_some(), "{}", stream.body());
    }
    assert_eq!(in_use(), "3");
    assert!(open[1].body().starts_with("id: 20"), "{}", open[1].body());
    let metrics = daemon.client.get("/metrics").body;
    assert!(metrics.contains("route=\"/objects/{name}/logs\""), "{metrics}");
    assert!(metrics.contains("scsm_engine_calls_total{call=\"logs\",outcome=\"done\"}"), "{metrics}");
    daemon.signal("TERM");
    assert!(daemon.ended(SOON).expect("it ends").success());
    for mut stream in open {
        assert!(stream.ended(SOON).expect("the stream ends").success());
    }
}

#[test]
fn at_most_64_containers_are_read_at_once_and_a_note_says_so() {
    let daemon = Daemon::simulated();
    daemon.client.submit(&nginx("web", 70));
    daemon.wait_until(SOON, "they run", || daemon.object("web")["Running"] == 70);
    let is_note = |line: &Value| line["Kind"] == "note";
    let all = lines(&daemon, "");
    let notes: Vec<&Value> = all.iter().filter(|line| is_note(line)).collect();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0]["Text"].as_str().unwrap().starts_with("the logs of 64 of 70 containers"), "{notes:?}");
    assert_eq!(containers(&all).len(), 64);
    assert_eq!(containers(&lines(&daemon, "container=web.70.1")), ["web.70.1"]);

    let followed = daemon.client.stream("/objects/web/logs?follow=true", &[]);
    let received = followed.until(SOON, "the note", |lines| lines.iter().any(is_note));
    assert_eq!(containers(&received).len(), 64);
    // Containers that end make room for waiting ones.
    daemon.client.submit(&nginx("web", 0));
    daemon.client.submit(&nginx("web", 69));
    followed.until(SOON, "the lines of other containers", |lines| containers(lines).len() > 64);
}
