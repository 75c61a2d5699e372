//! Properties of the planner, tested with generated worlds.
//!
//! A world applies all steps of a plan at once, before the next plan. The memory is that of a worker that has observed
//! everything.

use crate::core::availability::Nodes;
use crate::core::condition::Phase;
use crate::core::container::Container;
use crate::core::container::ContainerId;
use crate::core::memory::Memory;
use crate::core::object::Object;
use crate::core::plan::Action;
use crate::core::time::{Time, WallOffset};
use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::scenarios::spec;
use super::*;
use crate::core::container::{ContainerState, Health};
use crate::core::exclusive::InTheWay;
use crate::core::memory::report::Report;
use crate::core::outcome::Outcome;
use crate::core::spec::Order;

const HOUR: u64 = 3_600_000;

#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) object: Object,
    pub(super) containers: Vec<Arc<Container>>,
    memory: Memory,
    pub(super) now: Time,
    made: u32,
}

fn state() -> impl Strategy<Value = ContainerState> {
    prop_oneof![
        4 => Just(ContainerState::Running),
        1 => Just(ContainerState::Created),
        1 => Just(ContainerState::Exited),
        1 => Just(ContainerState::Dead),
    ]
}

fn health() -> impl Strategy<Value = Health> {
    prop_oneof![3 => Just(Health::None), 1 => Just(Health::Healthy), 1 => Just(Health::Unhealthy)]
}

/// Containers of `web` in any state, some stale, some doubled.
pub(super) fn world() -> impl Strategy<Value = World> {
    let container = (1..9u32, 1..4u32, state(), health(), any::<bool>(), 0..3u8, 0..100u64);
    let update = (prop_oneof![Just("start-first"), Just("stop-first")], 0..3u32, 0..3u32);
    (0..7u32, prop::collection::vec(container, 0..14), update).prop_map(|(count, rows, (order, parallelism, keep))| {
        let more = format!(
            r#", "History": {keep}, "Update": {{"Order": "{order}", "Parallelism": {parallelism}, "Monitor": "5s"}}"#
        );
        let object = Object::new(spec("web", count, &more));
        let mut names = BTreeSet::new();
        let containers = rows
            .into_iter()
            .filter(|(slot, attempt, ..)| names.insert((*slot, *attempt)))
            .map(|(slot, attempt, state, health, current, node, age)| {
                let template = if current { object.spec.template.hash.as_str() } else { "stale" };
                Arc::new(Container {
                    node: Some(format!("n{node}")),
                    state,
                    health: if state == ContainerState::Running { health } else { Health::None },
                    created: Time(HOUR - age),
                    ..Container::sample(&format!("web.{slot}.{attempt}"), template)
                })
            })
            .collect();
        World { object, containers, memory: Memory::new(1), now: Time(HOUR), made: 0 }
    })
}

impl World {
    /// Plans and applies until nothing is left to do.
    pub(super) fn settle(&mut self) {
        for _ in 0..200 {
            let plan = self.observe_and_plan();
            if plan.steps.is_empty() {
                let Some(at) = plan.wake_at else { break };
                self.now = at;
            }
            self.apply(&plan);
        }
    }

    pub(super) fn observe_and_plan(&mut self) -> Plan {
        self.memory.observe(&self.object, &self.containers, self.now);
        self.plan(&self.containers)
    }

    fn plan(&self, containers: &[Arc<Container>]) -> Plan {
        plan(Input {
            object: &self.object,
            containers,
            under_way: &[],
            evidence: &Evidence::Good,
            nodes: &Nodes::default(),
            in_the_way: &InTheWay::new(),
            memory: &self.memory,
            now: self.now,
            offset: WallOffset::default(),
        })
    }

    /// Applies a plan. New containers run and are healthy.
    fn apply(&mut self, plan: &Plan) {
        for step in &plan.steps {
            self.memory.begun(&step.action);
            let report = match &step.action {
                Action::Pull { .. } => Report::Image(Outcome::Done(())),
                Action::Create { identity, image } => {
                    self.made += 1;
                    let id = ContainerId::from(format!("new{}", self.made).as_str());
                    assert!(
                        self.containers.iter().all(|c| c.name != identity.container_name()),
                        "names are unique"
                    );
                    self.containers.push(Arc::new(Container {
                        state: ContainerState::Running,
                        ..Container::new(id.clone(), identity.clone(), image, self.now)
                    }));
                    Report::Created(Outcome::Done(id))
                }
                Action::Start { id, .. } => {
                    for container in self.containers.iter_mut().filter(|c| c.id == *id) {
                        Arc::make_mut(container).state = ContainerState::Running;
                    }
                    Report::Started(Outcome::Done(()))
                }
                Action::Remove { id, .. } => {
                    self.containers.retain(|c| c.id != *id);
                    Report::Removed(Outcome::Done(()))
                }
            };
            self.memory.ended(&step.action, report, self.now);
        }
    }

