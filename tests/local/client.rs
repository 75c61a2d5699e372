//! The client's subcommands: the built program with a daemon on a simulated cluster, where an image whose name begins with
//! `nosuch` does not exist, and a command `/nope` cannot start.
//!
//! [`codes`] has the table of exit codes. [`finding`] and [`contexts`] test how the daemon is found, [`showing`] the output,
//! [`logs`] the logs, [`verbs`] reading, changing and scaling objects, [`completing`] the completions of shells, [`lasting`]
//! crashes of the daemon, and [`waiting`] waits for several objects.

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

/// Less than the usual `--wait=50s`, before which a command must end.
const ENDS: Duration = Duration::from_secs(45);

/// A user with a directory of files, and the address of a daemon.
struct User {
    address: String,
    certificates: PathBuf,
    files: TempDir,
}

/// The result of a command.
#[derive(Debug)]
struct CommandResult {
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

    /// Writes a file of this user, and returns its path.
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
    fn runs(&self, arguments: &[&str]) -> CommandResult {
        CommandResult::of(run(self.program().args(arguments)))
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
    fn runs_with(&self, arguments: &[&str], input: &str) -> CommandResult {
        CommandResult::of(run_with_input(self.program().args(arguments), input.as_bytes()))
    }
}

/// A running command. Dropping it ends the process.
struct Running {
    child: Child,
    out: Option<CapturedOutput>,
    err: Option<CapturedOutput>,
}

impl Running {
    /// Its output so far, on both streams.
    fn output(&self) -> String {
        [&self.out, &self.err].into_iter().flatten().map(CapturedOutput::text).collect()
    }

    #[track_caller]
    fn says(&self, text: &str) {
        let found = holds_within(SOON, || self.output().contains(text));
        assert!(found.is_some(), "not printed: {text}\n{}", self.output());
    }

    /// Waits until it ends by itself.
    #[track_caller]
    fn ends(mut self) -> CommandResult {
        let status =
            wait(&mut self.child, ENDS).unwrap_or_else(|| panic!("it does not end: {}", self.output()));
        let [stdout, stderr] = [self.out.take(), self.err.take()].map(|stream| stream.unwrap().rest());
        CommandResult::of(Output { status, stdout, stderr })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl CommandResult {
    #[track_caller]
    fn of(output: Output) -> CommandResult {
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(!err.contains("panicked"), "{err}");
        CommandResult { code: output.status.code().unwrap(), out, err }
    }

    #[track_caller]
    fn ends_with(self, code: i32) -> CommandResult {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    /// It printed this on standard output.
    #[track_caller]
    fn says(self, text: &str) -> CommandResult {
        assert!(self.out.contains(text), "not printed: {text}\n{self:?}");
        self
    }

    /// Its last line on standard error begins with `error: ` and contains this text.
    #[track_caller]
    fn complains(self, text: &str) -> CommandResult {
        let last = self.err.lines().last().unwrap_or_default();
        assert!(last.starts_with("error: ") && last.contains(text), "no error with {text}\n{self:?}");
        self
    }

    fn last(&self) -> &str {
        self.out.lines().last().unwrap_or_default()
    }
}

/// An object in YAML that converges quickly.
fn object(name: &str, image: &str, count: u32) -> String {
    format!("Name: {name}\nImage: {image}\nCount: {count}\nUpdate: {{Monitor: 100ms, FailAfter: 0s}}\n")
}
