//! The daemon killed in the middle of its work, some hundred times.
//!
//! One round asks for all or for none, kills the daemon at a moment within the time that the whole work takes,
//! starts it anew on the same port and data directory and looks what becomes of it: what was asked for is not asked for again.
//! There is no pause in a round but the one that chooses the moment; what dominates its time is the engine, which
//! has twenty containers to start and to stop. `SCSM_SEED` replays the moments of a run, `SCSM_KILL_ROUNDS` sets the number of rounds.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use support::daemon::Setup;
use support::events::Event;
use support::{Certificates, Daemon, Dockerd, Engine, Events, SOON, by_tier, chosen_seed};

use super::exactly::{CONVERGES, Longest, Strangers, exact, live, lives, slot};
use super::object;

/// How many are asked for, where it is not none.
const ALL: usize = 20;

/// The moment of a round's death, between none and the whole of a time. A round's moment depends on no other's.
fn moment(seed: u64, round: u32, whole: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    (seed, round).hash(&mut hasher);
    let part = u32::try_from(hasher.finish() >> 32).unwrap();
    whole.mul_f64(f64::from(part) / f64::from(u32::MAX))
}

#[test]
fn a_daemon_that_is_killed_at_any_moment_ends_up_with_exactly_count_by_itself() {
    let Some(machine) = Engine::local_as_root() else { return };
    let rounds = by_tier(20, 200);
    let seed = chosen_seed().unwrap_or_else(|| {
        let now = now();
        now.as_secs() ^ u64::from(now.subsec_nanos())
    });
    println!("{rounds} deaths at the moments of SCSM_SEED={seed}");
    let certificates = Certificates::docker_machine();
    // Not the machine's: what others do there would cost time, and its storage may be slower.
    let mut dockerd = Dockerd::new(&machine, &certificates);
    dockerd.start();
    let cluster = dockerd.plain().cluster("deaths");
    let strangers = Strangers::run(&dockerd.plain(), "web");
    let trace = strangers.trace();
    let events = cluster.events();
    let data = tempfile::tempdir().unwrap();
    let setup = || Setup::in_directory(data.path()).managing(&cluster).certificates(&certificates);
    // The events of the round say when to look: looking all the time would take a fifth of the machine.
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
    println!("undisturbed: up {whole_up:.2?}, down {whole_down:.2?}");

    let begun = Instant::now();
    let mut longest = Longest::default();
    let mut deaths = Vec::new();
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

        // At once: what the dead one has begun may be landing yet.
        daemon = setup().succeeding(&daemon.url).start();
        longest.note(settles(&daemon, &events, count));
        let there = live(&cluster);
        let slots: BTreeSet<u32> = there.iter().map(slot).collect();
        let wanted: BTreeSet<u32> = (1..).take(count).collect();
        assert!(exact(&there, count) && slots == wanted, "{when}: {there:#?}\n{}", daemon.account());
        assert_eq!(strangers.trace(), trace, "{when}");
        deaths.push(Death { count, asked, killed, over: now() });
    }
    let took = begun.elapsed();
    // Of what was removed the last is gone soon after the last has ended.
    daemon.client.submit(&object("web", 0));
    daemon.wait_until(SOON, "nothing is left, also no dead container", || cluster.containers().is_empty());

    let events = events.all();
    let lived = lives(&events);
    assert!(lived.most <= ALL && lived.doubled.is_empty(), "SCSM_SEED={seed}: {lived:?}");
    let up = deaths.iter().filter(|death| death.count == ALL).count();
    let midway = deaths.iter().filter(|death| death.was_midway(&events)).count();
    println!(
        "{rounds} deaths in {took:.0?}: {up} on the way up, {} on the way down, {midway} of them amid the work; \
         converged at most {longest} after the return, never more than {} of {ALL} at once",
        deaths.len() - up,
        lived.most,
    );
}

/// One round, by the clock that the engine's events have.
struct Death {
    count: usize,
    asked: Duration,
    killed: Duration,
    over: Duration,
}

impl Death {
    /// Whether some of its work was done before the death, and some after.
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
