//! The production program with a fake endpoint: store, cache, observer, workers, actuator and HTTP client are real. Only the
//! HTTP server and the process are missing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use swarm_cluster_state_manager::api::status::Phase;
use swarm_cluster_state_manager::api::status::{ClusterStatus, ObjectStatus};
use swarm_cluster_state_manager::clock::Clock;
use swarm_cluster_state_manager::control::{self, Control, Parts};
use swarm_cluster_state_manager::core::name::ObjectName;
use swarm_cluster_state_manager::core::submission;
use swarm_cluster_state_manager::core::submission::Submission;
use swarm_cluster_state_manager::core::transaction::{Change, Transaction};
use swarm_cluster_state_manager::engine::Engine;
use swarm_cluster_state_manager::engine::docker::DockerEngine;
use swarm_cluster_state_manager::engine::docker::transport::Transport;
use swarm_cluster_state_manager::logs::Logs;
use swarm_cluster_state_manager::status::StatusReader;
use swarm_cluster_state_manager::store::Store;
use swarm_cluster_state_manager::store::memory::MemoryStore;
use swarm_cluster_state_manager::store::ownership::Ownership;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::FakeDocker;
use super::faults::CallTracker;
use super::world::{EPOCH, World};

/// The period of complete lists.
pub(crate) const RESYNC: Duration = Duration::from_secs(10);
/// How long a node may be down before its containers are replaced.
pub(crate) const LOST_AFTER: Duration = Duration::from_secs(30);
/// The value of the cluster label.
pub(crate) const CLUSTER: &str = "test";
/// Engine calls at once.
const PARALLEL: usize = 8;

/// A running manager. It ends when it is dropped.
pub(crate) struct Manager {
    fake: FakeDocker,
    store: Arc<MemoryStore>,
    sources: StatusReader,
    engine: Arc<dyn Engine>,
    loops: JoinSet<()>,
}

impl Manager {
    /// Starts a manager with an empty store.
    pub(crate) fn start(fake: &FakeDocker) -> Manager {
        let clock = Clock::starting_at(EPOCH);
        Manager::with_store(fake, Arc::new(MemoryStore::new(clock)))
    }

    /// Starts a manager with an empty store that takes over the containers of all other managers.
    pub(crate) fn start_taking_over(fake: &FakeDocker) -> Manager {
        let identity = Ownership::ephemeral(CLUSTER).identity();
        let ownership = Ownership::new(identity, BTreeSet::new(), true);
        Manager::with_store(fake, Arc::new(MemoryStore::of(ownership, Clock::starting_at(EPOCH))))
    }

    fn with_store(fake: &FakeDocker, store: Arc<MemoryStore>) -> Manager {
        let clock = Clock::starting_at(fake.read(|world| world.time(Instant::now())));
        let docker = DockerEngine::new(Transport::new(fake.target()));
        let engine: Arc<dyn Engine> = Arc::new(CallTracker(docker));
        let Control { cache, progresses, heartbeat, mut tasks } = control::start(Parts {
            engine: engine.clone(),
            store: store.clone(),
            endpoint: "tcp://fake:3376".into(),
            cluster: CLUSTER.to_owned(),
            resync: RESYNC,
            lost_after: LOST_AFTER,
            parallel: PARALLEL,
            metrics: Arc::default(),
            clock,
            stop: CancellationToken::new(),
        });
        let sources = StatusReader {
            objects: store.objects(),
            progresses,
            cache,
            cluster: CLUSTER.into(),
            store: store.clone(),
            heartbeat,
            clock,
        };
        let mut loops = JoinSet::new();
        loops.spawn(async move { panic!("{}", tasks.watch().await) });
        Manager { fake: fake.clone(), store, sources, engine, loops }
    }

    /// Ends it like `kill -9`, and starts another one with the same store.
    pub(crate) fn kill_and_restart(self) -> Manager {
        let Manager { fake, store, loops, .. } = self;
        drop(loops);
        Manager::with_store(&fake, store)
    }

    /// Its store.
    pub(crate) fn store(&self) -> &MemoryStore {
        &self.store
    }

    /// Submits one object.
    pub(crate) async fn submit(&self, object: serde_json::Value) {
        let Submission::One(spec) = submission::read(object.to_string().as_bytes()).unwrap() else {
            panic!("an array");
        };
        self.store.commit(Transaction::of([Change::Put(spec)])).await.unwrap();
    }

    /// Deletes an object.
    pub(crate) async fn delete(&self, object: &str) {
        let name = ObjectName::parse(object).unwrap();
        self.store.commit(Transaction::of([Change::Delete(name)])).await.unwrap();
    }

    /// The reader of logs.
    pub(crate) fn logs(&self) -> Logs {
        Logs::new(self.engine.clone(), self.sources.clone())
    }

    /// The answer of `/status`.
    pub(crate) fn status(&self) -> ClusterStatus {
        self.sources.cluster()
    }

    /// The answer of `/status/NAME`; `None` if there is no such object.
    pub(crate) fn object(&self, object: &str) -> Option<ObjectStatus> {
        self.sources.object(&ObjectName::parse(object).unwrap())
    }

    /// Whether a waiting client would get the outcome `failed`.
    pub(crate) fn failing(&self, object: &str) -> bool {
        let progresses = self.sources.progresses.borrow();
        progresses.get(&ObjectName::parse(object).unwrap()).is_some_and(|progress| progress.condition.failing)
    }

    /// Waits until the status and the world meet the condition; panics after `within` of simulated time. Returns how long
    /// it took.
    #[track_caller]
    pub(crate) fn until(
        &self,
        within: Duration,
        what: impl std::fmt::Display,
        condition: impl Fn(&ClusterStatus, &World) -> bool,
    ) -> impl Future<Output = Duration> {
        let caller = std::panic::Location::caller();
        async move {
            let began = Instant::now();
            let mut changes = self.fake.changes();
            let mut progresses = self.sources.progresses.clone();
            let mut engine = self.sources.cache.engine();
            let waiting = async {
                loop {
                    let status = self.status();
                    if self.fake.read(|world| condition(&status, world)) {
                        return;
                    }
                    tokio::select! {
                        _ = changes.changed() => {}
                        _ = progresses.changed() => {}
                        _ = engine.changed() => {}
                    }
                }
            };
            if timeout(within, waiting).await.is_err() {
                let status = serde_json::to_string_pretty(&self.status()).unwrap();
                panic!("{caller}: not within {within:?}: {what}\n{}{status}", self.fake.effects());
            }
            began.elapsed()
        }
    }

    /// Waits until the status reports that the object has converged, and exactly `count` of its containers run and no
    /// others are live on reachable nodes.
    #[track_caller]
    pub(crate) fn converges(
        &self,
        object: &str,
        count: usize,
        within: Duration,
    ) -> impl Future<Output = Duration> {
        self.until(within, format!("{object} converges with {count}"), move |status, world| {
            let converged = status.objects.iter().find(|o| o.name == object).is_some_and(|o| {
                o.phase == Phase::Converged
                    && o.observed_generation == o.generation
                    && o.ready == count as u64
            });
            let live = world.reachable(object).filter(|c| c.live()).count();
            converged && live == count && world.running(object).len() == count
        })
    }

    /// Waits until a deleted object and its containers are gone.
    #[track_caller]
    pub(crate) fn vanishes(&self, object: &str, within: Duration) -> impl Future<Output = Duration> {
        self.until(within, format!("nothing is left of {object}"), move |status, world| {
            !status.objects.iter().any(|o| o.name == object) && world.reachable(object).next().is_none()
        })
    }
}
