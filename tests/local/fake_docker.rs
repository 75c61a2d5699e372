//! A scripted fake of a Docker Engine and of a classic Swarm manager, inside the test process.
//!
//! The production client sends HTTP to it over in-memory streams, so that everything runs on tokio's paused clock: a hang
//! of two minutes costs nothing, and a test always takes the same course. There is one [`world`]. Two dialects, [`docker`]
//! and [`swarm`], list and change it like the real programs, with recorded answers (`recorded/`). [`names`] holds the
//! networks and volumes that a create may name, [`faults`] the faults of calls. [`manager`] is the production program.
//! With [`control`] a test ends a container, loses a node, or restarts the Swarm manager. [`cases`] runs the cases of a
//! test in parallel.

pub(crate) mod answers;
pub(crate) mod cases;
pub(crate) mod control;
pub(crate) mod docker;
pub(crate) mod engine;
pub(crate) mod faults;
pub(crate) mod manager;
pub(crate) mod names;
pub(crate) mod request;
pub(crate) mod serve;
pub(crate) mod swarm;
pub(crate) mod world;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use faults::{Call, Fault, Faults};
use swarm_cluster_state_manager::core::engine_kind::EngineKind;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use world::{Lag, World};

/// How long an engine of 20.10 lists an ended container as running after the event of its end.
const DOCKER_ENDING: Duration = Duration::from_millis(80);
/// How long after an end a Swarm manager's `State` and `Status` disagree.
const SWARM_DISAGREES: Duration = Duration::from_secs(1);
/// How long a Swarm manager waits for an image's platforms if no registry answers.
const PLATFORMS: Duration = Duration::from_secs(20);

/// A fake endpoint. Clones share its state.
#[derive(Clone)]
pub(crate) struct FakeDocker(Arc<Inner>);

struct Inner {
    kind: EngineKind,
    keep_alive: bool,
    world: Mutex<World>,
    faults: Mutex<Faults>,
    /// Notified of each change of the world, and of each call.
    changed: watch::Sender<()>,
    network: Mutex<Connections>,
    /// Rewrites of answers, by call.
    rewrites: Mutex<BTreeMap<Call, Rewrite>>,
    /// Answers with a container's log; an empty log by default.
    logs: Mutex<Option<Logs>>,
}

/// Answers a request for the log of the container with this name.
pub(crate) type Logs = Box<dyn Fn(&str, &request::Logs) -> serve::Reply + Send>;

/// Rewrites an answer.
pub(crate) type Rewrite = Box<dyn Fn(Vec<u8>) -> Vec<u8> + Send>;

/// Its connections.
struct Connections {
    /// Whether new ones are accepted.
    open: bool,
    connections: JoinSet<()>,
}

impl FakeDocker {
    /// A Docker Engine without images or containers, and a registry that has every image.
    pub(crate) fn docker() -> FakeDocker {
        FakeDocker::new(EngineKind::Docker, 1, true)
    }

    /// A Swarm manager over this many nodes.
    pub(crate) fn swarm(nodes: usize) -> FakeDocker {
        FakeDocker::new(EngineKind::ClassicSwarm, nodes, true)
    }

    /// An endpoint of either kind. Without `keep_alive` each connection serves one request.
    pub(crate) fn new(kind: EngineKind, nodes: usize, keep_alive: bool) -> FakeDocker {
        let mut world = World::new(nodes);
        match kind {
            EngineKind::ClassicSwarm => world.lag = Lag { state: SWARM_DISAGREES, status: Duration::ZERO },
            _ => {
                world.lag = Lag { state: DOCKER_ENDING, status: DOCKER_ENDING };
                world.ending = DOCKER_ENDING;
            }
        }
        FakeDocker(Arc::new(Inner {
            kind,
            keep_alive,
            world: Mutex::new(world),
            faults: Mutex::default(),
            changed: watch::Sender::new(()),
            rewrites: Mutex::default(),
            logs: Mutex::default(),
            network: Mutex::new(Connections { open: true, connections: JoinSet::new() }),
        }))
    }

    pub(crate) fn kind(&self) -> EngineKind {
        self.0.kind
    }

    /// Reads the world.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&World) -> T) -> T {
        read(&lock(&self.0.world))
    }

    /// Changes the world, and notifies those that wait for changes.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let result = {
            let mut world = lock(&self.0.world);
            let result = change(&mut world);
            world.record_peaks();
            result
        };
        self.0.changed.send_replace(());
        result
    }

    /// Notifications of each change of the world, and of each call.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }

    /// Plans a fault for the n-th call of its kind, counted from 1.
    pub(crate) fn fault(&self, call: Call, nth: usize, fault: Fault) {
        self.faults(|faults| faults.plan(call, nth, fault));
    }

    /// Rewrites all further answers to a call.
    pub(crate) fn rewrite(&self, call: Call, rewrite: impl Fn(Vec<u8>) -> Vec<u8> + Send + 'static) {
        lock(&self.0.rewrites).insert(call, Box::new(rewrite));
    }

    /// Stops rewriting the answers to a call.
    pub(crate) fn stop_rewriting(&self, call: Call) {
        lock(&self.0.rewrites).remove(&call);
    }

    /// Answers further requests for logs.
    pub(crate) fn answer_logs(&self, logs: impl Fn(&str, &request::Logs) -> serve::Reply + Send + 'static) {
        *lock(&self.0.logs) = Some(Box::new(logs));
    }

    /// The log of a container.
    fn logs(&self, name: &str, request: &request::Logs) -> serve::Reply {
        match &*lock(&self.0.logs) {
            Some(logs) => logs(name, request),
            None => serve::Reply::new(200, "application/vnd.docker.raw-stream", ""),
        }
    }

    pub(crate) fn faults<T>(&self, access: impl FnOnce(&mut Faults) -> T) -> T {
        access(&mut lock(&self.0.faults))
    }

    /// How often a call was made.
    pub(crate) fn called(&self, call: Call) -> usize {
        self.faults(|faults| faults.counts().get(&call).copied().unwrap_or_default())
    }

    /// Waits until the world meets the condition; panics after `within` of simulated time.
    #[track_caller]
    pub(crate) fn until(
        &self,
        within: Duration,
        what: &str,
        condition: impl Fn(&World) -> bool,
    ) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let mut changes = self.changes();
            let waiting = async {
                while !self.read(&condition) {
                    changes.changed().await.unwrap();
                }
            };
            if timeout(within, waiting).await.is_err() {
                panic!("{caller}: not within {within:?}: {what}\n{}", self.effects());
            }
        }
    }

    /// All effects, one per line.
    pub(crate) fn effects(&self) -> String {
        self.read(|world| world.trace.iter().map(|effect| format!("  {effect}\n")).collect())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A test that failed while it held the lock has failed already.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
