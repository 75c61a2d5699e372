//! `GET /objects/NAME/logs` and the command `logs`: on the simulated engine, whose lines are invented, and on a real one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

mod support;

use serde_json::{Value, json};
use support::engine::Foreign;
use support::{Cluster, Container, Daemon, Engine, LABELS, SOON, Stream, holds_within, unique};

fn object(name: &str, count: u32) -> Value {
    json!({"Name": name, "Image": "nginx:1.9.6", "Count": count, "Update": {"Monitor": "100ms"}})
}

/// A daemon on the simulated engine, where this many containers of `web` have written some lines each.
fn simulated(count: u32) -> Daemon {
    let daemon = Daemon::simulated();
    daemon.client.submit(&object("web", count));
    daemon.converges("web", SOON);
    let all = count as usize * 2;
    daemon.wait_until(SOON, "each has written two lines", || lines(&daemon, "").len() >= all);
    daemon
}

/// The lines that there are, with these parameters.
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
fn the_last_lines_of_all_containers_come_in_order_of_time() {
    let daemon = simulated(3);
    let all = lines(&daemon, "");
    assert_eq!(containers(&all), ["web.1.1", "web.2.1", "web.3.1"]);
    let times: Vec<&str> = all.iter().map(|line| line["At"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert!(all.iter().all(|line| text(line).starts_with("simulated: ")), "{all:?}");
    assert!(all.iter().all(|line| line.as_object().unwrap().len() == 4), "{all:?}");

    let tail = lines(&daemon, "tail=1");
    assert_eq!((tail.len(), containers(&tail).len()), (3, 3), "so many of each: {tail:?}");
    assert_eq!(lines(&daemon, "tail=0"), [json!(null); 0]);
    let one = lines(&daemon, "container=web.2.1");
    assert_eq!(containers(&one), ["web.2.1"]);
    // From a time on, that time included.
    let since = one[1]["At"].as_str().unwrap();
    assert_eq!(lines(&daemon, &format!("container=web.2.1&since={since}"))[0], one[1]);
    assert_eq!(lines(&daemon, "container=web.2.1&since=1h")[0], one[0]);
    assert_eq!(lines(&daemon, "since=0s"), [json!(null); 0]);
    let header = ["--header", &format!("Last-Event-ID: {since}")];
    let after = daemon.client.request("/objects/web/logs?container=web.2.1", &header, b"").body;
    assert!(!after.contains(since), "what a client had last is not told again: {after}");
}

#[test]
fn people_get_text_that_a_terminal_may_see() {
    let daemon = simulated(1);
    let plain = ["--header", "Accept: text/plain"];
    let reply = daemon.client.request("/objects/web/logs?tail=1", &plain, b"");
    assert_eq!(reply.content_type, "text/plain; charset=utf-8");
    assert!(reply.body.starts_with("web.1.1 | simulated: ") && reply.body.ends_with('\n'), "{reply:?}");
    let reply = daemon.client.request("/objects/web/logs?tail=1&timestamps", &plain, b"");
    let time = reply.body.strip_prefix("web.1.1 | 20").and_then(|rest| rest.split(' ').next()).unwrap();
    assert!(time.len() == 28 && time.ends_with('Z'), "{reply:?}");
    let reply = daemon.client.request("/objects/web/logs?previous", &plain, b"");
    assert!(reply.body.starts_with("# no ended container of web is kept"), "{reply:?}");
}

#[test]
fn what_is_not_there_or_not_understood_is_refused() {
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
fn who_follows_gets_each_line_once_over_a_replacement_until_the_object_is_gone() {
    let daemon = simulated(2);
    let mut followed = daemon.client.stream("/objects/web/logs?follow=true", &[]);
    let first = |name: &'static str| {
        move |lines: &[Value]| {
            lines.iter().any(|line| line["Container"] == name && text(line).contains(" started on "))
        }
    };
    followed.until(SOON, "the past", |lines| first("web.1.1")(lines) && first("web.2.1")(lines));
    let past = followed.lines().len();
    followed.until(SOON, "and what comes", |lines| lines.len() >= past + 2);
    let mut other = object("web", 2);
    other["Image"] = json!("nginx:1.9.7");
    daemon.client.submit(&other);
    followed.until(SOON, "the new ones join", |lines| first("web.1.2")(lines) && first("web.2.2")(lines));
    daemon.converges("web", SOON);
    daemon.client.delete("/objects/web");
    assert!(followed.ended(SOON).expect("it ends").success());
    let mut all = followed.lines();
    assert_eq!(all.pop(), Some(json!({"Kind": "gone", "Text": "the object web is gone"})));
    let told = |line: &Value| line.to_string();
    let mut each: Vec<String> = all.iter().map(told).collect();
    each.sort_unstable();
    each.dedup();
    assert_eq!(each.len(), all.len(), "none came twice");
    for name in ["web.1.1", "web.2.1", "web.1.2", "web.2.2"] {
        let of_it: Vec<&str> = all.iter().filter(|line| line["Container"] == name).map(text).collect();
        for (number, line) in of_it.iter().enumerate().skip(1) {
            assert!(line.contains(&format!(" line {number} of ")), "{name} without a gap: {of_it:?}");
        }
    }
    assert_eq!(daemon.client.get("/objects/web/logs").status, 404);
}

#[test]
fn logs_count_among_the_answers_that_take_long_and_a_stop_ends_them() {
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
fn no_more_than_64_containers_are_read_at_once_and_the_stream_says_so() {
    let daemon = Daemon::simulated();
    daemon.client.submit(&object("web", 70));
    daemon.wait_until(SOON, "they run", || daemon.object("web")["Running"] == 70);
    let is_note = |line: &Value| line["Kind"] == "note";
    let all = lines(&daemon, "");
    let notes: Vec<&Value> = all.iter().filter(|line| is_note(line)).collect();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0]["Text"].as_str().unwrap().starts_with("the logs of 64 of 70 containers"), "{notes:?}");
    assert_eq!(containers(&all).len(), 64);
    assert_eq!(containers(&lines(&daemon, "container=web.70.1")), ["web.70.1"]);

    let followed = daemon.client.stream("/objects/web/logs?follow=true", &[]);
    let told = followed.until(SOON, "it says so", |lines| lines.iter().any(is_note));
    assert_eq!(containers(&told).len(), 64);
    // Those that leave make room for those that wait.
    daemon.client.submit(&object("web", 0));
    daemon.client.submit(&object("web", 69));
    followed.until(SOON, "others join", |lines| containers(lines).len() > 64);
}

// ---- A real engine

/// A cluster, its daemon and an object of it, whose containers serve.
fn real(word: &str, count: u32, more: Value) -> Option<(Cluster, Daemon, String)> {
    let cluster = Engine::local()?.cluster(word);
    let daemon = Daemon::managing(&cluster);
    daemon.connected();
    let name = unique(word);
    submit(&daemon, &name, count, more);
    serve(&daemon, &cluster, count as usize);
    Some((cluster, daemon, name))
}

fn submit(daemon: &Daemon, name: &str, count: u32, more: Value) {
    let mut object = json!({
        "Name": name, "Image": "scsm-test:1", "Count": count, "Update": {"Monitor": "300ms"},
    });
    object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    daemon.client.submit(&object);
    daemon.converges(name, SOON);
}

#[track_caller]
fn serve(daemon: &Daemon, cluster: &Cluster, count: usize) -> Vec<Container> {
    let running = || cluster.running();
    daemon.wait_until(SOON, "all serve", || {
        let running = running();
        running.len() == count && running.iter().all(|container| cluster.serves(container))
    });
    running()
}

/// Has a container write something.
fn write(cluster: &Cluster, container: &str, what: &str) {
    let told = cluster.engine().docker(&["exec", container, "/server", "tell", what]);
    assert_eq!(
        told, "written",
        "the image is not that of this checkout, but of another that is tested as well?"
    );
}

/// `CONTAINER STREAM LINE` of each line, with the object's name taken out.
fn shown(lines: &[Value], name: &str) -> Vec<String> {
    let part = |line: &Value, part: &str| line[part].as_str().unwrap_or_default().to_owned();
    let show = |line: &Value| match line["Kind"].as_str() {
        None => format!("{} {} {}", part(line, "Container"), part(line, "Stream"), part(line, "Line")),
        Some(kind) => format!("{kind}: {} {}", part(line, "Container"), part(line, "Text")),
    };
    lines.iter().map(|line| show(line).replace(name, "web")).collect()
}

#[track_caller]
fn logs(daemon: &Daemon, name: &str, query: &str) -> Vec<Value> {
    let reply = daemon.client.get(&format!("/objects/{name}/logs?{query}"));
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn on_a_real_engine_both_outputs_of_all_containers_are_read_by_tail_and_time() {
    let Some((cluster, daemon, name)) = real("logs", 2, json!({})) else { return };
    for (slot, what) in
        [(1, "/stdout/a"), (2, "/stderr/b"), (1, "/stderr/c"), (2, "/stdout/d"), (1, "/binary")]
    {
        write(&cluster, &format!("{name}.{slot}.1"), what);
    }
    daemon.wait_until(SOON, "all is there", || logs(&daemon, &name, "").len() == 7);
    let all = logs(&daemon, &name, "");
    let said = shown(&all, &name);
    assert!(said[..2].iter().all(|line| line.ends_with(".1 stdout serving on 0.0.0.0:8080")), "{said:#?}");
    let of = |container: &str| -> Vec<String> {
        said.iter().filter_map(|line| line.strip_prefix(container)).map(str::to_owned).collect()
    };
    let serving = " stdout serving on 0.0.0.0:8080";
    assert_eq!(of("web.1.1"), [serving, " stdout a", " stderr c", " stdout a\u{fffd}\u{fffd}\0\u{1b}[2Jb"]);
    assert_eq!(of("web.2.1"), [serving, " stderr b", " stdout d"]);
    let times: Vec<&str> = all.iter().map(|line| line["At"].as_str().unwrap()).collect();
    assert!(times.is_sorted() && times.iter().all(|at| at.len() == 30), "{times:?}");

    assert_eq!(shown(&logs(&daemon, &name, "tail=1"), &name).len(), 2);
    let from = logs(&daemon, &name, &format!("since={}", times[3]));
    assert_eq!(from, all[3..], "from a line's own time on");
    assert_eq!(logs(&daemon, &name, "since=0s"), [json!(null); 0]);

    // A line of 10 MB comes in hundreds of pieces.
    write(&cluster, &format!("{name}.1.1"), "/long/10000000");
    write(&cluster, &format!("{name}.1.1"), "/stdout/after");
    let tail = format!("container={name}.1.1&tail=2000");
    daemon.wait_until(SOON, "the line after it", || {
        logs(&daemon, &name, &tail).last().is_some_and(|line| text(line) == "after")
    });
    let lines = logs(&daemon, &name, &tail);
    let long = text(&lines[lines.len() - 2]);
    assert!(long.ends_with("x\u{2026} (10000000 bytes)") && long.len() <= 16 * 1024, "{}", long.len());
}

#[test]
fn on_a_real_engine_who_follows_goes_over_a_replacement_and_the_ended_ones_are_kept() {
    let Some((cluster, daemon, name)) = real("follow", 1, json!({})) else { return };
    write(&cluster, &format!("{name}.1.1"), "/stdout/past");
    let past = |query: &str| shown(&logs(&daemon, &name, query), &name);
    daemon.wait_until(SOON, "the past", || past("").last().is_some_and(|line| line.ends_with("past")));
    let mut followed = daemon.client.stream(&format!("/objects/{name}/logs?follow=true&tail=1"), &[]);
    followed.until(SOON, "the past", |lines| lines.len() == 1);
    write(&cluster, &format!("{name}.1.1"), "/stderr/now");
    followed.until(SOON, "what comes", |lines| lines.len() == 2);
    submit(&daemon, &name, 1, json!({"Image": "scsm-test:2"}));
    followed.until(SOON, "the next one joins, and the first one's last words", |lines| lines.len() == 5);
    write(&cluster, &format!("{name}.1.2"), "/stdout/new");
    followed.until(SOON, "and what it writes", |lines| lines.len() == 6);

    let said = shown(&followed.lines(), &name);
    let of = |container: &str| -> Vec<&str> {
        said.iter().filter_map(|line| line.strip_prefix(container)).collect()
    };
    assert_eq!(of("web.1.1 "), ["stdout past", "stderr now", "stdout got signal 15, leaving", "stdout left"]);
    assert_eq!(of("web.1.2 "), ["stdout serving on 0.0.0.0:8080", "stdout new"]);
    let lines = ["web.1.2 stdout serving on 0.0.0.0:8080", "web.1.2 stdout new"];
    assert_eq!(past(""), lines);
    let none = past("previous=true");
    assert!(none.len() == 1 && none[0].starts_with("note:  no ended container of web is kept"), "{none:?}");

    // One that ends by itself is kept.
    cluster.engine().docker(&["kill", &format!("{name}.1.2")]);
    let third = |lines: &[Value]| lines.iter().any(|line| line["Container"] == format!("{name}.1.3"));
    followed.until(SOON, "the third", third);
    assert_eq!(past("previous=true"), lines);
    assert_eq!(past(&format!("container={name}.1.2")), lines, "by its name without being told so");
    let both = daemon.client.stream(&format!("/objects/{name}/logs?follow=true&previous=true"), &[]);
    both.until(SOON, "both", third);
    assert_eq!(shown(&both.lines(), &name)[..2], lines);
    daemon.client.delete(&format!("/objects/{name}"));
    assert!(followed.ended(SOON).expect("it ends").success());
    assert_eq!(
        followed.lines().last(),
        Some(&json!({"Kind": "gone", "Text": format!("the object {name} is gone")}))
    );
}

#[test]
fn on_a_real_engine_a_terminals_log_is_read_as_it_was_shown() {
    let Some((cluster, daemon, name)) = real("tty", 1, json!({"Tty": true})) else { return };
    let container = format!("{name}.1.1");
    for what in ["/stdout/one", "/stderr/two", "/binary", "/long/40000", "/stdout/three"] {
        write(&cluster, &container, what);
    }
    let lines = || logs(&daemon, &name, "");
    daemon.wait_until(SOON, "all is there", || lines().last().is_some_and(|line| text(line) == "three"));
    let mut said = shown(&lines(), &name);
    let long = said.remove(4);
    assert_eq!(
        said,
        ["serving on 0.0.0.0:8080", "one", "two", "a\u{fffd}\u{fffd}\0\u{1b}[2Jb", "three"]
            .map(|line| format!("web.1.1 stdout {line}"))
    );
    assert!(long.contains("xxx\u{2026} (") && long.len() < 17 * 1024, "{}", long.len());
}

#[test]
fn on_a_real_engine_a_driver_that_cannot_be_read_is_told() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("driver");
    let daemon = Daemon::managing(&cluster);
    daemon.connected();
    let name = unique("driver");
    submit(&daemon, &name, 1, json!({"HostConfig": {"LogConfig": {"Type": "none"}}}));
    let said = shown(&logs(&daemon, &name, ""), &name);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("note: web.1.1 its logging driver cannot be read (501: "), "{said:?}");
    let reply = daemon.client.get(&format!("/objects/{name}/logs?previous=true"));
    assert!(reply.body.contains("History says how many"), "{reply:?}");
}

