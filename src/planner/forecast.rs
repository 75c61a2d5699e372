//! What will be done if all goes well: for `?dry_run` and `GET /plan`.
//!
//! The planner runs repeatedly in a simulated world that begins as the observed one, in which each step succeeds at once,
//! started containers become healthy, and time jumps to the planner's next wake-up. The forecast ends when nothing is left
//! to do, or when it exceeds its budget. Pure: nothing is done, and the workers, which may be doing some of it already, are
//! not involved.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::core::availability::Nodes;
use crate::core::container::{Container, ContainerId, ContainerState, Health, Visibility};
use crate::core::evidence::Evidence;
use crate::core::exclusive::InTheWay;
use crate::core::labels::ContainerIdentity;
use crate::core::memory::Memory;
use crate::core::memory::report::Report;
use crate::core::object::Object;
use crate::core::outcome::Outcome;
use crate::core::plan::{Action, Step};
use crate::core::prospects::Prospects;
use crate::core::spec::{Pull, Template};
use crate::core::time::{Time, WallOffset};
use crate::planner::input::Input;
use crate::planner::{hold, plan};

/// The prefix of the ids of simulated containers; no engine's id has it.
const SIMULATED: &str = "new ";

/// The most lines of one object's forecast: an update of a thousand containers has two lines each, and a few more.
pub(crate) const MAX_LINES: usize = 2_010;

/// The forecast for one object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Forecast {
    /// The steps in order, one line each, with their causes.
    pub(crate) plan: Vec<String>,
    /// Why there is no forecast: the observation may not be acted on.
    pub(crate) waiting: Option<String>,
    /// What will fail, as far as the endpoint can tell in advance; the steps assume success.
    pub(crate) warnings: Vec<String>,
    /// The forecast exceeds its budget of lines or of time.
    pub(crate) truncated: bool,
}

/// What one answer may cost, over all of its objects.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    /// Lines, which bounds the size of the answer.
    pub(crate) lines: usize,
    /// Visits of containers, over all simulated passes: some seconds of one thread. An update of a thousand containers, one
    /// after the other, takes three million.
    pub(crate) visits: usize,
    /// Set when the time is up, or when the client has left.
    pub(crate) cancelled: Arc<AtomicBool>,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { lines: 20_000, visits: 4_000_000, cancelled: Arc::default() }
    }
}

/// The observed world that a forecast begins with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Present<'a> {
    /// Whether the observation can be trusted.
    pub(crate) evidence: &'a Evidence,
    /// The nodes.
    pub(crate) nodes: &'a Nodes,
    /// The time.
    pub(crate) now: Time,
}

/// Forecasts the steps for `object` with these containers; `prospects` is what its creates would meet.
pub(crate) fn forecast(
    object: &Object,
    containers: Vec<Arc<Container>>,
    prospects: Prospects,
    present: Present<'_>,
    budget: &mut Budget,
) -> Forecast {
    if let Evidence::Waiting { reason, .. } = present.evidence {
        return Forecast { waiting: Some(reason.clone()), ..Forecast::default() };
    }
    if let Some(reason) = hold::reason(object, &containers) {
        return Forecast { waiting: Some(reason), ..Forecast::default() };
    }
    let mut world = SimulatedWorld::new(object, hold::own(&containers), present);
    if prospects.image == Some(true) && object.spec.pull != Pull::Always {
        world.has_image(object.spec.template.image.clone());
    }
    let truncated = !world.run(budget);
    let creates = world.lines.iter().any(|line| line.starts_with("create "));
    let warnings = if creates { warnings(object, prospects) } else { Vec::new() };
    Forecast { plan: world.lines, waiting: None, warnings, truncated }
}

/// The line of a step, without the id of a simulated container.
fn line(step: &Step) -> String {
    let text = step.to_string();
    match &step.action {
        Action::Start { id, .. } | Action::Remove { id, .. } if id.0.starts_with(SIMULATED) => {
            text.replacen(&format!(" id={}", id.short()), "", 1)
        }
        _ => text,
    }
}

fn warnings(object: &Object, prospects: Prospects) -> Vec<String> {
    let image = &object.spec.template.image;
    let missing = prospects.image == Some(false) && object.spec.pull == Pull::Never;
    let missing = missing.then(|| format!("the image {image} does not exist, and Pull is \"never\""));
    prospects.refusal.into_iter().chain(missing).collect()
}

/// The simulated world.
struct SimulatedWorld<'a> {
    object: &'a Object,
    containers: Vec<Arc<Container>>,
    nodes: &'a Nodes,
    memory: Memory,
    now: Time,
    lines: Vec<String>,
}

