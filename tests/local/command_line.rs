//! The command line: a mistake causes one message and exit code 2, before anything is changed.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use support::daemon::{Setup, program};
use support::process::{run, text};
use support::{Certificates, Daemon};

/// Runs the program with flags that it must refuse, and returns its message.
#[track_caller]
fn refused(flags: &[String]) -> String {
    let output = run(program().args(flags));
    let message = text(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(2),
        "{flags:?}\nstdout: {}\nstderr: {message}",
        text(&output.stdout)
    );
    assert!(
        output.stdout.is_empty(),
        "{flags:?}: a refusal prints nothing on standard output: {}",
        text(&output.stdout)
    );
    assert!(!message.contains("panicked") && !message.contains("RUST_BACKTRACE"), "{flags:?}: {message}");
    message
}

fn flags(line: &[&str]) -> Vec<String> {
    line.iter().map(|flag| (*flag).to_owned()).collect()
}

#[test]
fn invalid_flags_are_named_and_nothing_is_changed() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let data_flag = format!("--data-dir={}", data.display());
    for (flag, named) in [
        ("--bogus", "--bogus"),
        ("--adr=127.0.0.1:0", "--addr"),
        ("surplus", "surplus"),
        ("--addr=nonsense", "nonsense"),
        ("--addr=127.0.0.1", "127.0.0.1"),
        ("--addr=127.0.0.1:99999", "99999"),
        ("--swarm-manager=ftp://127.0.0.1:1", "ftp"),
        ("--swarm-manager=nonsense", "nonsense"),
        ("--swarm-manager=", "--swarm-manager"),
        ("--swarm-manager=tcp://", "tcp://"),
        ("--swarm-manager=unix://", "unix://"),
        ("--swarm-manager=simulated://0", "simulated://0"),
        ("--swarm-manager=simulated://many", "simulated://many"),
        ("--resync=soon", "soon"),
        ("--resync=0s", "--resync"),
        ("--lost-after=-1s", "--lost-after"),
        ("--parallel=0", "--parallel"),
        ("--parallel=many", "many"),
        ("--cluster=", "--cluster"),
        ("--cluster=two words", "two words"),
        ("--log-format=xml", "xml"),
    ] {
        let message = refused(&flags(&["--addr=127.0.0.1:0", &data_flag, flag]));
        assert!(message.contains(named), "{flag}: the message does not name {named}: {message}");
        assert!(!data.exists(), "{flag}: the data directory was created");
    }
}

#[test]
fn invalid_certificate_files_are_named() {
    let (ours, theirs) = (Certificates::docker_machine(), Certificates::stranger());
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let write = |name: &str, content: &[u8]| {
        let path = temp.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let (garbage, empty) = (write("garbage.pem", b"not a certificate\n"), write("empty.pem", b""));
    let (missing, directory) = (temp.path().join("missing.pem"), temp.path().to_path_buf());
    let server = fs::read_to_string(ours.server()).unwrap();
    let cut = write("cut.pem", &server.as_bytes()[..server.len() / 2]);
    let no_der = write("no-der.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");

    let three = |ca: &Path, cert: &Path, key: &Path| {
        vec![
            format!("--tlscacert={}", ca.display()),
            format!("--tlscert={}", cert.display()),
            format!("--tlskey={}", key.display()),
        ]
    };
    let (ca, cert, key) = (ours.ca(), ours.server(), ours.server_key());
    for (tls, named) in [
        (three(&missing, &cert, &key), &missing),
        (three(&ca, &missing, &key), &missing),
        (three(&ca, &cert, &missing), &missing),
        (three(&garbage, &cert, &key), &garbage),
        (three(&ca, &garbage, &key), &garbage),
        (three(&ca, &cert, &garbage), &garbage),
        (three(&empty, &cert, &key), &empty),
        (three(&ca, &cut, &key), &cut),
        (three(&no_der, &cert, &key), &no_der),
        (three(&ca, &no_der, &key), &no_der),
        // A directory, and a certificate where a key should be.
        (three(&ca, &cert, &directory), &directory),
        (three(&ca, &cert, &cert), &cert),
        // A key of another certificate.
        (three(&ca, &cert, &theirs.server_key()), &theirs.server_key()),
    ] {
        let mut line = flags(&["--addr=127.0.0.1:0", "--swarm-manager=simulated://3"]);
        line.push(format!("--data-dir={}", data.display()));
        line.extend(tls);
        let message = refused(&line);
        assert!(message.contains(&named.display().to_string()), "{line:?}: {message}");
    }
    // One or two of the three flags are not enough.
    let all = three(&ca, &cert, &key);
    for some in [&all[..1], &all[1..], &all[..2], &all[2..]] {
        let mut line = flags(&["--addr=127.0.0.1:0", "--swarm-manager=simulated://3"]);
        line.push(format!("--data-dir={}", data.display()));
        line.extend_from_slice(some);
        let message = refused(&line);
        assert!(message.contains("--tls"), "{line:?}: {message}");
    }
    assert!(!data.exists(), "nothing was created");
}

#[test]
fn a_port_in_use_and_an_unwritable_directory_are_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let temp = tempfile::tempdir().unwrap();
    let data = format!("--data-dir={}", temp.path().join("data").display());
    let message = refused(&flags(&[&format!("--addr={address}"), "--swarm-manager=simulated://3", &data]));
    assert!(message.contains(&address), "{message}");
    assert!(message.contains("already"), "the port is in use: {message}");

    let file = temp.path().join("file");
    fs::write(&file, "").unwrap();
    for directory in [file.clone(), file.join("below")] {
        let data = format!("--data-dir={}", directory.display());
        let message = refused(&flags(&["--addr=127.0.0.1:0", "--swarm-manager=simulated://3", &data]));
        assert!(message.contains(&file.display().to_string()), "{message}");
        assert!(message.contains("--data-dir") && message.contains("a directory"), "{message}");
    }
}

