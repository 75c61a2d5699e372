//! Reconciles one object.
//!
//! A worker sleeps until something may have changed: the desired state, the containers, the evidence, a step that ended, or
//! the time that a plan named. It does not learn which; it reconciles: asks the planner, begins the steps and publishes the
//! object's progress. It never waits for a step before the next pass, and no other object's step can block it.
//!
//! A worker ends when its object is deleted and nothing of it is left.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::sleep_until;
use tracing::{info, warn};

use crate::api::event::EventKind;
use crate::clock;
use crate::control::cache::Containers;
use crate::control::context::WorkerContext;
use crate::control::engine_state::EngineState;
use crate::control::progress::Progress;
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
use crate::core::transaction::Change;
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
    /// The last generation of which it was committed that it has converged.
    recorded: u64,
    /// A container of another object is in the way: any change may mean that it is gone.
    waits_for_others: bool,
}

impl Worker {
    pub(super) fn new(context: WorkerContext, name: ObjectName) -> Worker {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let containers = context.cache.containers(&name);
        let engine = context.cache.engine();
        Worker {
            memory: Memory::resuming(hasher.finish(), context.event_log.resumed_after()),
            steps: JoinSet::new(),
            under_way: Vec::new(),
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
            // The engine's state first: good news is published after the list that it covers.
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
            // Other steps that have ended meanwhile belong to the same pass.
            while let Some(ended) = self.steps.try_join_next() {
                self.step_ended(ended);
            }
        }
    }

    /// One pass: observes, plans, begins the steps and publishes. Returns when the next one is due.
    fn reconcile(
        &mut self,
        object: &Arc<Object>,
        containers: &[Arc<Container>],
        engine: &EngineState,
    ) -> Option<Time> {
        let now = self.context.clock.now();
        let evidence = engine.evidence(self.context.clock.offset());
        if evidence == Evidence::Good {
            self.memory.observe(object, &planner::hold::own(containers), now);
            self.report_ends();
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
            offset: self.context.clock.offset(),
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

    /// What a new container of this object needs and departing containers of other objects still have. On a single host only:
    /// a Swarm manager may choose another node.
    fn in_the_way(&self, object: &Object, own: &[Arc<Container>], engine: &EngineState) -> InTheWay {
        let lacking = own.iter().filter(|container| container.live()).count() < object.wanted() as usize;
        let templates = [Some(&object.spec.template), object.fallback()].into_iter().flatten();
        let exclusive = templates.clone().any(|template| !template.exclusives().is_empty());
        if engine.kind().is_none_or(EngineKind::has_nodes) || !lacking || !exclusive {
            return InTheWay::new();
        }
        let mut others = self.context.cache.all();
        others.retain(|container| container.identity.object != self.name);
        exclusive::in_the_way(templates, &self.context.store.objects().borrow(), &others)
    }

    /// Reports ends that this manager did not cause.
    fn report_ends(&mut self) {
        for (kind, text) in self.memory.take_unreported() {
            let kind = match kind {
                EndKind::Ended | EndKind::Restarted | EndKind::Vanished => EventKind::Ended,
                EndKind::Unhealthy => EventKind::Unhealthy,
            };
            info!(object = %self.name, kind = kind.as_str(), "{text}");
            self.context.event_log.note(kind, &self.name, self.memory.generation(), text);
        }
    }

    /// Has the generation committed as converged, unless it is already.
    fn record_converged(&mut self, object: &Object) {
        let known = object.converged.as_ref().map_or(0, |converged| converged.generation).max(self.recorded);
        if object.deleted.is_none() && known < object.generation {
            let change = Change::Converged { name: self.name.clone(), generation: object.generation };
            let handed_over = self.context.commit.try_send(change).is_ok();
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
            // A step that panicked may have done anything; the worker dies with it, and the process.
            Err(error) => {
                std::panic::resume_unwind(Box::new(format!("a step of {} panicked: {error}", self.name)))
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
            let passed = before.filter(|before| before.observed_generation > 0);
            if passed.is_none_or(|b| b.condition.phase != progress.condition.phase) {
                info!(object = %self.name, phase = ?progress.condition.phase, "{}", progress.condition.reason);
                let text = format!("{}: {}", progress.condition.phase.word(), progress.condition.reason);
                self.context.event_log.note(EventKind::Phase, &self.name, observed_generation, text);
            }
            Arc::make_mut(progresses).insert(self.name.clone(), Arc::new(progress));
            true
        });
    }
}

/// Waits until an object differs from `seen`. Other objects' changes wake no worker: with thousands of objects, each submit
/// would wake all of them.
async fn changed(objects: &mut watch::Receiver<Arc<Objects>>, name: &ObjectName, seen: &Arc<Object>) {
    let another = |objects: &Arc<Objects>| objects.get(name).is_none_or(|now| !Arc::ptr_eq(now, seen));
    // The store lives as long as the process.
    let _ = objects.wait_for(another).await;
}

/// How a step failed, for the log.
fn trouble(report: &Report) -> Option<(&'static str, String)> {
    fn of<T>(outcome: &Outcome<T>) -> Option<(&'static str, String)> {
        match outcome {
            Outcome::Done(_) => None,
            Outcome::Refused(refusal) => Some(("refused", refusal.message.clone())),
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
        Report::CreateInFlight(message) => Some(("in doubt", message.clone())),
    }
}

#[cfg(test)]
mod tests;
