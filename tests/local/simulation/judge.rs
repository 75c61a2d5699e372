//! Knows what was asked for and what really is there, and measures the one against the other.
//!
//! A container too many is counted at the moment in which a create or a start takes effect, against what an operator
//! would grant: the highest `Count` of the last minutes (a create that was asked for may land late), one more
//! for an update that starts first, and the creates that were under way when the daemon died. What is on a node
//! that was in trouble is not held against anybody, unless the trouble has only just begun.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use swarm_cluster_state_manager::clock::Clock;
use swarm_cluster_state_manager::core::container::{ContainerId, ContainerState};
use swarm_cluster_state_manager::core::labels::ContainerIdentity;
use swarm_cluster_state_manager::core::manager_id::ManagerId;
use swarm_cluster_state_manager::core::name::ObjectName;
use swarm_cluster_state_manager::core::time::Time;
use swarm_cluster_state_manager::engine::simulated::Real;

/// What was granted is granted for this long: longer than the latest landing, and the waits for it.
const MEMORY: Duration = Duration::from_secs(400);
/// A node that was in trouble is no witness for this long after it.
const AFTER_TROUBLE: Duration = Duration::from_secs(60);
/// A first trouble of a node must not be acted upon for this long: half of what is waited for.
const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) struct Judge {
    clock: Clock,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    asked_for: BTreeMap<ObjectName, Vec<Demand>>,
    /// Creates under way, and those that were when the daemon died.
    under_way: i64,
    orphans: Vec<(Time, i64)>,
    nodes: BTreeMap<String, Trouble>,
    foreign: Vec<ContainerId>,
    /// Other managers, whose containers are not held against this one.
    rivals: Vec<ManagerId>,
    creates: u64,
    worst_excess: i64,
    verdicts: Vec<String>,
}

struct Demand {
    /// When it was asked for, and until when it held.
    until: Option<Time>,
    count: u32,
    template: String,
}

#[derive(Default)]
struct Trouble {
    now_since: Option<Time>,
    last_ended: Option<Time>,
}

impl Inner {
    fn is_rivals(&self, real: &Real) -> bool {
        real.container.manager.as_ref().is_some_and(|manager| self.rivals.contains(manager))
    }
}

impl Judge {
    pub(crate) fn new(clock: Clock) -> Judge {
        Judge { clock, inner: Mutex::default() }
    }

    pub(crate) fn now(&self) -> Time {
        self.clock.now()
    }

    pub(crate) fn demand(&self, object: &ObjectName, count: u32, template: &str) {
        let now = self.now();
        let mut inner = self.inner.lock().unwrap();
        let demands = inner.asked_for.entry(object.clone()).or_default();
        if let Some(last) = demands.last_mut() {
            last.until = Some(now);
        }
        demands.push(Demand { until: None, count, template: template.to_owned() });
    }

    pub(crate) fn asked(&self, creates: i64) {
        self.inner.lock().unwrap().under_way += creates;
    }

    /// The daemon died: nobody will hear of what is under way.
    pub(crate) fn died(&self) {
        let now = self.now();
        let mut inner = self.inner.lock().unwrap();
        let under_way = std::mem::take(&mut inner.under_way);
        inner.orphans.push((now, under_way));
    }

    /// Whether a container is one that was asked for.
    pub(crate) fn ours(&self, real: &Real) -> bool {
        let inner = self.inner.lock().unwrap();
        !inner.foreign.contains(&real.container.id) && !inner.is_rivals(real)
    }

    /// From now on what this manager creates is another manager's.
    pub(crate) fn rival(&self, manager: ManagerId) {
        self.inner.lock().unwrap().rivals.push(manager);
    }

    pub(crate) fn foreign(&self, id: ContainerId) {
        self.inner.lock().unwrap().foreign.push(id);
    }

    pub(crate) fn trouble(&self, node: &str, begins: bool) {
        let now = self.now();
        let mut inner = self.inner.lock().unwrap();
        let trouble = inner.nodes.entry(node.to_owned()).or_default();
        if begins {
            trouble.now_since.get_or_insert(now);
        } else if trouble.now_since.take().is_some() {
            trouble.last_ended = Some(now);
        }
    }

    /// A create took effect: the container is about to run. One whose caller had given up on it starts only by another
    /// step. It does not count if an earlier attempt runs in its slot: that one had vanished from the lists, is back, and
    /// holds the slot.
    pub(crate) fn created(&self, identity: &ContainerIdentity, given_up: bool, real: &[Real]) {
        self.inner.lock().unwrap().creates += 1;
        let earlier_runs = real.iter().any(|other| {
            let of = &other.container.identity;
            (&of.object, of.slot) == (&identity.object, identity.slot)
                && of.attempt < identity.attempt
                && other.container.state == ContainerState::Running
        });
        self.weigh(identity, usize::from(!(given_up && earlier_runs)), real);
    }

    /// A start took effect.
    pub(crate) fn started(&self, identity: &ContainerIdentity, real: &[Real]) {
        self.weigh(identity, 0, real);
    }

