//! The `curl` and client commands in the documents work, against a simulated cluster.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use support::Daemon;
use support::daemon::program;
use support::process::{run, text};
use tempfile::TempDir;

use super::{documents, root};

/// Commands that contain one of these cannot run here.
const ELSEWHERE: [&str; 4] = [
    // It starts the daemon.
    "--swarm-manager=",
    // These need a daemon that has stopped.
    "restore ",
    "--offline",
    // The generated reference of the command line.
    "[",
];

/// A daemon, and the home directory of a user who follows the documents.
struct User {
    daemon: Daemon,
    home: TempDir,
}

impl User {
    fn new() -> User {
        let user = User { daemon: Daemon::simulated(), home: TempDir::with_prefix("scsm-home-").unwrap() };
        for directory in ["examples", "prod-certs"] {
            fs::create_dir(user.home.path().join(directory)).unwrap();
        }
        for certificate in ["ca.pem", "cert.pem", "key.pem", "server.pem", "cert.pfx"] {
            fs::copy(
                user.daemon.certificates().directory().join(certificate),
                user.home.path().join(certificate),
            )
            .unwrap();
        }
        let objects = json!([
            {"Name": "team-a-x", "Image": "x:1", "Count": 1, "Update": {"Monitor": "0s"}},
            {"Name": "team-a-y", "Image": "y:1", "Count": 1, "Update": {"Monitor": "0s"}},
        ]);
        fs::write(user.home.path().join("objects.json"), objects.to_string()).unwrap();
        let example = fs::read_to_string(root().join("examples/web.yaml"))
            .unwrap()
            .replace("Monitor: 5s", "Monitor: 0s");
        fs::write(user.home.path().join("examples/web.yaml"), example).unwrap();
        user
    }

    /// Submits the objects that the documents assume: `web`, and `nginx` with an earlier spec for a rollback.
    fn prepare(&self) {
        for image in ["nginx:1.9.5", "nginx:1.9.6"] {
            let nginx = json!({"Name": "nginx", "Image": image, "Count": 2, "Update": {"Monitor": "0s"}});
            let web = json!({"Name": "web", "Image": "nginx:1.27", "Count": 2});
            let accepted = self.daemon.client.post("/submit", json!([nginx, web]).to_string());
            assert!(accepted.status < 300, "{accepted:?}");
        }
    }

    /// Runs a documented command; returns why it failed.
    fn run(&self, command: &str) -> Result<(), String> {
        self.prepare();
        let mut script = command.replace("https://HOST:3476", &self.daemon.url);
        script = script.replace("https://$SWARM_HOST:3476", &self.daemon.url).replace("NAME", "web");
        if script.starts_with("curl ") && !script.contains("--cacert") {
            script += " --cacert ca.pem --cert cert.pem --key key.pem";
        }
        let streams = ["curl -N", "--follow", "--watch"].iter().any(|word| script.contains(word));
        if streams {
            script = format!("timeout 2 {script}");
        }
        let program = program();
        let directory = Path::new(program.get_program()).parent().unwrap().display();
        let path = format!("{directory}:{}", std::env::var("PATH").unwrap());
        let mut shell = Command::new("bash");
        for (name, _) in program.get_envs() {
            shell.env_remove(name);
        }
        shell.args(["--noprofile", "--norc", "-c", &script]).current_dir(self.home.path());
        shell.env("HOME", self.home.path()).env_remove("XDG_CONFIG_HOME").env("PATH", path);
        shell.env("CA", "ca.pem").env("CERT", "cert.pem").env("KEY", "key.pem");
        shell
            .env("SCSM_ADDR", self.daemon.url.trim_start_matches("https://"))
            .env("SCSM_CERT_PATH", self.home.path());
        shell.env("SCSM_DATA_DIR", self.daemon.certificates().directory().parent().unwrap());
        let output = run(&mut shell);
        let (code, output_text) =
            (output.status.code(), format!("{}{}", text(&output.stdout), text(&output.stderr)));
        let expected = match code {
            Some(0) => true,
            // Only the timeout ends it.
            Some(124) => streams,
            // Something would change.
            Some(1) if command.contains(" plan ") => true,
            Some(1) => command.contains("--previous") && output_text.contains("no ended container"),
            _ => false,
        };
        if expected { Ok(()) } else { Err(format!("{script}\nended with {code:?}:\n{output_text}")) }
    }
}

/// The commands in the code blocks of a document, continuation lines joined.
fn commands(document: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let mut continues = false;
    for line in document.lines() {
        let Some(line) = line.strip_prefix("    ") else { continue };
        let starts =
            ["curl ", "swarm-cluster-state-manager ", "source <("].iter().any(|word| line.starts_with(word));
        if let Some(last) = commands.last_mut().filter(|_| continues) {
            last.push_str(line.trim_start());
        } else if starts {
            commands.push(line.to_owned());
        } else {
            continue;
        }
        let last = commands.last_mut().unwrap();
        continues = last.ends_with('\\');
        last.truncate(last.trim_end_matches('\\').len());
    }
    commands.retain(|command| !ELSEWHERE.iter().any(|word| command.contains(word)));
    commands
}

#[test]
fn the_documented_commands_work() {
    let user = User::new();
    let mut all: Vec<String> = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(document).unwrap();
        let written = text.split("<!-- begin commands -->").next().unwrap();
        for command in commands(written) {
            if !all.contains(&command) {
                all.push(command);
            }
        }
    }
    let failures: Vec<String> = all.iter().filter_map(|command| user.run(command).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert!(all.len() >= 30, "only {} commands were found", all.len());
}
