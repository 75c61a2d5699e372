//! The state directory: restarts, second processes, old copies, and the commands `backup` and `restore`.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use support::daemon::{Setup, program};
use support::process::{run, run_with_input, text};
use support::{Daemon, SOON};
use tempfile::TempDir;

fn start(dir: &Path) -> Daemon {
    Setup::in_directory(dir).flag("--swarm-manager=simulated://3").start()
}

fn object(name: &str, count: u32) -> Value {
    json!({"Name": name, "Image": "a", "Count": count, "Update": {"Monitor": "100ms"}})
}

/// A subcommand of the program with this data directory: exit code, standard output, standard error.
fn tool(dir: &Path, arguments: &[&str], input: &[u8]) -> (Option<i32>, String, String) {
    let mut command = program();
    command.args(arguments).env("SCSM_DATA_DIR", dir);
    let output = run_with_input(&mut command, input);
    (output.status.code(), text(&output.stdout).to_string(), text(&output.stderr).to_string())
}

/// The error of a daemon that must not start.
#[track_caller]
fn refused(dir: &Path) -> String {
    let mut command: Command = program();
    command.args(["--swarm-manager=simulated://1", "--addr=127.0.0.1:0"]).env("SCSM_DATA_DIR", dir);
    let output = run(&mut command);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    text(&output.stderr).to_string()
}

#[test]
fn a_restart_restores_everything() {
    let data = TempDir::with_prefix("scsm-state-").unwrap();
    let daemon = start(data.path());
    daemon.client.submit(&object("web", 1));
    daemon.client.submit(&object("web", 2));
    daemon.client.submit(&object("gone", 1));
    assert_eq!(daemon.client.delete("/objects/gone").status, 200);
    let before = daemon.client.get("/objects").json();
    drop(daemon);
    let daemon = start(data.path());
    assert_eq!(daemon.client.get("/objects").json(), before);
    let again = daemon.client.submit(&object("web", 2));
    assert_eq!((&again["Result"], &again["Generation"]), (&json!("unchanged"), &json!(2)));
    let recreated = daemon.client.submit(&object("gone", 1));
    assert_eq!((&recreated["Result"], &recreated["Generation"]), (&json!("created"), &json!(3)));
}

#[test]
fn a_second_process_on_the_directory_is_refused_and_the_first_keeps_working() {
    let data = TempDir::with_prefix("scsm-state-").unwrap();
    let daemon = start(data.path());
    let message = refused(data.path());
    assert!(message.contains(&format!("in use by process {}", daemon.child().id())), "{message}");
    assert!(message.contains("stop that one first"), "{message}");
    daemon.client.submit(&object("web", 1));
}

#[test]
fn an_old_copy_of_the_state_file_is_refused_with_advice() {
    let data = TempDir::with_prefix("scsm-state-").unwrap();
    let file = data.path().join("simulated/state.redb");
    let daemon = start(data.path());
    daemon.client.submit(&object("web", 1));
    drop(daemon);
    let old = fs::read(&file).unwrap();
    let daemon = start(data.path());
    daemon.client.submit(&object("web", 2));
    drop(daemon);
    fs::write(&file, old).unwrap();
    let message = refused(data.path());
    assert!(message.contains("is an old copy") && message.contains("`restore`"), "{message}");
    // The advice works.
    fs::remove_file(data.path().join("simulated/state.mark")).unwrap();
    assert_eq!(start(data.path()).client.get("/objects/web").json()["Count"], 1);
}

#[test]
fn a_backup_of_a_running_daemon_is_restored_by_one_command() {
    let data = TempDir::with_prefix("scsm-state-").unwrap();
    let file = data.path().join("backup");
    let path = file.to_str().unwrap();
    let daemon = start(data.path());
    daemon.client.submit(&object("web", 1));
    // The record of its convergence is part of a backup, and is committed after the status shows it.
    daemon.wait_until(SOON, "its convergence is recorded", || {
        daemon.client.get("/backup").body.contains(r#""Converged":1"#)
    });
    let address = daemon.url.trim_start_matches("https://").to_owned();
    let addr = format!("--addr={address}");
    let (code, _, message) = tool(data.path(), &["backup", path, &addr], b"");
    assert_eq!((code, message.contains("objects: 1")), (Some(0), true), "{message}");
    let (_, printed, _) = tool(data.path(), &["backup", &addr], b"");
    let bodies = [&printed, &fs::read_to_string(&file).unwrap()].map(|t| t.lines().nth(1).map(str::to_owned));
    assert_eq!(bodies[0], bodies[1], "standard output has the same backup");
    let (code, _, message) = tool(data.path(), &["restore", path], b"");
    assert_eq!(
        (code, message.contains("in use")),
        (Some(1), true),
        "refused while the daemon runs: {message}"
    );

    daemon.client.submit(&object("web", 2));
    daemon.client.submit(&object("later", 2));
    drop(daemon);
    let (code, _, message) = tool(data.path(), &["backup", &addr], b"");
    assert_eq!((code, message.contains("--offline")), (Some(1), true), "{message}");
    let (code, newest, _) = tool(data.path(), &["backup", "--offline", "--simulated"], b"");
    assert_eq!((code, newest.contains(r#""Name":"later""#)), (Some(0), true), "{newest}");

    let half = &printed.as_bytes()[..printed.len() / 2];
    let (code, _, message) = tool(data.path(), &["restore", "-"], half);
    assert_eq!((code, message.contains("damaged")), (Some(1), true), "{message}");
    let (code, message, _) = tool(data.path(), &["restore", path], b"");
    assert_eq!((code, message.contains("state.redb.replaced")), (Some(0), true), "{message}");
    let daemon = start(data.path());
    let web = daemon.client.get("/objects/web").json();
    assert_eq!(
        (&web["Count"], &web["Generation"]),
        (&json!(1), &json!(3)),
        "the old spec, as a newer generation"
    );
    assert_eq!(daemon.client.get("/objects/later").status, 404);
    drop(daemon);
    // If the result cannot be printed, the message does not claim that nothing was changed.
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$0\" restore - >/dev/full"]).arg(program().get_program());
    shell.env("SCSM_DATA_DIR", data.path());
    let output = run_with_input(&mut shell, newest.as_bytes());
    let message = text(&output.stderr);
    assert_eq!(
        (output.status.code(), message.contains("nothing was changed")),
        (Some(1), false),
        "{message}"
    );
    assert_eq!(start(data.path()).client.get("/objects/later").json()["Count"], 2);
}