    fn live(&self) -> Vec<&Arc<Container>> {
        self.containers.iter().filter(|c| c.live()).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn every_world_converges_and_then_nothing_is_planned(mut world in world()) {
        let wanted = usize::try_from(world.object.wanted()).unwrap();
        world.settle();
        let plan = world.observe_and_plan();
        prop_assert_eq!(&plan.steps, &Vec::new());
        prop_assert_eq!(plan.condition.phase, Phase::Converged, "{}", plan.condition.reason);
        prop_assert!(plan.condition.proven);
        let live = world.live();
        prop_assert_eq!(live.len(), wanted);
        prop_assert!(live.iter().all(|c| c.ready() && c.identity.template == world.object.spec.template.hash));
    }

    #[test]
    fn never_more_are_created_than_are_missing_plus_one_step_of_an_update(mut world in world()) {
        let wanted = usize::try_from(world.object.wanted()).unwrap();
        let before = world.live().iter().map(|c| c.identity.slot).collect::<BTreeSet<_>>().len();
        let surge = match world.object.spec.update.parallelism {
            0 => wanted,
            n => usize::try_from(n).unwrap(),
        };
        world.apply(&world.clone().observe_and_plan());
        let plan = world.observe_and_plan();
        let creates = plan.steps.iter().filter(|s| matches!(s.action, Action::Create { .. })).count();
        prop_assert!(creates <= wanted.saturating_sub(before) + surge, "{creates} creates for {before} of {wanted}");
    }

    #[test]
    fn a_healthy_container_is_never_removed_while_an_unhealthy_one_could_be(mut world in world()) {
        let plan = world.observe_and_plan();
        let removed = |why: &str| -> BTreeSet<ContainerId> {
            let ids = plan.steps.iter().filter(|s| s.cause.starts_with(why)).filter_map(|s| match &s.action {
                Action::Remove { id, .. } => Some(id.clone()),
                _ => None,
            });
            ids.collect()
        };
        let (surplus, all) = (removed("surplus"), removed(""));
        let slots = |test: &dyn Fn(&Container) -> bool| -> BTreeSet<u32> {
            world.containers.iter().filter(|c| c.live() && test(c)).map(|c| c.identity.slot).collect()
        };
        let ready = slots(&|c| c.ready());
        let lost = slots(&|c| surplus.contains(&c.id) && c.ready());
        let going = slots(&|c| all.contains(&c.id));
        let broken_left: Vec<u32> =
            slots(&|_| true).into_iter().filter(|slot| !ready.contains(slot) && !going.contains(slot)).collect();
        prop_assert!(lost.is_empty() || broken_left.is_empty(), "slots {lost:?} are removed while {broken_left:?} stay\n{:?}", plan.steps);
    }

    #[test]
    fn the_order_of_the_list_does_not_matter(mut world in world(), seed in any::<u64>()) {
        let plan = world.observe_and_plan();
        let mut shuffled = world.containers.clone();
        shuffled.sort_by_key(|c| {
            use std::hash::{DefaultHasher, Hash, Hasher};
            let mut hasher = DefaultHasher::new();
            (seed, &c.id).hash(&mut hasher);
            hasher.finish()
        });
        prop_assert_eq!(plan, world.plan(&shuffled));
    }

    #[test]
    fn a_start_first_update_never_runs_fewer_than_count(mut world in world()) {
        world.object.spec.update.order = Order::StartFirst;
        let wanted = usize::try_from(world.object.wanted()).unwrap();
        let healthy = |world: &World| world.containers.iter().filter(|c| c.ready()).map(|c| c.identity.slot).collect::<BTreeSet<_>>().len();
        let mut least = healthy(&world).min(wanted);
        for _ in 0..200 {
            let plan = world.observe_and_plan();
            if plan.steps.is_empty() {
                let Some(at) = plan.wake_at else { break };
                world.now = at;
            }
            world.apply(&plan);
            let now = healthy(&world).min(wanted);
            prop_assert!(now >= least, "{now} after {least} of {wanted}\n{:?}", plan.steps);
            least = now;
        }
    }
}
