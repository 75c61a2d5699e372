//! The table of exit codes, tested with real runs.

use support::Daemon;
use support::daemon::{Setup, program};
use support::process::run;

use super::{CommandResult, User, object};

/// Long enough for everything that does not fail.
const WAIT: &str = "--wait=50s";

#[test]
fn submit_exits_with_0_if_it_is_accepted_and_if_it_converges() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    let web = user.file("web.yaml", &object("web", "nginx", 3));
    user.runs(&["submit", &web]).ends_with(0).says("web created: generation 1");
    let ran = user.runs(&["submit", WAIT, &web]).ends_with(0).says("web unchanged: generation 1");
    assert!(ran.last().starts_with("converged after ") && ran.last().contains("web: 3 of 3 run"), "{ran:?}");
    let ran = user.runs_with(&["submit", WAIT, &web, "-"], &object("api", "api:1", 2)).ends_with(0);
    assert!(ran.last().ends_with("all 2 objects"), "{ran:?}");
    assert!(ran.says("api created: generation 1").err.is_empty());
}

#[test]
fn submit_exits_with_1_if_it_is_not_accepted() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    let one = |text: &str| user.runs_with(&["submit", WAIT, "-"], text).ends_with(1);
    // Invalid command lines.
    let ran = user.runs(&["submit"]).ends_with(1);
    let usage = ran.err.lines().find(|line| line.starts_with("Usage: ")).unwrap();
    assert!(
        usage.ends_with("submit [OPTIONS] <FILE|--filename <FILE>>"),
        "the usage does not depend on variables: {usage}"
    );
    user.runs(&["submit", "--bogus", "-"]).ends_with(1);
    user.runs(&["submit", "--wait=soon", "-"]).ends_with(1);
    user.runs(&["submit", "--wait=2h", "-"]).ends_with(1);
    user.runs(&["submit", "--addr=http://127.0.0.1:1", "-"]).ends_with(1);
    // Invalid files.
    user.runs(&["submit", "nowhere.yaml"]).ends_with(1).complains("nowhere.yaml");
    one("").complains("standard input contains no object");
    one("Name: a\nName: b\n").complains("line 2, column 1");
    one("{\"Name\": \"a\",,}").complains("at line 1 column 14");
    // Objects that the daemon refuses.
    one("Name: web\nImage: nginx\n").complains("Count");
    one("Name: web\nImage: nginx\nCount: 05\n").complains("given \"05\"");
    one("Name: web\nImage: nginx\nCount: 1\nOpenStdin: on\n").complains("OpenStdin");
    one("Name: web\nImage: nginx\nCount: 1\nHostConfig: {Privileged: true}").complains("no-privileged");
    one("just words").complains("allowed is an object");
    let two = user
        .file("two.yaml", &format!("{}---\nName: api\nImage: api:1\nCont: 1\n", object("web", "nginx", 1)));
    user.runs(&["submit", &two]).ends_with(1).complains("two.yaml, object 2, \"api\"");
    assert!(daemon.status()["Objects"].as_array().unwrap().is_empty(), "nothing was accepted");
    // Preconditions.
    let web = user.file("web.yaml", &object("web", "nginx", 1));
    user.runs(&["submit", "--create-only", &web]).ends_with(0);
    user.runs(&["submit", "--create-only", &web]).ends_with(1).complains("Precondition failed");
    user.runs(&["submit", "--if-match=7", &web]).ends_with(1).complains("Precondition failed");
    user.runs(&["submit", "--if-match=1", &web]).ends_with(0);
}

#[test]
fn submit_exits_with_2_if_it_fails_or_is_rolled_back_and_prints_the_reason_last() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    let none = user.file("none.yaml", &object("web", "nosuch:1", 3));
    let ran = user.runs(&["submit", WAIT, &none]).ends_with(2).says("web created: generation 1");
    let ran = ran.complains("manifest unknown");
    assert!(ran.err.lines().last().unwrap().starts_with("error: failed after "), "{ran:?}");

    let good = user.file("good.yaml", &object("api", "api:1", 3));
    user.runs(&["submit", WAIT, &good]).ends_with(0);
    let bad = user.file("bad.yaml", &format!("{}Cmd: [/nope]\n", object("api", "api:2", 3)));
    user.runs(&["submit", WAIT, &bad]).ends_with(2).complains("api: ");
    // The worst of several outcomes decides, and the others are counted.
    user.runs(&["submit", WAIT, &good, &none]).ends_with(2).complains("(1 of 2 objects converged)");
}

