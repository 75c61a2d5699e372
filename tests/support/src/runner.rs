//! The files in `examples/`, and a machine that runs them as a CI job would.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::Daemon;
use super::daemon::program;
use super::process::{run, text};

/// The repository.
pub const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

pub fn example(name: &str) -> String {
    fs::read_to_string(Path::new(REPOSITORY).join("examples").join(name)).unwrap()
}

/// The machine of a CI job: a checkout with the examples, the program in the path, and a reachable daemon.
pub struct Runner {
    pub daemon: Daemon,
    pub checkout: TempDir,
    pub temp: TempDir,
}

impl Runner {
    pub fn new() -> Runner {
        let runner = Runner::on(Daemon::simulated());
        runner.write_example("web.yaml", &example("web.yaml"));
        runner
    }

    pub fn on(daemon: Daemon) -> Runner {
        let (checkout, temp) =
            (TempDir::with_prefix("scsm-job-").unwrap(), TempDir::with_prefix("scsm-temp-").unwrap());
        fs::create_dir(checkout.path().join("examples")).unwrap();
        Runner { daemon, checkout, temp }
    }

    pub fn write_example(&self, name: &str, content: &str) {
        fs::write(self.checkout.path().join("examples").join(name), content).unwrap();
    }

    pub fn address(&self) -> &str {
        self.daemon.url.trim_start_matches("https://")
    }

    pub fn certificate(&self, name: &str) -> PathBuf {
        self.daemon.certificates().directory().join(name)
    }

    /// Runs a script; returns its exit code and all output.
    pub fn bash(&self, flags: &str, script: &str, environment: &BTreeMap<String, String>) -> (i32, String) {
        let program = program();
        let mut shell = Command::new("bash");
        for (name, _) in program.get_envs() {
            shell.env_remove(name);
        }
        let directory = Path::new(program.get_program()).parent().unwrap().display();
        let path = format!("{directory}:{}", std::env::var("PATH").unwrap());
        shell.args(["--noprofile", "--norc", flags, "-c", script]).current_dir(self.checkout.path());
        let output = run(shell.env("PATH", path).envs(environment));
        (output.status.code().unwrap(), format!("{}{}", text(&output.stdout), text(&output.stderr)))
    }
}
