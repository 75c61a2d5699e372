//! A change with `?dry_run`.

use serde_json::{Value, json};
use support::Daemon;
use support::objects::simulated_object as object;

/// The steps of an object in the log, in the order in which they began.
fn steps(daemon: &Daemon, name: &str) -> Vec<String> {
    let log = daemon.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let steps = lines.filter(|line| line["message"] == "step" && line["object"] == name);
    steps.map(|line| line["plan"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_dry_run_predicts_exactly_the_steps_and_performs_none() {
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
        let dry_run = reply.json();
        assert_eq!(dry_run["DryRun"], true);
        assert_eq!(dry_run["Changes"], u32::from(changed), "{dry_run}");
        assert_eq!((daemon.client.get("/objects").body, daemon.object_or_none("web")), before);
        assert_eq!(steps(&daemon, "web").len(), so_far, "no step was taken");

        let done = daemon.client.post("/submit?wait=40s", wanted.to_string());
        assert_eq!(done.status, 200, "{done:?}");
        let (done, predicted) = (done.json(), &dry_run["Objects"][0]);
        for member in ["Name", "Generation", "Result"] {
            assert_eq!(predicted[member], done[member], "{member} of {dry_run}");
        }
        let taken = steps(&daemon, "web").split_off(so_far);
        so_far += taken.len();
        assert_eq!(predicted["Plan"], json!(taken), "the steps of the submit");
        assert_eq!(daemon.client.get("/plan").json()["Changes"], 0, "nothing is left to do");
    }
}

#[test]
fn a_dry_run_is_refused_if_the_change_would_be() {
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
    assert_eq!(daemon.client.get("/objects/web").status, 200, "it still exists");
}
