//! One seed's story: what is submitted, what goes wrong, and how it ends.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use swarm_cluster_state_manager::clock::Clock;
use swarm_cluster_state_manager::control::progress::Progresses;
use swarm_cluster_state_manager::control::{self, Parts, Tasks};
use swarm_cluster_state_manager::core::condition::Phase;
use swarm_cluster_state_manager::core::container::ContainerId;
use swarm_cluster_state_manager::core::time::Time;
use swarm_cluster_state_manager::engine::simulated::SimulatedEngine;
use swarm_cluster_state_manager::store::memory::MemoryStore;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::chaos::{Chaos, Coverage};
use super::judge::Judge;

mod incidents;

const CLUSTER: &str = "simulation";
/// Even seeds have one object. They take the same way each time; where two workers wait for the same word, tokio
/// wakes them in whichever order.
const OBJECTS: [&str; 2] = ["web", "db"];
const IMAGES: [&str; 3] = ["v1", "v2", "v3"];
/// After the faults have ended, all must be as asked for within this: the longest back-off, twice.
const PEACE: Duration = Duration::from_secs(900);
/// What is as wanted is left alone: nothing is done for this long.
const CALM: Duration = Duration::from_secs(60);

/// What came of a seed.
pub(crate) struct Ending {
    pub(crate) coverage: Coverage,
    pub(crate) events: Vec<&'static str>,
    pub(crate) creates: u64,
    pub(crate) worst_excess: i64,
    pub(crate) converged_after: Duration,
    pub(crate) digest: u64,
    pub(crate) wrong: Vec<String>,
    pub(crate) trace: Vec<String>,
}

/// The reconcile loop, composed as the daemon composes it.
struct Daemon {
    tasks: Tasks,
    progresses: watch::Receiver<Arc<Progresses>>,
}

impl Daemon {
    fn start(chaos: &Arc<Chaos>, store: &Arc<MemoryStore>, clock: Clock) -> Daemon {
        let control = control::start(Parts {
            engine: chaos.clone(),
            store: store.clone(),
            endpoint: "simulated".into(),
            cluster: CLUSTER.to_owned(),
            resync: Duration::from_secs(10),
            lost_after: Duration::from_secs(30),
            parallel: 8,
            metrics: Arc::default(),
            clock,
            stop: CancellationToken::new(),
        });
        chaos.reborn(control.cache);
        Daemon { tasks: control.tasks, progresses: control.progresses }
    }

    /// Dies wherever it is.
    async fn die(mut self) {
        assert!(self.tasks.watch().now_or_never().is_none(), "a task ended by itself");
        self.tasks.abort().await;
    }
}

struct Story {
    dice: fastrand::Rng,
    chaos: Arc<Chaos>,
    store: Arc<MemoryStore>,
    clock: Clock,
    nodes: Vec<String>,
    away: Vec<String>,
    objects: &'static [&'static str],
    events: Vec<&'static str>,
    /// Containers that a user has frozen.
    paused: Vec<ContainerId>,
    /// Containers about which the engine misbehaves.
    bewitched: Vec<ContainerId>,
    rival: Option<Rival>,
    /// What rivals did wrong.
    rivals_faults: Vec<String>,
}

/// Another manager of the same cluster, on the same engine. What it does to containers that are not its own, its judge
/// holds against it.
struct Rival {
    daemon: Daemon,
    judge: Arc<Judge>,
    store: Arc<MemoryStore>,
}

/// Plays one seed to its end.
pub(crate) async fn play(seed: u64, keep_trace: bool) -> Ending {
    let clock = Clock::starting_at(Time(1_000_000));
    let mut dice = fastrand::Rng::with_seed(seed);
    let nodes = dice.u32(1..=4);
    let world = Arc::new(SimulatedEngine::new(nodes, clock));
    let judge = Arc::new(Judge::new(clock));
    let rate = [0.0, 0.02, 0.1, 0.3][dice.usize(..4)];
    let chaos = Arc::new(Chaos::new(world, judge.clone(), dice.u64(..), rate, keep_trace));
    let store = Arc::new(MemoryStore::new(clock));
    let nodes = (1..=nodes).map(|n| format!("n{n}")).collect();
    let mut story = Story {
        dice,
        chaos: chaos.clone(),
        store,
        clock,
        nodes,
        away: Vec::new(),
        objects: if seed.is_multiple_of(2) { &OBJECTS[..1] } else { &OBJECTS },
        events: Vec::new(),
        paused: Vec::new(),
        bewitched: Vec::new(),
        rival: None,
        rivals_faults: Vec::new(),
    };
    if story.dice.bool() {
        let name = ["web.1.1", "db.2.1", "other"][story.dice.usize(..3)];
        judge.foreign(chaos.world.put("", name).unwrap());
        // And one that bears our cluster's label, of an object that nobody submitted.
        judge.foreign(chaos.world.put(CLUSTER, "nobodys.1.1").unwrap());
    }
    let mut daemon = Daemon::start(&chaos, &story.store, clock);
    story.submit().await;
    for _ in 0..story.dice.u32(4..16) {
        sleep(Duration::from_millis(story.dice.u64(0..15_000))).await;
        daemon = story.something_happens(daemon).await;
    }
    let ended = story.peace(&daemon.progresses).await;
    let mut wrong = judge.verdicts();
    wrong.append(&mut story.rivals_faults);
    wrong.extend(ended.clone().err());
    daemon.die().await;
    let (digest, trace) = chaos.trace();
    Ending {
        coverage: chaos.coverage(),
        events: story.events,
        creates: judge.creates(),
        worst_excess: judge.worst_excess(),
        converged_after: ended.unwrap_or(PEACE),
        digest,
        wrong,
        trace,
    }
}

impl Story {
    fn happened(&mut self, what: &'static str, detail: &str) {
        self.chaos.note(|| format!("--- {what} {detail}"));
        self.events.push(what);
    }

    /// All faults end. Returns how long it takes until all is as asked for and nothing more is done, or what is wrong.
    async fn peace(&mut self, progresses: &watch::Receiver<Arc<Progresses>>) -> Result<Duration, String> {
        self.happened("peace", "");
        self.chaos.active.store(false, Ordering::Relaxed);
        // What was to land late has landed.
        sleep(Duration::from_secs(200)).await;
        for node in self.nodes.clone() {
            self.bring_back(&node);
        }
        self.interference_ends();
        self.the_second_manager_goes().await;
        let began = self.clock.now();
        let mut calm = (began, 0);
        while self.clock.now().since(began) < PEACE {
            let says_so = progresses.borrow().values().all(|p| p.condition.phase == Phase::Converged);
            let done = self.chaos.trace().0;
            if !says_so || done != calm.1 || self.chaos.judge.settled(&self.chaos.world.real()).is_err() {
                calm = (self.clock.now(), done);
            } else if self.clock.now().since(calm.0) >= CALM {
                return Ok(calm.0.since(began));
            }
            sleep(Duration::from_millis(500)).await;
        }
        let says: Vec<_> =
            progresses.borrow().values().map(|p| (p.condition.reason.clone(), p.plan.clone())).collect();
        let what = match self.chaos.judge.settled(&self.chaos.world.real()) {
            Ok(()) => "all is as asked for, and yet something goes on".to_owned(),
            Err(what) => what,
        };
        Err(format!("after {} s of peace: {what}; the status says {says:?}", PEACE.as_secs()))
    }
}
