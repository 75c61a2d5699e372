//! The loop: one worker an object, and the dispatcher that keeps them.
//!
//! A worker sleeps until something may have changed: what is wanted, what is there, whether it may be
//! believed, a step that ended, the moment a plan named. It is not told which; it looks again, asks the
//! planner, begins the steps and publishes how its object is doing. It never waits for a step before it looks
//! again, and no other object's step can hold it up.
//!
//! The dispatcher starts a worker for every object that is wanted, or deleted with containers left, and ends
//! it when there is nothing left to do. If a worker dies, the dispatcher ends with an error, and the process
//! with it: there is never a live server over a dead loop.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::sleep_until;
use tracing::{info, warn};

use crate::api::event::EventKind;
use crate::clock;
use crate::control::cache::Containers;
use crate::control::context::WorkerContext;
use crate::control::engine_state::EngineState;
use crate::control::progress::Progress;
use crate::control::record::Converged;
use crate::core::condition::Condition;
use crate::core::container::Container;
use crate::core::engine_kind::EngineKind;
use crate::core::evidence::Evidence;
use crate::core::exclusive::{self, InTheWay};
use crate::core::memory::Memory;
use crate::core::memory::ends::EndKind;
use crate::core::memory::report::Report;
use crate::core::name::ObjectName;
use crate::core::object::{Object, Objects};
use crate::core::outcome::Outcome;
use crate::core::plan::{Action, Step};
use crate::core::time::Time;
use crate::planner::input::Input;
use crate::{crash_points, planner};

pub(super) struct Worker {
    context: WorkerContext,
    name: ObjectName,
    containers: watch::Receiver<Arc<Containers>>,
    engine: watch::Receiver<Arc<EngineState>>,
    memory: Memory,
    steps: JoinSet<(Action, Report)>,
    under_way: Vec<Step>,
    /// Takes the generations that have converged.
    record: mpsc::Sender<Converged>,
    /// The last one that was handed over.
    recorded: u64,
    /// A container of another object is in the way: any change may be that it is gone.
    waits_for_others: bool,
}

impl Worker {
    pub(super) fn new(context: WorkerContext, name: ObjectName, record: mpsc::Sender<Converged>) -> Worker {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let containers = context.cache.containers(&name);
        let engine = context.cache.engine();
        Worker {
            memory: Memory::resuming(hasher.finish(), context.event_log.resumed_after()),
            steps: JoinSet::new(),
            under_way: Vec::new(),
            record,
            recorded: 0,
            waits_for_others: false,
            containers,
            engine,
            context,
            name,
        }
    }

    /// Runs until the object is deleted and nothing of it is left.
    pub(super) async fn run(mut self) {
        let mut objects = self.context.store.objects();
        let mut others = self.context.cache.changes();
        loop {
            others.mark_unchanged();
            let Some(object) = objects.borrow_and_update().get(&self.name).cloned() else {
                while self.steps.join_next().await.is_some() {}
                return;
            };
            // The engine's state first: good news of it is published after the list that it speaks for.
            let engine = self.engine.borrow_and_update().clone();
            let containers: Vec<Arc<Container>> =
                self.containers.borrow_and_update().values().cloned().collect();
            let begun = clock::monotonic();
            let wake_at = self.reconcile(&object, &containers, &engine);
            let left = containers.iter().any(|container| !container.rival);
            self.context.metrics.reconciles.observe(begun.elapsed().as_secs_f64());
            if object.deleted.is_some() && !left && self.steps.is_empty() {
                info!(object = %self.name, generation = object.generation, "deleted, and nothing of it is left");
                return;
            }
            tokio::select! {
                biased;
                () = self.context.stop.cancelled() => {
                    while self.steps.join_next().await.is_some() {}
                    return;
                }
                () = changed(&mut objects, &self.name, &object) => {}
                _ = self.containers.changed() => {}
                _ = self.engine.changed() => {}
                _ = others.changed(), if self.waits_for_others => {}
                Some(ended) = self.steps.join_next() => self.step_ended(ended),
                () = sleep_until(self.context.clock.instant(wake_at.unwrap_or_default())), if wake_at.is_some() => {}
            }
            // Whatever else has ended meanwhile is part of the same look.
            while let Some(ended) = self.steps.try_join_next() {
                self.step_ended(ended);
            }
        }
    }