    /// A user started an ended container again. Who was not told that it was stopped may have replaced it.
    pub(crate) fn started_by_a_user(&self, identity: &ContainerIdentity, real: &[Real], all_was_told: bool) {
        if all_was_told {
            self.weigh(identity, 0, real);
        } else {
            let now = self.now();
            self.inner.lock().unwrap().orphans.push((now, 1));
        }
    }

    /// Weighs what runs, and what is about to, against what is granted.
    fn weigh(&self, identity: &ContainerIdentity, about_to: usize, real: &[Real]) {
        let now = self.now();
        let mut inner = self.inner.lock().unwrap();
        let witness = |node: &Option<String>| {
            let trouble = node.as_ref().and_then(|node| inner.nodes.get(node));
            trouble.is_none_or(|t| {
                let calm = t.last_ended.is_none_or(|at| now.since(at) > AFTER_TROUBLE);
                calm && t.now_since.is_none_or(|at| now.since(at) < PATIENCE)
            })
        };
        let there = real.iter().filter(|real| {
            !inner.foreign.contains(&real.container.id)
                && !inner.is_rivals(real)
                && real.container.identity.object == identity.object
                && real.container.state == ContainerState::Running
                && witness(&real.container.node)
        });
        let there: Vec<&Real> = there.collect();
        let recent = |until: &Option<Time>| until.is_none_or(|at| now.since(at) < MEMORY);
        let demands: Vec<&Demand> = inner
            .asked_for
            .get(&identity.object)
            .into_iter()
            .flatten()
            .filter(|d| recent(&d.until))
            .collect();
        let count = demands.iter().map(|d| i64::from(d.count)).max().unwrap_or(0);
        // An update may also have waited for long: what is stale is there to be replaced.
        let stale = there.iter().map(|real| &real.container.image);
        let templates: BTreeSet<_> = demands.iter().map(|d| &d.template).chain(stale).collect();
        let surge = i64::try_from(templates.len()).unwrap() - 1;
        let orphans: i64 =
            inner.orphans.iter().filter(|(at, _)| now.since(*at) < MEMORY).map(|(_, n)| n).sum();
        let granted = count + surge.max(0) + orphans;
        let excess = i64::try_from(there.len() + about_to).unwrap() - granted;
        inner.worst_excess = inner.worst_excess.max(excess);
        if excess > 0 {
            let name = identity.container_name();
            let there: Vec<&str> = there.iter().map(|real| real.container.name.as_str()).collect();
            inner.verdicts.push(format!("{} {name}: {granted} granted, and there run {there:?}", now.0));
        }
    }

    /// A container is started, stopped or removed.
    pub(crate) fn touched(&self, id: &ContainerId, real: &[Real]) {
        let mut inner = self.inner.lock().unwrap();
        let rivals = real.iter().any(|real| real.container.id == *id && inner.is_rivals(real));
        if rivals || inner.foreign.contains(id) {
            let finding = format!("{} a container of somebody else was touched", self.clock.now().0);
            inner.verdicts.push(finding);
        }
    }

    /// What is wrong with the world now that it was left in peace: nothing, where all is as asked for.
    pub(crate) fn settled(&self, real: &[Real]) -> Result<(), String> {
        let inner = self.inner.lock().unwrap();
        for (object, demands) in &inner.asked_for {
            let Some(wanted) = demands.last() else { continue };
            let ours = real
                .iter()
                .filter(|r| !inner.foreign.contains(&r.container.id) && !inner.is_rivals(r))
                .filter(|r| r.container.identity.object == *object);
            // A create that landed late, when a user had renamed the one that holds its slot, cannot be told from a copy. It
            // never runs, and the status lists it as unclaimed.
            let renamed = |r: &Real| {
                real.iter().any(|o| {
                    o.container.identity == r.container.identity
                        && !o.container.identity.names(&o.container.name)
                })
            };
            let left_alone = |r: &&Real| r.container.state == ContainerState::Created && renamed(r);
            let live: Vec<_> = ours.filter(|r| r.container.live() && !left_alone(r)).collect();
            let right = |r: &&&Real| r.container.ready() && r.container.image == wanted.template;
            let running = live.iter().filter(right).count();
            if live.len() != running || running != usize::try_from(wanted.count).unwrap() {
                let names: Vec<_> =
                    live.iter().map(|r| format!("{} {:?}", r.container.name, r.container.state)).collect();
                return Err(format!(
                    "{object}: {} of {} wanted, there are {names:?}",
                    wanted.count, wanted.template
                ));
            }
        }
        for id in &inner.foreign {
            if !real.iter().any(|r| r.container.id == *id && r.container.ready()) {
                return Err("a container of somebody else is not there any more".to_owned());
            }
        }
        Ok(())
    }

    pub(crate) fn creates(&self) -> u64 {
        self.inner.lock().unwrap().creates
    }

    pub(crate) fn worst_excess(&self) -> i64 {
        self.inner.lock().unwrap().worst_excess
    }

    pub(crate) fn verdicts(&self) -> Vec<String> {
        self.inner.lock().unwrap().verdicts.clone()
    }
}
