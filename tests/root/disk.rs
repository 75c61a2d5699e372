//! A disk that is full, read-only or broken under a running daemon: only what is durable is acknowledged, it survives a
//! crash, and the daemon recovers by itself when the disk does.
//!
//! The faults are real: a separate file system is filled up, and `strace` makes system calls of the daemon fail.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::daemon::{Setup, program};
use support::process::{CapturedOutput, end, run, succeed, text, wait};
use support::skip::skips_root;
use support::{Daemon, SOON};
use tempfile::TempDir;

/// The longest pause between two attempts to write the state is 30 s.
const SETTLES: Duration = Duration::from_secs(45);

/// A separate file system of this many KiB.
struct Mount(TempDir);

impl Mount {
    fn new(kib: u32) -> Mount {
        let dir = TempDir::with_prefix("scsm-disk-").unwrap();
        let size = format!("size={kib}k");
        succeed(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "scsm-disk"]).arg(dir.path()));
        Mount(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).output();
    }
}

fn start(dir: &Path) -> Daemon {
    Setup::in_directory(dir).flag("--swarm-manager=simulated://3").start()
}

/// An object that takes some room.
fn object(name: &str, bytes: usize) -> Value {
    json!({"Name": name, "Image": "a", "Count": 1, "Labels": {"padding": "x".repeat(bytes)}})
}

/// The daemon's objects, by name, with their generation.
fn objects(daemon: &Daemon) -> BTreeMap<String, u64> {
    let all = daemon.client.get("/objects").json();
    let entry = |o: &Value| (o["Name"].as_str().unwrap().to_owned(), o["Generation"].as_u64().unwrap());
    all.as_array().unwrap().iter().map(entry).collect()
}

/// Submits until a submit is accepted.
fn accepts_again(daemon: &Daemon, name: &str) {
    let begun = Instant::now();
    daemon.wait_until(SETTLES, "submits are accepted again", || {
        daemon.client.post("/submit", object(name, 10).to_string()).status < 300
    });
    eprintln!("submits were accepted again after {:.1?}", begun.elapsed());
    assert!(daemon.status()["Manager"]["State"].as_str().unwrap().starts_with("durable, in"));
}

#[test]
fn a_full_disk_refuses_with_507_and_loses_nothing() {
    if skips_root() {
        return;
    }
    let mount = Mount::new(512);
    let daemon = start(mount.path());
    let mut acknowledged = BTreeMap::new();
    assert_eq!(daemon.client.post("/submit", object("first", 10).to_string()).status, 201);
    acknowledged.insert("first".to_owned(), 1);
    let filler = mount.path().join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    drop(file);
    let mut refusals = 0;
    for i in 0..30 {
        let name = format!("o{i}");
        let reply = daemon.client.post("/submit", object(&name, 20_000).to_string());
        match reply.status {
            201 => drop(acknowledged.insert(name, 1)),
            507 => {
                assert_eq!(reply.content_type, "application/problem+json");
                let detail = reply.json()["detail"].as_str().unwrap().to_owned();
                assert!(detail.contains("disk is full") && detail.contains("make room"), "{detail}");
                assert!(detail.contains("the daemon tries again within"), "{detail}");
                assert!(reply.headers.iter().any(|line| line.starts_with("retry-after: ")), "{reply:?}");
                refusals += 1;
            }
            _ => panic!("{reply:?}"),
        }
    }
    eprintln!("a full disk: {} accepted, {refusals} refused with 507", acknowledged.len());
    assert!(refusals > 0);
    assert_eq!(objects(&daemon), acknowledged, "reads still work, and show what was acknowledged");
    let state = daemon.status()["Manager"]["State"].as_str().unwrap().to_owned();
    assert!(state.contains("CANNOT BE WRITTEN") && state.contains("disk is full"), "{state}");
    daemon.converges("first", SOON);

    fs::remove_file(&filler).unwrap();
    accepts_again(&daemon, "after");
    acknowledged.insert("after".to_owned(), 1);
    daemon.signal("KILL");
    drop(daemon);
    assert_eq!(objects(&start(mount.path())), acknowledged, "all of it survives a crash");
}

#[test]
fn a_read_only_directory_is_refused_at_the_start() {
    if skips_root() {
        return;
    }
    let mount = Mount::new(512);
    let daemon = start(mount.path());
    drop(daemon);
    succeed(Command::new("mount").args(["-o", "remount,ro"]).arg(mount.path()));
    let data = format!("--data-dir={}", mount.path().display());
    let output = run(program().args([&data, "--addr=127.0.0.1:0", "--swarm-manager=simulated://3"]));
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(
        error.contains("Read-only file system") && error.contains(&mount.path().display().to_string()),
        "{error}"
    );
}

/// `strace` on a running daemon; its system calls work again when this is dropped.
struct Faults {
    strace: Child,
    _output: CapturedOutput,
}

impl Faults {
    fn on(daemon: &Daemon, fault: &str) -> Faults {
        let process = daemon.child().id().to_string();
        let mut command = Command::new("strace");
        command.args(["-f", "-qqq", "-o", "/dev/null", "-e", &format!("inject={fault}"), "-p", &process]);
        let mut strace =
            command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("strace is installed");
        let output = CapturedOutput::from(strace.stderr.take().unwrap());
        // Attached when every thread of the daemon has a tracer.
        let traced = || {
            fs::read_dir(format!("/proc/{process}/task")).unwrap().all(|task| {
                let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap_or_default();
                status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
            })
        };
        daemon.wait_until(SOON, "strace is attached", traced);
        Faults { strace, _output: output }
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        support::process::signal(&self.strace, "INT");
        if wait(&mut self.strace, SOON).is_none() {
            end(&mut self.strace, SOON);
        }
    }
}

/// The disk fails under submits and a deletion, then recovers; then the daemon is killed.
fn survives(fault: &str, code: u16, message: &str) {
    if skips_root() {
        return;
    }
    let data = TempDir::with_prefix("scsm-disk-").unwrap();
    let daemon = start(data.path());
    for name in ["kept", "changed"] {
        assert_eq!(daemon.client.post("/submit", object(name, 10).to_string()).status, 201);
    }
    let before = objects(&daemon);
    let faults = Faults::on(&daemon, fault);
    for _ in 0..2 {
        for reply in [
            daemon.client.post("/submit", object("refused", 10).to_string()),
            daemon.client.post("/submit", object("changed", 11).to_string()),
            daemon.client.delete("/objects/kept"),
        ] {
            assert_eq!(reply.status, code, "{fault}: {reply:?}");
            let detail = reply.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains(message), "{fault}: {detail}");
        }
    }
    assert_eq!(objects(&daemon), before, "{fault}: no refused change is shown");
    drop(faults);
    accepts_again(&daemon, "after");
    let acknowledged = objects(&daemon);
    assert_eq!(
        acknowledged.len(),
        before.len() + 1,
        "{fault}: no refused change was committed: {acknowledged:?}"
    );
    daemon.signal("KILL");
    drop(daemon);
    assert_eq!(objects(&start(data.path())), acknowledged, "{fault}: what was acknowledged survives a crash");
}

#[test]
fn a_failed_fsync_is_answered_503_and_nothing_is_acknowledged_until_it_is_settled() {
    survives("fsync,fdatasync:error=EIO", 503, "Input/output error");
}

#[test]
fn a_failed_write_is_answered_503() {
    survives("pwrite64,fsync,fdatasync:error=EIO", 503, "Input/output error");
}

#[test]
fn a_disk_that_turns_read_only_is_answered_503() {
    survives("pwrite64,openat,fsync,fdatasync:error=EROFS", 503, "Read-only file system");
}
