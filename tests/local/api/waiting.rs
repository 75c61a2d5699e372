//! A submit with `?wait`.

use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::json;
use support::connection::{Connection, generated_client};
use support::objects::{endless_object, simulated_object as object};
use support::{Daemon, SOON};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::outcome;

#[test]
fn a_submit_with_a_wait_answers_when_all_containers_run() {
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

    // An update is answered when the last old container is gone, an array when every object has an outcome.
    let array = json!([object("web", "web:2", 5), object("db", "db:1", 2)]);
    let answer = daemon.client.post("/submit?wait=50s", array.to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    assert_eq!(answer["Outcome"], "converged", "the array has an outcome, too: {answer}");
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
fn a_spec_that_cannot_work_fails_and_an_open_one_times_out() {
    let daemon = Daemon::simulated();
    let begun = Instant::now();
    let mut none = object("web", "nosuch:1", 3);
    none["Update"] = json!({"FailAfter": "0s"});
    let reply = daemon.client.post("/submit?wait=50s", none.to_string());
    assert_eq!(reply.status, 424, "{reply:?}");
    let (detail, _) = reply.problem();
    eprintln!("a missing image is a failure after {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(15), "long before the end of the wait");
    assert!(detail.contains("nosuch:1 not found: manifest unknown"), "the engine's own message: {detail}");
    let answer = reply.json();
    assert_eq!(outcome(&answer), ("web", 1, "created", "failed"));
    assert_eq!(answer["title"], "Failed");
    assert!(answer["Reason"].as_str().unwrap().ends_with("failed 3 times in a row"), "{answer}");

    let mut cannot_start = object("cmd", "web:1", 2);
    cannot_start["Cmd"] = json!(["/nope"]);
    let mut nowhere = object("far", "web:1", 1);
    nowhere["Constraints"] = json!(["name==n9"]);
    nowhere["Update"] = json!({"FailAfter": "0s"});
    let array = json!([object("ok", "web:1", 1), cannot_start, nowhere, endless_object("slow")]);
    let reply = daemon.client.post("/submit?wait=15s", array.to_string());
    assert_eq!(reply.status, 424, "the worst outcome decides: {reply:?}");
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

    let reply = daemon.client.post("/submit?wait=1s", endless_object("slow").to_string());
    assert_eq!((reply.status, outcome(&reply.json())), (504, ("slow", 1, "unchanged", "timed_out")));
    let (detail, _) = reply.problem();
    assert!(detail.contains("within 1s: 1 of 1 run") && detail.contains("1h"), "{detail}");

    let reply = daemon.client.post("/submit?wait=1s", object("web", "nosuch:2", 3).to_string());
    assert_eq!(reply.status, 504, "one failed attempt is not a failure yet: {reply:?}");
    assert_eq!(reply.json()["title"], "Timed out");
}

#[test]
fn without_an_engine_a_wait_times_out_and_a_plan_is_empty() {
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
    assert!(reply.problem().0.contains("waiting for the engine"), "the containers are unknown: {reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_client_learns_which_change_replaced_its_own() {
    let daemon = Daemon::simulated();
    let identity = generated_client(&daemon.certificates());
    for (change, path, status, word, expected) in [
        ("POST", "/submit", 424, "failed", "generation 3 has replaced it before it had converged, by O="),
        (
            "POST",
            "/objects/web/rollback?to=1",
            424,
            "rolled_back",
            "with the spec of generation 1 again, by O=",
        ),
        ("DELETE", "/objects/web", 424, "failed", "it was deleted before it had converged"),
    ] {
        let mut client = Connection::open(&daemon, &identity).await.unwrap();
        client.post("/submit", &object("web", "web:1", 1)).await.unwrap();
        let first = client.get("/objects/web").await.unwrap().json()["Generation"].as_u64().unwrap();
        let mut other = Connection::open(&daemon, &identity).await.unwrap();
        let waiting =
            tokio::spawn(async move { other.post("/submit?wait=30s", &endless_object("web")).await });
        daemon.wait_until(SOON, "it is accepted", || daemon.object("web")["Generation"] == first + 1);
        let path = path.replace("to=1", &format!("to={first}"));
        let expected = expected.replace("generation 3", &format!("generation {}", first + 2));
        let expected = expected.replace("generation 1", &format!("generation {first}"));
        let body = if path == "/submit" { object("web", "web:3", 1).to_string() } else { String::new() };
        client.request(change.parse().unwrap(), &path, None, body).await.unwrap();
        let answer = timeout(SOON, waiting).await.unwrap().unwrap().unwrap();
        let problem = answer.json();
        assert_eq!((answer.status.as_u16(), &problem["Outcome"]), (status, &json!(word)), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(&expected), "{expected:?} is not in {problem}");
        client.request(Method::DELETE, "/objects/web", None, "").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_clients_are_answered_when_the_daemon_stops() {
    let mut daemon = Daemon::simulated();
    let identity = generated_client(&daemon.certificates());
    let mut waiting = JoinSet::new();
    for i in 0..20 {
        let mut client = Connection::open(&daemon, &identity).await.unwrap();
        waiting
            .spawn(async move { client.post("/submit?wait=10m", &endless_object(&format!("w-{i}"))).await });
    }
    daemon.wait_until(SOON, "all submits are accepted", || {
        daemon.client.get("/objects").json().as_array().map(Vec::len) == Some(20)
    });
    daemon.signal("TERM");
    let begun = Instant::now();
    while let Some(answer) = timeout(SOON, waiting.join_next()).await.unwrap() {
        let answer = answer.unwrap().unwrap();
        let problem = answer.json();
        assert_eq!((answer.status.as_u16(), &problem["Outcome"]), (503, &json!("stopping")), "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("was committed") && detail.contains("stopping"), "{detail}");
    }
    eprintln!("SIGTERM: 20 waiting clients were answered within {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(daemon.ended(Duration::from_secs(8)).is_some_and(|status| status.success()), "{}", daemon.log());
}
