//! Composes the reconcile loop and starts it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::control::actuator::Actuator;
use crate::control::cache::Cache;
use crate::control::commits;
use crate::control::context::WorkerContext;
use crate::control::dispatcher::{WorkerPanicked, dispatch};
use crate::control::engine_events::EngineEventWriter;
use crate::control::heartbeat::Heartbeat;
use crate::control::observer::Observer;
use crate::control::progress::Progresses;
use crate::engine::Engine;
use crate::store::Store;
use crate::telemetry::Metrics;

/// What the loop is made of.
pub struct Parts {
    /// The engine to control.
    pub engine: Arc<dyn Engine>,
    /// The desired state.
    pub store: Arc<dyn Store>,
    /// The endpoint's name in messages.
    pub endpoint: Arc<str>,
    /// The cluster label.
    pub cluster: String,
    /// The period of complete lists.
    pub resync: Duration,
    /// How long a node may be down before its containers do not count.
    pub lost_after: Duration,
    /// The most engine calls at once.
    pub parallel: usize,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Clock,
    /// Asks to begin no more steps, to finish those under way, and to end.
    pub stop: CancellationToken,
}

/// The running loop.
#[derive(Debug)]
pub struct Control {
    /// The observed containers.
    pub cache: Arc<Cache>,
    /// The published progress of each object.
    pub progresses: watch::Receiver<Arc<Progresses>>,
    /// Shows that the loop turns.
    pub heartbeat: Heartbeat,
    /// Its tasks.
    pub tasks: Tasks,
}

/// The tasks of the loop. Dropping them aborts them.
#[derive(Debug)]
pub struct Tasks {
    observer: JoinHandle<()>,
    engine_events: JoinHandle<()>,
    commits: JoinHandle<()>,
    dispatcher: JoinHandle<Result<(), WorkerPanicked>>,
}

/// A task of the loop ended that should not have.
#[derive(Debug, thiserror::Error)]
pub enum TaskEnded {
    /// It returned.
    #[error("the {0} ended unexpectedly")]
    Returned(&'static str),
    /// It panicked.
    #[error("the {0} panicked: {1}")]
    Panicked(&'static str, JoinError),
    /// A worker did.
    #[error(transparent)]
    Worker(#[from] WorkerPanicked),
}

/// Starts the loop in the current runtime.
pub fn start(parts: Parts) -> Control {
    let Parts { engine, store, endpoint, cluster, resync, lost_after, parallel, metrics, clock, stop } =
        parts;
    let cache = Arc::new(Cache::of(store.ownership().clone(), endpoint));
    let actuator = Actuator::new(engine.clone(), cache.clone(), cluster.clone(), parallel, clock);
    let progresses = watch::Sender::new(Arc::default());
    let published = progresses.subscribe();
    let heartbeat = Heartbeat::new(clock.now());
    let event_log = store.event_log().clone();
    let (commit, queue) = commits::queue();
    let context = WorkerContext {
        store: store.clone(),
        cache: cache.clone(),
        actuator: Arc::new(actuator),
        event_log: event_log.clone(),
        commit,
        progresses,
        metrics,
        heartbeat: heartbeat.clone(),
        stop,
        clock,
    };
    let observer = Observer { engine, cluster, cache: cache.clone(), resync, lost_after, clock };
    let engine_events = EngineEventWriter { cache: cache.clone(), event_log, clock };
    let tasks = Tasks {
        dispatcher: tokio::spawn(dispatch(context)),
        observer: tokio::spawn(observer.run()),
        engine_events: tokio::spawn(engine_events.run()),
        commits: tokio::spawn(commits::run(store, queue)),
    };
    Control { cache, progresses: published, heartbeat, tasks }
}

impl Tasks {
    /// Waits until a task ends that should not. May be dropped and called again.
    pub async fn watch(&mut self) -> TaskEnded {
        tokio::select! {
            biased;
            ended = &mut self.dispatcher => match ended {
                Ok(Err(worker)) => worker.into(),
                Ok(Ok(())) => TaskEnded::Returned("dispatcher"),
                Err(error) => TaskEnded::Panicked("dispatcher", error),
            },
            ended = &mut self.observer => returned("observer", ended),
            ended = &mut self.engine_events => returned("writer of engine events", ended),
            ended = &mut self.commits => returned("committer", ended),
        }
    }

    /// Waits until the workers have finished their steps, after `stop` was cancelled.
    pub(crate) async fn finish_steps(&mut self) {
        let _ = (&mut self.dispatcher).await;
    }

    /// Aborts all tasks and waits for their ends.
    pub async fn abort(mut self) {
        let Tasks { observer, engine_events, commits, dispatcher } = &mut self;
        for task in [&mut *observer, engine_events, commits] {
            task.abort();
            let _ = task.await;
        }
        dispatcher.abort();
        let _ = dispatcher.await;
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in [&self.observer, &self.engine_events, &self.commits] {
            task.abort();
        }
        self.dispatcher.abort();
    }
}

fn returned(task: &'static str, ended: Result<(), JoinError>) -> TaskEnded {
    match ended {
        Ok(()) => TaskEnded::Returned(task),
        Err(error) => TaskEnded::Panicked(task, error),
    }
}
