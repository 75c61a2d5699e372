//! The generation as a condition: in the submitted object, or in a header.

use serde_json::{Value, json};
use support::Daemon;

use super::{object, outcome};

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