#[test]
fn an_invalid_log_filter_is_refused() {
    let refused = |filter: &str| {
        let mut command = program();
        command.env("SCSM_LOG", filter).args(["--addr=127.0.0.1:0", "--data-dir=none", "--swarm-manager=x"]);
        let output = run(&mut command);
        assert_eq!(output.status.code(), Some(2), "{filter}: {}", text(&output.stderr));
        text(&output.stderr)
    };
    for filter in ["inof", "&&&", "trace==", "info,", "info,hyper", "hyper=loud", "a b=info", "=info"] {
        let message = refused(filter);
        assert!(message.contains(&format!("SCSM_LOG: invalid filter '{filter}'")), "{message}");
        assert!(message.contains("error, warn, info, debug"), "{message}");
    }
    for filter in ["info", "WARN", "off", "info,hyper=debug", "tokio_util::codec=trace, debug"] {
        let message = refused(filter);
        assert!(!message.contains("SCSM_LOG"), "{filter} is a filter: {message}");
    }
}

#[test]
fn an_invalid_variable_is_named() {
    for (command, variable, value) in [
        (&["status"] as &[_], "SCSM_ADDR", "bogus:"),
        (&["healthcheck"], "SCSM_ADDR", "bogus:"),
        (&[], "SCSM_ADDR", "bogus:"),
        (&[], "SCSM_PARALLEL", "many"),
        (&[], "SCSM_LOG_FORMAT", "xml"),
    ] {
        let message = text(&run(program().env(variable, value).args(command)).stderr);
        assert!(message.contains(&format!("invalid value '{value}' for '{variable}'")), "{message}");
    }
    let output = run(program().env("SCSM_ADDR", "bogus:").args(["status", "--addr=worse:"]));
    assert!(text(&output.stderr).contains("'worse:' for '--addr <HOST:PORT>'"), "{}", text(&output.stderr));
}