    /// Looks, plans, begins the steps and publishes. Returns when to look again.
    fn reconcile(
        &mut self,
        object: &Arc<Object>,
        containers: &[Arc<Container>],
        engine: &EngineState,
    ) -> Option<Time> {
        let now = self.context.clock.now();
        let evidence = engine.evidence(&self.context.endpoint);
        if evidence == Evidence::Good {
            self.memory.observe(object, &planner::hold::own(containers), now);
            self.tell_ends();
        }
        let in_the_way = self.in_the_way(object, containers, engine);
        self.waits_for_others = !in_the_way.is_empty();
        let under_way: Vec<Action> = self.under_way.iter().map(|step| step.action.clone()).collect();
        let plan = planner::plan(Input {
            object,
            containers,
            under_way: &under_way,
            evidence: &evidence,
            nodes: &engine.nodes,
            in_the_way: &in_the_way,
            memory: &self.memory,
            now,
        });
        let lines = self.under_way.iter().chain(&plan.steps).map(Step::to_string).collect();
        for step in plan.steps {
            self.begin(object.clone(), step);
        }
        if plan.condition.proven {
            self.record_converged(object);
        }
        self.publish(object, plan.condition, lines);
        plan.wake_at
    }

    /// What other objects' containers that are going still have and a new container of this one needs. On one host only:
    /// behind a Swarm manager another node may do.
    fn in_the_way(&self, object: &Object, own: &[Arc<Container>], engine: &EngineState) -> InTheWay {
        let lacking = own.iter().filter(|container| container.live()).count() < object.wanted() as usize;
        let templates = [Some(&object.spec.template), object.fallback()].into_iter().flatten();
        let exclusive = templates.clone().any(|template| !template.exclusives().is_empty());
        if engine.kind() != Some(EngineKind::Docker) || !lacking || !exclusive {
            return InTheWay::new();
        }
        let mut others = self.context.cache.all();
        others.retain(|container| container.identity.object != self.name);
        exclusive::in_the_way(templates, &self.context.store.objects().borrow(), &others)
    }

    /// Tells of containers that have ended without our doing.
    fn tell_ends(&mut self) {
        for (kind, text) in self.memory.take_untold() {
            let kind = match kind {
                EndKind::Ended | EndKind::Restarted | EndKind::Vanished => EventKind::Ended,
                EndKind::Unhealthy => EventKind::Unhealthy,
            };
            info!(object = %self.name, kind = kind.word(), "{text}");
            self.context.event_log.note(kind, &self.name, self.memory.generation(), text);
        }
    }

    /// Has it recorded that the present generation has converged, unless that is known.
    fn record_converged(&mut self, object: &Object) {
        let known = object.converged.as_ref().map_or(0, |converged| converged.generation).max(self.recorded);
        if object.deleted.is_none() && known < object.generation {
            let handed_over = self.record.try_send((self.name.clone(), object.generation)).is_ok();
            self.recorded = if handed_over { object.generation } else { self.recorded };
        }
    }

    fn begin(&mut self, object: Arc<Object>, step: Step) {
        info!(object = %self.name, generation = object.generation, plan = %step, "step");
        self.context.event_log.note(EventKind::Step, &self.name, object.generation, step.to_string());
        self.memory.begun(&step.action);
        let (actuator, action) = (self.context.actuator.clone(), step.action.clone());
        let metrics = self.context.metrics.clone();
        self.steps.spawn(async move {
            let ongoing = metrics.actions.begin(action.word());
            crash_points::point("before-step");
            let report = actuator.perform(&object, &action).await;
            crash_points::point("after-step");
            ongoing.ended(report.word());
            (action, report)
        });
        self.under_way.push(step);
    }

    fn step_ended(&mut self, ended: Result<(Action, Report), JoinError>) {
        let (action, report) = match ended {
            Ok(ended) => ended,
            // A step that panicked may have done anything; the worker goes down with it, and the process.
            Err(error) => {
                std::panic::resume_unwind(Box::new(format!("a step of {} died: {error}", self.name)))
            }
        };
        if let Some(i) = self.under_way.iter().position(|step| step.action == action) {
            let step = self.under_way.remove(i);
            if let Some((how, why)) = trouble(&report) {
                warn!(object = %self.name, plan = %step, outcome = how, error = %why, "step failed");
                let text = format!("{step} {how}: {why}");
                self.context.event_log.note(
                    EventKind::StepFailed,
                    &self.name,
                    self.memory.generation(),
                    text,
                );
            }
        }
        self.memory.ended(&action, report, self.context.clock.now());
    }

