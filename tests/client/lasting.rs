//! Daemons that die while somebody waits: what was acknowledged is waited for, over a restart.

use std::process::Stdio;
use std::time::Duration;

use crate::support::daemon::Setup;
use crate::support::process::{Gathered, wait};
use crate::support::{SOON, holds_within};
use crate::{User, object};

/// An engine that nobody finds: what is submitted waits there.
const NOWHERE: &str = "--swarm-manager=unix:///nowhere/docker.sock";

#[test]
fn a_wait_goes_on_over_a_restart_of_the_daemon() {
    let data = tempfile::tempdir().unwrap();
    let mut daemon = Setup::in_directory(data.path()).flag(NOWHERE).start();
    let user = User::of(&daemon);
    let web = user.file("web.yaml", &object("web", "nginx", 3));
    let mut submit = user.program();
    submit.args(["submit", "--wait=50s", &web]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut submit = submit.spawn().unwrap();
    let out = Gathered::from(submit.stdout.take().unwrap());
    let err = Gathered::from(submit.stderr.take().unwrap());
    let waits = holds_within(SOON, || out.text().contains("/nowhere/docker.sock"));
    assert!(waits.is_some(), "it is shown what is waited for: {}{}", out.text(), err.text());
    daemon.signal("KILL");
    daemon.ended(SOON).unwrap();
    let notices = holds_within(SOON, || err.text().contains("was taken before that; asking again"));
    assert!(notices.is_some(), "{}{}", out.text(), err.text());
    let _successor = Setup::in_directory(data.path())
        .succeeding(&daemon.url)
        .flag("--swarm-manager=simulated://3")
        .start();
    let ended = wait(&mut submit, Duration::from_secs(45)).expect("it ends before its wait is over");
    assert_eq!(ended.code(), Some(0), "{}{}", out.text(), err.text());
    assert!(out.text().lines().last().unwrap().contains("web: 3 of 3 run"), "{}", out.text());
}

#[test]
fn a_daemon_that_stays_away_is_told_with_what_was_taken() {
    let mut daemon = Setup::new().flag(NOWHERE).start();
    let user = User::of(&daemon);
    let web = user.file("web.yaml", &object("web", "nginx", 3));
    let mut submit = user.program();
    submit.args(["submit", "--wait=6s", &web]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut submit = submit.spawn().unwrap();
    let out = Gathered::from(submit.stdout.take().unwrap());
    let err = Gathered::from(submit.stderr.take().unwrap());
    assert!(holds_within(SOON, || out.text().contains("web created")).is_some(), "{}", err.text());
    daemon.signal("KILL");
    daemon.ended(SOON).unwrap();
    let ended = wait(&mut submit, Duration::from_secs(30)).expect("it ends when its wait is over");
    assert_eq!(ended.code(), Some(3), "{}{}", out.text(), err.text());
    let last = err.text().lines().last().unwrap_or_default().to_owned();
    assert!(
        last.starts_with("error: timed out after ") && last.contains("generation 1 of web was taken"),
        "{last}"
    );
}

#[test]
fn a_newer_submit_is_not_overwritten_but_told() {
    let daemon = Setup::new().flag(NOWHERE).start();
    let user = User::of(&daemon);
    let old = user.file("old.yaml", &object("web", "nginx", 3));
    let mut submit = user.program();
    submit.args(["submit", "--wait=50s", &old]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut submit = submit.spawn().unwrap();
    let out = Gathered::from(submit.stdout.take().unwrap());
    let err = Gathered::from(submit.stderr.take().unwrap());
    assert!(holds_within(SOON, || out.text().contains("web created")).is_some(), "{}", err.text());
    user.runs(&["submit", &user.file("new.yaml", &object("web", "nginx", 7))]).ends_with(0);
    let ended = wait(&mut submit, Duration::from_secs(45)).expect("it ends before its wait is over");
    assert_eq!(ended.code(), Some(2), "{}{}", out.text(), err.text());
    assert!(err.text().contains("generation 2"), "{}", err.text());
    assert_eq!(daemon.object("web")["Count"], 7);
}
