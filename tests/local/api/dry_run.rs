//! A change with `?dry_run`.

use serde_json::{Value, json};
use support::Daemon;

use super::object;

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
