//! The test oracle: compares the running containers with what was submitted.
//!
//! When a create or a start takes effect, it counts the object's running containers. Allowed are the highest `Count` of the
//! last minutes (a create may take effect late), one more for a start-first update, and the creates that were under way when
//! the daemon died. Containers on a node with an outage are not counted, unless it has just begun.

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

/// How long a grant is valid: longer than the latest effect of a call, and the waits for it.
const GRANT: Duration = Duration::from_secs(400);
/// How long the containers of a node are not counted after its outage.
const AFTER_OUTAGE: Duration = Duration::from_secs(60);
/// The first outage of a node must have no effect for this long: half of the time after which a node is lost.
const NEW_OUTAGE: Duration = Duration::from_secs(15);

pub(crate) struct Oracle {
    clock: Clock,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    demands: BTreeMap<ObjectName, Vec<Demand>>,
    /// Creates under way, and those that were under way when the daemon died.
    under_way: i64,
    orphans: Vec<(Time, i64)>,
    nodes: BTreeMap<String, Outage>,
    foreign: Vec<ContainerId>,
    /// Other managers, whose containers are not counted.
    rivals: Vec<ManagerId>,
    creates: u64,
    worst_excess: i64,
    violations: Vec<String>,
}

struct Demand {
    /// Until when it applied.
    until: Option<Time>,
    count: u32,
    template: String,
}

#[derive(Default)]
struct Outage {
    now_since: Option<Time>,
    last_ended: Option<Time>,
}

impl Inner {
    fn is_rivals(&self, real: &Real) -> bool {
        real.container.manager.as_ref().is_some_and(|manager| self.rivals.contains(manager))
    }
}

impl Oracle {
    pub(crate) fn new(clock: Clock) -> Oracle {
        Oracle { clock, inner: Mutex::default() }
    }

    pub(crate) fn now(&self) -> Time {
        self.clock.now()
    }

    pub(crate) fn demand(&self, object: &ObjectName, count: u32, template: &str) {
        let now = self.now();
        let mut inner = self.inner.lock().unwrap();
        let demands = inner.demands.entry(object.clone()).or_default();
        if let Some(last) = demands.last_mut() {
            last.until = Some(now);
        }
        demands.push(Demand { until: None, count, template: template.to_owned() });
    }

    pub(crate) fn create_pending(&self, creates: i64) {
        self.inner.lock().unwrap().under_way += creates;
    }

    /// The daemon died: it will not learn the outcome of calls under way.
    pub(crate) fn died(&self) {
        let now = self.now();
        let mut inner = self.inner.lock().unwrap();
        let under_way = std::mem::take(&mut inner.under_way);
        inner.orphans.push((now, under_way));
    }

    /// Whether the manager under test owns a container.
    pub(crate) fn ours(&self, real: &Real) -> bool {
        let inner = self.inner.lock().unwrap();
        !inner.foreign.contains(&real.container.id) && !inner.is_rivals(real)
    }

    /// Registers another manager.
    pub(crate) fn rival(&self, manager: ManagerId) {
        self.inner.lock().unwrap().rivals.push(manager);
    }

    pub(crate) fn foreign(&self, id: ContainerId) {
        self.inner.lock().unwrap().foreign.push(id);
    }

    pub(crate) fn outage(&self, node: &str, begins: bool) {
        let now = self.now();
        let mut inner = self.inner.lock().unwrap();
        let outage = inner.nodes.entry(node.to_owned()).or_default();
        if begins {
            outage.now_since.get_or_insert(now);
        } else if outage.now_since.take().is_some() {
            outage.last_ended = Some(now);
        }
    }

    /// A create took effect: the container is about to run. After a timeout of the create, only another step starts it. Then
    /// it does not count if an earlier attempt runs in its slot: that one was missing from the lists, is back, and keeps
    /// the slot.
    pub(crate) fn created(&self, identity: &ContainerIdentity, timed_out: bool, real: &[Real]) {
        self.inner.lock().unwrap().creates += 1;
        let earlier_runs = real.iter().any(|other| {
            let of = &other.container.identity;
            (&of.object, of.slot) == (&identity.object, identity.slot)
                && of.attempt < identity.attempt
                && other.container.state == ContainerState::Running
        });
        self.check_excess(identity, usize::from(!(timed_out && earlier_runs)), real);
    }

