//! What scripts can rely on: a submit that waits, is rehearsed, prunes, goes back, or is refused, told by curl and by
//! clients that keep their connections, without Docker.

use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::{Value, json};
use support::kept::{Kept, made_client};
use support::{Daemon, SOON};
use tokio::task::JoinSet;
use tokio::time::timeout;

fn object(name: &str, image: &str, count: u32) -> Value {
    json!({"Name": name, "Image": image, "Count": count, "Update": {"Monitor": "100ms"}})
}

/// One that never counts as converged within a test: what runs is to be watched for an hour.
fn endless(name: &str) -> Value {
    json!({"Name": name, "Image": "web:1", "Count": 1, "Update": {"Monitor": "1h"}})
}

/// The members of an answer that a script looks at.
fn outcome(answer: &Value) -> (&str, u64, &str, &str) {
    let text = |name: &str| answer[name].as_str().unwrap_or_default();
    (text("Name"), answer["Generation"].as_u64().unwrap_or_default(), text("Result"), text("Outcome"))
}

// ---- Waiting

#[test]
fn a_submit_that_waits_answers_when_all_of_it_runs() {
    let daemon = Daemon::simulated();
    let answer = daemon.client.post("/submit?wait=20s", object("web", "web:1", 5).to_string());
    assert_eq!((answer.status, answer.content_type.as_str()), (200, "application/json"), "{answer:?}");
    assert_eq!(outcome(&answer.json()), ("web", 1, "created", "converged"));
    assert_eq!(answer.json()["Reason"], "5 of 5 run, as wanted");
    assert!(answer.headers.iter().any(|line| line == "etag: \"1\""), "{answer:?}");
    assert_eq!(daemon.object("web")["Ready"], 5);

    // The same again is answered at once, and restarts nothing.
    let before = daemon.object("web")["Containers"].clone();
    let begun = Instant::now();
    let answer = daemon.client.post("/submit?wait=20s", object("web", "web:1", 5).to_string()).json();
    assert_eq!(outcome(&answer), ("web", 1, "unchanged", "converged"));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(daemon.object("web")["Containers"], before);

    // An update is answered when the last old container is gone, an array when all of it has settled.
    let array = json!([object("web", "web:2", 5), object("db", "db:1", 2)]);
    let answer = daemon.client.post("/submit?wait=50s", array.to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    assert_eq!(answer["Outcome"], "converged", "as a failure has it: {answer}");
    assert_eq!(outcome(&answer["Objects"][0]), ("web", 2, "updated", "converged"));
    assert_eq!(outcome(&answer["Objects"][1]), ("db", 1, "created", "converged"));
    let shown = daemon.object("web");
    assert!(shown["Containers"].as_array().unwrap().iter().all(|row| row["Image"] == "web:2"), "{shown}");

    // A deletion is answered when nothing is left.
    let answer = daemon.client.request("/objects/web?wait=20s", &["--request", "DELETE"], b"");
    assert_eq!((answer.status, outcome(&answer.json())), (200, ("web", 3, "deleted", "converged")));
    assert_eq!(daemon.client.get("/status/web").status, 404);
}

#[test]
fn what_cannot_work_is_called_failed_and_what_is_not_known_is_not() {
    let daemon = Daemon::simulated();
    let begun = Instant::now();
    let mut none = object("web", "nosuch:1", 3);
    none["Update"] = json!({"FailAfter": "0s"});
    let reply = daemon.client.post("/submit?wait=50s", none.to_string());
    assert_eq!(reply.status, 424, "{reply:?}");
    let (detail, _) = reply.problem();
    eprintln!("an image that cannot be had is called a failure after {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(15), "long before the time that was given");
    assert!(detail.contains("nosuch:1 not found: manifest unknown"), "the engine's own words: {detail}");
    let answer = reply.json();
    assert_eq!(outcome(&answer), ("web", 1, "created", "failed"));
    assert_eq!(answer["title"], "Failed");
    assert!(answer["Reason"].as_str().unwrap().ends_with("failed 3 times in a row"), "{answer}");

    let mut cannot_start = object("cmd", "web:1", 2);
    cannot_start["Cmd"] = json!(["/nope"]);
    let mut nowhere = object("far", "web:1", 1);
    nowhere["Constraints"] = json!(["name==n9"]);
    nowhere["Update"] = json!({"FailAfter": "0s"});
    let array = json!([object("ok", "web:1", 1), cannot_start, nowhere, endless("slow")]);
    let reply = daemon.client.post("/submit?wait=15s", array.to_string());
    assert_eq!(reply.status, 424, "the worst decides: {reply:?}");
    let (detail, _) = reply.problem();
    assert!(
        detail.contains("'cmd'") && detail.contains("/nope") && detail.contains("1 more of the 4"),
        "{detail}"
    );
    let answer = reply.json();
    let outcomes: Vec<_> = answer["Objects"].as_array().unwrap().iter().map(outcome).collect();
    let expected = [
        ("ok", 1, "created", "converged"),
        ("cmd", 1, "created", "failed"),
        ("far", 1, "created", "failed"),
        ("slow", 1, "created", "timed_out"),
    ];
    assert_eq!(outcomes, expected);

    let reply = daemon.client.post("/submit?wait=1s", endless("slow").to_string());
    assert_eq!((reply.status, outcome(&reply.json())), (504, ("slow", 1, "unchanged", "timed_out")));
    let (detail, _) = reply.problem();
    assert!(detail.contains("within 1s: 1 of 1 run") && detail.contains("1h"), "{detail}");

    let reply = daemon.client.post("/submit?wait=1s", object("web", "nosuch:2", 3).to_string());
    assert_eq!(reply.status, 504, "one failure is none: {reply:?}");
    assert_eq!(reply.json()["title"], "Timed out");
}

#[test]
fn without_an_engine_nothing_fails_and_nothing_is_foretold() {
    let nowhere = std::env::temp_dir().join(support::unique("no-engine.sock"));
    let endpoint = format!("--swarm-manager=unix://{}", nowhere.display());
    let daemon = support::daemon::Setup::new().flag(endpoint).start();
    let reply = daemon.client.post("/submit?wait=5s", object("web", "web:1", 1).to_string());
    assert_eq!((reply.status, outcome(&reply.json())), (504, ("web", 1, "created", "timed_out")));
    assert!(reply.problem().0.contains("waiting for the engine at unix://"), "{reply:?}");
    let plan = daemon.client.get("/plan").json();
    assert_eq!((&plan["Changes"], &plan["Objects"][0]["Plan"]), (&json!(0), &json!([])), "{plan}");
    assert!(plan["Objects"][0]["Waiting"].as_str().unwrap().contains("has not answered"), "{plan}");
    let reply = daemon.client.request("/objects/web?wait=1s", &["--request", "DELETE"], b"");
    assert_eq!((reply.status, outcome(&reply.json())), (504, ("web", 2, "deleted", "timed_out")));
    assert!(reply.problem().0.contains("waiting for the engine"), "who knows what is there: {reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_is_told_what_took_its_place() {
    let daemon = Daemon::simulated();
    let identity = made_client(&daemon.made());
    for (change, path, status, word, said) in [
        ("POST", "/submit", 424, "failed", "generation 3 has taken its place before it had converged, by O="),
        (
            "POST",
            "/objects/web/rollback?to=1",
            424,
            "rolled_back",
            "with the spec of generation 1 again, by O=",
        ),
        ("DELETE", "/objects/web", 424, "failed", "it was deleted before it had converged"),
    ] {
        let mut client = Kept::open(&daemon, &identity).await.unwrap();
        client.post("/submit", &object("web", "web:1", 1)).await.unwrap();
        let first = client.get("/objects/web").await.unwrap().json()["Generation"].as_u64().unwrap();
        let mut other = Kept::open(&daemon, &identity).await.unwrap();
        let waiting = tokio::spawn(async move { other.post("/submit?wait=30s", &endless("web")).await });
        daemon.wait_until(SOON, "it is taken", || daemon.object("web")["Generation"] == first + 1);
        let path = path.replace("to=1", &format!("to={first}"));
        let said = said.replace("generation 3", &format!("generation {}", first + 2));
        let said = said.replace("generation 1", &format!("generation {first}"));
        let body = if path == "/submit" { object("web", "web:3", 1).to_string() } else { String::new() };
        client.ask(change.parse().unwrap(), &path, None, body).await.unwrap();
        let answer = timeout(SOON, waiting).await.unwrap().unwrap().unwrap();
        let problem = answer.json();
        assert_eq!((answer.status.as_u16(), &problem["Outcome"]), (status, &json!(word)), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(&said), "{said:?} is not in {problem}");
        client.ask(Method::DELETE, "/objects/web", None, "").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_wait_are_told_when_the_daemon_stops() {
    let mut daemon = Daemon::simulated();
    let identity = made_client(&daemon.made());
    let mut waiting = JoinSet::new();
    for i in 0..20 {
        let mut client = Kept::open(&daemon, &identity).await.unwrap();
        waiting.spawn(async move { client.post("/submit?wait=10m", &endless(&format!("w-{i}"))).await });
    }
    daemon.wait_until(SOON, "all of them are taken", || {
        daemon.client.get("/objects").json().as_array().map(Vec::len) == Some(20)
    });
    daemon.signal("TERM");
    let begun = Instant::now();
    while let Some(answer) = timeout(SOON, waiting.join_next()).await.unwrap() {
        let answer = answer.unwrap().unwrap();
        let problem = answer.json();
        assert_eq!((answer.status.as_u16(), &problem["Outcome"]), (503, &json!("stopping")), "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("was taken") && detail.contains("stopping"), "{detail}");
    }
    eprintln!("SIGTERM: 20 who waited were answered within {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(daemon.ended(Duration::from_secs(8)).is_some_and(|status| status.success()), "{}", daemon.log());
}

// ---- Rehearsed

/// The steps that the log tells of an object, in the order in which they were begun.
fn steps(daemon: &Daemon, name: &str) -> Vec<String> {
    let log = daemon.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let steps = lines.filter(|line| line["message"] == "step" && line["object"] == name);
    steps.map(|line| line["plan"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_rehearsal_foretells_the_very_steps_and_does_none_of_them() {
    let daemon = Daemon::simulated();
    let mut so_far = 0;
    for (wanted, changed) in [
        (object("web", "web:1", 3), true),
        (object("web", "web:1", 3), false),
        (object("web", "web:2", 3), true),
        (object("web", "web:2", 5), true),
        (object("web", "web:2", 0), true),
    ] {
        let before = (daemon.client.get("/objects").body, daemon.object_or_none("web"));
        let reply = daemon.client.post("/submit?dry_run=true", wanted.to_string());
        assert_eq!(reply.status, 200, "{reply:?}");
        let rehearsed = reply.json();
        assert_eq!(rehearsed["DryRun"], true);
        assert_eq!(rehearsed["Changes"], u32::from(changed), "{rehearsed}");
        assert_eq!((daemon.client.get("/objects").body, daemon.object_or_none("web")), before);
        assert_eq!(steps(&daemon, "web").len(), so_far, "nothing was done");

        let done = daemon.client.post("/submit?wait=40s", wanted.to_string());
        assert_eq!(done.status, 200, "{done:?}");
        let (done, foretold) = (done.json(), &rehearsed["Objects"][0]);
        for member in ["Name", "Generation", "Result"] {
            assert_eq!(foretold[member], done[member], "{member} of {rehearsed}");
        }
        let taken = steps(&daemon, "web").split_off(so_far);
        so_far += taken.len();
        assert_eq!(foretold["Plan"], json!(taken), "as it was done");
        assert_eq!(daemon.client.get("/plan").json()["Changes"], 0, "and then there is nothing left to do");
    }
}

#[test]
fn a_rehearsal_is_refused_where_the_change_would_be() {
    let daemon = Daemon::simulated();
    daemon.client.submit(&object("web", "web:1", 1));
    let body = object("web", "web:2", 1).to_string();
    let with = |header: &str| {
        let arguments = ["--header", header, "--data-binary", "@-"];
        daemon.client.request("/submit?dry_run", &arguments, body.as_bytes()).status
    };
    assert_eq!(with("If-Match: \"1\""), 200);
    assert_eq!(with("If-Match: \"2\""), 412);
    assert_eq!(with("If-None-Match: *"), 412);
    assert_eq!(daemon.client.post("/submit?dry_run", "{").status, 400);
    assert_eq!(daemon.client.request("/objects/wbe?dry_run", &["--request", "DELETE"], b"").status, 404);
    let reply = daemon.client.request("/objects/web/rollback?dry_run", &["--request", "POST"], b"");
    assert_eq!((reply.status, reply.problem().0.contains("never had another one")), (422, true), "{reply:?}");
    let reply = daemon.client.request("/objects/web?dry_run", &["--request", "DELETE"], b"");
    assert_eq!(reply.json()["Objects"][0]["Result"], "deleted", "{reply:?}");
    assert_eq!(daemon.client.get("/objects/web").status, 200, "and it is still there");
}

// ---- Pruned, and back again

#[test]
fn an_array_can_be_all_there_is() {
    let daemon = Daemon::simulated();
    let all = ["team-a", "team-b", "team-c", "other"].map(|name| object(name, "web:1", 1));
    assert_eq!(daemon.client.post("/submit?wait=20s", json!(all).to_string()).status, 200);
    let body = json!([object("team-a", "web:1", 1), object("team-d", "web:1", 1)]).to_string();

    let rehearsed = daemon.client.post("/submit?prune=team-&dry_run", &body).json();
    let results = |answer: &Value| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        answer.as_array().unwrap().iter().map(|row| (text(&row["Name"]), text(&row["Result"]))).collect()
    };
    let expected =
        [("team-a", "unchanged"), ("team-d", "created"), ("team-b", "deleted"), ("team-c", "deleted")]
            .map(|(name, result)| (name.to_owned(), result.to_owned()));
    assert_eq!(results(&rehearsed["Objects"]), expected);
    assert_eq!(rehearsed["Changes"], 3);
    assert_eq!(daemon.client.get("/objects").json().as_array().unwrap().len(), 4);

    let answer = daemon.client.post("/submit?prune=team-&wait=20s", &body);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(results(&answer.json()["Objects"]), expected);
    let names: Vec<Value> =
        daemon.status()["Objects"].as_array().unwrap().iter().map(|row| row["Name"].clone()).collect();
    assert_eq!(names, ["other", "team-a", "team-d"], "and nothing of them is left");

    for (path, body, said) in [
        ("/submit?prune=", &body, "allowed is the beginning of names"),
        ("/submit?prune=team-*", &body, "allowed is the beginning of names"),
        ("/submit?prune=team-", &object("team-a", "web:1", 1).to_string(), "put it into [ ]"),
        ("/submit?pruned=team-", &body, "did you mean 'prune'"),
        ("/submit?wait=soon", &body, "60s"),
        ("/submit?wait=2h", &body, "up to 1h"),
        ("/submit?dry_run=maybe", &body, "true and false"),
    ] {
        let reply = daemon.client.post(path, body);
        assert_eq!(reply.status, 400, "{path}: {reply:?}");
        assert!(reply.problem().0.contains(said), "{path}: {reply:?}");
    }
    // An empty array would delete all.
    assert_eq!(daemon.client.post("/submit?prune=team-", "[]").status, 422);
    assert_eq!(daemon.client.get("/objects").json().as_array().unwrap().len(), 3);
}

#[test]
fn an_object_has_a_past_and_goes_back_to_it() {
    let daemon = Daemon::simulated();
    for image in ["web:1", "web:2"] {
        daemon.client.submit(&object("web", image, 2));
    }
    let past = daemon.client.get("/objects/web/history").json();
    assert_eq!(
        (&past["Name"], &past["Generation"], &past["Deleted"]),
        (&json!("web"), &json!(2), &Value::Null)
    );
    assert_eq!(past["Revisions"].as_array().unwrap().len(), 2);
    let newest = &past["Revisions"][0];
    assert_eq!((&newest["Generation"], &newest["Object"]["Image"]), (&json!(2), &json!("web:2")));
    assert!(newest["By"].as_str().unwrap().starts_with("O="), "{newest}");
    assert!(newest["At"].as_str().unwrap().ends_with('Z'), "{newest}");
    assert_eq!(past["Revisions"][1]["Object"], object("web", "web:1", 2), "as it was submitted");

    let back = |query: &str, more: &[&str]| {
        let arguments: Vec<&str> = ["--request", "POST"].iter().chain(more).copied().collect();
        daemon.client.request(&format!("/objects/web/rollback{query}"), &arguments, b"")
    };
    assert_eq!(back("", &["--header", "If-Match: \"1\""]).status, 412);
    let answer = back("?wait=40s", &["--header", "If-Match: \"2\""]);
    assert_eq!((answer.status, outcome(&answer.json())), (200, ("web", 3, "updated", "converged")));
    assert_eq!(answer.json()["RolledBackTo"], 1);
    assert_eq!(daemon.client.get("/objects/web").json()["Image"], "web:1");
    assert_eq!(daemon.client.get("/objects/web/history").json()["Revisions"][0]["RolledBackTo"], 1);
    assert_eq!(back("?to=2", &[]).json()["RolledBackTo"], 2);
    assert_eq!(back("?to=2", &[]).json()["Result"], "unchanged");
    let reply = back("?to=17", &[]);
    assert_eq!((reply.status, reply.problem().0.contains("kept are 1, 2, 3, 4")), (422, true), "{reply:?}");
    assert_eq!(back("?to=last", &[]).status, 400);

    // Also what was deleted has a past, and comes back.
    assert_eq!(daemon.client.delete("/objects/web").json()["Generation"], 5);
    let past = daemon.client.get("/objects/web/history").json();
    assert!(past["Deleted"].is_string() && past["Revisions"].as_array().unwrap().len() == 4, "{past}");
    let answer = back("?wait=40s", &[]);
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

// ---- Read, change, send back

#[test]
fn what_was_read_can_be_sent_back_and_its_generation_is_the_condition() {
    let daemon = Daemon::simulated();
    let submit = |path: &str, body: &Value| daemon.client.post(path, body.to_string());
    daemon.client.submit(&object("web", "web:1", 1));
    let read = daemon.client.get("/objects/web").json();
    assert_eq!(read["Generation"], 1);

    // As it was read: unchanged, also with a header that says the same.
    assert_eq!(submit("/submit", &read).json()["Result"], "unchanged");
    let mut changed = read.clone();
    changed["Count"] = json!(2);
    let same = ["--header", "If-Match: \"1\"", "--data-binary", "@-"];
    let reply = daemon.client.request("/submit", &same, changed.to_string().as_bytes());
    assert_eq!((reply.status, outcome(&reply.json())), (200, ("web", 2, "updated", "")));

    // Once more it is not what was read: refused, and on paper, too.
    for path in ["/submit", "/submit?dry_run", "/submit?wait=5s"] {
        let reply = submit(path, &changed);
        assert_eq!(reply.status, 412, "{path}: {reply:?}");
        let (detail, _) = reply.problem();
        assert!(
            detail.contains("generation 2") && detail.contains("Generation in the submitted object is 1")
        );
    }
    // The list is an array of what can be sent back, and one of it that is old has nothing taken.
    daemon.client.submit(&object("db", "db:1", 1));
    let mut all = daemon.client.get("/objects").json();
    assert_eq!(submit("/submit", &all).status, 200);
    all[0]["Count"] = json!(3);
    all[1]["Generation"] = json!(1);
    assert_eq!(submit("/submit", &all).status, 412);
    let shown = daemon.client.get("/objects/db").json();
    assert_eq!((&shown["Generation"], &shown["Count"]), (&json!(1), &json!(1)), "nothing of it was taken");
    all[1]["Generation"] = json!(2);
    assert_eq!(submit("/submit", &all).status, 200);

    // The generation itself is no part of what is stored.
    let past = daemon.client.get("/objects/db/history").json();
    assert!(past["Revisions"][0]["Object"]["Generation"].is_null(), "{past}");
}

#[test]
fn a_generation_of_0_asks_for_a_new_object_and_another_one_for_one_that_is_there() {
    let daemon = Daemon::simulated();
    let with = |generation: Value| {
        let mut web = object("web", "web:1", 1);
        web["Generation"] = generation;
        web.to_string()
    };
    let submit = |generation: Value| daemon.client.post("/submit", with(generation));
    let reply = submit(json!(1));
    assert_eq!(reply.status, 412, "{reply:?}");
    assert!(reply.problem().0.contains("there is no such object"), "{reply:?}");
    assert_eq!(submit(json!(0)).status, 201);
    assert_eq!(submit(json!(0)).status, 412);
    assert_eq!(submit(json!(null)).status, 200);
    assert_eq!(submit(json!("1")).problem().1, "Generation");
    daemon.client.delete("/objects/web");
    assert_eq!(submit(json!(2)).status, 412, "a deleted object is none");
    assert_eq!(submit(json!(0)).status, 201);

    // A header that says something else is no condition that could hold.
    for (header, generation, status) in [
        ("If-Match: \"7\"", 3, 400),
        ("If-Match: *", 0, 400),
        ("If-None-Match: *", 3, 400),
        ("If-Match: *", 3, 200),
        ("If-None-Match: *", 0, 412),
    ] {
        let arguments = ["--header", header, "--data-binary", "@-"];
        let reply = daemon.client.request("/submit", &arguments, with(json!(generation)).as_bytes());
        assert_eq!(reply.status, status, "{header} and {generation}: {reply:?}");
    }
}

#[test]
fn every_change_has_its_line_in_the_log_and_says_who() {
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
    let told: Vec<_> =
        lines.iter().map(|line| (line["generation"].clone(), line["result"].clone())).collect();
    let expected = [(1, "created"), (2, "updated"), (3, "updated"), (4, "deleted")];
    assert_eq!(told, expected.map(|(generation, result)| (json!(generation), json!(result))));
    let says_who = |line: &Value| {
        line["by"].as_str().is_some_and(|by| by.starts_with("O=")) && line["fingerprint"].is_string()
    };
    assert!(lines.iter().all(says_who), "{log}");
    assert!(!log.contains("web:9"), "what was only rehearsed is no change");
}
