//! The generation as a condition: in the submitted object, or in a header.

use serde_json::{Value, json};
use support::Daemon;
use support::objects::simulated_object as object;

use super::outcome;

#[test]
fn an_object_that_was_read_can_be_submitted_and_its_generation_is_the_precondition() {
    let daemon = Daemon::simulated();
    let submit = |path: &str, body: &Value| daemon.client.post(path, body.to_string());
    daemon.client.submit(&object("web", "web:1", 1));
    let read = daemon.client.get("/objects/web").json();
    assert_eq!(read["Generation"], 1);

    // As it was read: unchanged, also with a header of the same generation.
    assert_eq!(submit("/submit", &read).json()["Result"], "unchanged");
    let mut changed = read.clone();
    changed["Count"] = json!(2);
    let same = ["--header", "If-Match: \"1\"", "--data-binary", "@-"];
    let reply = daemon.client.request("/submit", &same, changed.to_string().as_bytes());
    assert_eq!((reply.status, outcome(&reply.json())), (200, ("web", 2, "updated", "")));

    // A second time the generation is outdated: refused, in a dry run, too.
    for path in ["/submit", "/submit?dry_run", "/submit?wait=5s"] {
        let reply = submit(path, &changed);
        assert_eq!(reply.status, 412, "{path}: {reply:?}");
        let (detail, _) = reply.problem();
        assert!(
            detail.contains("generation 2") && detail.contains("Generation in the submitted object is 1")
        );
    }
    // The list of all objects can be submitted, too; if one is outdated, none is accepted.
    daemon.client.submit(&object("db", "db:1", 1));
    let mut all = daemon.client.get("/objects").json();
    assert_eq!(submit("/submit", &all).status, 200);
    all[0]["Count"] = json!(3);
    all[1]["Generation"] = json!(1);
    assert_eq!(submit("/submit", &all).status, 412);
    let shown = daemon.client.get("/objects/db").json();
    assert_eq!((&shown["Generation"], &shown["Count"]), (&json!(1), &json!(1)), "nothing was accepted");
    all[1]["Generation"] = json!(2);
    assert_eq!(submit("/submit", &all).status, 200);

    // The generation is not stored as a field of the spec.
    let history = daemon.client.get("/objects/db/history").json();
    assert!(history["Revisions"][0]["Object"]["Generation"].is_null(), "{history}");
}

#[test]
fn generation_0_requires_that_the_object_is_new_and_any_other_that_it_exists() {
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
    assert_eq!(submit(json!(2)).status, 412, "a deleted object does not exist");
    assert_eq!(submit(json!(0)).status, 201);

    // A header that contradicts the generation is refused.
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
