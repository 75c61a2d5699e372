//! A scripted stand-in for a Docker Engine and for a classic Swarm manager, within the test's own process.
//!
//! The production client talks HTTP to it over in-memory streams, so that all runs on tokio's paused clock: a hang of
//! two minutes costs nothing, and the same test gives the same run. There is one [`world`]; two dialects show and
//! change it as the real ones do, [`docker`] and [`swarm`], with answers as they were recorded (`recorded/`).
//! [`names`] are the networks and volumes that a create may name,
//! [`faults`] are what goes wrong on the way, [`manager`] is the production program in front of it, and
//! [`control`] is what a test does behind its back: ends a container, loses a node, restarts the Swarm manager; and
//! [`many`] runs many cases of a test at once.

// Each test binary compiles this module anew and uses another part of it.
pub(crate) mod answers;
pub(crate) mod control;
pub(crate) mod docker;
pub(crate) mod engine;
pub(crate) mod faults;
pub(crate) mod manager;
pub(crate) mod many;
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

/// For how long an engine of 20.10 shows a container as running whose end it has already announced.
const DOCKER_ENDING: Duration = Duration::from_millis(80);
/// For how long after an end a Swarm manager's `State` and `Status` disagree.
const SWARM_DISAGREES: Duration = Duration::from_secs(1);
/// How long a Swarm manager asks for an image's platforms where no registry answers.
const PLATFORMS: Duration = Duration::from_secs(20);

/// An endpoint. Clones are the same one.
#[derive(Clone)]
pub(crate) struct FakeDocker(Arc<Inner>);

struct Inner {
    kind: EngineKind,
    keep_alive: bool,
    world: Mutex<World>,
    faults: Mutex<Faults>,
    /// Tells of each change of the world, and of each call.
    changed: watch::Sender<()>,
    lines: Mutex<Lines>,
    /// What becomes of answers on their way, by call.
    rewrites: Mutex<BTreeMap<Call, Rewrite>>,
    /// What logs are answered; nothing was written where nothing is said.
    logs: Mutex<Option<Logs>>,
}

/// The answer to who asks for the log of the container of this name.
pub(crate) type Logs = Box<dyn Fn(&str, &request::Logs) -> serve::Reply + Send>;

/// Makes another answer of one.
pub(crate) type Rewrite = Box<dyn Fn(Vec<u8>) -> Vec<u8> + Send>;

/// Its connections.
struct Lines {
    /// Whether new ones are taken.
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

    /// An endpoint of either kind that takes one request a connection, where `keep_alive` is false.
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
            lines: Mutex::new(Lines { open: true, connections: JoinSet::new() }),
        }))
    }

    pub(crate) fn kind(&self) -> EngineKind {
        self.0.kind
    }

    /// What the truth is.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&lock(&self.0.world))
    }

    /// Changes the world, and lets everybody know.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let changed = {
            let mut world = lock(&self.0.world);
            let changed = change(&mut world);
            world.take_stock();
            changed
        };
        self.0.changed.send_replace(());
        changed
    }

    /// Word of each change of the world, and of each call.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }

    /// Plans a fault for the n-th call of its kind, counted from 1.
    pub(crate) fn fault(&self, call: Call, nth: usize, fault: Fault) {
        self.faults(|faults| faults.plan(call, nth, fault));
    }

    /// Rewrites all answers to a call from now on.
    pub(crate) fn rewrite(&self, call: Call, rewrite: impl Fn(Vec<u8>) -> Vec<u8> + Send + 'static) {
        lock(&self.0.rewrites).insert(call, Box::new(rewrite));
    }

    /// Answers a call again as it should be.
    pub(crate) fn rewrite_no_more(&self, call: Call) {
        lock(&self.0.rewrites).remove(&call);
    }

    /// Answers those who ask for logs from now on.
    pub(crate) fn answer_logs(&self, logs: impl Fn(&str, &request::Logs) -> serve::Reply + Send + 'static) {
        *lock(&self.0.logs) = Some(Box::new(logs));
    }

    /// The log of a container.
    fn logs(&self, name: &str, asked: &request::Logs) -> serve::Reply {
        match &*lock(&self.0.logs) {
            Some(logs) => logs(name, asked),
            None => serve::Reply::new(200, "application/vnd.docker.raw-stream", ""),
        }
    }

    pub(crate) fn faults<T>(&self, look: impl FnOnce(&mut Faults) -> T) -> T {
        look(&mut lock(&self.0.faults))
    }

    /// How often a call was made.
    pub(crate) fn called(&self, call: Call) -> usize {
        self.faults(|faults| faults.seen().get(&call).copied().unwrap_or_default())
    }

    /// Waits until the truth is so; fails after `within` of simulated time.
    #[track_caller]
    pub(crate) fn until(
        &self,
        within: Duration,
        what: &str,
        so: impl Fn(&World) -> bool,
    ) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let mut changes = self.changes();
            let waiting = async {
                while !self.look(&so) {
                    changes.changed().await.unwrap();
                }
            };
            if timeout(within, waiting).await.is_err() {
                panic!("{caller}: not within {within:?}: {what}\n{}", self.effects());
            }
        }
    }

    /// All that was done, a line each.
    pub(crate) fn effects(&self) -> String {
        self.look(|world| world.trace.iter().map(|effect| format!("  {effect}\n")).collect())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A test that failed while it held the lock has failed already.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
