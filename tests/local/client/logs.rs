//! `logs`: the lines of a simulated cluster, also over a restart of the daemon.

use support::daemon::Setup;
use support::process::run;
use support::{Daemon, SOON};

use super::{CommandResult, User, object};

/// A user of a daemon with this many containers of `web`.
fn with_web(daemon: &Daemon, count: u32) -> User {
    let user = User::of(daemon);
    let web = user.file("web.yaml", &object("web", "nginx", count));
    user.runs(&["submit", "--wait=50s", &web]).ends_with(0);
    user
}

#[test]
fn lines_follow_aligned_names_and_notes_are_on_standard_error() {
    let daemon = Daemon::simulated();
    let user = with_web(&daemon, 10);
    let ran = user.runs(&["logs", "web", "--tail=1"]).ends_with(0);
    assert_eq!(ran.out.lines().count(), 10, "{ran:?}");
    assert!(ran.out.contains("web.10.1 | simulated: ") && !ran.out.contains('\u{1b}'), "{ran:?}");
    let after = ran.out.split_once("web.10.1").unwrap().1;
    assert!(
        after.lines().skip(1).all(|line| line.starts_with("web.") && line.get(8..11) == Some(" | ")),
        "{ran:?}"
    );
    assert!(ran.err.is_empty(), "{ran:?}");

    let ran = user.runs(&["logs", "web", "-c", "web.3.1", "-t", "--since=1h"]).ends_with(0);
    assert!(
        ran.out.starts_with("web.3.1 | 20") && ran.out.contains("Z simulated: web.3.1 of nginx"),
        "{ran:?}"
    );
    let ran = user.runs(&["logs", "web", "--tail=1", "--output=json", "--container=web.3.1"]).ends_with(0);
    let line: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(line["Container"], "web.3.1");
    let ran = user.runs(&["logs", "web", "--previous"]).ends_with(0);
    assert!(ran.out.is_empty() && ran.err.starts_with("web has no exited container"), "{ran:?}");

    user.runs(&["logs", "wep"]).ends_with(1).complains("did you mean 'web'?");
    user.runs(&["logs", "web", "--container=web.3.2"]).ends_with(1).complains("web.3.1");
    let ran = user.runs(&["logs", "web", "--since=noon"]).ends_with(1);
    assert!(ran.err.contains("a duration such as 10m"), "{ran:?}");
    user.runs(&["logs", "web", "--tail=10001"]).ends_with(1);
    user.runs(&["logs"]).ends_with(1);
}

#[test]
fn on_a_terminal_each_slot_has_a_colour_unless_colours_are_disabled() {
    let daemon = Daemon::simulated();
    let user = with_web(&daemon, 2);
    let terminal = |line: &str| {
        let mut shell = user.shell(&format!("{line} script -qec \"$SCSM logs web --tail=1\" /dev/null"));
        CommandResult::of(run(shell.env("TERM", "xterm").env_remove("NO_COLOR"))).ends_with(0)
    };
    let ran = terminal("");
    assert!(ran.out.contains("\u{1b}[33mweb.1.1 | \u{1b}[0msimulated: "), "{ran:?}");
    assert!(ran.out.contains("\u{1b}[32mweb.2.1 | \u{1b}[0msimulated: "), "{ran:?}");
    for plain in ["NO_COLOR=1", "TERM=dumb"] {
        let ran = terminal(plain);
        assert!(ran.out.contains("web.1.1 | simulated: ") && !ran.out.contains('\u{1b}'), "{plain}: {ran:?}");
    }
}

#[test]
fn followed_logs_continue_over_a_restart_and_end_with_the_object() {
    let data = tempfile::tempdir().unwrap();
    let start = |setup: Setup| setup.flag("--swarm-manager=simulated://3").start();
    let mut daemon = start(Setup::in_directory(data.path()));
    let user = with_web(&daemon, 1);
    let logs = user.starts(&["logs", "web", "--follow", "--timestamps"]);
    logs.says("simulated: line 1 of web.1.1");
    daemon.signal("TERM");
    daemon.ended(SOON).unwrap();
    // The restarted daemon has a new simulated cluster, whose first container has the same name.
    let _successor = start(Setup::in_directory(data.path()).succeeding(&daemon.url));
    logs.says("reconnecting");
    let started = || logs.output().matches(" of nginx started on ").count();
    assert!(support::holds_within(SOON, || started() == 2).is_some(), "{}", logs.output());
    user.runs(&["delete", "web", "--wait=50s"]).ends_with(0);
    let ran = logs.ends().ends_with(0);
    let mut lines: Vec<&str> = ran.out.lines().collect();
    let all = lines.len();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), all, "no line is repeated: {ran:?}");
    assert!(ran.err.ends_with("the object web is gone\n"), "{ran:?}");
}

#[test]
fn a_closed_pipe_ends_a_followed_log() {
    let daemon = Daemon::simulated();
    let user = with_web(&daemon, 1);
    let script = "$SCSM logs web --follow | head --lines=1; exit ${PIPESTATUS[0]}";
    let ran = CommandResult::of(run(&mut user.shell(script))).ends_with(0);
    assert!(ran.out.lines().count() == 1 && ran.err.is_empty(), "{ran:?}");
}
