//! Pruning, rollback, and the log line of each change.

use serde_json::{Value, json};
use support::Daemon;
use support::objects::simulated_object as object;

use super::outcome;

#[test]
fn with_prune_an_array_is_the_complete_set() {
    let daemon = Daemon::simulated();
    let all = ["team-a", "team-b", "team-c", "other"].map(|name| object(name, "web:1", 1));
    assert_eq!(daemon.client.post("/submit?wait=20s", json!(all).to_string()).status, 200);
    let body = json!([object("team-a", "web:1", 1), object("team-d", "web:1", 1)]).to_string();

    let dry_run = daemon.client.post("/submit?prune=team-&dry_run", &body).json();
    let results = |answer: &Value| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        answer.as_array().unwrap().iter().map(|row| (text(&row["Name"]), text(&row["Result"]))).collect()
    };
    let expected =
        [("team-a", "unchanged"), ("team-d", "created"), ("team-b", "deleted"), ("team-c", "deleted")]
            .map(|(name, result)| (name.to_owned(), result.to_owned()));
    assert_eq!(results(&dry_run["Objects"]), expected);
    assert_eq!(dry_run["Changes"], 3);
    assert_eq!(daemon.client.get("/objects").json().as_array().unwrap().len(), 4);

    let answer = daemon.client.post("/submit?prune=team-&wait=20s", &body);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(results(&answer.json()["Objects"]), expected);
    let names: Vec<Value> =
        daemon.status()["Objects"].as_array().unwrap().iter().map(|row| row["Name"].clone()).collect();
    assert_eq!(names, ["other", "team-a", "team-d"], "the pruned objects are gone");

    for (path, body, expected) in [
        ("/submit?prune=", &body, "allowed is a prefix of names"),
        ("/submit?prune=team-*", &body, "allowed is a prefix of names"),
        ("/submit?prune=team-", &object("team-a", "web:1", 1).to_string(), "put it into [ ]"),
        ("/submit?pruned=team-", &body, "did you mean 'prune'"),
        ("/submit?wait=soon", &body, "60s"),
        ("/submit?wait=2h", &body, "up to 1h"),
        ("/submit?dry_run=maybe", &body, "true and false"),
    ] {
        let reply = daemon.client.post(path, body);
        assert_eq!(reply.status, 400, "{path}: {reply:?}");
        assert!(reply.problem().0.contains(expected), "{path}: {reply:?}");
    }
    // An empty array would delete all.
    assert_eq!(daemon.client.post("/submit?prune=team-", "[]").status, 422);
    assert_eq!(daemon.client.get("/objects").json().as_array().unwrap().len(), 3);
}

#[test]
fn an_object_has_a_history_and_can_be_rolled_back() {
    let daemon = Daemon::simulated();
    for image in ["web:1", "web:2"] {
        daemon.client.submit(&object("web", image, 2));
    }
    let history = daemon.client.get("/objects/web/history").json();
    assert_eq!(
        (&history["Name"], &history["Generation"], &history["Deleted"]),
        (&json!("web"), &json!(2), &Value::Null)
    );
    assert_eq!(history["Revisions"].as_array().unwrap().len(), 2);
    let newest = &history["Revisions"][0];
    assert_eq!((&newest["Generation"], &newest["Object"]["Image"]), (&json!(2), &json!("web:2")));
    assert!(newest["By"].as_str().unwrap().starts_with("O="), "{newest}");
    assert!(newest["At"].as_str().unwrap().ends_with('Z'), "{newest}");
    assert_eq!(history["Revisions"][1]["Object"], object("web", "web:1", 2), "as it was submitted");

    let rollback = |query: &str, more: &[&str]| {
        let arguments: Vec<&str> = ["--request", "POST"].iter().chain(more).copied().collect();
        daemon.client.request(&format!("/objects/web/rollback{query}"), &arguments, b"")
    };
    assert_eq!(rollback("", &["--header", "If-Match: \"1\""]).status, 412);
    let answer = rollback("?wait=40s", &["--header", "If-Match: \"2\""]);
    assert_eq!((answer.status, outcome(&answer.json())), (200, ("web", 3, "updated", "converged")));
    assert_eq!(answer.json()["RolledBackTo"], 1);
    assert_eq!(daemon.client.get("/objects/web").json()["Image"], "web:1");
    assert_eq!(daemon.client.get("/objects/web/history").json()["Revisions"][0]["RolledBackTo"], 1);
    assert_eq!(rollback("?to=2", &[]).json()["RolledBackTo"], 2);
    assert_eq!(rollback("?to=2", &[]).json()["Result"], "unchanged");
    let reply = rollback("?to=17", &[]);
    assert_eq!((reply.status, reply.problem().0.contains("kept are 1, 2, 3, 4")), (422, true), "{reply:?}");
    assert_eq!(rollback("?to=last", &[]).status, 400);

    // A deleted object has a history, too, and can be restored.
    assert_eq!(daemon.client.delete("/objects/web").json()["Generation"], 5);
    let history = daemon.client.get("/objects/web/history").json();
    assert!(
        history["Deleted"].is_string() && history["Revisions"].as_array().unwrap().len() == 4,
        "{history}"
    );
    let answer = rollback("?wait=40s", &[]);
    assert_eq!((answer.status, outcome(&answer.json())), (200, ("web", 6, "created", "converged")));
    assert_eq!(daemon.client.get("/objects/web").json()["Image"], "web:2");
    assert_eq!(daemon.client.get("/objects/wbe/history").status, 404);
    for (method, path, allowed) in [
        ("DELETE", "/objects/web/history", "get"),
        ("GET", "/objects/web/rollback", "post"),
        ("POST", "/plan", "get"),
    ] {
        let reply = daemon.client.request(path, &["--request", method], b"");
        let allow = reply.headers.iter().find(|line| line.starts_with("allow:"));
        assert!(reply.status == 405 && allow.is_some_and(|line| line.contains(allowed)), "{path}: {reply:?}");
    }
}

#[test]
fn every_change_is_logged_with_its_author() {
    let daemon = Daemon::simulated();
    daemon.client.post("/submit?wait=20s", object("web", "web:1", 1).to_string());
    daemon.client.post("/submit?dry_run", object("web", "web:9", 1).to_string());
    daemon.client.submit(&object("web", "web:2", 1));
    daemon.client.request("/objects/web/rollback", &["--request", "POST"], b"");
    daemon.client.delete("/objects/web");
    let log = daemon.log();
    let lines: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["message"] == "submitted")
        .collect();
    let logged: Vec<_> =
        lines.iter().map(|line| (line["generation"].clone(), line["result"].clone())).collect();
    let expected = [(1, "created"), (2, "updated"), (3, "updated"), (4, "deleted")];
    assert_eq!(logged, expected.map(|(generation, result)| (json!(generation), json!(result))));
    let names_author = |line: &Value| {
        line["by"].as_str().is_some_and(|by| by.starts_with("O=")) && line["fingerprint"].is_string()
    };
    assert!(lines.iter().all(names_author), "{log}");
    assert!(!log.contains("web:9"), "a dry run is not logged as a change");
}