#[test]
fn on_a_real_engine_only_the_managers_own_containers_are_read() {
    let Some((cluster, daemon, name)) = real("whose", 1, json!({})) else { return };
    let labels = |slot: u32, manager: &str| {
        [
            ("cluster", cluster.name()),
            ("object", &name),
            ("slot", &slot.to_string()),
            ("attempt", "1"),
            ("manager", manager),
        ]
        .map(|(label, value)| format!("--label={LABELS}.{label}={value}"))
    };
    let own = daemon.status()["Manager"]["Id"].as_str().unwrap().to_owned();
    let template = cluster.engine().docker(&[
        "inspect",
        "--format",
        &format!("{{{{index .Config.Labels \"{LABELS}.template\"}}}}"),
        &format!("{name}.1.1"),
    ]);
    let run = |called: &str, slot, manager: &str| {
        let mut flags = labels(slot, manager).to_vec();
        flags.push(format!("--label={LABELS}.template={template}"));
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        Foreign::run_with(cluster.engine(), called, &flags)
    };
    let rival = run(&format!("{name}.2.1"), 2, &"ab".repeat(16));
    let copy = run(&unique("copy"), 1, &own);
    daemon.wait_until(SOON, "both are seen", || {
        let status = daemon.status();
        status["Manager"]["Rivals"].is_array() && status["Unclaimed"].to_string().contains(&copy.name)
    });
    let said = shown(&logs(&daemon, &name, ""), &name);
    assert_eq!(said, ["web.1.1 stdout serving on 0.0.0.0:8080"]);
    for foreign in [&rival, &copy] {
        let reply = daemon.client.get(&format!("/objects/{name}/logs?container={}", foreign.name));
        assert_eq!(reply.status, 404, "{reply:?}");
    }
}
