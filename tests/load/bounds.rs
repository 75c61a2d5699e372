//! What an attack costs other clients: the daemon under each known attack, with a well-behaved client.
//!
//! Every attack is bounded and uses the loopback interface. Meanwhile a client of another identity gets the status and
//! submits, on a kept connection; its response times are compared with those of a quiet period just before. So is the
//! daemon's memory, afterwards. `cargo test --test load bounds -- --nocapture` prints a table.
//!
//! The attackers run in the test's own process and share the processors with the daemon. So they have a limited rate and
//! a low priority, and times below [`FLOOR`] count as equal. `SCSM_BOUNDS_FLOOR_MS` overrides it on a busy machine.

mod attacks;
mod fake_engine;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use fake_engine::FakeEngine;
use hyper::Method;
use serde_json::json;
use support::connection::{Connection, Identity, new_client};
use support::daemon::Setup;
use support::tier::number;
use support::{Daemon, alone, by_tier};

/// The duration of the quiet period and of an attack in seconds, in the quick and the full tier.
const QUIET: [u64; 2] = [2, 3];
const ATTACK: [u64; 2] = [4, 6];
/// The period of complete lists.
const RESYNC: Duration = Duration::from_secs(2);
/// The pause between two requests of the well-behaved client.
const PACE: Duration = Duration::from_millis(15);
/// On two processors that the attackers share, less than this many milliseconds is noise; a debug build, in which a dry
/// run takes ten times as long, is only held not to starve anyone.
const FLOOR: u64 = if cfg!(debug_assertions) { 100 } else { 10 };
/// The highest accepted ratio of the 99th percentile under an attack to the quiet one.
const WORST_RATIO: f64 = 2.0;
/// After an attack memory falls below this ratio to its quiet value, within this time.
const MEMORY_RATIO: f64 = 1.5;
const MEMORY_BACK: Duration = Duration::from_secs(60);
/// Memory below this, in MiB, counts as quiet: the event log and buffers need it.
const MEMORY_FLOOR: f64 = 32.0;
/// The most memory during an attack, in MiB.
const MEMORY_PEAK: f64 = 400.0;

fn by_tier_seconds([quick, full]: [u64; 2]) -> Duration {
    Duration::from_secs(by_tier(quick, full))
}

/// One line of the table.
#[derive(Debug)]
struct Row {
    attack: &'static str,
    quiet_p99: Duration,
    attack_p99: Duration,
    before: f64,
    peak: f64,
    after: f64,
    oldest_list: f64,
}

impl Row {
    fn violations(&self) -> Vec<String> {
        let floor = Duration::from_millis(number("SCSM_BOUNDS_FLOOR_MS").unwrap_or(FLOOR)).as_secs_f64();
        let ratio = self.attack_p99.as_secs_f64().max(floor) / self.quiet_p99.as_secs_f64().max(floor);
        let memory = self.after.max(MEMORY_FLOOR) / self.before.max(MEMORY_FLOOR);
        let late = self.oldest_list - 2.0 * RESYNC.as_secs_f64();
        let limits = [
            (ratio > WORST_RATIO, format!("p99 is {ratio:.1} times the quiet one")),
            (memory > MEMORY_RATIO, format!("memory stays at {memory:.1} times the quiet value")),
            (self.peak > MEMORY_PEAK, format!("memory rises to {:.0} MiB", self.peak)),
            (late > 0.0, format!("a list was {late:.1} s late")),
        ];
        let exceeded = limits.into_iter().filter(|(exceeded, _)| *exceeded);
        exceeded.map(|(_, what)| format!("{}: {what}", self.attack)).collect()
    }
}

/// A well-behaved client in its own thread. It measures its response times until it is stopped.
struct WellBehaved {
    stop: Arc<AtomicBool>,
    took: Arc<Mutex<Vec<Duration>>>,
    thread: thread::JoinHandle<()>,
}

