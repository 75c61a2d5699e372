//! A separate Docker Engine with mutual TLS: `dockerd --tlsverify` on a loopback port, and a unix socket.
//!
//! It keeps its data, state and process files in one temporary directory, starts its own containerd and does not change
//! the firewall, so it and the machine's engine do not disturb each other. Its bridge is a network of the machine's
//! engine: with `--bridge=none`, dockerd would delete the machine's `docker0`. It needs root, as any dockerd.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::process::{CapturedOutput, end, run, signal, text};
use super::{Certificates, Engine, holds_within, image};

/// dockerd and its containerd need about two seconds, and more with a cold page cache.
const START: Duration = Duration::from_secs(40);
/// The time limit for stopping its containers and its containerd.
const STOP: Duration = Duration::from_secs(20);

/// A dockerd. Dropping it stops the process and removes all that it left.
pub struct Dockerd {
    child: Option<Child>,
    log: Option<CapturedOutput>,
    directory: TempDir,
    port: u16,
    bridge: Bridge,
    certificates: Certificates,
}

impl Dockerd {
    /// Chooses a port and a directory and creates the bridge with the machine's engine; nothing runs yet.
    pub fn new(machine: &Engine, certificates: &Certificates) -> Self {
        let directory = TempDir::with_prefix("scsm-dockerd-").unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let bridge = Bridge::create(machine, format!("scsm{port}"));
        Self { child: None, log: None, directory, port, bridge, certificates: certificates.clone() }
    }

    /// Starts it and waits until it answers and has the test images.
    pub fn start(&mut self) {
        let directory = self.directory.path();
        let flag = |name: &str, path: &Path| format!("--{name}={}", path.display());
        let mut command = Command::new("dockerd");
        command
            .arg(format!("--host={}", self.endpoint()))
            .arg(format!("--host={}", self.socket()))
            .arg("--tlsverify")
            .arg(flag("tlscacert", &self.certificates.ca()))
            .arg(flag("tlscert", &self.certificates.server()))
            .arg(flag("tlskey", &self.certificates.server_key()))
            .arg(flag("data-root", &directory.join("data")))
            .arg(flag("exec-root", &directory.join("run")))
            .arg(flag("pidfile", &directory.join("pid")))
            // Independent of the machine's own settings and containerd.
            .arg(flag("config-file", &directory.join("daemon.json")))
            .args(["--containerd-namespace=scsm-test", "--containerd-plugins-namespace=scsm-test-plugins"])
            .arg(format!("--bridge={}", self.bridge.name))
            // The driver that runs everywhere; the image is small.
            .args(["--iptables=false", "--ip6tables=false", "--ip-forward=false", "--storage-driver=vfs"]);
        fs::write(directory.join("daemon.json"), "{}").unwrap();
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap_or_else(
                |error| {
                    panic!("Cannot run dockerd ({error}): install Docker Engine and run the tests as root.")
                },
            );
        self.log = Some(CapturedOutput::from(child.stderr.take().unwrap()));
        let engine = self.engine();
        let answers = holds_within(START, || {
            child.try_wait().is_ok_and(|status| status.is_some()) || engine.answers().is_ok()
        });
        let ended = child.try_wait().is_ok_and(|status| status.is_some());
        self.child = Some(child);
        assert!(
            answers.is_some() && !ended,
            "The tests' dockerd did not start: it needs root; SCSM_SKIP_ROOT=1 skips \
             these tests. Its log:\n{}",
            self.log.as_ref().map(CapturedOutput::text).unwrap_or_default()
        );
        image::provide(&engine);
    }

    /// Stops it. Its data is kept for the next [`Self::start`].
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            end(&mut child, STOP);
        }
    }

    /// Kills it and its containerd. The containers survive for the next [`Self::start`].
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
        // The next dockerd would try to use a containerd that is still exiting.
        let file = self.directory.path().join("run/containerd/containerd.pid");
        let Ok(containerd) = fs::read_to_string(file) else { return };
        let gone = || !Path::new("/proc").join(containerd.trim()).exists();
        assert!(holds_within(STOP, gone).is_some(), "its containerd has ended");
    }

    /// Suspends it at any point: its socket still accepts connections, but nothing answers.
    pub fn suspend(&self) -> Suspended {
        let child = self.child.as_ref().expect("it runs");
        signal(child, "STOP");
        Suspended(child.id())
    }

    /// Kills what a killed dockerd left running: the shims, whose command line contains our directory, and their
    /// containers.
    fn end_survivors(&self) {
        let directory = self.directory.path().display().to_string();
        let processes: Vec<Process> = Process::all();
        let shims: Vec<u32> =
            processes.iter().filter(|p| p.command.contains(&directory)).map(|p| p.id).collect();
        // Children first, as orphans get another parent.
        let children = processes.iter().filter(|p| shims.contains(&p.parent)).map(|p| p.id);
        for id in children.chain(shims.iter().copied()) {
            let _ = run(Command::new("kill").args(["-s", "KILL", &id.to_string()]));
        }
    }

    pub fn endpoint(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }

    pub fn engine(&self) -> Engine {
        Engine::at(&self.endpoint(), &self.certificates)
    }

    /// The same engine through its unix socket, without TLS.
    pub fn plain(&self) -> Engine {
        Engine::plain(&self.socket())
    }

    fn socket(&self) -> String {
        format!("unix://{}", self.directory.path().join("docker.sock").display())
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        self.stop();
        self.end_survivors();
        // The directory cannot be removed with the mounts that a killed dockerd leaves.
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let ours = |place: &&str| Path::new(place).starts_with(self.directory.path());
        for place in mounts.lines().filter_map(|line| line.split(' ').nth(1)).filter(ours) {
            let _ = run(Command::new("umount").args(["--lazy", place]));
        }
    }
}

/// A suspended dockerd, which resumes when this is dropped.
pub struct Suspended(u32);

impl Drop for Suspended {
    fn drop(&mut self) {
        let _ = run(Command::new("kill").args(["-s", "CONT", &self.0.to_string()]));
    }
}

/// A process of this machine, from `/proc`.
struct Process {
    id: u32,
    parent: u32,
    command: String,
}

impl Process {
    fn all() -> Vec<Self> {
        let ids = fs::read_dir("/proc").unwrap().flatten();
        ids.filter_map(|entry| Self::read(entry.file_name().to_str()?.parse().ok()?)).collect()
    }

    /// `None` if it has ended meanwhile.
    fn read(id: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()?;
        let command = text(&fs::read(format!("/proc/{id}/cmdline")).ok()?);
        Some(Self { id, parent, command })
    }
}

/// A network of the machine's engine that provides the bridge device; removed when it is dropped.
struct Bridge {
    /// The name of the network and of the device, at most 15 bytes.
    name: String,
    machine: Engine,
}

impl Bridge {
    fn create(machine: &Engine, name: String) -> Self {
        let device = format!("com.docker.network.bridge.name={name}");
        machine.docker(&["network", "create", "--opt", &device, &name]);
        Self { name, machine: machine.clone() }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.machine.try_docker(&["network", "rm", &self.name]);
    }
}