#[test]
fn help_has_a_sentence_for_every_flag() {
    let output = run(program().arg("--help"));
    assert!(output.status.success());
    let help = text(&output.stdout);
    for flag in [
        "addr",
        "swarm-manager",
        "allow-plain-engine",
        "tlscacert",
        "tlscert",
        "tlskey",
        "engine-tlscacert",
        "engine-tlscert",
        "engine-tlskey",
        "data-dir",
        "cluster",
        "resync",
        "lost-after",
        "parallel",
        "log-format",
    ] {
        assert!(help.contains(&format!("--{flag}")), "--{flag} is not in the help:\n{help}");
        let variable = format!("SCSM_{}", flag.to_uppercase().replace('-', "_"));
        assert!(help.contains(&variable), "{variable} is not in the help:\n{help}");
    }
    for default in ["127.0.0.1:3476", "unix:///var/run/docker.sock", "10s", "30s"] {
        assert!(help.contains(default), "the default {default} is not in the help:\n{help}");
    }
    let version = run(program().arg("--version"));
    assert!(text(&version.stdout).contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_flag_has_a_variable_and_the_flag_wins() {
    let daemon = Setup::new()
        .env("SCSM_SWARM_MANAGER", "simulated://2")
        .env("SCSM_CLUSTER", "from-the-environment")
        .env("SCSM_LOG_FORMAT", "json")
        .env("SCSM_RESYNC", "3s")
        .start();
    assert_eq!(daemon.status()["Engine"]["Endpoint"], "simulated://2");
    assert!(daemon.log().lines().all(|line| line.starts_with('{')), "{}", daemon.log());
    let daemon =
        Setup::new().env("SCSM_SWARM_MANAGER", "simulated://2").flag("--swarm-manager=simulated://4").start();
    assert_eq!(daemon.status()["Engine"]["Endpoint"], "simulated://4");
    let output = run(program().env("SCSM_RESYNC", "soon").args(["--addr=127.0.0.1:0", "--data-dir=none"]));
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("soon"), "{}", text(&output.stderr));
}

#[test]
fn it_listens_on_every_given_address() {
    let daemon = Setup::new().flag("--addr=127.0.0.1:0").flag("--swarm-manager=simulated://1").start();
    let banner = daemon.banner();
    let mut addresses: Vec<&str> = banner
        .split("https://127.0.0.1:")
        .skip(1)
        .map(|rest| rest.split(|sign: char| !sign.is_ascii_digit()).next().unwrap())
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), 2, "two listeners, two addresses:\n{banner}");
    for port in addresses {
        let client = support::Client::new(&format!("https://127.0.0.1:{port}"), &daemon.certificates());
        assert_eq!(client.get("/healthz").status, 200);
    }
}

#[test]
fn the_healthcheck_subcommand_distinguishes_a_healthy_daemon_from_none() {
    let daemon = Daemon::simulated();
    let port = daemon.url.rsplit(':').next().unwrap();
    let data = daemon.certificates().directory().parent().unwrap().display().to_string();
    let check = |port: &str| {
        run(program().args([
            "healthcheck",
            &format!("--addr=127.0.0.1:{port}"),
            &format!("--data-dir={data}"),
        ]))
    };
    let output = check(port);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let output = check(&free);
    assert_eq!(
        output.status.code(),
        Some(1),
        "Docker's exit code for unhealthy is 1: {}",
        text(&output.stderr)
    );
    assert!(text(&output.stderr).contains(&free), "{}", text(&output.stderr));
}

#[test]
fn the_healthcheck_subcommand_without_certificates_blames_no_daemon() {
    let output = run(program().args(["healthcheck", "--data-dir=/nowhere"]));
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(!message.contains("does not answer"), "it was not asked: {message}");
    for named in ["/nowhere/certs/ca.pem", "--data-dir", "--tlscacert"] {
        assert!(message.contains(named), "{named}: {message}");
    }
}

