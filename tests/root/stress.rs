//! The daemon on a Docker Engine that is abused, and abused itself: whatever is restarted, killed, held up or
//! cut off in the middle of the work, afterwards exactly `Count` containers run, one a slot, and nobody else's
//! was touched.
//!
//! Where the engine is the one that suffers it is one of the test's own ([`support::dockerd`]). Where the daemon
//! is, it dies again and again at moments that a seed chooses (`abuse/deaths.rs`). Every test tells the longest
//! time to converge that it has seen; `cargo test --test abuse -- --nocapture` shows it.

mod deaths;
mod exactly;
use std::thread;
use std::time::{Duration, Instant};

use exactly::{Longest, Strangers, live, lives, settles};
use serde_json::{Value, json};
use support::daemon::Setup;
use support::{Certificates, Cluster, Daemon, Dockerd, Engine, Relay, SOON, unique};

/// How many are asked for, where a test does not need another number.
const COUNT: usize = 10;
/// How long an engine is held up.
const HELD: Duration = Duration::from_secs(20);
/// How soon the daemon answers, whatever its engine does.
const ANSWERS: Duration = Duration::from_secs(2);

/// Containers that start and stop as fast as the engine can: without a network, and ended by the signal that asks.
fn object(name: &str, count: usize) -> Value {
    json!({
        "Name": name, "Image": "scsm-test:1", "Count": count, "StopTimeout": 2,
        "HostConfig": {"NetworkMode": "none"},
    })
}

/// A dockerd of the test's own with a cluster on it, somebody else's containers, and a daemon that manages it.
struct Scene {
    daemon: Daemon,
    strangers: Strangers,
    cluster: Cluster,
    // The last to go: the others clean up on it.
    dockerd: Dockerd,
}

impl Scene {
    /// The object is `web`: nobody else is on this engine.
    fn set(machine: &Engine, word: &str) -> Self {
        let certificates = Certificates::docker_machine();
        let mut dockerd = Dockerd::new(machine, &certificates);
        dockerd.start();
        let cluster = dockerd.engine().cluster(word);
        let strangers = Strangers::run(&dockerd.engine(), "web");
        let daemon = Setup::new().managing(&cluster).certificates(&certificates).start();
        daemon.connected();
        Self { daemon, strangers, cluster, dockerd }
    }

    fn submit(&self, count: usize) {
        self.daemon.client.submit(&object("web", count));
    }

    #[track_caller]
    fn settles(&self, count: usize) -> Duration {
        settles(&self.daemon, &self.cluster, "web", count)
    }

    /// Waits until the work is half done: so many live.
    #[track_caller]
    fn comes_to(&self, what: &str, half_done: impl Fn(usize) -> bool) {
        self.daemon.wait_until(SOON, what, || half_done(live(&self.cluster).len()));
    }
}

#[test]
fn an_engine_that_is_restarted_in_the_middle_of_the_work_ends_up_with_exactly_count() {
    let Some(machine) = Engine::local_as_root() else { return };
    let mut scene = Scene::set(&machine, "restart");
    let mut longest = Longest::default();
    // Early in a scale-up, late in one, and when all is done.
    for reached in [2, 7, COUNT] {
        scene.submit(COUNT);
        scene.comes_to("a scale-up is under way", |live| live >= reached);
        scene.dockerd.stop();
        scene.dockerd.start();
        longest.note(scene.settles(COUNT));
        scene.strangers.are_back();
        scene.submit(0);
        longest.note(scene.settles(0));
    }
    println!("dockerd restarted: converged at most {longest} after its return");
}

#[test]
fn an_engine_that_is_killed_in_the_middle_of_the_work_ends_up_with_exactly_count() {
    let Some(machine) = Engine::local_as_root() else { return };
    let mut scene = Scene::set(&machine, "kill");
    let mut longest = Longest::default();
    for (reached_up, reached_down) in [(3, 7), (7, 3)] {
        scene.submit(COUNT);
        scene.comes_to("a scale-up is under way", |live| live >= reached_up);
        scene.dockerd.kill();
        scene.dockerd.start();
        longest.note(scene.settles(COUNT));
        scene.strangers.are_back();

        scene.submit(1);
        scene.comes_to("a scale-down is under way", |live| live <= reached_down);
        scene.dockerd.kill();
        scene.dockerd.start();
        longest.note(scene.settles(1));
        scene.strangers.are_back();
        scene.submit(0);
        longest.note(scene.settles(0));
    }
    println!("dockerd killed: converged at most {longest} after its return");
}