#[test]
fn submit_exits_with_3_if_the_wait_times_out() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    // A simulated pull takes 300 ms.
    let slow = user.file("slow.yaml", &object("web", "nginx", 30));
    let ran = user.runs(&["submit", "--wait=50ms", &slow]).ends_with(3).complains("timed out after ");
    assert!(ran.err.contains("of 30 run"), "the reason is printed: {ran:?}");
}

#[test]
fn without_a_daemon_every_command_fails() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    let web = user.file("web.yaml", &object("web", "nginx", 3));
    drop(daemon);
    for (line, code) in [
        (vec!["submit", WAIT, &web], 1),
        (vec!["plan", &web], 2),
        (vec!["status"], 1),
        (vec!["status", "--watch"], 1),
        (vec!["delete", "web"], 1),
        (vec!["history", "web"], 1),
        (vec!["rollback", "web"], 1),
        (vec!["events", "--follow"], 1),
    ] {
        // The certificates are gone with the daemon's directory.
        let ran = user.runs(&line).ends_with(code).complains("no client certificate: ");
        assert!(ran.out.is_empty(), "{ran:?}");
    }
}

#[test]
fn plan_distinguishes_a_change_no_change_and_an_error() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    let web = user.file("web.yaml", &object("web", "nginx", 2));
    let ran = user.runs(&["plan", &web]).ends_with(1).says("web would be created: generation 1");
    assert_eq!(
        ran.last(),
        "1 of 1 objects would change: 2 to create, 0 to replace, 0 to remove, 1 image to pull"
    );
    assert!(ran.out.contains("    create web.1.1 "), "{ran:?}");
    assert!(daemon.status()["Objects"].as_array().unwrap().is_empty(), "a plan changes nothing");
    user.runs(&["submit", WAIT, &web]).ends_with(0);
    assert_eq!(user.runs(&["plan", &web]).ends_with(0).last(), "nothing would change");
    let more = user.file("more.yaml", &object("web", "nginx", 3));
    user.runs(&["plan", &more]).ends_with(1).says("create web.3.1");
    user.runs(&["plan", "--prune=w", &user.file("api.yaml", &object("api", "nginx", 1))])
        .ends_with(1)
        .says("web would be deleted");
    user.runs(&["plan"]).ends_with(2);
    user.runs(&["plan", "nowhere.yaml"]).ends_with(2).complains("nowhere.yaml");
    user.runs_with(&["plan", "-"], "Name: web\nImage: nginx\nCount: x").ends_with(2).complains("Count");

    let disconnected = Setup::new().flag("--swarm-manager=unix:///nowhere/docker.sock").start();
    let user = User::of(&disconnected);
    let web = user.file("web.yaml", &object("web", "nginx", 2));
    user.runs(&["plan", &web]).ends_with(1).says("would be created");
    user.runs(&["submit", &web]).ends_with(0);
    user.runs(&["plan", &web]).ends_with(2).complains("/nowhere/docker.sock");
}

