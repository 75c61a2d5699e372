//! Answers to `?wait` and `?dry_run` on a real engine.

use std::time::Instant;

use serde_json::{Value, json};
use support::engine::Network;
use support::{Container, Daemon, Engine, SOON, unique};

use support::objects::*;

#[test]
fn a_waiting_client_gets_the_real_outcome() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("wait");
    let daemon = Daemon::managing(&cluster);
    let submit = |object: &Value| {
        let reply = daemon.client.post("/submit?wait=45s", object.to_string());
        let outcome = reply.json()["Outcome"].as_str().unwrap_or_default().to_owned();
        (reply.status, outcome, reply.json()["Reason"].as_str().unwrap_or_default().to_owned())
    };
    let good = object("web", 3);
    assert_eq!(submit(&good), (200, "converged".to_owned(), "3 of 3 run, as wanted".to_owned()));
    let first = cluster.running();
    assert_eq!(first.len(), 3, "the reported containers run");

    // One ends at once, one runs for a while: neither converges, and the old containers keep running.
    for (flag, monitor, ends) in
        [("--exit=3", "1s", "exit code 3"), ("--crash-after=1000", "4s", "ended with exit code")]
    {
        let bad =
            object_with("web", 3, json!({"Cmd": [flag], "Update": {"Monitor": monitor, "FailAfter": "0s"}}));
        let begun = Instant::now();
        let (status, outcome, reason) = submit(&bad);
        eprintln!("{flag}: {outcome} after {:?}: {reason}", begun.elapsed());
        assert_eq!((status, &*outcome), (424, "failed"), "{reason}");
        assert!(reason.contains(ends) && reason.contains("failed 3 times in a row"), "{reason}");
        let running: Vec<Container> = cluster.running();
        assert!(first.iter().all(|old| running.iter().any(|new| new.id == old.id)), "{running:?}");
    }
    let back = daemon.client.request("/objects/web/rollback?to=1&wait=45s", &["--request", "POST"], b"");
    assert_eq!((back.status, &back.json()["Outcome"]), (200, &json!("converged")), "{back:?}");
    assert_eq!(ids(&cluster.running()), ids(&first), "nothing was restarted");

    // A wait is about its own submit, even if it changes nothing: earlier failures do not end it.
    let network = unique("network");
    let on_network = json!({"HostConfig": {"NetworkMode": network}, "Update": {"FailAfter": "0s"}});
    let on_network = object_with("late", 1, on_network);
    let (status, _, reason) = submit(&on_network);
    assert!(status == 424 && reason.contains(&network), "{status} {reason}");
    let _network = Network::create(&engine, &network, &[]);
    let (status, outcome, reason) = submit(&on_network);
    assert_eq!((status, &*outcome), (200, "converged"), "{reason}");

    let (status, outcome, reason) =
        submit(&object_with("bad", 1, json!({"Cmd": ["--exit=0"], "Entrypoint": ["/nope"]})));
    assert_eq!((status, &*outcome), (424, "failed"), "{reason}");
    assert!(reason.contains("/nope"), "the engine's own message: {reason}");
    for name in ["web", "bad", "late"] {
        let gone = daemon.client.request(&format!("/objects/{name}?wait=45s"), &["--request", "DELETE"], b"");
        assert_eq!((gone.status, &gone.json()["Outcome"]), (200, &json!("converged")), "{gone:?}");
    }
    assert!(cluster.containers().is_empty(), "no container is left: {:?}", cluster.containers());
}

#[test]
fn a_dry_run_shows_the_plan_and_refuses_what_the_endpoint_cannot_do() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("dry");
    let daemon = Daemon::managing(&cluster);
    daemon.wait_until(SOON, "the engine is connected", || daemon.client.get("/readyz").status == 200);
    let dry = |object: Value| daemon.client.post("/submit?dry_run", object.to_string());
    let plan = dry(object("web", 1)).json();
    assert_eq!(
        plan["Objects"][0]["Plan"],
        json!(["create web.1.1 image=scsm-test:1 cause=\"missing replica\""]),
        "the image exists, so none is pulled: {plan}"
    );
    assert_eq!(plan["Objects"][0]["Warnings"], Value::Null, "{plan}");
    let network = unique("nosuch");
    let plan = dry(object_with("web", 1, json!({"HostConfig": {"NetworkMode": network}}))).json();
    let warning = plan["Objects"][0]["Warnings"][0].as_str().unwrap_or_default().to_owned();
    assert!(warning.contains(&network), "{plan}");
    let plan = dry(object_with("web", 1, json!({"Image": "scsm-nosuch:1", "Pull": "never"}))).json();
    assert_eq!(
        plan["Objects"][0]["Warnings"],
        json!(["the image scsm-nosuch:1 does not exist, and Pull is \"never\""]),
        "{plan}"
    );
    for (field, object) in [
        ("Constraints", object_with("web", 1, json!({"Constraints": ["name==n1"]}))),
        ("HostConfig.PortBindings.8080/tcp", publishing("web", 8080, json!({"Count": 2}))),
        (
            "Healthcheck.StartInterval",
            object_with("web", 1, json!({"Healthcheck": {"StartInterval": 5_000_000_000_u64}})),
        ),
    ] {
        let real = daemon.client.post("/submit", object.to_string());
        for reply in [dry(object), real] {
            assert_eq!((reply.status, &reply.json()["field"]), (422, &json!(field)), "{reply:?}");
        }
    }
}