/// The environment variables that a help text names.
fn variables(help: &[&str]) -> Vec<String> {
    let message = text(&run(program().args(help)).stdout);
    let words = message.split(|c: char| !c.is_ascii_uppercase() && c != '_');
    let named = words.filter(|word| ["SCSM_", "DOCKER_"].iter().any(|start| word.starts_with(start)));
    let mut named: Vec<String> = named.map(str::to_owned).collect();
    named.sort();
    named.dedup();
    named
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let daemon_reads = variables(&["--help"]);
    for expected in
        ["SCSM_DATA_DIR", "SCSM_TLSCERT", "SCSM_ALLOW_PLAIN_ENGINE", "SCSM_PARALLEL", "DOCKER_HOST"]
    {
        assert!(daemon_reads.iter().any(|name| name == expected), "{expected} is not among {daemon_reads:?}");
    }
    let others = ["SCSM_LOG", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "XDG_STATE_HOME", "XDG_DATA_HOME"];
    let all = daemon_reads.iter().map(String::as_str).chain(others);
    let setup = all.fold(Setup::new(), |setup, name| setup.env(name, ""));
    let daemon = setup.flag("--swarm-manager=simulated://2").start();
    assert_eq!(daemon.client.get("/status").status, 200);
    assert!(
        daemon.log().contains("the engine is simulated"),
        "an empty SCSM_LOG is no filter: {}",
        daemon.log()
    );

    let client_reads = variables(&["status", "--help"]);
    assert!(client_reads.iter().any(|name| name == "SCSM_CERT_PATH"), "{client_reads:?}");
    let certificates = daemon.certificates();
    let mut status = program();
    status.envs(client_reads.iter().map(String::as_str).chain(others).map(|name| (name, "")));
    status
        .args(["status", "--addr", daemon.url.trim_start_matches("https://"), "--cert-path"])
        .arg(certificates.directory());
    let output = run(&mut status);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn an_unknown_command_is_refused_with_a_suggestion() {
    for (word, message) in [
        ("sumbit", "did you mean `submit`?"),
        ("staus", "did you mean `status`?"),
        ("run", "`submit FILE`"),
        ("create", "`submit FILE`"),
        ("up", "`submit FILE`"),
        ("down", "`delete NAME`"),
        ("stop", "`scale NAME 0`"),
        ("start", "`scale NAME COUNT`"),
        ("restart", "`docker restart CONTAINER`"),
        ("exec", "`status NAME`"),
        ("top", "`status NAME`"),
        ("edit", "`get NAME -o yaml > FILE`"),
        ("frobnicate", "`help` lists the commands"),
    ] {
        let line = refused(&flags(&[word, "--detach", "web"]));
        assert!(
            line.contains(&format!("unknown command `{word}`")) && line.contains(message),
            "{word}: {line}"
        );
        assert_eq!(line.lines().count(), 1, "{line}");
    }
}

#[test]
fn a_missing_file_argument_is_refused_with_an_example() {
    for (command, code) in [("submit", 1), ("apply", 1), ("plan", 2), ("diff", 2)] {
        let output = run(program().arg(command));
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{message}");
        let name = if command == "apply" { "submit" } else { command };
        assert!(
            message.contains(&format!("for example: swarm-cluster-state-manager {name} web.yaml")),
            "{message}"
        );
    }
}

#[test]
fn help_and_manual_fit_eighty_columns() {
    let help = |columns: &str, line: &[&str]| text(&run(program().env("COLUMNS", columns).args(line)).stdout);
    // Manual line breaks are kept.
    let intro = |columns| help(columns, &["--help"]).lines().take(16).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(intro("80"), intro("100"));
    assert!(intro("80").iter().any(|line| line.ends_with("\"Count\": 5}'")), "{:?}", intro("80"));
    // A command is one line of the list.
    let list = help("80", &["-h"]);
    let list = list.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    for line in list.lines() {
        assert!(line.len() <= 80 && line.starts_with("  ") && !line.starts_with("   "), "{line:?}");
    }
    let temp = tempfile::tempdir().unwrap();
    run(program().arg("man").arg(temp.path()));
    for page in fs::read_dir(temp.path()).unwrap() {
        let page = fs::read_to_string(page.unwrap().path()).unwrap();
        let title = page.lines().find(|line| line.starts_with(".TH")).unwrap();
        assert!(title.starts_with(".TH swarm-cluster-state-manager 1 \" \" \"swarm"), "{title}");
    }
}

#[test]
fn text_that_cannot_be_written_is_a_failure_but_no_wrong_usage() {
    let output = run(program().args(["man", "/proc/x"]));
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    for line in [&["man"] as &[_], &["completions", "bash"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let status = program().args(line).stdout(full).status().unwrap();
        assert_eq!(status.code(), Some(1), "{line:?}");
    }
}

#[test]
fn a_command_line_that_cannot_be_converted_causes_one_message_and_exit_code_1() {
    for (line, words) in [
        (&["docker", "run", "--bogus", "nginx"][..], "unknown flag --bogus of docker run"),
        (&["docker", "compose", "up"], "compose files cannot be converted"),
        (&["docker", "run"], "docker run needs an image"),
    ] {
        let output = run(program().args(["convert", "--"]).args(line));
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{line:?}: {message}");
        assert!(
            output.stdout.is_empty() && message.starts_with("error: ") && message.contains(words),
            "{message}"
        );
    }
    let output = run(program().args(["convert", "docker", "run", "nginx"]));
    assert!(output.status.code() == Some(1) && text(&output.stderr).contains("-- <COMMAND>"), "{output:?}");
}
