//! What "exactly `Count`, and nobody else's touched" means, looked up at the engine and not at the daemon.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use support::engine::Foreign;
use support::events::Event;
use support::{Cluster, Container, Daemon, Engine, LABELS, SOON};

/// From an engine's return to the wanted state. The daemon's waits after failures have grown meanwhile.
pub(crate) const CONVERGES: Duration = Duration::from_secs(60);
/// For so long it is watched that nothing comes after all.
const STAYS: Duration = Duration::from_secs(1);

/// Those that run, or may yet: all but the dead.
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

/// Whether so many run, each in a slot of its own, and none is there that may run yet.
pub(crate) fn exact(live: &[Container], count: usize) -> bool {
    let slots: BTreeSet<u32> = live.iter().map(slot).collect();
    live.len() == count && slots.len() == count && live.iter().all(|one| one.state == "running")
}

/// Waits until exactly so many run and the daemon says that it has converged; returns how long that took.
/// Then watches that it stays so.
#[track_caller]
pub(crate) fn settles(daemon: &Daemon, cluster: &Cluster, object: &str, count: usize) -> Duration {
    let begun = Instant::now();
    daemon
        .wait_until(CONVERGES, &format!("exactly {count} run, one a slot"), || exact(&live(cluster), count));
    daemon.converges(object, SOON);
    let took = begun.elapsed();
    let ids = || live(cluster).into_iter().map(|one| one.id).collect::<BTreeSet<_>>();
    let converged = ids();
    thread::sleep(STAYS);
    assert_eq!(ids(), converged, "it stays so\n{}", daemon.account());
    assert!(exact(&live(cluster), count), "{:#?}\n{}", live(cluster), daemon.account());
    took
}

/// What the engine's events tell of a cluster that was empty when they began.
#[derive(Debug, Default)]
pub(crate) struct Lives {
    /// The most that lived at once: made, and neither ended nor removed.
    pub(crate) most: usize,
    /// The slots that held two at once.
    pub(crate) doubled: BTreeSet<String>,
}

pub(crate) fn lives(events: &[Event]) -> Lives {
    let mut lives = Lives::default();
    let mut live: BTreeMap<&str, &str> = BTreeMap::new();
    for event in events {
        match event.action.as_str() {
            "create" => {
                if live.values().any(|slot| *slot == event.slot) {
                    lives.doubled.insert(event.slot.clone());
                }
                live.insert(&event.id, &event.slot);
                lives.most = lives.most.max(live.len());
            }
            "die" | "destroy" => drop(live.remove(event.id.as_str())),
            _ => {}
        }
    }
    lives
}

/// Two containers of somebody else, with names that the object's own would have: one has nobody's labels, one
/// those of another manager's object of the same name.
pub(crate) struct Strangers([Foreign; 2]);

impl Strangers {
    pub(crate) fn run(engine: &Engine, object: &str) -> Self {
        let label = |word: &str, value: &str| format!("--label={LABELS}.{word}={value}");
        let others = [label("cluster", "another"), label("object", object), label("slot", "9")];
        // They return with their engine.
        let returns = ["--restart=always"];
        let labelled = [&returns[..], &others.each_ref().map(String::as_str)].concat();
        Self([
            Foreign::run_with(engine, &format!("{object}.9.1"), &labelled),
            Foreign::run_with(engine, &format!("{object}.2.2"), &returns),
        ])
    }

    /// Two lines that change if anything is done to them.
    pub(crate) fn trace(&self) -> [String; 2] {
        self.0.each_ref().map(Foreign::trace)
    }

    /// After their engine has ended and come back: they are the same ones, and run again.
    #[track_caller]
    pub(crate) fn are_back(&self) {
        for stranger in &self.0 {
            stranger.returns(SOON);
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
