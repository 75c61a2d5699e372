//! The engine or the daemon is restarted, killed, suspended or disconnected in the middle of the work. Afterwards exactly
//! `Count` containers run, one per slot, and foreign containers are untouched.
//!
//! Tests that disturb the engine start their own ([`support::dockerd`]). [`crashes`] kills the daemon at moments that a seed
//! chooses. Every test prints its longest time to converge: `cargo test --test root stress -- --nocapture`.

mod checks;
mod crashes;
use std::thread;
use std::time::{Duration, Instant};

use checks::{ForeignContainers, Longest, lifetimes_of, live, settles};
use serde_json::{Value, json};
use support::daemon::Setup;
use support::{Certificates, Cluster, Daemon, Dockerd, Engine, Relay, SOON, unique};

/// The default `Count` of a test.
const COUNT: usize = 10;
/// How long an engine is suspended.
const SUSPENDED: Duration = Duration::from_secs(20);
/// The daemon answers within this time, whatever its engine does.
const ANSWERS: Duration = Duration::from_secs(2);

/// Containers that start and stop quickly: they have no network, and the stop signal ends them.
fn object(name: &str, count: usize) -> Value {
    json!({
        "Name": name, "Image": "scsm-test:1", "Count": count, "StopTimeout": 2,
        "HostConfig": {"NetworkMode": "none"},
    })
}

/// A dockerd of the test's own with a cluster, foreign containers, and a daemon that manages the cluster.
struct TestBed {
    daemon: Daemon,
    foreign: ForeignContainers,
    cluster: Cluster,
    // Dropped last: the others clean up on it.
    dockerd: Dockerd,
}

impl TestBed {
    /// The object is `web`, which needs no unique name on an engine of the test's own.
    fn start(machine: &Engine, purpose: &str) -> Self {
        let certificates = Certificates::docker_machine();
        let mut dockerd = Dockerd::new(machine, &certificates);
        dockerd.start();
        let cluster = dockerd.engine().cluster(purpose);
        let foreign = ForeignContainers::run(&dockerd.engine(), "web");
        let daemon = Setup::new().managing(&cluster).certificates(&certificates).start();
        daemon.connected();
        Self { daemon, foreign, cluster, dockerd }
    }

    fn submit(&self, count: usize) {
        self.daemon.client.submit(&object("web", count));
    }

    #[track_caller]
    fn settles(&self, count: usize) -> Duration {
        settles(&self.daemon, &self.cluster, "web", count)
    }

    /// Waits until the number of live containers shows that the work is half done.
    #[track_caller]
    fn wait_until_live(&self, what: &str, half_done: impl Fn(usize) -> bool) {
        self.daemon.wait_until(SOON, what, || half_done(live(&self.cluster).len()));
    }
}

#[test]
fn after_an_engine_restart_in_the_middle_of_the_work_exactly_count_run() {
    let Some(machine) = Engine::local_as_root() else { return };
    let mut bed = TestBed::start(&machine, "restart");
    let mut longest = Longest::default();
    // Early and late in a scale-up, and after it.
    for reached in [2, 7, COUNT] {
        bed.submit(COUNT);
        bed.wait_until_live("a scale-up is under way", |live| live >= reached);
        bed.dockerd.stop();
        bed.dockerd.start();
        longest.note(bed.settles(COUNT));
        bed.foreign.are_back();
        bed.submit(0);
        longest.note(bed.settles(0));
    }
    println!("dockerd restarted: converged at most {longest} after its return");
}

#[test]
fn after_an_engine_crash_in_the_middle_of_the_work_exactly_count_run() {
    let Some(machine) = Engine::local_as_root() else { return };
    let mut bed = TestBed::start(&machine, "kill");
    let mut longest = Longest::default();
    for (reached_up, reached_down) in [(3, 7), (7, 3)] {
        bed.submit(COUNT);
        bed.wait_until_live("a scale-up is under way", |live| live >= reached_up);
        bed.dockerd.kill();
        bed.dockerd.start();
        longest.note(bed.settles(COUNT));
        bed.foreign.are_back();

        bed.submit(1);
        bed.wait_until_live("a scale-down is under way", |live| live <= reached_down);
        bed.dockerd.kill();
        bed.dockerd.start();
        longest.note(bed.settles(1));
        bed.foreign.are_back();
        bed.submit(0);
        longest.note(bed.settles(0));
    }
    println!("dockerd killed: converged at most {longest} after its return");
}

#[test]
fn while_an_engine_is_suspended_the_daemon_answers_and_afterwards_there_are_never_too_many() {
    let Some(machine) = Engine::local_as_root() else { return };
    let bed = TestBed::start(&machine, "hold");
    let events = bed.cluster.events();
    let trace = bed.foreign.trace();
    bed.submit(COUNT);
    bed.wait_until_live("a scale-up is under way", |live| live >= 3);

    let suspended = bed.dockerd.suspend();
    let begun = Instant::now();
    let mut slowest = Duration::ZERO;
    let mut reasons = Vec::new();
    while begun.elapsed() < SUSPENDED {
        let asked = Instant::now();
        let status = bed.daemon.status();
        slowest = slowest.max(asked.elapsed());
        let web = &status["Objects"][0];
        assert_ne!(web["Phase"], "converged", "nothing is known meanwhile: {status}");
        let reason = web["Reason"].as_str().unwrap_or_default().to_owned();
        assert!(!reason.is_empty(), "{status}");
        if reasons.last() != Some(&reason) {
            println!("suspended for {:.1?}: {}: {reason}", begun.elapsed(), web["Phase"]);
            reasons.push(reason);
        }
        thread::sleep(Duration::from_millis(200));
    }
    assert!(slowest < ANSWERS, "/status took {slowest:?}");
    assert!(reasons.iter().any(|reason| reason.starts_with("waiting for the engine")), "{reasons:#?}");
    drop(suspended);

    let took = bed.settles(COUNT);
    assert_eq!(bed.foreign.trace(), trace);
    let lifetimes = lifetimes_of(&events.all());
    assert!(lifetimes.most <= COUNT, "never more than {COUNT}: {lifetimes:?}\n{:#?}", events.all());
    assert!(lifetimes.doubled.is_empty(), "no slot has two containers: {lifetimes:?}\n{:#?}", events.all());
    println!(
        "dockerd suspended for {SUSPENDED:?}: /status within {slowest:?}, converged {took:?} after its return"
    );
}