impl WellBehaved {
    fn start(daemon: &Daemon, identity: &Identity) -> Self {
        let (stop, took) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut client = runtime.block_on(Connection::open(daemon, identity)).unwrap();
        let (stopped, noted) = (stop.clone(), took.clone());
        let thread = thread::spawn(move || {
            let object = |count: usize| json!({"Name": "calm", "Image": "web:1", "Count": count % 3});
            let mut number = 0;
            while !stopped.load(Ordering::Relaxed) {
                number += 1;
                let begun = Instant::now();
                let answer = runtime.block_on(async {
                    match number % 4 {
                        0 => client.post("/submit", &object(number)).await,
                        _ => client.get("/status/calm").await,
                    }
                });
                let answer = answer.expect("a well-behaved client is answered");
                assert!(answer.status.is_success() || number == 1 || answer.status == 404, "{answer:?}");
                noted.lock().unwrap().push(begun.elapsed());
                thread::sleep(PACE);
            }
        });
        Self { stop, took, thread }
    }

    /// The 99th percentile since the last call.
    fn p99(&self) -> Duration {
        let mut took = std::mem::take(&mut *self.took.lock().unwrap());
        took.sort();
        took[(took.len() * 99).div_ceil(100) - 1]
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the well-behaved client got all its answers");
    }
}

/// A daemon under attack.
struct Scene {
    daemon: Daemon,
    calm: Identity,
    evil: Identity,
}

impl Scene {
    fn start(setup: Setup) -> Self {
        let daemon = setup.flag(format!("--resync={}s", RESYNC.as_secs())).start();
        let [calm, evil] = ["calm", "evil"].map(|name| new_client(&daemon.certificates(), name));
        Self { daemon, calm, evil }
    }

    fn simulated() -> Self {
        let scene = Self::start(Setup::new().flag("--swarm-manager=simulated://3"));
        scene.daemon.connected();
        scene
    }

    fn over(engine: &FakeEngine) -> Self {
        Self::start(
            Setup::new().flag(format!("--swarm-manager={}", engine.endpoint())).flag("--allow-plain-engine"),
        )
    }

    /// Resident memory in MiB, without the program's own pages, of which a debug build has many.
    fn memory(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.daemon.child().id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }

    fn gauge(&self, name: &str) -> f64 {
        let text = self.daemon.client.get("/metrics").body;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.and_then(|value| value.parse().ok()).unwrap_or(0.0)
    }

    /// Runs an attack until it ends or its time is over, and waits until the memory is back.
    fn under(&self, attack: &'static str, run: impl FnOnce(Instant) + Send) -> Row {
        let calm = WellBehaved::start(&self.daemon, &self.calm);
        thread::sleep(by_tier_seconds(QUIET));
        let (quiet_p99, before) = (calm.p99(), self.memory());
        let (mut peak, mut oldest_list) = (before, 0.0_f64);
        let until = Instant::now() + by_tier_seconds(ATTACK);
        thread::scope(|scope| {
            let attacker = scope.spawn(|| {
                // The threads that it starts inherit the priority.
                rustix::process::setpriority_process(Some(rustix::thread::gettid()), 10).unwrap();
                run(until);
            });
            let mut number = 0;
            while !attacker.is_finished() {
                peak = peak.max(self.memory());
                number += 1;
                if number % 20 == 0 {
                    oldest_list = oldest_list.max(self.gauge("scsm_last_complete_list_age_seconds"));
                }
                thread::sleep(Duration::from_millis(25));
            }
            attacker.join().unwrap();
        });
        let attack_p99 = calm.p99();
        calm.end();
        let over = Instant::now();
        let mut after = self.memory();
        while after.max(MEMORY_FLOOR) > MEMORY_RATIO * before.max(MEMORY_FLOOR)
            && over.elapsed() < MEMORY_BACK
        {
            thread::sleep(Duration::from_millis(200));
            after = self.memory();
        }
        let row = Row { attack, quiet_p99, attack_p99, before, peak, after, oldest_list };
        println!(
            "| {attack} | {:.1} ms | {:.1} ms | {before:.0} | {peak:.0} | {after:.0} | {oldest_list:.1} s |",
            quiet_p99.as_secs_f64() * 1e3,
            attack_p99.as_secs_f64() * 1e3,
        );
        row
    }
}

