//! Contexts: names for daemons, in a small file.

use std::fs;
use std::path::PathBuf;

use support::Daemon;
use support::daemon::program;
use support::process::run;
use tempfile::TempDir;

use super::CommandResult;

/// A user with a configuration directory, and no other settings for a daemon.
struct Home(TempDir);

impl Home {
    fn new() -> Home {
        Home(TempDir::with_prefix("scsm-home-").unwrap())
    }

    #[track_caller]
    fn runs(&self, variables: &[(&str, &str)], line: &[&str]) -> CommandResult {
        let mut command = program();
        command.env("XDG_CONFIG_HOME", self.0.path()).env("SCSM_DATA_DIR", "/nowhere");
        CommandResult::of(run(command.envs(variables.iter().copied()).args(line)))
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("swarm-cluster-state-manager/config.yaml")
    }
}

/// The address and the directory of a daemon's certificates.
fn place(daemon: &Daemon) -> (String, String) {
    let certificates = daemon.certificates().directory().to_str().unwrap().to_owned();
    (daemon.url.trim_start_matches("https://").to_owned(), certificates)
}

#[test]
fn flags_precede_variables_contexts_and_defaults() {
    let (one, two) = (Daemon::simulated(), Daemon::simulated());
    let ((one_addr, one_certs), (two_addr, two_certs)) = (place(&one), place(&two));
    let home = Home::new();
    for (name, addr, certs) in [("one", &one_addr, &one_certs), ("two", &two_addr, &two_certs)] {
        let hint = format!("`context use {name}`");
        home.runs(&[], &["context", "set", name, "--addr", addr, "--cert-path", certs])
            .ends_with(0)
            .says(&hint);
    }
    let asks = |variables: &[(&str, &str)], flags: &[&str], daemon: &str| {
        let line: Vec<&str> = ["version"].iter().chain(flags).copied().collect();
        home.runs(variables, &line).ends_with(0).says(&format!(" at {daemon}\n"));
    };
    // Without a current context no daemon is known.
    home.runs(&[], &["status"]).ends_with(1).complains("/nowhere/certs");
    home.runs(&[], &["context", "use", "one"]).ends_with(0).says("the current context is one");
    asks(&[], &[], &one_addr);
    asks(&[("SCSM_CONTEXT", "two")], &[], &two_addr);
    asks(&[("SCSM_CONTEXT", "two")], &["--context", "one"], &one_addr);
    // Separate variables precede contexts.
    let variables = [("SCSM_ADDR", two_addr.as_str()), ("SCSM_CERT_PATH", two_certs.as_str())];
    asks(&variables, &[], &two_addr);
    asks(&variables, &["--context", "one"], &one_addr);
    asks(&variables, &["--addr", &one_addr, "--cert-path", &one_certs, "--context", "two"], &one_addr);
    let data = one_certs.trim_end_matches("/certs");
    asks(&[("SCSM_CERT_PATH", "/nowhere")], &["--addr", &one_addr, "--data-dir", data], &one_addr);
    // The context `default` is no context.
    home.runs(&[], &["status", "--context=default"]).ends_with(1).complains("/nowhere/certs");
    home.runs(&[("SCSM_CONTEXT", "default")], &["status"]).ends_with(1).complains("/nowhere/certs");
    // A context with the daemon only.
    home.runs(&[], &["context", "set", "half", "--addr", &two_addr]).ends_with(0);
    asks(&[("SCSM_CERT_PATH", &two_certs)], &["--context", "half"], &two_addr);
}

#[test]
fn contexts_are_set_listed_chosen_and_removed() {
    let home = Home::new();
    let certs = home.0.path().to_str().unwrap().to_owned();
    home.runs(&[], &["context", "ls"]).ends_with(0).says("no contexts: `context set NAME");
    home.runs(&[], &["context", "set", "prod", "--addr", "https://manager.example"]).ends_with(0);
    home.runs(&[], &["context", "set", "prod", "--cert-path", &certs]).ends_with(0);
    home.runs(&[], &["context", "set", "test", "--addr", "test:4000"]).ends_with(0);
    home.runs(&[], &["context", "use", "prod"]).ends_with(0);
    let listed = home.runs(&[], &["context", "ls"]).ends_with(0);
    let rows: Vec<Vec<&str>> = listed.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1], ["prod", "*", "manager.example:3476", &certs], "{listed:?}");
    assert_eq!(rows[2], ["test", "test:4000"]);

    home.runs(&[], &["context", "use", "tset"]).ends_with(1).complains("did you mean 'test'?");
    home.runs(&[], &["context", "rm", "prod", "missing"]).ends_with(1).complains("unknown context 'missing'");
    home.runs(&[], &["context", "rm", "prod"]).ends_with(0).says("context prod removed");
    let listed = home.runs(&[], &["context", "ls"]).ends_with(0);
    assert!(!listed.out.contains("prod") && !listed.out.contains('*'), "{listed:?}");
    home.runs(&[], &["context", "use", "test"]).ends_with(0);
    home.runs(&[], &["context", "use", "default"]).ends_with(0).says("there is no current context");

    for wrong in [
        &["context"] as &[_],
        &["context", "set", "x"],
        &["context", "set", "x", "--addr=http://a"],
        &["context", "set", "default", "--addr=a"],
        &["context", "set", "x", "--cert-path=/nowhere"],
        &["context", "rm"],
        &["context", "use", "two words"],
    ] {
        home.runs(&[], wrong).ends_with(1);
    }
}

#[test]
fn a_mistake_in_the_file_is_named_with_its_line() {
    let home = Home::new();
    let file = home.file();
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let path = file.to_str().unwrap();
    for (content, expected) in [
        ("current: prod\ncontexts:\n  prod: {adr: a}\n", "line 3"),
        ("current: prod\n", "unknown context 'prod'"),
        ("contexts: {prod: {addr: 'http://a'}}\n", "HTTPS only"),
    ] {
        fs::write(&file, content).unwrap();
        home.runs(&[], &["status"]).ends_with(1).complains(expected).complains(path);
    }
    // The file is not read if flags have everything.
    let daemon = Daemon::simulated();
    let (addr, certs) = place(&daemon);
    home.runs(&[], &["status", "--addr", &addr, "--cert-path", &certs]).ends_with(0);
}
