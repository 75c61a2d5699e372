//! Completions of shells. The script for `bash` is run; the other scripts are parsed by their shells, if installed, and
//! their requests are imitated.

use std::net::TcpListener;
use std::process::Command;
use std::time::Instant;

use support::Daemon;
use support::daemon::program;
use support::process::{run, text};

use super::{CommandResult, SOON, User, object};

/// The completions of the last of these words for `shell`: the values, or flags if there are none.
#[track_caller]
fn completions(user: &User, shell: &str, words: &[&str]) -> Vec<String> {
    let mut command = user.program();
    let index = (words.len() - 1).to_string();
    command.env("SCSM_COMPLETE", shell).env("_CLAP_COMPLETE_INDEX", index).env("_CLAP_IFS", "\n");
    let ran = CommandResult::of(run(command.arg("--").args(words))).ends_with(0);
    assert!(ran.err.is_empty(), "{ran:?}");
    let value = |line: &str| line.split(['\t', ':']).next().unwrap().to_owned();
    ran.out.lines().map(value).collect()
}

/// The completions of bash, requested by the script itself.
#[track_caller]
fn bash(user: &User, words: &[&str]) -> Vec<String> {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let script = format!(
        "source <(\"$SCSM\" completions bash); COMP_WORDS=({}); COMP_CWORD={}; COMP_TYPE=9
         function=$(complete -p swarm-cluster-state-manager | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
         $function swarm-cluster-state-manager \"${{COMP_WORDS[COMP_CWORD]}}\"
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        quoted.join(" "),
        words.len() - 1,
    );
    let ran = CommandResult::of(run(&mut user.shell(&script))).ends_with(0);
    ran.out.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn only_flags(completions: &[String]) -> bool {
    !completions.is_empty() && completions.iter().all(|value| value.starts_with('-'))
}

const PROGRAM: &str = "swarm-cluster-state-manager";

#[test]
fn names_of_objects_are_completed_where_they_belong() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    for name in ["web", "worker", "api"] {
        user.runs(&["submit", &user.file("it.yaml", &object(name, "nginx", 0))]).ends_with(0);
    }
    let all = ["api", "web", "worker"];
    assert_eq!(bash(&user, &[PROGRAM, "status", ""]), all);
    assert_eq!(bash(&user, &[PROGRAM, "status", "w"]), ["web", "worker"]);
    assert_eq!(bash(&user, &[PROGRAM, "delete", "api", "wo"]), ["worker"]);
    for shell in ["bash", "zsh", "fish"] {
        for line in [
            &["status"] as &[_],
            &["ps"],
            &["describe"],
            &["get"],
            &["scale"],
            &["delete"],
            &["rm"],
            &["history"],
            &["logs"],
            &["rollback"],
            &["events", "--object"],
        ] {
            let words: Vec<&str> = [PROGRAM].iter().chain(line).chain(&[""]).copied().collect();
            assert_eq!(completions(&user, shell, &words), all, "{shell}: {words:?}");
        }
        let commands = completions(&user, shell, &[PROGRAM, ""]);
        assert!(
            commands.contains(&"submit".to_owned()) && !commands.contains(&"apply".to_owned()),
            "{commands:?}"
        );
        assert_eq!(completions(&user, shell, &[PROGRAM, "app"]), ["apply"]);
        assert!(completions(&user, shell, &[PROGRAM, "sub"]).contains(&"submit".to_owned()));
        assert!(
            completions(&user, shell, &[PROGRAM, "status", "--cert"]).contains(&"--cert-path".to_owned())
        );
    }
    // The daemon's address in the command line is used.
    let address = user.address.clone();
    let lost = User { address: "127.0.0.1:1".to_owned(), ..user };
    assert!(only_flags(&completions(&lost, "bash", &[PROGRAM, "status", ""])));
    assert_eq!(completions(&lost, "bash", &[PROGRAM, "status", "--addr", &address, ""]), all);
}

#[test]
fn without_an_answer_of_the_daemon_completion_offers_only_flags_and_soon() {
    let daemon = Daemon::simulated();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let user = User { address: silent.local_addr().unwrap().to_string(), ..User::of(&daemon) };
    let began = Instant::now();
    assert!(only_flags(&completions(&user, "bash", &[PROGRAM, "status", ""])));
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[test]
fn names_of_contexts_are_completed() {
    let daemon = Daemon::simulated();
    let user = User::of(&daemon);
    let with_home =
        |command: &mut Command| CommandResult::of(run(command.env("XDG_CONFIG_HOME", user.files.path())));
    for name in ["prod", "test"] {
        with_home(user.program().args(["context", "set", name, "--addr", "a"])).ends_with(0);
    }
    for line in [&["context", "use"] as &[_], &["context", "rm"], &["status", "--context"]] {
        let mut command = user.program();
        command.env("SCSM_COMPLETE", "fish").args(["--", PROGRAM]).args(line).arg("");
        let ran = with_home(&mut command);
        assert_eq!(ran.out, "prod\ntest\n", "{line:?}: {ran:?}");
    }
}

#[test]
fn scripts_are_valid_in_their_shells() {
    for shell in ["bash", "zsh", "fish"] {
        let script = CommandResult::of(run(program().args(["completions", shell]))).ends_with(0).out;
        assert!(script.contains(PROGRAM), "{shell}: {script}");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), script).unwrap();
        // Parsed, not run; skipped for shells that are not installed.
        match Command::new(shell).arg("-n").arg(file.path()).output() {
            Ok(output) => assert!(output.status.success(), "{shell}: {}", text(&output.stderr)),
            Err(error) => assert_ne!(shell, "bash", "{error}"),
        }
    }
}