impl<'a> SimulatedWorld<'a> {
    fn new(object: &'a Object, containers: Vec<Arc<Container>>, present: Present<'a>) -> SimulatedWorld<'a> {
        let Present { nodes, now, .. } = present;
        let mut memory = Memory::of_success();
        memory.observe(object, &containers, now);
        let template = &object.spec.template;
        // Containers that run prove that their image exists; a worker that created them does not ask for it again.
        let runs = |template: &&Template| {
            containers.iter().any(|c| c.live() && c.identity.template == template.hash)
        };
        let known: Vec<&Template> = [Some(template), object.fallback()].into_iter().flatten().collect();
        let there: Vec<String> =
            known.into_iter().filter(runs).map(|template| template.image.clone()).collect();
        let mut world = SimulatedWorld { object, containers, nodes, memory, now, lines: Vec::new() };
        there.into_iter().for_each(|image| world.has_image(image));
        world
    }

    /// Records that the image exists: nothing has to be pulled.
    fn has_image(&mut self, image: String) {
        let pull = Action::Pull { image, pull: Pull::Missing };
        self.memory.ended(&pull, Report::Image(Outcome::Done(())), self.now);
    }

    /// Plans and performs until nothing is left to do. False if that exceeds the budget.
    fn run(&mut self, budget: &mut Budget) -> bool {
        loop {
            let cost = 1 + self.containers.len();
            if budget.visits < cost || budget.cancelled.load(Ordering::Relaxed) {
                return false;
            }
            budget.visits -= cost;
            self.memory.observe(self.object, &self.containers, self.now);
            let plan = plan(Input {
                object: self.object,
                containers: &self.containers,
                under_way: &[],
                evidence: &Evidence::Good,
                nodes: self.nodes,
                in_the_way: &InTheWay::new(),
                memory: &self.memory,
                now: self.now,
                offset: WallOffset::default(),
            });
            if !plan.steps.is_empty() {
                let room = budget.lines.min(MAX_LINES - self.lines.len());
                self.lines.extend(plan.steps.iter().take(room).map(line));
                budget.lines -= room.min(plan.steps.len());
                if plan.steps.len() > room {
                    return false;
                }
                self.perform(&plan.steps);
            } else if let Some(at) = plan.wake_at.filter(|at| *at > self.now) {
                self.now = at;
            } else if !self.pass_time() {
                return true;
            }
        }
    }

    /// Performs the steps: each succeeds at once.
    fn perform(&mut self, steps: &[Step]) {
        let (mut started, mut removed) = (BTreeSet::new(), BTreeSet::new());
        for Step { action, .. } in steps {
            self.memory.begun(action);
            let report = match action {
                Action::Pull { .. } => Report::Image(Outcome::Done(())),
                Action::Create { identity, image } => {
                    let created = self.created(identity, image);
                    let id = created.id.clone();
                    self.containers.push(Arc::new(created));
                    Report::Created(Outcome::Done(id))
                }
                Action::Start { id, .. } => {
                    started.insert(id);
                    Report::Started(Outcome::Done(()))
                }
                Action::Remove { id, .. } => {
                    removed.insert(id);
                    Report::Removed(Outcome::Done(()))
                }
            };
            self.memory.ended(action, report, self.now);
        }
        for container in self.containers.iter_mut().filter(|c| started.contains(&c.id)) {
            Arc::make_mut(container).state = ContainerState::Running;
        }
        self.containers.retain(|c| !removed.contains(&c.id));
    }

    /// A container that runs and is healthy.
    fn created(&self, identity: &ContainerIdentity, image: &str) -> Container {
        let id = ContainerId::from(format!("{SIMULATED}{}", identity.container_name()).as_str());
        let created = Container::new(id, identity.clone(), image, self.now);
        Container { state: ContainerState::Running, ..created }
    }

    /// Completes what needs only time: health checks pass, the engine finishes its removals. False if nothing of the kind was
    /// pending.
    fn pass_time(&mut self) -> bool {
        let before = self.containers.len();
        self.containers.retain(|c| c.state != ContainerState::Removing || c.visibility != Visibility::Clear);
        let mut passed = self.containers.len() < before;
        let starts =
            |c: &&mut Arc<Container>| c.health == Health::Starting && c.visibility == Visibility::Clear;
        for container in self.containers.iter_mut().filter(starts) {
            Arc::make_mut(container).health = Health::Healthy;
            passed = true;
        }
        passed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::super::properties::world;
    use super::super::scenarios::{NOW, spec};
    use super::*;
    use crate::core::condition::Phase;
    use crate::core::spec::TemplateHash;

    fn forecast_of(object: &Object, containers: Vec<Arc<Container>>) -> Forecast {
        let present = Present { evidence: &Evidence::Good, nodes: &Nodes::default(), now: NOW };
        forecast(object, containers, Prospects::default(), present, &mut Budget::default())
    }

    /// `count` running containers of an older template.
    fn stale(object: &Object, count: u32) -> Vec<Arc<Container>> {
        let (template, nodes) = (TemplateHash::from_label("old"), Nodes::default());
        let present = Present { evidence: &Evidence::Good, nodes: &nodes, now: NOW };
        let world = SimulatedWorld::new(object, Vec::new(), present);
        let identity = |slot| ContainerIdentity {
            object: object.spec.name.clone(),
            slot,
            attempt: 1,
            template: template.clone(),
        };
        (1..=count).map(|slot| Arc::new(world.created(&identity(slot), "old"))).collect()
    }

    #[test]
    fn a_new_object_is_forecast_line_by_line() {
        let object = Object::new(spec("web", 2, ""));
        let expected = [
            r#"pull img cause="needed to create web.1""#,
            r#"create web.1.1 image=img cause="missing replica""#,
            r#"create web.2.1 image=img cause="missing replica""#,
        ];
        assert_eq!(forecast_of(&object, Vec::new()).plan, expected);
    }

    #[test]
    fn an_update_is_forecast_through_all_of_its_waits() {
        let object = Object::new(spec("web", 2, ""));
        let expected = [
            r#"pull img cause="needed to create web.1""#,
            r#"create web.1.2 image=img cause="replaces web.1.1, which is stale""#,
            r#"remove web.1.1 cause="replaced by web.1.2""#,
            r#"create web.2.2 image=img cause="replaces web.2.1, which is stale""#,
            r#"remove web.2.1 cause="replaced by web.2.2""#,
        ];
        assert_eq!(forecast_of(&object, stale(&object, 2)).plan, expected);
    }

    #[test]
    fn without_evidence_there_is_no_forecast() {
        let object = Object::new(spec("web", 2, ""));
        let evidence = Evidence::Waiting { reason: "no list yet".to_owned(), until: None };
        let present = Present { evidence: &evidence, nodes: &Nodes::default(), now: NOW };
        let result = forecast(&object, Vec::new(), Prospects::default(), present, &mut Budget::default());
        assert_eq!((result.plan.len(), result.waiting.as_deref()), (0, Some("no list yet")));
    }

    #[test]
    fn large_objects_are_forecast_within_bounds() {
        let begun = Instant::now();
        let ten_thousand = Object::new(spec("web", 10_000, ""));
        let many = forecast_of(&ten_thousand, Vec::new());
        assert_eq!((many.plan.len(), many.truncated), (MAX_LINES, true));
        println!("10,000 to create: {:?}", begun.elapsed());

        let begun = Instant::now();
        let thousand = Object::new(spec("web", 1_000, r#", "Update": {"Parallelism": 50}"#));
        let update = forecast_of(&thousand, stale(&thousand, 1_000));
        println!("an update of 1,000: {:?}, {} lines", begun.elapsed(), update.plan.len());
        assert_eq!((update.plan.len(), update.truncated), (2_001, false));

        // A forecast stays within its budget.
        let mut budget = Budget { lines: 10, visits: 100, ..Budget::default() };
        let present = Present { evidence: &Evidence::Good, nodes: &Nodes::default(), now: NOW };
        let first = forecast(&thousand, Vec::new(), Prospects::default(), present, &mut budget);
        assert_eq!((first.plan.len(), first.truncated, budget.lines), (10, true, 0));
        let second = forecast(&thousand, stale(&thousand, 200), Prospects::default(), present, &mut budget);
        assert_eq!((second.plan.len(), second.truncated), (0, true));

        // It stops when it is cancelled.
        let mut budget = Budget::default();
        budget.cancelled.store(true, Ordering::Relaxed);
        let stopped = forecast(&thousand, Vec::new(), Prospects::default(), present, &mut budget);
        assert_eq!((stopped.plan.len(), stopped.truncated), (0, true));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

        #[test]
        fn the_forecast_matches_the_steps(mut observed in world()) {
            let present = Present { evidence: &Evidence::Good, nodes: &Nodes::default(), now: observed.now };
            let object = observed.object.clone();
            let mut simulated = SimulatedWorld::new(&object, observed.containers.clone(), present);
            prop_assert!(simulated.run(&mut Budget::default()));

            observed.settle();
            // Names may differ: an attempt's number depends on whether the ended containers of its slot are removed by then.
        // Ended containers may differ, too: which are kept depends on which slot is filled first.
            let rows = |containers: &[Arc<Container>]| {
                let row = |c: &Arc<Container>| (c.identity.slot, c.identity.template.clone(), c.state.word());
                let mut rows: Vec<_> = containers.iter().filter(|c| c.live()).map(row).collect();
                rows.sort();
                rows
            };
            prop_assert_eq!(rows(&simulated.containers), rows(&observed.containers), "{:#?}", simulated.lines);

            // Afterwards nothing is left to forecast.
            let again = forecast(&object, simulated.containers, Prospects::default(), Present { now: simulated.now, ..present }, &mut Budget::default());
            prop_assert_eq!(again, Forecast::default());
            prop_assert_eq!(observed.observe_and_plan().condition.phase, Phase::Converged);
        }
    }
}
