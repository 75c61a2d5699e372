//! One run of a seed, to its end.

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

use super::faulty_engine::{Coverage, FaultyEngine};
use super::oracle::Oracle;

mod incidents;

const CLUSTER: &str = "simulation";
/// Even seeds have one object, and their runs are deterministic: two workers that wait for the same change are woken in
/// any order.
const OBJECTS: [&str; 2] = ["web", "db"];
const IMAGES: [&str; 3] = ["v1", "v2", "v3"];
/// The time limit for convergence after the faults have ended: twice the longest back-off.
const SETTLES: Duration = Duration::from_secs(900);
/// How long nothing may happen after convergence.
const STABLE: Duration = Duration::from_secs(60);

/// The result of a seed.
pub(crate) struct RunResult {
    pub(crate) coverage: Coverage,
    pub(crate) events: Vec<&'static str>,
    pub(crate) creates: u64,
    pub(crate) worst_excess: i64,
    pub(crate) converged_after: Duration,
    pub(crate) digest: u64,
    pub(crate) violations: Vec<String>,
    pub(crate) trace: Vec<String>,
}

/// The reconcile loop, composed as the daemon composes it.
struct Daemon {
    tasks: Tasks,
    progresses: watch::Receiver<Arc<Progresses>>,
}

impl Daemon {
    fn start(engine: &Arc<FaultyEngine>, store: &Arc<MemoryStore>, clock: Clock) -> Daemon {
        let control = control::start(Parts {
            engine: engine.clone(),
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
        engine.daemon_started(control.cache);
        Daemon { tasks: control.tasks, progresses: control.progresses }
    }

    /// Kills it at any await point.
    async fn die(mut self) {
        assert!(self.tasks.watch().now_or_never().is_none(), "a task ended by itself");
        self.tasks.abort().await;
    }
}

struct Run {
    rng: fastrand::Rng,
    engine: Arc<FaultyEngine>,
    store: Arc<MemoryStore>,
    clock: Clock,
    nodes: Vec<String>,
    away: Vec<String>,
    objects: &'static [&'static str],
    events: Vec<&'static str>,
    /// Containers that a user has paused.
    paused: Vec<ContainerId>,
    /// Containers for which the engine misbehaves.
    misbehaving: Vec<ContainerId>,
    rival: Option<Rival>,
    /// Violations by other managers.
    rival_violations: Vec<String>,
}

/// Another manager of the same cluster, on the same engine. Its own oracle checks what it does to foreign containers.
struct Rival {
    daemon: Daemon,
    oracle: Arc<Oracle>,
    store: Arc<MemoryStore>,
}

/// Runs one seed to its end.
pub(crate) async fn play(seed: u64, keep_trace: bool) -> RunResult {
    let clock = Clock::starting_at(Time(1_000_000));
    let mut rng = fastrand::Rng::with_seed(seed);
    let nodes = rng.u32(1..=4);
    let world = Arc::new(SimulatedEngine::new(nodes, clock));
    let oracle = Arc::new(Oracle::new(clock));
    let rate = [0.0, 0.02, 0.1, 0.3][rng.usize(..4)];
    let engine = Arc::new(FaultyEngine::new(world, oracle.clone(), rng.u64(..), rate, keep_trace));
    let store = Arc::new(MemoryStore::new(clock));
    let nodes = (1..=nodes).map(|n| format!("n{n}")).collect();
    let mut run = Run {
        rng,
        engine: engine.clone(),
        store,
        clock,
        nodes,
        away: Vec::new(),
        objects: if seed.is_multiple_of(2) { &OBJECTS[..1] } else { &OBJECTS },
        events: Vec::new(),
        paused: Vec::new(),
        misbehaving: Vec::new(),
        rival: None,
        rival_violations: Vec::new(),
    };
    if run.rng.bool() {
        let name = ["web.1.1", "db.2.1", "other"][run.rng.usize(..3)];
        oracle.foreign(engine.world.put("", name).unwrap());
        // And one with the cluster's label, of an unknown object.
        oracle.foreign(engine.world.put(CLUSTER, "unknown.1.1").unwrap());
    }
    let mut daemon = Daemon::start(&engine, &run.store, clock);
    run.submit().await;
    for _ in 0..run.rng.u32(4..16) {
        sleep(Duration::from_millis(run.rng.u64(0..15_000))).await;
        daemon = run.next_incident(daemon).await;
    }
    let ended = run.settles(&daemon.progresses).await;
    let mut violations = oracle.violations();
    violations.append(&mut run.rival_violations);
    violations.extend(ended.clone().err());
    daemon.die().await;
    let (digest, trace) = engine.trace();
    RunResult {
        coverage: engine.coverage(),
        events: run.events,
        creates: oracle.creates(),
        worst_excess: oracle.worst_excess(),
        converged_after: ended.unwrap_or(SETTLES),
        digest,
        violations,
        trace,
    }
}

impl Run {
    fn happened(&mut self, what: &'static str, detail: &str) {
        self.engine.note(|| format!("--- {what} {detail}"));
        self.events.push(what);
    }

    /// Ends all faults. Returns how long it takes until everything has converged and nothing more happens, or the error.
    async fn settles(&mut self, progresses: &watch::Receiver<Arc<Progresses>>) -> Result<Duration, String> {
        self.happened("end of all faults", "");
        self.engine.active.store(false, Ordering::Relaxed);
        // Late calls have taken effect.
        sleep(Duration::from_secs(200)).await;
        for node in self.nodes.clone() {
            self.return_node(&node);
        }
        self.end_interference();
        self.remove_second_manager().await;
        let began = self.clock.now();
        let mut stable = (began, 0);
        while self.clock.now().since(began) < SETTLES {
            let converged = progresses.borrow().values().all(|p| p.condition.phase == Phase::Converged);
            let done = self.engine.trace().0;
            if !converged
                || done != stable.1
                || self.engine.oracle.settled(&self.engine.world.real()).is_err()
            {
                stable = (self.clock.now(), done);
            } else if self.clock.now().since(stable.0) >= STABLE {
                return Ok(stable.0.since(began));
            }
            sleep(Duration::from_millis(500)).await;
        }
        let reasons: Vec<_> =
            progresses.borrow().values().map(|p| (p.condition.reason.clone(), p.plan.clone())).collect();
        let what = match self.engine.oracle.settled(&self.engine.world.real()) {
            Ok(()) => "everything has converged, but something still happens".to_owned(),
            Err(what) => what,
        };
        Err(format!("{} s after the faults: {what}; the status: {reasons:?}", SETTLES.as_secs()))
    }
}