fn head() {
    println!("| attack | p99 quiet | p99 attacked | MiB before | peak | after | oldest list |");
}

#[track_caller]
fn assert_within_limits(rows: &[Row]) {
    let violations: Vec<String> = rows.iter().flat_map(Row::violations).collect();
    assert!(violations.is_empty(), "{violations:#?}");
}

#[test]
fn attacks_on_the_server_cost_others_little_and_leave_nothing() {
    let _alone = alone();
    let scene = Scene::simulated();
    head();
    let mut rows = vec![
        scene.under("30 dry runs of 10,000 objects", |until| {
            attacks::submits(&scene.daemon, &scene.evil, "/submit?dry_run", &attacks::many(10_000, 1), until);
        }),
        scene.under("30 dry runs of 1,000 objects", |until| {
            attacks::submits(&scene.daemon, &scene.evil, "/submit?dry_run", &attacks::many(1_000, 20), until);
        }),
        scene.under("30 deeply nested bodies", |until| {
            let nested = format!("[{}]", "[".repeat(900_000));
            attacks::submits(&scene.daemon, &scene.evil, "/submit", &nested, until);
        }),
        scene.under("bodies that come byte by byte", |until| {
            attacks::slow_bodies(&scene.daemon, &scene.evil, until)
        }),
        scene.under("512 silent connections", |until| attacks::silent(&scene.daemon, until)),
        scene.under("copies of a ClientHello", |until| attacks::hellos(&scene.daemon, until)),
        scene.under("200 watches of one identity", |until| {
            let refused = attacks::watches(&scene.daemon, &scene.evil, until, || {
                // Another identity can still watch, and wait.
                let mut calm = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let status = attacks::status_of(
                    &mut calm,
                    &scene.daemon,
                    &scene.calm,
                    Method::GET,
                    "/events?follow=false",
                );
                assert_eq!(status, 200);
            });
            assert!(refused > 0, "one identity has a limited share");
        }),
    ];
    // The last attack needs long answers.
    attacks::fill(&scene.daemon, 8, 100);
    rows.push(
        scene.under("200 stalled readers", |until| {
            attacks::stalled_readers(&scene.daemon, &scene.evil, until)
        }),
    );
    assert_within_limits(&rows);
}

#[test]
fn a_stream_ends_with_its_certificate() {
    let _alone = alone();
    let scene = Scene::simulated();
    let short = attacks::short_lived(&scene.daemon, "short", Duration::from_secs(4));
    let begun = Instant::now();
    let streams =
        attacks::whole_streams(&scene.daemon, &short, &["/status?watch", "/events", "/submit?wait=60s"]);
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    for (path, text) in &streams {
        assert!(text.contains("certificate") && text.contains("expired"), "{path}: {text}");
    }
    assert_eq!(scene.gauge("scsm_long_running_requests"), 0.0);
}

/// Limits outside the server: messages, lists and events of the engine.
#[test]
fn an_engine_that_misbehaves_costs_clients_little() {
    let _alone = alone();
    head();
    let mut rows = Vec::new();
    {
        let engine = FakeEngine::start(fake_engine::Fault::RepeatsWhatItRefuses);
        let scene = Scene::over(&engine);
        rows.push(
            scene.under("1 MB NetworkMode, 6 times", |_| attacks::long_strings(&scene.daemon, &scene.evil)),
        );
    }
    for (attack, fault) in [
        ("events of one byte a chunk", fake_engine::Fault::EventsByteByByte),
        ("50,000 nodes", fake_engine::Fault::ManyNodes),
        ("a version of 7 MB", fake_engine::Fault::LongVersion),
        ("a list without end", fake_engine::Fault::EndlessList),
    ] {
        let engine = FakeEngine::start(fault);
        let scene = Scene::over(&engine);
        rows.push(scene.under(attack, |until| {
            engine.misbehave();
            thread::sleep(until.saturating_duration_since(Instant::now()));
            engine.behave();
        }));
    }
    // While the engine sends no list, the last one is expected to grow old.
    rows.iter_mut().for_each(|row| row.oldest_list = 0.0);
    assert_within_limits(&rows);
}
