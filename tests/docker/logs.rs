//! `GET /objects/NAME/logs` on a real engine.

use serde_json::{Value, json};
use support::engine::Foreign;
use support::{Cluster, Container, Daemon, Engine, LABELS, SOON, unique};

fn text(line: &Value) -> &str {
    line["Line"].as_str().unwrap_or_default()
}

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
fn both_outputs_of_all_containers_are_read_by_tail_and_time() {
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
fn who_follows_goes_over_a_replacement_and_the_ended_ones_are_kept() {
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
fn a_terminals_log_is_read_as_it_was_shown() {
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
fn a_driver_that_cannot_be_read_is_told() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("driver");
    let daemon = Daemon::managing(&cluster);
    daemon.connected();
    let name = unique("driver");
    submit(&daemon, &name, 1, json!({"HostConfig": {"LogConfig": {"Type": "none"}}}));
    let said = shown(&logs(&daemon, &name, ""), &name);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with("note: web.1.1 its logging driver does not support reading (501: "),
        "{said:?}"
    );
    let reply = daemon.client.get(&format!("/objects/{name}/logs?previous=true"));
    assert!(reply.body.contains("History says how many"), "{reply:?}");
}

#[test]
fn only_the_managers_own_containers_are_read() {
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
