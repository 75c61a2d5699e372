//! `GET /objects/NAME/logs` on a real engine.

use serde_json::{Value, json};
use support::engine::Foreign;
use support::objects::{object_with, runs};
use support::{Cluster, Daemon, Engine, LABELS, SOON, unique};

fn text(line: &Value) -> &str {
    line["Line"].as_str().unwrap_or_default()
}

/// A cluster, its daemon and an object whose containers serve.
fn start(word: &str, count: u32, more: Value) -> Option<(Cluster, Daemon, String)> {
    let cluster = Engine::local()?.cluster(word);
    let daemon = Daemon::managing(&cluster);
    daemon.connected();
    let name = unique(word);
    submit(&daemon, &name, count, more);
    runs(&daemon, &cluster, count as usize);
    Some((cluster, daemon, name))
}

fn submit(daemon: &Daemon, name: &str, count: u32, more: Value) {
    daemon.client.submit(&object_with(name, count, more));
    daemon.converges(name, SOON);
}

/// Makes a container write something.
fn write(cluster: &Cluster, container: &str, what: &str) {
    let answer = cluster.engine().docker(&["exec", container, "/server", "get", what]);
    assert_eq!(
        answer, "written",
        "the image is from this checkout, not from another one that is tested at the same time"
    );
}

