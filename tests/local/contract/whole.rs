//! The simulated engine supports all of the API, and the printed commands work.

use std::process::Command;

use serde_json::{Value, json};
use support::daemon::Setup;
use support::process::{run, text};
use support::{Daemon, SOON};

use super::*;

#[test]
fn the_simulated_engine_supports_everything_and_is_reported_as_simulated() {
    let daemon = Daemon::simulated();
    let output = format!("{}{}", daemon.banner(), daemon.log()).to_lowercase();
    assert!(output.contains("simulated"), "{output}");
    let engine = daemon.connected();
    assert!(engine["Kind"].as_str().unwrap().to_lowercase().contains("simulated"), "{engine}");
    assert_eq!(engine["Endpoint"], "simulated://3");
    assert_eq!(engine["Nodes"].as_array().map(Vec::len), Some(3), "{engine}");

    let answer = daemon.client.post("/submit", object("nginx", 5).to_string());
    assert_eq!((answer.status, answer.content_type.as_str()), (201, "application/json"), "{answer:?}");
    assert_eq!(answer.json(), json!({"Name": "nginx", "Generation": 1, "Result": "created"}));
    daemon.converges("nginx", SOON);
    let shown = daemon.object("nginx");
    for (field, value) in [
        ("Name", json!("nginx")),
        ("Image", json!("nginx:1.9.6")),
        ("Count", json!(5)),
        ("Generation", json!(1)),
        ("ObservedGeneration", json!(1)),
        ("Running", json!(5)),
        ("Ready", json!(5)),
        ("Updated", json!(5)),
        ("Phase", json!("converged")),
    ] {
        assert_eq!(shown[field], value, "{field} of {shown}");
    }
    let nodes: std::collections::BTreeSet<&str> =
        shown["Containers"].as_array().unwrap().iter().map(|row| row["Node"].as_str().unwrap()).collect();
    assert_eq!(nodes.len(), 3, "they are spread over the nodes: {nodes:?}");

    let answer = daemon.client.post("/submit", object("nginx", 5).to_string());
    assert_eq!((answer.status, &answer.json()["Result"]), (200, &json!("unchanged")));
    let answer = daemon.client.post("/submit", object("nginx", 2).to_string());
    assert_eq!((answer.status, &answer.json()["Result"]), (200, &json!("updated")));
    daemon.wait_until(SOON, "two are left", || {
        daemon.object("nginx")["Containers"].as_array().unwrap().len() == 2
    });
    let mut newer = object("nginx", 2);
    newer["Image"] = json!("nginx:1.9.7");
    assert_eq!(daemon.client.submit(&newer)["Generation"], 3);
    daemon.wait_until(SOON, "both have the new image", || {
        let shown = daemon.object("nginx");
        shown["Phase"] == "converged"
            && shown["Containers"]
                .as_array()
                .unwrap()
                .iter()
                .all(|row| row["State"] != "running" || row["Image"] == "nginx:1.9.7")
    });
    let reply = daemon.client.delete("/objects/nginx");
    assert!(matches!(reply.status, 200 | 202 | 204), "{reply:?}");
    daemon.wait_until(SOON, "it is gone", || daemon.client.get("/status/nginx").status == 404);
    assert_eq!(daemon.client.get("/objects/nginx").status, 404);
    assert_eq!(daemon.client.delete("/objects/nginx").status, 404);
}

#[test]
fn the_printed_commands_can_be_pasted() {
    let daemon = Daemon::simulated();
    for command in daemon.printed_curls() {
        let output = run(Command::new("sh").args(["-c", &command]));
        assert!(output.status.success(), "{command}\n{}", text(&output.stderr));
        let answer: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{command}\nanswers no JSON ({error}): {}", text(&output.stdout)));
        assert!(answer["status"].is_null(), "{command}\nanswers an error: {answer}");
    }
    assert_eq!(daemon.client.get("/objects").json().as_array().map(Vec::len), Some(1), "one of them submits");
}

#[test]
fn objects_are_shown_as_submitted_with_their_generation() {
    let daemon = Daemon::simulated();
    let mut web = object("web", 1);
    web["Env"] = json!(["A=1"]);
    web["HostConfig"] = json!({"Memory": 67_108_864});
    let answer = daemon.client.post("/submit", json!([web, object("db", 0)]).to_string());
    assert_eq!(answer.status, 201, "{answer:?}");
    let results: Vec<Value> = answer.json().as_array().unwrap().clone();
    assert_eq!(results[0], json!({"Name": "web", "Generation": 1, "Result": "created"}));
    assert_eq!(results[1]["Name"], "db", "in the order of the array: {results:?}");

    let shown = daemon.client.get("/objects/web").json();
    for (field, value) in web.as_object().unwrap() {
        assert_eq!(&shown[field], value, "{field} of {shown}");
    }
    assert_eq!(shown["Generation"], 1);
    let all = daemon.client.get("/objects").json();
    let names: Vec<&Value> = all.as_array().unwrap().iter().map(|object| &object["Name"]).collect();
    assert_eq!(names, ["db", "web"]);
    let names: Vec<Value> =
        daemon.status()["Objects"].as_array().unwrap().iter().map(|object| object["Name"].clone()).collect();
    assert_eq!(names, ["db", "web"]);

    // With one invalid object in an array none is accepted.
    let reply = daemon.client.post("/submit", json!([object("new", 1), object("bad name", 1)]).to_string());
    assert_eq!(reply.problem().1, "[1].Name", "{reply:?}");
    assert_eq!(daemon.client.get("/objects/new").status, 404);
}

#[test]
fn any_content_type_is_accepted_and_liveness_and_readiness_are_answered() {
    let daemon = Daemon::simulated();
    let body = object("web", 1).to_string();
    for content_type in
        ["application/json", "application/x-www-form-urlencoded", "text/plain", "nonsense", ""]
    {
        let header = format!("Content-Type: {content_type}");
        let reply =
            daemon.client.request("/submit", &["--header", &header, "--data-binary", "@-"], body.as_bytes());
        assert!(matches!(reply.status, 200 | 201), "{content_type:?}: {reply:?}");
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(daemon.client.get(path).status, 200, "{path}");
    }
}

#[test]
fn the_log_has_one_json_object_per_line_and_a_line_for_every_action() {
    let daemon = Setup::new().flag("--swarm-manager=simulated://3").flag("--log-format=json").start();
    let mut web = object("web", 2);
    web["Env"] = json!(["PASSWORD=correct-horse"]);
    daemon.client.submit(&web);
    daemon.converges("web", SOON);
    let log = daemon.log();
    for line in log.lines() {
        let entry: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(entry["level"].is_string(), "{line}");
    }
    for slot in 1..=2 {
        let action = |line: &&str| line.contains("create") && line.contains(&format!("web.{slot}.1"));
        assert!(log.lines().any(|line| action(&line)), "no line for the create of web.{slot}.1:\n{log}");
    }
    assert!(!log.contains("correct-horse"), "values of Env are not logged");
    assert!(!daemon.client.get("/status").body.contains("correct-horse"));

    let text = Setup::new().flag("--swarm-manager=simulated://1").flag("--log-format=text").start();
    assert!(text.log().lines().all(|line| serde_json::from_str::<Value>(line).is_err()), "{}", text.log());
}