#[test]
fn status_history_rollback_and_delete_exit_with_0_or_1() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    for (i, count) in [3, 2].into_iter().enumerate() {
        let file = user.file(&format!("{i}.yaml"), &object("web", &format!("nginx:{i}"), count));
        user.runs(&["submit", WAIT, &file]).ends_with(0);
    }
    let ran =
        user.runs(&["status"]).ends_with(0).says("web").says("2/2").says("engine simulated://3 connected");
    ran.says(", cluster default, version ").says("state durable, in ").says("RESTARTS");
    let ran = user.runs(&["status", "web"]).ends_with(0).says("web converged: 2 of 2 run").says("web.1.");
    ran.says("2 of 2 ready; image nginx:1, generation 2, restarts 0").says("NODE");
    user.runs(&["status", "wbe"]).ends_with(1).complains("did you mean 'web'?");
    user.runs(&["status", "--output=xml"]).ends_with(1);
    user.runs(&["status", "two words"]).ends_with(1);

    let ran = user.runs(&["history", "web"]).ends_with(0).says("nginx:1");
    assert_eq!(ran.out.lines().count(), 3, "a head and two generations: {ran:?}");
    user.runs(&["history", "missing"]).ends_with(1);
    user.runs(&["history"]).ends_with(1);

    user.runs(&["rollback", "web", "--to=99"]).ends_with(1).complains("99");
    let ran = user.runs(&["rollback", "web", WAIT]).ends_with(0).says("with the spec of generation 1");
    assert!(ran.last().contains("3 of 3 run"), "{ran:?}");
    user.runs(&["rollback", "missing"]).ends_with(1);
    user.runs(&["rollback", "web", "--to=x"]).ends_with(1);

    user.runs(&["delete", "missing"]).ends_with(1).complains("missing");
    user.runs(&["submit", &user.file("api.yaml", &object("api", "nginx", 1))]).ends_with(0);
    user.runs(&["delete", "api", "missing"]).ends_with(1).says("api deleted").complains("missing");
    user.runs(&["delete"]).ends_with(1);
    let ran = user.runs(&["delete", "web", WAIT]).ends_with(0).says("web deleted");
    assert!(ran.last().starts_with("converged after "), "{ran:?}");
    user.runs(&["status", "web"]).ends_with(1);
    user.runs(&["history", "web"]).ends_with(0).says("was deleted at");
    user.runs(&["rollback", "web", WAIT]).ends_with(0);
}

#[test]
fn prune_deletes_other_objects_of_the_prefix_and_waits_for_it() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    let both = user
        .file("both.yaml", &format!("{}---\n{}", object("shop-a", "nginx", 1), object("shop-b", "nginx", 1)));
    user.runs(&["submit", WAIT, &both]).ends_with(0);
    let one = user.file("one.yaml", &object("shop-a", "nginx", 1));
    user.runs(&["submit", WAIT, "--prune=shop-", &one])
        .ends_with(0)
        .says("shop-b deleted")
        .says("nothing is left");
    user.runs(&["status", "shop-b"]).ends_with(1);
    user.runs(&["status", "shop-a"]).ends_with(0);
}

#[test]
fn events_are_printed_to_their_end() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    for name in ["web", "api"] {
        user.runs(&["submit", WAIT, &user.file(name, &object(name, "nginx", 2))]).ends_with(0);
    }
    let ran = user.runs(&["events"]).ends_with(0).says("submitted web (1): created").says("create api.1.1");
    assert!(ran.err.is_empty(), "{ran:?}");
    let ran = user.runs(&["events", "--object=web", "--output=json"]).ends_with(0);
    let mut events = ran.out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    assert!(events.all(|event| event["Object"] == "web"), "{ran:?}");
    assert_eq!(user.runs(&["events", "--tail=1"]).ends_with(0).out.lines().count(), 1);
    user.runs(&["events", "--tail=10001"]).ends_with(1);
}

#[test]
fn help_and_version_exit_with_0_and_the_daemon_keeps_its_own_codes() {
    let exit_code = |line: &[&str]| CommandResult::of(run(program().args(line))).code;
    for line in [
        &["--help"] as &[_],
        &["--version"],
        &["help"],
        &["help", "submit"],
        &["submit", "--help"],
        &["plan", "-h"],
        &["events", "--help"],
        &["completions", "bash"],
        &["man"],
    ] {
        assert_eq!(exit_code(line), 0, "{line:?}");
    }
    for line in [
        &["--bogus"] as &[_],
        &["bogus"],
        &["healthcheck", "--bogus"],
        &["completions", "tcsh"],
        &["man", "a", "b"],
    ] {
        assert_eq!(exit_code(line), 2, "{line:?}");
    }
}
