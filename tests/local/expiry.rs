//! Certificates that have expired, or soon will: the daemon says so at its start.

use std::path::Path;
use std::process::Command;

use support::daemon::Setup;
use support::process::succeed;
use support::{Certificates, Daemon};
use tempfile::TempDir;

fn openssl(directory: &Path, line: &str) {
    succeed(Command::new("openssl").args(line.split_whitespace()).current_dir(directory));
}

/// Issues the generated client certificate again, for another time.
fn issue_client(certs: &Path, days: i32) {
    openssl(certs, "req -new -key key.pem -subj /O=alice -out request.pem");
    let line = "x509 -req -in request.pem -CA ca.pem -CAkey ca-key.pem -set_serial 7 -out cert.pem -days";
    openssl(certs, &format!("{line} {days}"));
}

/// Issues the generated CA certificate again, for another time.
fn issue_ca(certs: &Path, days: i32) {
    openssl(certs, &format!("x509 -in ca.pem -signkey ca-key.pem -set_serial 7 -days {days} -out new.pem"));
    std::fs::rename(certs.join("new.pem"), certs.join("ca.pem")).unwrap();
}

fn start(data: &TempDir) -> Daemon {
    Setup::in_directory(data.path()).flag("--swarm-manager=simulated://3").start()
}

/// The warnings in the log about this file.
fn warnings(daemon: &Daemon, file: &Path) -> Vec<String> {
    let (log, file) = (daemon.log(), file.display().to_string());
    let warns = |line: &&str| line.contains("WARN") && line.contains(&file);
    log.lines().filter(warns).map(str::to_owned).collect()
}

#[test]
fn an_expired_generated_client_certificate_is_announced_and_not_recommended() {
    let data = TempDir::new().unwrap();
    let daemon = start(&data);
    let certs = daemon.certificates();
    assert!(daemon.banner().contains("Try it:"), "{}", daemon.banner());
    assert!(warnings(&daemon, certs.directory()).is_empty(), "{}", daemon.log());
    drop(daemon);

    issue_client(certs.directory(), 3);
    let daemon = start(&data);
    let warned = warnings(&daemon, &certs.cert());
    assert!(warned.len() == 1 && warned[0].contains("expires at "), "{warned:?}");
    assert!(daemon.banner().contains("Try it:"), "{}", daemon.banner());
    drop(daemon);

    issue_client(certs.directory(), -1);
    let daemon = start(&data);
    let warned = warnings(&daemon, &certs.cert());
    assert!(warned.len() == 1 && warned[0].contains("expired at "), "{warned:?}");
    assert!(warned[0].contains("issue a new one"), "{warned:?}");
    let banner = daemon.banner();
    assert!(!banner.contains("Try it:") && banner.contains("cert.pem has expired"), "{banner}");
}

#[test]
fn an_expired_ca_is_announced_with_the_way_out() {
    let data = TempDir::new().unwrap();
    let certs = start(&data).certificates();
    issue_ca(certs.directory(), 3);
    let daemon = start(&data);
    let warned = warnings(&daemon, &certs.ca());
    assert!(warned.len() == 1 && warned[0].contains("expires at "), "{warned:?}");
    drop(daemon);

    issue_ca(certs.directory(), -1);
    let daemon = start(&data);
    let warned = warnings(&daemon, &certs.ca());
    assert!(warned.len() == 1 && warned[0].contains("expired at "), "{warned:?}");
    let banner = daemon.banner();
    assert!(!banner.contains("Try it:") && banner.contains("ca.pem has expired"), "{banner}");
    drop(daemon);

    // The same files, configured.
    let daemon = Setup::new()
        .certificates(&Certificates::in_directory(certs.directory()))
        .flag("--swarm-manager=simulated://3")
        .start();
    let warned = warnings(&daemon, &certs.ca());
    assert!(warned.len() == 1 && warned[0].contains("expired at "), "{warned:?}");
    assert!(!daemon.banner().contains("Try it:"), "{}", daemon.banner());
}
