//! Many small worlds in which everything goes wrong, and one promise that holds in all of them.
//!
//! Each seed is a story: objects are submitted, changed and deleted while calls are lost before or after their
//! effect, creates land minutes late, lists are empty, short or stale, events are lost, nodes go and come back,
//! the manager forgets what it knew, and the daemon dies at whatever it was awaiting. The worker, the planner,
//! the observer, the actuator and the store are those of the daemon; time is tokio's paused clock, so that an
//! hour costs a moment. Then peace comes, and there must be exactly `Count`.
//!
//! `SCSM_SEED=17` plays one seed and prints everything that happened, with the daemon's log.

mod chaos;
mod judge;
mod story;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use story::{Ending, play};
use support::{by_tier, chosen_seed};

/// No more seeds are played after this many failed.
const ENOUGH: usize = 5;
/// Every so often an even seed is played twice, to see that it takes the same way.
const TWICE: u64 = 50;

fn run(seed: u64, keep_trace: bool) -> Ending {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(play(seed, keep_trace))
}

#[derive(Default)]
struct Summary {
    calls: BTreeMap<(&'static str, &'static str), u64>,
    events: BTreeMap<&'static str, u64>,
    creates: u64,
    worst_excess: i64,
    slowest: (Duration, u64),
    failures: Vec<(u64, Vec<String>)>,
}

impl Summary {
    fn add(&mut self, seed: u64, ending: Ending) {
        for (call, n) in ending.coverage {
            *self.calls.entry(call).or_default() += n;
        }
        for event in ending.events {
            *self.events.entry(event).or_default() += 1;
        }
        self.creates += ending.creates;
        self.worst_excess = self.worst_excess.max(ending.worst_excess);
        self.slowest = self.slowest.max((ending.converged_after, seed));
        if !ending.wrong.is_empty() {
            self.failures.push((seed, ending.wrong));
        }
    }

    fn merge(mut self, other: Summary) -> Summary {
        for (call, n) in other.calls {
            *self.calls.entry(call).or_default() += n;
        }
        for (event, n) in other.events {
            *self.events.entry(event).or_default() += n;
        }
        self.creates += other.creates;
        self.worst_excess = self.worst_excess.max(other.worst_excess);
        self.slowest = self.slowest.max(other.slowest);
        self.failures.extend(other.failures);
        self
    }

    fn print(&self, seeds: u64) {
        println!("simulation: {seeds} seeds, {} creates took effect", self.creates);
        for (event, n) in &self.events {
            println!("  {n:>9} {event}");
        }
        for ((call, fault), n) in &self.calls {
            println!("  {n:>9} {call}: {fault}");
        }
        println!("  worst excess {}", self.worst_excess);
        println!("  slowest to converge once in peace: {:?} (seed {})", self.slowest.0, self.slowest.1);
    }
}

#[test]
fn whatever_is_lost_late_or_lying_there_are_exactly_as_many_as_asked_for() {
    if let Some(seed) = chosen_seed() {
        // With the daemon's own words: the cause of each step.
        tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).without_time().init();
        let ending = run(seed, true);
        ending.trace.iter().for_each(|line| println!("{line}"));
        assert!(ending.wrong.is_empty(), "{:#?}", ending.wrong);
        return;
    }
    let seeds = by_tier(1_500, 10_000);
    let (next, failed) = (AtomicU64::new(0), AtomicUsize::new(0));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        let mut summary = Summary::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds || failed.load(Ordering::Relaxed) >= ENOUGH {
                return summary;
            }
            let ending = run(seed, false);
            if seed.is_multiple_of(TWICE) && run(seed, false).digest != ending.digest {
                summary.failures.push((seed, vec!["played again, it took another way".to_owned()]));
            }
            failed.fetch_add(usize::from(!ending.wrong.is_empty()), Ordering::Relaxed);
            summary.add(seed, ending);
        }
    };
    let summary = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).fold(Summary::default(), Summary::merge)
    });
    summary.print(seeds);
    for (seed, wrong) in &summary.failures {
        println!("seed {seed}: {wrong:#?}");
    }
    let failed: Vec<u64> = summary.failures.iter().map(|(seed, _)| *seed).collect();
    assert!(
        failed.is_empty(),
        "{} of {} seeds failed: {failed:?}; SCSM_SEED plays one and prints what happened",
        failed.len(),
        next.into_inner().min(seeds)
    );
    assert_eq!(summary.worst_excess.max(0), 0, "more ran than were granted");
}

/// Plays one seed that once found a mistake.
#[track_caller]
fn holds(seed: u64) {
    let ending = run(seed, false);
    assert!(ending.wrong.is_empty(), "seed {seed}: {:#?}", ending.wrong);
}

#[test]
fn seed_6037_does_not_refill_a_slot_with_the_old_spec_while_it_retries_the_new_one() {
    holds(6037);
}

#[test]
fn seed_7966_leaves_a_late_create_alone_and_the_judge_does_not_count_it_as_a_copy() {
    holds(7966);
}

#[test]
fn seed_827_starts_what_is_back_in_its_slot_while_the_create_of_its_replacement_is_in_doubt() {
    holds(827);
}
