//! Checks "exactly `Count`, and foreign containers untouched" at the engine, not at the daemon.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use support::engine::Foreign;
use support::events::Event;
use support::{Cluster, Container, Daemon, Engine, LABELS, SOON};

/// From an engine's return to convergence. The daemon's retry delays have grown meanwhile.
pub(crate) const CONVERGES: Duration = Duration::from_secs(60);
/// How long nothing may change after convergence.
const STAYS: Duration = Duration::from_secs(1);

/// Containers that run or may still run: all but the ended ones.
pub(crate) fn live(cluster: &Cluster) -> Vec<Container> {
    cluster.containers().into_iter().filter(|one| !["exited", "dead"].contains(&&*one.state)).collect()
}

/// The slot in a name, `OBJECT.SLOT.ATTEMPT`.
pub(crate) fn slot(container: &Container) -> u32 {
    container
        .name
        .rsplit('.')
        .nth(1)
        .and_then(|slot| slot.parse().ok())
        .unwrap_or_else(|| panic!("{container:?}"))
}

/// Whether exactly this many run, one per slot, and no other may still run.
pub(crate) fn exact(live: &[Container], count: usize) -> bool {
    let slots: BTreeSet<u32> = live.iter().map(slot).collect();
    live.len() == count && slots.len() == count && live.iter().all(|one| one.state == "running")
}

/// Waits until exactly this many run and the daemon reports convergence; returns how long that took. Then checks that
/// nothing changes.
#[track_caller]
pub(crate) fn settles(daemon: &Daemon, cluster: &Cluster, object: &str, count: usize) -> Duration {
    let begun = Instant::now();
    daemon.wait_until(CONVERGES, &format!("exactly {count} run, one per slot"), || {
        exact(&live(cluster), count)
    });
    daemon.converges(object, SOON);
    let took = begun.elapsed();
    let ids = || live(cluster).into_iter().map(|one| one.id).collect::<BTreeSet<_>>();
    let converged = ids();
    thread::sleep(STAYS);
    assert_eq!(ids(), converged, "nothing changes\n{}", daemon.diagnostics());
    assert!(exact(&live(cluster), count), "{:#?}\n{}", live(cluster), daemon.diagnostics());
    took
}

/// The lifetimes of containers, from the events of a cluster that was empty before.
#[derive(Debug, Default)]
pub(crate) struct Lifetimes {
    /// The most that existed at once: created, and neither ended nor removed.
    pub(crate) most: usize,
    /// The slots that had two containers at once.
    pub(crate) doubled: BTreeSet<String>,
}

pub(crate) fn lifetimes_of(events: &[Event]) -> Lifetimes {
    let mut lifetimes = Lifetimes::default();
    let mut live: BTreeMap<&str, &str> = BTreeMap::new();
    for event in events {
        match event.action.as_str() {
            "create" => {
                if live.values().any(|slot| *slot == event.slot) {
                    lifetimes.doubled.insert(event.slot.clone());
                }
                live.insert(&event.id, &event.slot);
                lifetimes.most = lifetimes.most.max(live.len());
            }
            "die" | "destroy" => drop(live.remove(event.id.as_str())),
            _ => {}
        }
    }
    lifetimes
}

/// Two foreign containers whose names look like the object's own: one has no labels, one has those of another manager's
/// object of the same name.
pub(crate) struct ForeignContainers([Foreign; 2]);

impl ForeignContainers {
    pub(crate) fn run(engine: &Engine, object: &str) -> Self {
        let label = |word: &str, value: &str| format!("--label={LABELS}.{word}={value}");
        let others = [label("cluster", "another"), label("object", object), label("slot", "9")];
        // The engine starts them again when it starts.
        let returns = ["--restart=always"];
        let labelled = [&returns[..], &others.each_ref().map(String::as_str)].concat();
        Self([
            Foreign::run_with(engine, &format!("{object}.9.1"), &labelled),
            Foreign::run_with(engine, &format!("{object}.2.2"), &returns),
        ])
    }

    /// A line for each that changes if anything happens to it.
    pub(crate) fn trace(&self) -> [String; 2] {
        self.0.each_ref().map(Foreign::trace)
    }

    /// After their engine was restarted: the same containers run again.
    #[track_caller]
    pub(crate) fn are_back(&self) {
        for container in &self.0 {
            container.returns(SOON);
        }
    }
}

/// The longest of several times.
#[derive(Default)]
pub(crate) struct Longest(Duration);

impl Longest {
    pub(crate) fn note(&mut self, time: Duration) {
        self.0 = self.0.max(time);
    }
}

impl fmt::Display for Longest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1?}", self.0)
    }
}
