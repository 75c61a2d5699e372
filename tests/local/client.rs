//! The client's subcommands, as people and pipelines run them: the built program against a daemon on a simulated
//! cluster. There an image whose name begins with `nosuch` cannot be had, and a command `/nope` cannot start.
//!
//! Exit codes are an interface: `client/codes.rs` has the whole table. `client/finding.rs` and `client/contexts.rs` are
//! about the way to the daemon, `client/showing.rs` about what is written and where, `client/logs.rs` about logs,
//! `client/verbs.rs` about reading, changing and scaling objects, `client/completing.rs` about what shells offer,
//! `client/lasting.rs` about daemons that die, `client/waiting.rs` about several objects at once.

mod codes;
mod completing;
mod contexts;
mod finding;
mod lasting;
mod logs;
mod showing;
mod verbs;
mod waiting;

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use support::daemon::program;
use support::process::{CapturedOutput, run, run_with_input, text, wait};
use support::{Certificates, Daemon, SOON, holds_within};
use tempfile::TempDir;

/// Less than the `--wait=50s` that most of them are given, as they are to end before.
const ENDS: Duration = Duration::from_secs(45);

/// A user with a directory of files, who knows where a daemon is.
struct User {
    address: String,
    certificates: PathBuf,
    files: TempDir,
}

/// What a command did.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl User {
    fn of(daemon: &Daemon) -> User {
        User::with(&daemon.url, &daemon.certificates())
    }

    fn with(url: &str, certificates: &Certificates) -> User {
        User {
            address: url.trim_start_matches("https://").to_owned(),
            certificates: certificates.directory().to_owned(),
            files: TempDir::with_prefix("scsm-client-").unwrap(),
        }
    }

    /// A file of this user's, by its path.
    fn file(&self, name: &str, content: &str) -> String {
        let path = self.files.path().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// The program in this user's environment.
    fn program(&self) -> Command {
        let mut command = program();
        command.env("SCSM_ADDR", &self.address).env("SCSM_CERT_PATH", &self.certificates);
        command
    }

    /// A shell in this user's environment, where `$SCSM` is the program.
    fn shell(&self, script: &str) -> Command {
        let program = self.program();
        let mut shell = Command::new("bash");
        shell.args(["-c", script]).env("SCSM", program.get_program()).current_dir(self.files.path());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell
    }

    #[track_caller]
    fn runs(&self, arguments: &[&str]) -> Ran {
        Ran::of(run(self.program().args(arguments)))
    }

    fn starts(&self, arguments: &[&str]) -> Running {
        let mut command = self.program();
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = child.stdout.take().map(CapturedOutput::from);
        let err = child.stderr.take().map(CapturedOutput::from);
        Running { child, out, err }
    }

    #[track_caller]
    fn runs_with(&self, arguments: &[&str], input: &str) -> Ran {
        Ran::of(run_with_input(self.program().args(arguments), input.as_bytes()))
    }
}

/// A command that goes on. Dropping ends it.
struct Running {
    child: Child,
    out: Option<CapturedOutput>,
    err: Option<CapturedOutput>,
}

impl Running {
    /// What it has said so far, on both streams.
    fn said(&self) -> String {
        [&self.out, &self.err].into_iter().flatten().map(CapturedOutput::text).collect()
    }

    #[track_caller]
    fn says(&self, words: &str) {
        let found = holds_within(SOON, || self.said().contains(words));
        assert!(found.is_some(), "not said: {words}\n{}", self.said());
    }

    /// Waits for its end, which must come by itself.
    #[track_caller]
    fn ends(mut self) -> Ran {
        let status =
            wait(&mut self.child, ENDS).unwrap_or_else(|| panic!("it does not end: {}", self.said()));
        let [stdout, stderr] = [self.out.take(), self.err.take()].map(|stream| stream.unwrap().rest());
        Ran::of(Output { status, stdout, stderr })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ran {
    #[track_caller]
    fn of(output: Output) -> Ran {
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(!err.contains("panicked"), "{err}");
        Ran { code: output.status.code().unwrap(), out, err }
    }

    #[track_caller]
    fn ends_with(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    /// It said this on standard output.
    #[track_caller]
    fn says(self, words: &str) -> Ran {
        assert!(self.out.contains(words), "not said: {words}\n{self:?}");
        self
    }

    /// Its complaint is one line that begins with `error: ` and holds these words.
    #[track_caller]
    fn complains(self, words: &str) -> Ran {
        let last = self.err.lines().last().unwrap_or_default();
        assert!(last.starts_with("error: ") && last.contains(words), "no complaint about {words}\n{self:?}");
        self
    }

    fn last(&self) -> &str {
        self.out.lines().last().unwrap_or_default()
    }
}

/// An object in YAML, one that is believed to have converged as soon as it looks like it.
fn object(name: &str, image: &str, count: u32) -> String {
    format!("Name: {name}\nImage: {image}\nCount: {count}\nUpdate: {{Monitor: 100ms, FailAfter: 0s}}\n")
}