/// `CONTAINER STREAM LINE` of each line, with `web` for the object's name.
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
fn stdout_and_stderr_of_all_containers_are_read_by_tail_and_time() {
    let Some((cluster, daemon, name)) = start("logs", 2, json!({})) else { return };
    for (slot, what) in
        [(1, "/stdout/a"), (2, "/stderr/b"), (1, "/stderr/c"), (2, "/stdout/d"), (1, "/binary")]
    {
        write(&cluster, &format!("{name}.{slot}.1"), what);
    }
    daemon.wait_until(SOON, "all lines are there", || logs(&daemon, &name, "").len() == 7);
    let all = logs(&daemon, &name, "");
    let text_lines = shown(&all, &name);
    assert!(
        text_lines[..2].iter().all(|line| line.ends_with(".1 stdout serving on 0.0.0.0:8080")),
        "{text_lines:#?}"
    );
    let of = |container: &str| -> Vec<String> {
        text_lines.iter().filter_map(|line| line.strip_prefix(container)).map(str::to_owned).collect()
    };
    let serving = " stdout serving on 0.0.0.0:8080";
    assert_eq!(of("web.1.1"), [serving, " stdout a", " stderr c", " stdout a\u{fffd}\u{fffd}\0\u{1b}[2Jb"]);
    assert_eq!(of("web.2.1"), [serving, " stderr b", " stdout d"]);
    let times: Vec<&str> = all.iter().map(|line| line["At"].as_str().unwrap()).collect();
    assert!(times.is_sorted() && times.iter().all(|at| at.len() == 30), "{times:?}");

    assert_eq!(shown(&logs(&daemon, &name, "tail=1"), &name).len(), 2);
    let from = logs(&daemon, &name, &format!("since={}", times[3]));
    assert_eq!(from, all[3..], "`since` includes the line with that time");
    assert_eq!(logs(&daemon, &name, "since=0s"), [json!(null); 0]);

    // The engine sends a line of 10 MB in hundreds of pieces.
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
fn following_continues_over_a_replacement_and_ended_containers_can_be_read() {
    let Some((cluster, daemon, name)) = start("follow", 1, json!({})) else { return };
    write(&cluster, &format!("{name}.1.1"), "/stdout/past");
    let past = |query: &str| shown(&logs(&daemon, &name, query), &name);
    daemon
        .wait_until(SOON, "the earlier line", || past("").last().is_some_and(|line| line.ends_with("past")));
    let mut followed = daemon.client.stream(&format!("/objects/{name}/logs?follow=true&tail=1"), &[]);
    followed.until(SOON, "the earlier line", |lines| lines.len() == 1);
    write(&cluster, &format!("{name}.1.1"), "/stderr/now");
    followed.until(SOON, "the new line", |lines| lines.len() == 2);
    submit(&daemon, &name, 1, json!({"Image": "scsm-test:2"}));
    followed.until(
        SOON,
        "the first lines of the next container and the last lines of the first one",
        |lines| lines.len() == 5,
    );
    write(&cluster, &format!("{name}.1.2"), "/stdout/new");
    followed.until(SOON, "the next container's line", |lines| lines.len() == 6);

    let text_lines = shown(&followed.lines(), &name);
    let of = |container: &str| -> Vec<&str> {
        text_lines.iter().filter_map(|line| line.strip_prefix(container)).collect()
    };
    assert_eq!(
        of("web.1.1 "),
        ["stdout past", "stderr now", "stdout got signal 15, stopping", "stdout stopped"]
    );
    assert_eq!(of("web.1.2 "), ["stdout serving on 0.0.0.0:8080", "stdout new"]);
    let lines = ["web.1.2 stdout serving on 0.0.0.0:8080", "web.1.2 stdout new"];
    assert_eq!(past(""), lines);
    let none = past("previous=true");
    assert!(none.len() == 1 && none[0].starts_with("note:  web has no exited container"), "{none:?}");

    // A container that ends by itself is kept.
    cluster.engine().docker(&["kill", &format!("{name}.1.2")]);
    let third = |lines: &[Value]| lines.iter().any(|line| line["Container"] == format!("{name}.1.3"));
    followed.until(SOON, "the third container", third);
    assert_eq!(past("previous=true"), lines);
    assert_eq!(past(&format!("container={name}.1.2")), lines, "by its name, without `previous`");
    let both = daemon.client.stream(&format!("/objects/{name}/logs?follow=true&previous=true"), &[]);
    both.until(SOON, "both containers", third);
    assert_eq!(shown(&both.lines(), &name)[..2], lines);
    daemon.client.delete(&format!("/objects/{name}"));
    assert!(followed.ended(SOON).expect("it ends").success());
    assert_eq!(
        followed.lines().last(),
        Some(&json!({"Kind": "gone", "Text": format!("the object {name} is gone")}))
    );
}

#[test]
fn the_log_of_a_terminal_is_read_as_one_stream() {
    let Some((cluster, daemon, name)) = start("tty", 1, json!({"Tty": true})) else { return };
    let container = format!("{name}.1.1");
    for what in ["/stdout/one", "/stderr/two", "/binary", "/long/40000", "/stdout/three"] {
        write(&cluster, &container, what);
    }
    let lines = || logs(&daemon, &name, "");
    daemon
        .wait_until(SOON, "all lines are there", || lines().last().is_some_and(|line| text(line) == "three"));
    let mut text_lines = shown(&lines(), &name);
    let long = text_lines.remove(4);
    assert_eq!(
        text_lines,
        ["serving on 0.0.0.0:8080", "one", "two", "a\u{fffd}\u{fffd}\0\u{1b}[2Jb", "three"]
            .map(|line| format!("web.1.1 stdout {line}"))
    );
    assert!(long.contains("xxx\u{2026} (") && long.len() < 17 * 1024, "{}", long.len());
}

#[test]
fn an_unreadable_logging_driver_is_reported() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("driver");
    let daemon = Daemon::managing(&cluster);
    daemon.connected();
    let name = unique("driver");
    submit(&daemon, &name, 1, json!({"HostConfig": {"LogConfig": {"Type": "none"}}}));
    let text_lines = shown(&logs(&daemon, &name, ""), &name);
    assert_eq!(text_lines.len(), 1, "{text_lines:?}");
    assert!(
        text_lines[0].starts_with("note: web.1.1 its logging driver does not support reading (501: "),
        "{text_lines:?}"
    );
    let reply = daemon.client.get(&format!("/objects/{name}/logs?previous=true"));
    assert!(reply.body.contains("History says how many"), "{reply:?}");
}

#[test]
fn only_the_managers_own_containers_are_read() {
    let Some((cluster, daemon, name)) = start("whose", 1, json!({})) else { return };
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
    let run = |name: &str, slot, manager: &str| {
        let mut flags = labels(slot, manager).to_vec();
        flags.push(format!("--label={LABELS}.template={template}"));
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        Foreign::run_with(cluster.engine(), name, &flags)
    };
    let other_managers = run(&format!("{name}.2.1"), 2, &"ab".repeat(16));
    let copy = run(&unique("copy"), 1, &own);
    daemon.wait_until(SOON, "both are listed", || {
        let status = daemon.status();
        status["Manager"]["Rivals"].is_array() && status["Unclaimed"].to_string().contains(&copy.name)
    });
    let text_lines = shown(&logs(&daemon, &name, ""), &name);
    assert_eq!(text_lines, ["web.1.1 stdout serving on 0.0.0.0:8080"]);
    for foreign in [&other_managers, &copy] {
        let reply = daemon.client.get(&format!("/objects/{name}/logs?container={}", foreign.name));
        assert_eq!(reply.status, 404, "{reply:?}");
    }
}
