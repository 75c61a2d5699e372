//! Crashes of the daemon during a wait: the wait continues over a restart.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use support::daemon::Setup;
use support::process::signal;
use support::{Daemon, SOON};

use super::{User, object};

/// An unreachable engine, for which submits wait.
const NOWHERE: &str = "--swarm-manager=unix:///nowhere/docker.sock";

/// Kills a daemon.
fn kill(daemon: &mut Daemon) {
    daemon.signal("KILL");
    daemon.ended(SOON).unwrap();
}

#[test]
fn a_wait_continues_over_a_restart_of_the_daemon() {
    let data = tempfile::tempdir().unwrap();
    // The node of the constraint does not exist yet.
    let mut daemon = Setup::in_directory(data.path()).flag("--swarm-manager=simulated://1").start();
    let user = User::of(&daemon);
    let placed = format!("{}\nConstraints: [name==n3]\n", object("web", "nginx", 3).trim_end());
    let submit = user.starts(&["submit", "--wait=50s", &user.file("web.yaml", &placed)]);
    submit.says("web blocked: 0 of 3 run; Unable to find a node");
    kill(&mut daemon);
    submit.says("was accepted before; retrying until the wait ends");
    let _successor = Setup::in_directory(data.path())
        .succeeding(&daemon.url)
        .flag("--swarm-manager=simulated://3")
        .start();
    let ran = submit.ends().ends_with(0);
    assert!(ran.last().contains("web: 3 of 3 run"), "{ran:?}");
}

#[test]
fn a_wait_for_json_survives_a_restart_of_the_daemon() {
    let data = tempfile::tempdir().unwrap();
    let mut daemon = Setup::in_directory(data.path()).flag("--swarm-manager=simulated://1").start();
    let user = User::of(&daemon);
    let placed = format!("{}\nConstraints: [name==n3]\n", object("web", "nginx", 3).trim_end());
    let file = user.file("web.yaml", &placed);
    let submit = user.starts(&["submit", "--wait=50s", "--output=json", &file]);
    while daemon.status()["Objects"].as_array().unwrap().is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    kill(&mut daemon);
    submit.says("until the wait ends");
    let _successor = Setup::in_directory(data.path())
        .succeeding(&daemon.url)
        .flag("--swarm-manager=simulated://3")
        .start();
    let ran = submit.ends().ends_with(0);
    let answer: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&answer["Result"], &answer["Outcome"]), (&"created".into(), &"converged".into()), "{ran:?}");
}

#[test]
fn a_daemon_that_does_not_return_is_reported_with_the_accepted_changes() {
    let mut daemon = Setup::new().flag(NOWHERE).start();
    let user = User::of(&daemon);
    let submit = user.starts(&["submit", "--wait=6s", &user.file("web.yaml", &object("web", "nginx", 3))]);
    submit.says("web created");
    kill(&mut daemon);
    let ran = submit.ends().ends_with(3);
    ran.complains("timed out after ").complains("generation 1 of web was accepted");
}

#[test]
fn a_newer_submit_is_not_overwritten_but_reported() {
    let data = tempfile::tempdir().unwrap();
    let mut daemon = Setup::in_directory(data.path()).flag(NOWHERE).start();
    let user = User::of(&daemon);
    let submit = user.starts(&["submit", "--wait=50s", &user.file("old.yaml", &object("web", "nginx", 3))]);
    submit.says("web created");
    // It is stopped while the daemon is restarted and another client submits.
    signal(&submit.child, "STOP");
    kill(&mut daemon);
    let successor = Setup::in_directory(data.path()).succeeding(&daemon.url).flag(NOWHERE).start();
    user.runs(&["submit", &user.file("new.yaml", &object("web", "nginx", 7))]).ends_with(0);
    signal(&submit.child, "CONT");
    submit.ends().ends_with(2).complains("generation 2 ");
    let now = successor.object("web");
    assert_eq!((&now["Count"], &now["Generation"]), (&7.into(), &2.into()));
}