    fn publish(&self, object: &Object, condition: Condition, plan: Vec<String>) {
        let (observed_generation, asked) = (object.generation, object.asked);
        let ends = self.memory.ends();
        let (restarts, last_exit) = (ends.restarts(), ends.last().cloned());
        let progress = Progress { observed_generation, asked, condition, plan, restarts, last_exit };
        self.context.progresses.send_if_modified(|progresses| {
            let before = progresses.get(&self.name);
            if before.is_some_and(|before| **before == progress) {
                return false;
            }
            let looked = before.filter(|before| before.observed_generation > 0);
            if looked.is_none_or(|b| b.condition.phase != progress.condition.phase) {
                info!(object = %self.name, phase = ?progress.condition.phase, "{}", progress.condition.reason);
                let text = format!("{}: {}", progress.condition.phase.word(), progress.condition.reason);
                self.context.event_log.note(EventKind::Phase, &self.name, observed_generation, text);
            }
            Arc::make_mut(progresses).insert(self.name.clone(), Arc::new(progress));
            true
        });
    }
}

/// Until an object is another one than `seen`. Others' changes are nothing to wake up for: with thousands of objects
/// each submit would make all of them look.
async fn changed(objects: &mut watch::Receiver<Arc<Objects>>, name: &ObjectName, seen: &Arc<Object>) {
    let another = |objects: &Arc<Objects>| objects.get(name).is_none_or(|now| !Arc::ptr_eq(now, seen));
    // Where the store is gone, so is the process.
    let _ = objects.wait_for(another).await;
}

/// How a step went wrong, for the log.
fn trouble(report: &Report) -> Option<(&'static str, String)> {
    fn of<T>(outcome: &Outcome<T>) -> Option<(&'static str, String)> {
        match outcome {
            Outcome::Done(_) => None,
            Outcome::Refused(refusal) => Some(("refused", refusal.words.clone())),
            Outcome::NotSent(why) => Some(("not sent", why.clone())),
            Outcome::InDoubt(why) => Some(("in doubt", why.clone())),
        }
    }
    match report {
        Report::Created(outcome) => of(outcome),
        Report::CreatedNotStarted(_, outcome)
        | Report::Image(outcome)
        | Report::Started(outcome)
        | Report::NotStopped(outcome)
        | Report::Removed(outcome) => of(outcome),
        Report::CreateInFlight(words) => Some(("in doubt", words.clone())),
    }
}

#[cfg(test)]
mod tests {
    use crate::clock::Clock;
    use crate::control::actuator::Actuator;
    use crate::control::cache::Cache;
    use crate::control::dispatcher::dispatch;
    use crate::control::heartbeat::Heartbeat;
    use crate::control::progress::Progresses;
    use std::time::Duration;

    use async_trait::async_trait;
    use futures_util::stream::BoxStream;

    use super::*;
    use crate::control::observer::Observer;
    use crate::core::condition::Phase;
    use crate::core::container::ContainerId;
    use crate::core::spec::{Pull, Template};
    use crate::core::submission;
    use crate::core::submission::Submission;
    use crate::core::time::Time;
    use crate::core::transaction::{Change, Transaction};
    use crate::engine::error::EngineError;
    use crate::engine::simulated::SimulatedEngine;
    use crate::engine::{Engine, EngineEvent, EngineInfo, Lookup, NewContainer};
    use crate::store::Store;
    use crate::store::memory::MemoryStore;
    use tokio_util::sync::CancellationToken;

    /// A simulated engine with one call that panics, if `fatal` says so.
    struct Fragile {
        inner: SimulatedEngine,
        fatal: bool,
    }