#[test]
fn while_an_engine_is_held_up_the_daemon_answers_and_afterwards_there_are_never_too_many() {
    let Some(machine) = Engine::local_as_root() else { return };
    let scene = Scene::set(&machine, "hold");
    let events = scene.cluster.events();
    let trace = scene.strangers.trace();
    scene.submit(COUNT);
    scene.comes_to("a scale-up is under way", |live| live >= 3);

    let held = scene.dockerd.hold();
    let begun = Instant::now();
    let mut slowest = Duration::ZERO;
    let mut said = Vec::new();
    while begun.elapsed() < HELD {
        let asked = Instant::now();
        let status = scene.daemon.status();
        slowest = slowest.max(asked.elapsed());
        let web = &status["Objects"][0];
        assert_ne!(web["Phase"], "converged", "it does not claim what it does not know: {status}");
        let reason = web["Reason"].as_str().unwrap_or_default().to_owned();
        assert!(!reason.is_empty(), "{status}");
        if said.last() != Some(&reason) {
            println!("held up for {:.1?}: {}: {reason}", begun.elapsed(), web["Phase"]);
            said.push(reason);
        }
        thread::sleep(Duration::from_millis(200));
    }
    assert!(slowest < ANSWERS, "/status took {slowest:?}");
    assert!(said.iter().any(|reason| reason.starts_with("waiting for the engine")), "it says why: {said:#?}");
    drop(held);

    let took = scene.settles(COUNT);
    assert_eq!(scene.strangers.trace(), trace);
    let lived = lives(&events.all());
    assert!(lived.most <= COUNT, "never more than {COUNT}: {lived:?}\n{:#?}", events.all());
    assert!(lived.doubled.is_empty(), "no slot held two at once: {lived:?}\n{:#?}", events.all());
    println!("dockerd held up for {HELD:?}: /status within {slowest:?}, converged {took:?} after its return");
}

#[test]
fn an_engine_whose_socket_goes_and_comes_back_ends_up_with_exactly_count() {
    let Some(engine) = Engine::local_as_root() else { return };
    let cluster = engine.cluster("cut");
    let name = unique("cut");
    let strangers = Strangers::run(&engine, &name);
    let trace = strangers.trace();
    let events = cluster.events();
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("docker.sock");
    let relay = Relay::open(&socket, engine.endpoint());
    let daemon = Setup::new()
        .flag(format!("--cluster={}", cluster.name()))
        .flag(format!("--swarm-manager=unix://{}", socket.display()))
        .start();
    daemon.connected();
    let missed = || daemon.status()["Engine"]["Connected"] == false;
    let mut longest = Longest::default();

    // Each time the scale-up has gone a little further, its calls are cut.
    daemon.client.submit(&object(&name, COUNT));
    let mut relay = Some(relay);
    for reached in [1, 4, 7] {
        daemon.wait_until(SOON, "a scale-up is under way", || live(&cluster).len() >= reached);
        drop(relay.take());
        daemon.wait_until(SOON, "the engine is missed", missed);
        relay = Some(Relay::open(&socket, engine.endpoint()));
    }
    longest.note(settles(&daemon, &cluster, &name, COUNT));

    // All is quiet; then one dies and one vanishes while nobody is looking.
    drop(relay.take());
    daemon.wait_until(SOON, "the engine is missed", missed);
    let there = live(&cluster);
    engine.docker(&["kill", &there[0].id]);
    engine.docker(&["rm", "--force", &there[1].id]);
    let relay = Relay::open(&socket, engine.endpoint());
    longest.note(settles(&daemon, &cluster, &name, COUNT));
    let now = live(&cluster);
    let stayed = there[2..].iter().filter(|old| now.iter().any(|new| new.id == old.id)).count();
    assert_eq!(stayed, COUNT - 2, "the others ran on");

    daemon.client.submit(&object(&name, 0));
    daemon.wait_until(SOON, "a scale-down is under way", || live(&cluster).len() <= COUNT / 2);
    drop(relay);
    daemon.wait_until(SOON, "the engine is missed", missed);
    let _relay = Relay::open(&socket, engine.endpoint());
    longest.note(settles(&daemon, &cluster, &name, 0));

    assert_eq!(strangers.trace(), trace);
    let lived = lives(&events.all());
    assert!(lived.most <= COUNT && lived.doubled.is_empty(), "{lived:?}\n{:#?}", events.all());
    println!("socket gone and back: converged at most {longest} after its return");
}

#[test]
fn what_lands_late_at_an_engine_that_was_held_up_and_cut_off_is_not_made_twice() {
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
        let held = dockerd.hold();
        // What it was asked is in doubt now; it will do that when it goes on, while it is asked what there is.
        drop(relay.take());
        daemon.wait_until(SOON, "the engine is missed", || daemon.status()["Engine"]["Connected"] == false);
        relay = Some(Relay::open(&socket, engine.endpoint()));
        // The waits after a first failure run out meanwhile.
        thread::sleep(Duration::from_secs(3));
        drop(held);
        longest.note(settles(&daemon, &cluster, "web", count));
    }
    let lived = lives(&events.all());
    assert!(lived.most <= COUNT && lived.doubled.is_empty(), "{lived:?}\n{:#?}", events.all());
    println!("dockerd held up and cut off: converged at most {longest} after its return");
}
