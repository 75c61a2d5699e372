//! The daemon is killed in the middle of its work, up to two hundred times.
//!
//! A round submits a `Count` of all or none, kills the daemon at a moment within the time that the whole work takes, starts
//! it again on the same port and data directory, and waits for convergence without another submit. The engine dominates
//! the time of a round: it starts and stops twenty containers. `SCSM_SEED` replays the moments of a run.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use support::daemon::Setup;
use support::events::Event;
use support::{Certificates, Daemon, Dockerd, Engine, Events, SOON, by_tier, chosen_seed};

use super::checks::{CONVERGES, ForeignContainers, Longest, exact, lifetimes_of, live, slot};
use super::object;

/// The `Count` of every second round; the others have 0.
const ALL: usize = 20;

/// When the daemon dies in a round, at most `whole` after its start. It depends on the seed and the round only.
fn moment(seed: u64, round: u32, whole: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    (seed, round).hash(&mut hasher);
    let part = u32::try_from(hasher.finish() >> 32).unwrap();
    whole.mul_f64(f64::from(part) / f64::from(u32::MAX))
}

#[test]
fn after_a_crash_at_any_moment_exactly_count_run_without_another_submit() {
    let Some(machine) = Engine::local_as_root() else { return };
    let rounds = by_tier(20, 200);
    let seed = chosen_seed().unwrap_or_else(|| {
        let now = now();
        now.as_secs() ^ u64::from(now.subsec_nanos())
    });
    println!("{rounds} crashes at the moments of SCSM_SEED={seed}");
    let certificates = Certificates::docker_machine();
    // Not the machine's: other work on it takes time, and its storage may be slower.
    let mut dockerd = Dockerd::new(&machine, &certificates);
    dockerd.start();
    let cluster = dockerd.plain().cluster("crashes");
    let foreign = ForeignContainers::run(&dockerd.plain(), "web");
    let trace = foreign.trace();
    let events = cluster.events();
    let data = tempfile::tempdir().unwrap();
    let setup = || Setup::in_directory(data.path()).managing(&cluster).certificates(&certificates);
    // The events of the round show when to list: listing all the time would take a fifth of the machine.
    let settles = |daemon: &Daemon, round: &Events, count: usize| {
        let begun = Instant::now();
        let reached = || round.running_over_time(ALL - count).last().is_some_and(|run| *run == count);
        daemon.wait_until(CONVERGES, &format!("exactly {count} run"), || {
            reached() && exact(&live(&cluster), count)
        });
        daemon.converges("web", SOON);
        begun.elapsed()
    };

    let mut daemon = setup().start();
    daemon.connected();
    let [whole_up, whole_down] = [ALL, 0].map(|count| {
        let events = cluster.events();
        daemon.client.submit(&object("web", count));
        settles(&daemon, &events, count)
    });
    println!("without crashes: up {whole_up:.2?}, down {whole_down:.2?}");

    let begun = Instant::now();
    let mut longest = Longest::default();
    let mut crashes = Vec::new();
    for round in 0..rounds {
        let (count, whole) = if round % 2 == 0 { (ALL, whole_up) } else { (0, whole_down) };
        let moment = moment(seed, round, whole);
        let when = format!("SCSM_SEED={seed}, round {round}, killed {moment:.3?} into a scale to {count}");
        let events = cluster.events();
        let asked = now();
        daemon.client.submit(&object("web", count));
        thread::sleep(moment);
        let killed = now();
        daemon.signal("KILL");
        assert!(daemon.ended(SOON).is_some_and(|status| !status.success()), "it was killed");

        // At once: calls of the dead process may still take effect.
        daemon = setup().succeeding(&daemon.url).start();
        longest.note(settles(&daemon, &events, count));
        let running = live(&cluster);
        let slots: BTreeSet<u32> = running.iter().map(slot).collect();
        let wanted: BTreeSet<u32> = (1..).take(count).collect();
        assert!(exact(&running, count) && slots == wanted, "{when}: {running:#?}\n{}", daemon.diagnostics());
        assert_eq!(foreign.trace(), trace, "{when}");
        crashes.push(Crash { count, asked, killed, over: now() });
    }
    let took = begun.elapsed();
    // Removals complete soon after the last container has ended.
    daemon.client.submit(&object("web", 0));
    daemon
        .wait_until(SOON, "no container is left, not even an ended one", || cluster.containers().is_empty());

    let events = events.all();
    let lifetimes = lifetimes_of(&events);
    assert!(lifetimes.most <= ALL && lifetimes.doubled.is_empty(), "SCSM_SEED={seed}: {lifetimes:?}");
    let up = crashes.iter().filter(|crash| crash.count == ALL).count();
    let midway = crashes.iter().filter(|crash| crash.was_midway(&events)).count();
    println!(
        "{rounds} crashes in {took:.0?}: {up} on the way up, {} on the way down, {midway} of them in the middle of the work; \
         converged at most {longest} after the return, never more than {} of {ALL} at once",
        crashes.len() - up,
        lifetimes.most,
    );
}

/// One round, in the time of the engine's events.
struct Crash {
    count: usize,
    asked: Duration,
    killed: Duration,
    over: Duration,
}

impl Crash {
    /// Whether some of its work was done before the crash, and some after.
    fn was_midway(&self, events: &[Event]) -> bool {
        let work = |from, to| {
            let done = |event: &&Event| ["create", "start", "die", "destroy"].contains(&&*event.action);
            events.iter().filter(done).any(|event| (from..to).contains(&event.at))
        };
        work(self.asked, self.killed) && work(self.killed, self.over)
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}