    #[async_trait]
    impl Engine for Fragile {
        async fn info(&self) -> Result<EngineInfo, EngineError> {
            self.inner.info().await
        }
        async fn list(
            &self,
            cluster: &str,
            object: Option<&ObjectName>,
        ) -> Result<Vec<Container>, EngineError> {
            self.inner.list(cluster, object).await
        }
        async fn inspect(&self, cluster: &str, key: &str) -> Result<Lookup, EngineError> {
            self.inner.inspect(cluster, key).await
        }
        async fn ensure_image(&self, image: &str, pull: Pull) -> Outcome<()> {
            self.inner.ensure_image(image, pull).await
        }
        async fn create(&self, new: NewContainer<'_>) -> Outcome<ContainerId> {
            assert!(!self.fatal, "a create that panics");
            self.inner.create(new).await
        }
        async fn verify(&self, id: &ContainerId, template: &Template) -> Outcome<()> {
            self.inner.verify(id, template).await
        }
        async fn start(&self, id: &ContainerId) -> Outcome<()> {
            self.inner.start(id).await
        }
        async fn stop(&self, id: &ContainerId, grace: Duration) -> Outcome<()> {
            self.inner.stop(id, grace).await
        }
        async fn remove(&self, id: &ContainerId) -> Outcome<()> {
            self.inner.remove(id).await
        }
        async fn events(
            &self,
            cluster: &str,
        ) -> Result<BoxStream<'static, Result<EngineEvent, EngineError>>, EngineError> {
            self.inner.events(cluster).await
        }
    }

    struct Daemon {
        store: Arc<MemoryStore>,
        context: WorkerContext,
        observer: Observer,
    }

    fn daemon(fatal: bool) -> Daemon {
        let clock = Clock::starting_at(Time(1_000_000));
        let engine: Arc<dyn Engine> = Arc::new(Fragile { inner: SimulatedEngine::new(3, clock), fatal });
        let store = Arc::new(MemoryStore::new(clock));
        let cache = Arc::new(Cache::of(store.ownership().clone()));
        let actuator = Arc::new(Actuator::new(engine.clone(), cache.clone(), "test".to_owned(), 8, clock));
        let context = WorkerContext {
            store: store.clone(),
            cache: cache.clone(),
            actuator,
            event_log: store.event_log().clone(),
            metrics: Arc::default(),
            progresses: watch::Sender::new(Arc::default()),
            endpoint: "simulated://3".into(),
            heartbeat: Heartbeat::new(clock.now()),
            stop: CancellationToken::new(),
            clock,
        };
        let (endpoint, cluster) = ("simulated://3".to_owned(), "test".to_owned());
        let (resync, lost_after) = (Duration::from_secs(10), Duration::from_secs(30));
        let observer = Observer { engine, endpoint, cluster, cache, resync, lost_after, clock };
        Daemon { store, context, observer }
    }

    fn put(name: &str, count: u32) -> Change {
        let text = format!(r#"{{"Name": "{name}", "Image": "a", "Count": {count}}}"#);
        match submission::read(text.as_bytes()).unwrap() {
            Submission::One(spec) => Change::Put(spec),
            Submission::Many(_) => unreachable!(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_submitted_runs_what_is_deleted_goes_and_the_worker_with_it() {
        let Daemon { store, context, observer } = daemon(false);
        let (mut progresses, mut present) = (context.progresses.subscribe(), context.cache.present());
        let loops = [tokio::spawn(async { drop(dispatch(context).await) }), tokio::spawn(observer.run())];
        let name = ObjectName::parse("web").unwrap();
        for count in [40, 3, 7] {
            store.commit(Transaction::of([put("web", count)])).await.unwrap();
            let generation = store.objects().borrow()[&name].generation;
            let wanted = usize::try_from(count).unwrap();
            let converged = |progresses: &Arc<Progresses>| {
                progresses.get(&name).is_some_and(|p| {
                    p.observed_generation == generation
                        && p.condition.phase == Phase::Converged
                        && p.condition.ready == wanted
                })
            };
            tokio::time::timeout(Duration::from_secs(60), progresses.wait_for(converged))
                .await
                .unwrap()
                .unwrap();
        }
        store.commit(Transaction::of([Change::Delete(name.clone())])).await.unwrap();
        tokio::time::timeout(Duration::from_secs(60), present.wait_for(|p| p.is_empty()))
            .await
            .unwrap()
            .unwrap();
        tokio::time::timeout(Duration::from_secs(60), progresses.wait_for(|b| b.is_empty()))
            .await
            .unwrap()
            .unwrap();
        loops.iter().for_each(tokio::task::JoinHandle::abort);
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_dies_takes_the_dispatcher_with_it() {
        let Daemon { store, context, observer } = daemon(true);
        let watching = tokio::spawn(observer.run());
        store.commit(Transaction::of([put("web", 1)])).await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(60), dispatch(context)).await.unwrap();
        assert!(ended.unwrap_err().to_string().starts_with("the worker of 'web' died"));
        watching.abort();
    }
}