#[test]
fn followed_events_continue_over_a_restart_and_none_is_repeated() {
    let data = tempfile::tempdir().unwrap();
    let start = |setup: Setup| setup.flag("--swarm-manager=simulated://3").start();
    let mut daemon = start(Setup::in_directory(data.path()));
    let user = User::of(&daemon);
    user.runs(&["submit", "--wait=50s", &user.file("web.yaml", &object("web", "nginx", 1))]).ends_with(0);
    let events = user.starts(&["events", "--follow"]);
    events.says("web (1): converged");
    daemon.signal("TERM");
    daemon.ended(SOON).unwrap();
    let _successor = start(Setup::in_directory(data.path()).succeeding(&daemon.url));
    user.runs(&["submit", &user.file("api.yaml", &object("api", "nginx", 1))]).ends_with(0);
    events.says("submitted api (1): created");
    events.says("reconnecting");
    let output = events.output();
    assert_eq!(output.matches("submitted web (1): created").count(), 1, "{output}");
}

/// A proxy that loses the first answer: the daemon gets the request, but the client gets no answer.
fn losing_the_first_answer(daemon: &Daemon) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let target = daemon.url.trim_start_matches("https://").to_owned();
    thread::spawn(move || {
        for (ordinal, client) in listener.incoming().enumerate() {
            let (client, server) = (client.unwrap(), TcpStream::connect(&target).unwrap());
            let (client_too, server_too) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            // The client's second chunk ends the handshake; the request is in it or after it.
            let requested = Arc::new(AtomicBool::new(false));
            let seen = Arc::clone(&requested);
            thread::spawn(move || {
                pour(client, server, |chunk| {
                    seen.fetch_or(chunk > 0, Ordering::SeqCst);
                    true
                });
            });
            thread::spawn(move || {
                pour(server_too, client_too, |_| {
                    let lost = ordinal == 0 && requested.load(Ordering::SeqCst);
                    if lost {
                        // Time for the daemon to perform the request.
                        thread::sleep(Duration::from_millis(500));
                    }
                    !lost
                });
            });
        }
    });
    address
}

/// Forwards chunks, numbered from 0, until one must not pass: that cuts the connections.
fn pour(mut from: TcpStream, mut to: TcpStream, may_pass: impl Fn(usize) -> bool) {
    let mut bytes = [0; 16 * 1024];
    for chunk in 0.. {
        match from.read(&mut bytes) {
            Ok(n @ 1..) if may_pass(chunk) && to.write_all(&bytes[..n]).is_ok() => {}
            _ => break,
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

#[test]
fn a_lost_answer_is_reported_and_with_a_wait_the_same_is_submitted_again() {
    let daemon = Daemon::simulated();
    let user = User { address: losing_the_first_answer(&daemon), ..User::of(&daemon) };
    let ran = user.runs(&["submit", &user.file("web.yaml", &object("web", "nginx", 2))]).ends_with(1);
    ran.complains("it is unknown whether the daemon accepted the change");
    assert_eq!(daemon.object("web")["Generation"], 1, "it was accepted");

    let user = User { address: losing_the_first_answer(&daemon), ..User::of(&daemon) };
    let api = user.file("api.yaml", &object("api", "nginx", 2));
    let ran = user.runs(&["submit", "--wait=50s", &api]).ends_with(0).says("api unchanged: generation 1");
    assert!(ran.err.contains("submitting the same again") && ran.last().contains("2 of 2 run"), "{ran:?}");

    // Changes that must not be repeated are not retried.
    user.runs(&["submit", &user.file("api.yaml", &object("api", "nginx", 3))]).ends_with(0);
    let user = User { address: losing_the_first_answer(&daemon), ..User::of(&daemon) };
    user.runs(&["rollback", "api", "--wait=50s"])
        .ends_with(1)
        .complains("it is unknown whether the daemon accepted the change");
    assert_eq!(daemon.object("api")["Generation"], 3, "rolled back to the first spec once");
    let user = User { address: losing_the_first_answer(&daemon), ..User::of(&daemon) };
    user.runs(&["delete", "api", "--wait=50s"])
        .ends_with(1)
        .complains("it is unknown whether the daemon accepted the change");
}
