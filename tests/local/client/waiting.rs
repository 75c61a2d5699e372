//! Waits for several objects, and their early end.

use support::Daemon;
use support::process::signal;

use super::{User, object};

/// An object that runs at once and is monitored for longer than any test takes.
fn slow(name: &str) -> String {
    object(name, "nginx", 1).replace("100ms", "10m")
}

#[test]
fn with_fail_fast_the_first_failure_ends_the_wait() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    let both = user.file("both.yaml", &format!("{}---\n{}", slow("slow"), object("bad", "nosuch:1", 1)));
    user.runs(&["submit", "--fail-fast", &both]).ends_with(1);
    let ran = user.runs(&["submit", "--fail-fast", "--wait=50s", &both]).ends_with(2);
    ran.complains("failed after ")
        .complains("bad: ")
        .complains("(0 of 2 objects converged; 1 not settled yet, the daemon continues with them)");
}

#[test]
fn a_failure_is_printed_when_it_happens_and_an_interrupt_ends_only_the_wait() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    let bad = object("bad", "nosuch:1", 1);
    let all = user.file("all.yaml", &[slow("first"), bad, slow("last")].join("---\n"));
    let submit = user.starts(&["submit", "--wait=10m", &all]);
    submit.says("bad failed: ");
    submit.says("last converged, monitoring for 10m more: ");
    signal(&submit.child, "INT");
    let ran = submit.ends().ends_with(130);
    assert!(ran.err.contains("stopped waiting after "), "{ran:?}");
    for words in [
        "All 3 changes were accepted (0 converged so far); the daemon continues with",
        "`status NAME`",
        "`delete NAME`",
    ] {
        assert!(ran.err.contains(words), "{words}: {ran:?}");
    }
    assert_eq!(daemon.object("last")["Running"], 1);

    let more = user.file("last.yaml", &slow("last").replace("Count: 1", "Count: 2"));
    let wait = user.starts(&["submit", "--wait=10m", &more]);
    wait.says("last converged, monitoring for 10m more: 2 of 2 run");
    signal(&wait.child, "TERM");
    let ran = wait.ends().ends_with(143);
    assert!(ran.err.contains("see `status last`, undo with `rollback last`"), "{ran:?}");
}

#[test]
fn a_wait_covers_more_objects_than_are_requested_at_a_time() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    let names: Vec<String> = (0..40).map(|i| format!("web-{i}")).collect();
    let all = |image: &str| {
        let objects = names.iter().map(|name| object(name, image, 1)).collect::<Vec<_>>();
        objects.join("---\n")
    };
    let good = user.file("good.yaml", &all("nginx"));
    let ran = user.runs(&["submit", "--wait=50s", &good]).ends_with(0);
    assert!(ran.last().ends_with("all 40 objects"), "{ran:?}");
    // All of them have converged already.
    user.runs(&["submit", "--wait=50s", &good]).ends_with(0);
    let bad = user
        .file("bad.yaml", &all("nginx").replace("Name: web-7\nImage: nginx", "Name: web-7\nImage: nosuch"));
    user.runs(&["submit", "--wait=50s", "--fail-fast", &bad]).ends_with(2).complains("web-7: ");
    let delete = ["delete", "--wait=50s"].into_iter().chain(names.iter().map(String::as_str));
    let ran = user.runs(&delete.collect::<Vec<_>>()).ends_with(0);
    assert!(ran.last().ends_with("all 40 objects"), "{ran:?}");

    // Objects without containers are gone at once.
    let empty = user.file("empty.yaml", &all("nginx").replace("Count: 1", "Count: 0"));
    user.runs(&["submit", &empty]).ends_with(0);
    let delete = ["delete", "--wait=20s"].into_iter().chain(names.iter().map(String::as_str));
    let ran = user.runs(&delete.collect::<Vec<_>>()).ends_with(0);
    assert!(ran.last().ends_with("all 40 objects"), "{ran:?}");
}

#[test]
fn a_deletion_continues_after_an_error_and_prints_the_result_of_each_object() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    let submit = |names: &[&str]| {
        let all: Vec<String> = names.iter().map(|name| object(name, "nginx", 1)).collect();
        user.runs(&["submit", "--wait=50s", &user.file("all.yaml", &all.join("---\n"))]).ends_with(0);
    };
    submit(&["a", "b", "c"]);
    let ran = user.runs(&["delete", "a", "missing", "b", "nothing", "a", "--wait=50s"]).ends_with(1);
    let ran = ran.says("a deleted: generation 2").says("b deleted: generation 2").says("all 2 objects");
    assert!(
        ran.err.contains("missing not deleted: ") && ran.err.contains("nothing not deleted: "),
        "{ran:?}"
    );
    ran.complains("2 of 4 objects not deleted: missing, nothing");
    assert_eq!(daemon.status()["Objects"].as_array().unwrap().len(), 1, "c is left");

    let ran = user.runs(&["delete", "missing", "c", "--ignore-missing", "--wait=50s"]).ends_with(0);
    ran.says("missing does not exist").says("c deleted: generation 2");
    user.runs(&["delete", "missing", "--ignore-missing", "--wait=50s"])
        .ends_with(0)
        .says("missing does not exist");
    user.runs(&["delete", "missing"]).ends_with(1).complains("missing");
    user.runs(&["delete", "missing", "-o", "json"]).ends_with(1).complains("missing");
    user.runs(&["delete", "missing", "-o", "json", "--ignore-missing"]).ends_with(0);
    user.runs(&["delete", "x", "y", "-o", "json", "--wait=9s"]).ends_with(1).complains("for one object");
}

#[test]
fn an_object_that_is_being_deleted_is_waited_for_as_well() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    // It takes at least 2 s: 8 stops at a time, 20 ms each, and as long for the removals.
    let many = user.file("many.yaml", &object("many", "nginx", 400));
    user.runs(&["submit", "--wait=50s", &many]).ends_with(0);
    user.runs(&["delete", "many"]).ends_with(0).says("many deleted: generation 2");
    user.runs(&["delete", "many"]).ends_with(0).says("many is being deleted already: generation 2");
    let ran = user.runs(&["delete", "many", "--wait=50s"]).ends_with(0);
    assert!(ran.last().contains("many: nothing is left of it"), "{ran:?}");
    user.runs(&["delete", "many"]).ends_with(1).complains("no object 'many'");
}