    /// A start took effect.
    pub(crate) fn started(&self, identity: &ContainerIdentity, real: &[Real]) {
        self.check_excess(identity, 0, real);
    }

    /// A user started an ended container again. A daemon that did not learn of both may have replaced it.
    pub(crate) fn started_by_a_user(&self, identity: &ContainerIdentity, real: &[Real], daemon_knows: bool) {
        if daemon_knows {
            self.check_excess(identity, 0, real);
        } else {
            let now = self.now();
            self.inner.lock().unwrap().orphans.push((now, 1));
        }
    }

    /// Compares the containers that run or are about to run with what is granted.
    fn check_excess(&self, identity: &ContainerIdentity, about_to: usize, real: &[Real]) {
        let now = self.now();
        let mut inner = self.inner.lock().unwrap();
        let is_counted = |node: &Option<String>| {
            let outage = node.as_ref().and_then(|node| inner.nodes.get(node));
            outage.is_none_or(|t| {
                let stable = t.last_ended.is_none_or(|at| now.since(at) > AFTER_OUTAGE);
                stable && t.now_since.is_none_or(|at| now.since(at) < NEW_OUTAGE)
            })
        };
        let running = real.iter().filter(|real| {
            !inner.foreign.contains(&real.container.id)
                && !inner.is_rivals(real)
                && real.container.identity.object == identity.object
                && real.container.state == ContainerState::Running
                && is_counted(&real.container.node)
        });
        let running: Vec<&Real> = running.collect();
        let recent = |until: &Option<Time>| until.is_none_or(|at| now.since(at) < GRANT);
        let demands: Vec<&Demand> =
            inner.demands.get(&identity.object).into_iter().flatten().filter(|d| recent(&d.until)).collect();
        let count = demands.iter().map(|d| i64::from(d.count)).max().unwrap_or(0);
        // An update may have waited for long: stale containers are to be replaced.
        let stale = running.iter().map(|real| &real.container.image);
        let templates: BTreeSet<_> = demands.iter().map(|d| &d.template).chain(stale).collect();
        let surge = i64::try_from(templates.len()).unwrap() - 1;
        let orphans: i64 =
            inner.orphans.iter().filter(|(at, _)| now.since(*at) < GRANT).map(|(_, n)| n).sum();
        let granted = count + surge.max(0) + orphans;
        let excess = i64::try_from(running.len() + about_to).unwrap() - granted;
        inner.worst_excess = inner.worst_excess.max(excess);
        if excess > 0 {
            let name = identity.container_name();
            let running: Vec<&str> = running.iter().map(|real| real.container.name.as_str()).collect();
            inner.violations.push(format!("{} {name}: {granted} granted, but running: {running:?}", now.0));
        }
    }

    /// A container is started, stopped or removed.
    pub(crate) fn touched(&self, id: &ContainerId, real: &[Real]) {
        let mut inner = self.inner.lock().unwrap();
        let rivals = real.iter().any(|real| real.container.id == *id && inner.is_rivals(real));
        if rivals || inner.foreign.contains(id) {
            let finding = format!("{} a foreign container was touched", self.clock.now().0);
            inner.violations.push(finding);
        }
    }

    /// Whether exactly the submitted containers run; the error says what is wrong.
    pub(crate) fn settled(&self, real: &[Real]) -> Result<(), String> {
        let inner = self.inner.lock().unwrap();
        for (object, demands) in &inner.demands {
            let Some(wanted) = demands.last() else { continue };
            let ours = real
                .iter()
                .filter(|r| !inner.foreign.contains(&r.container.id) && !inner.is_rivals(r))
                .filter(|r| r.container.identity.object == *object);
            // A container that is created late, after a user has renamed the one in its slot, looks like a copy. It never
            // runs, and the status lists it as unclaimed.
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
                    "{object}: {} of {} wanted, found: {names:?}",
                    wanted.count, wanted.template
                ));
            }
        }
        for id in &inner.foreign {
            if !real.iter().any(|r| r.container.id == *id && r.container.ready()) {
                return Err("a foreign container is gone".to_owned());
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

    pub(crate) fn violations(&self) -> Vec<String> {
        self.inner.lock().unwrap().violations.clone()
    }
}