#[test]
fn after_the_engines_socket_was_gone_exactly_count_run() {
    let Some(engine) = Engine::local_as_root() else { return };
    let cluster = engine.cluster("cut");
    let name = unique("cut");
    let foreign = ForeignContainers::run(&engine, &name);
    let trace = foreign.trace();
    let events = cluster.events();
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("docker.sock");
    let relay = Relay::open(&socket, engine.endpoint());
    let daemon = Setup::new()
        .flag(format!("--cluster={}", cluster.name()))
        .flag(format!("--swarm-manager=unix://{}", socket.display()))
        .start();
    daemon.connected();
    let disconnected = || daemon.status()["Engine"]["Connected"] == false;
    let mut longest = Longest::default();

    // The connection is cut at several points of a scale-up.
    daemon.client.submit(&object(&name, COUNT));
    let mut relay = Some(relay);
    for reached in [1, 4, 7] {
        daemon.wait_until(SOON, "a scale-up is under way", || live(&cluster).len() >= reached);
        drop(relay.take());
        daemon.wait_until(SOON, "the engine is disconnected", disconnected);
        relay = Some(Relay::open(&socket, engine.endpoint()));
    }
    longest.note(settles(&daemon, &cluster, &name, COUNT));

    // After convergence, one container dies and one is removed while the engine is disconnected.
    drop(relay.take());
    daemon.wait_until(SOON, "the engine is disconnected", disconnected);
    let before = live(&cluster);
    engine.docker(&["kill", &before[0].id]);
    engine.docker(&["rm", "--force", &before[1].id]);
    let relay = Relay::open(&socket, engine.endpoint());
    longest.note(settles(&daemon, &cluster, &name, COUNT));
    let now = live(&cluster);
    let stayed = before[2..].iter().filter(|old| now.iter().any(|new| new.id == old.id)).count();
    assert_eq!(stayed, COUNT - 2, "the others keep running");

    daemon.client.submit(&object(&name, 0));
    daemon.wait_until(SOON, "a scale-down is under way", || live(&cluster).len() <= COUNT / 2);
    drop(relay);
    daemon.wait_until(SOON, "the engine is disconnected", disconnected);
    let _relay = Relay::open(&socket, engine.endpoint());
    longest.note(settles(&daemon, &cluster, &name, 0));

    assert_eq!(foreign.trace(), trace);
    let lifetimes = lifetimes_of(&events.all());
    assert!(lifetimes.most <= COUNT && lifetimes.doubled.is_empty(), "{lifetimes:?}\n{:#?}", events.all());
    println!("socket closed and reopened: converged at most {longest} after its return");
}

#[test]
fn calls_that_a_suspended_and_disconnected_engine_performs_late_create_no_duplicates() {
    let Some(machine) = Engine::local_as_root() else { return };
    let mut dockerd = Dockerd::new(&machine, &Certificates::docker_machine());
    dockerd.start();
    let engine = dockerd.plain();
    let cluster = engine.cluster("late");
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("docker.sock");
    let mut relay = Some(Relay::open(&socket, engine.endpoint()));
    let daemon = Setup::new()
        .flag(format!("--cluster={}", cluster.name()))
        .flag(format!("--swarm-manager=unix://{}", socket.display()))
        .start();
    daemon.connected();
    let events = cluster.events();
    let mut longest = Longest::default();

    for (count, half_done) in [(COUNT, 3), (2, 5), (COUNT, 6)] {
        let rises = live(&cluster).len() < count;
        daemon.client.submit(&object("web", count));
        daemon.wait_until(SOON, "the work is under way", || {
            let live = live(&cluster).len();
            if rises { live >= half_done } else { live <= half_done }
        });
        let suspended = dockerd.suspend();
        // The calls under way are now in doubt; the engine performs them when it resumes, while it is listed.
        drop(relay.take());
        daemon.wait_until(SOON, "the engine is disconnected", || {
            daemon.status()["Engine"]["Connected"] == false
        });
        relay = Some(Relay::open(&socket, engine.endpoint()));
        // Longer than the delay after a first failure.
        thread::sleep(Duration::from_secs(3));
        drop(suspended);
        longest.note(settles(&daemon, &cluster, "web", count));
    }
    let lifetimes = lifetimes_of(&events.all());
    assert!(lifetimes.most <= COUNT && lifetimes.doubled.is_empty(), "{lifetimes:?}\n{:#?}", events.all());
    println!("dockerd suspended and disconnected: converged at most {longest} after its return");
}
