//! The status, built from snapshots on request.
//!
//! Nothing is kept here. The published progress has the condition of each object, the cache the containers, the store the desired
//! state. An object that no worker has reconciled yet is progressing, and its reason says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch::Receiver;

use crate::api::status::{
    ClusterStatus, ContainerStatus, EngineStatus, LastExitStatus, ManagerStatus, NodeStatus, ObjectStatus,
    QuarantinedStatus, RivalStatus,
};
use crate::clock::Clock;
use crate::control::cache::Cache;
use crate::control::cache::CopySeen;
use crate::control::engine_state::EngineState;
use crate::control::heartbeat::Heartbeat;
use crate::control::progress::{Progress, Progresses};
use crate::core::availability::{Nodes, Tracked};
use crate::core::condition::Phase;
use crate::core::container::{Container, Visibility};
use crate::core::desired::Quarantined;
use crate::core::evidence::Evidence;
use crate::core::manager_id::ManagerId;
use crate::core::memory::ends::LastExit;
use crate::core::name::ObjectName;
use crate::core::node::NodeState;
use crate::core::object::{Object, Objects};
use crate::core::time::WallOffset;
use crate::store::Store;

pub(crate) mod watch;

/// Reads the status from its sources.
#[derive(Clone)]
pub struct StatusReader {
    /// The desired state.
    pub objects: Receiver<Arc<Objects>>,
    /// The progress of the objects.
    pub progresses: Receiver<Arc<Progresses>>,
    /// The observed containers.
    pub cache: Arc<Cache>,
    /// The cluster label.
    pub cluster: Arc<str>,
    /// The store of the desired state.
    pub store: Arc<dyn Store>,
    /// Whether the loop turns.
    pub heartbeat: Heartbeat,
    /// The time.
    pub clock: Clock,
}

/// An object in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Its name.
    pub(crate) name: ObjectName,
    /// How many containers are wanted; 0 once it is deleted.
    pub(crate) wanted: usize,
    /// Containers whose process runs.
    pub(crate) running: usize,
    /// Containers that are running and not known to be unhealthy.
    pub(crate) ready: usize,
    /// How often its containers ended or turned unhealthy unrequested.
    pub(crate) restarts: u64,
    /// Its phase.
    pub(crate) phase: Phase,
}

impl StatusReader {
    /// The whole status.
    pub fn cluster(&self) -> ClusterStatus {
        let objects = self.objects.borrow().clone();
        let progresses = self.progresses.borrow().clone();
        let mut by_object: BTreeMap<ObjectName, Vec<Arc<Container>>> = BTreeMap::new();
        for container in self.cache.all() {
            by_object.entry(container.identity.object.clone()).or_default().push(container);
        }
        let engine: Arc<EngineState> = self.cache.engine().borrow().clone();
        let nodes = &engine.nodes;
        let copies: Vec<_> = self.cache.copies().iter().map(|copy| copy_status(copy, nodes)).collect();
        let mut statuses = Vec::new();
        for (name, object) in objects.iter() {
            let mut containers = by_object.remove(name).unwrap_or_default();
            if object.deleted.is_some() {
                // Another manager's containers are not being removed.
                let (rivals, own) = containers.into_iter().partition(|c| c.rival);
                by_object.extend(Some((name.clone(), rivals)));
                containers = own;
            }
            if object.is_shown(!containers.is_empty()) {
                statuses.push(object_status(
                    object,
                    progresses.get(name).map(Arc::as_ref),
                    &containers,
                    nodes,
                    self.clock.offset(),
                ));
            }
        }
        let identity = self.store.ownership().identity();
        ClusterStatus {
            manager: ManagerStatus {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                cluster: self.cluster.to_string(),
                state: self.store.durability(),
                id: identity.manager.to_string(),
                taken_over: identity.taken_over.iter().map(ManagerId::to_string).collect(),
                rivals: self.cache.rivals().borrow().iter().map(rival_status).collect(),
            },
            engine: self.engine(),
            objects: statuses,
            quarantined: self.store.quarantined().iter().map(quarantined_status).collect(),
            unclaimed: by_object
                .into_values()
                .flatten()
                .map(|c| unclaimed_status(&c, nodes))
                .chain(copies)
                .collect(),
        }
    }

    /// One object; `None` if there is none of this name, or nothing is left of a deleted one.
    pub fn object(&self, name: &ObjectName) -> Option<ObjectStatus> {
        let object = self.objects.borrow().get(name).cloned()?;
        let mut containers: Vec<_> = self.cache.containers(name).borrow().values().cloned().collect();
        if object.deleted.is_some() {
            containers.retain(|container| !container.rival);
        }
        if !object.is_shown(!containers.is_empty()) {
            return None;
        }
        let progress = self.progresses.borrow().get(name).cloned();
        let engine: Arc<EngineState> = self.cache.engine().borrow().clone();
        Some(object_status(&object, progress.as_deref(), &containers, &engine.nodes, self.clock.offset()))
    }

    /// The numbers of every object in the status.
    pub(crate) fn figures(&self) -> Vec<Figures> {
        let objects = self.objects.borrow().clone();
        let progresses = self.progresses.borrow().clone();
        let present = self.cache.present().borrow().clone();
        let shown = objects.iter().filter(|(name, o)| o.is_shown(present.contains(*name)));
        let figures = shown.map(|(name, object)| {
            let progress = progresses.get(name).map(Arc::as_ref);
            let condition = progress.map(|progress| &progress.condition);
            Figures {
                name: name.clone(),
                wanted: usize::try_from(object.wanted()).unwrap_or(usize::MAX),
                running: condition.map_or(0, |condition| condition.running),
                ready: condition.map_or(0, |condition| condition.ready),
                restarts: progress.map_or(0, |progress| progress.restarts),
                phase: phase(object, progress),
            }
        });
        figures.collect()
    }

    /// How many containers the status shows as unclaimed.
    pub(crate) fn unclaimed(&self) -> usize {
        let objects = self.objects.borrow().clone();
        let copies = self.cache.copies().len();
        let unclaimed = |name: &ObjectName| !objects.contains_key(name);
        // Usually there are none, and there are fewer names than containers.
        let present = self.cache.present().borrow().clone();
        if !present.iter().any(unclaimed) && self.cache.rivals().borrow().is_empty() {
            return copies;
        }
        let left_alone = |c: &&Arc<Container>| match objects.get(&c.identity.object) {
            None => true,
            Some(object) => object.deleted.is_some() && c.rival,
        };
        copies + self.cache.all().iter().filter(left_alone).count()
    }

    /// Why the observation may not be acted on, if so.
    pub(crate) fn distrust(&self) -> Option<String> {
        match self.cache.engine().borrow().evidence(self.clock.offset()) {
            Evidence::Good => None,
            Evidence::Waiting { reason, .. } => Some(reason),
        }
    }

    /// The status of the endpoint.
    pub(crate) fn engine(&self) -> EngineStatus {
        let engine: Arc<EngineState> = self.cache.engine().borrow().clone();
        let info = engine.info.as_ref();
        let offset = self.clock.offset();
        EngineStatus {
            endpoint: engine.endpoint.to_string(),
            connected: engine.connected(),
            error: self.distrust(),
            next_retry: engine.trouble.as_ref().map(|t| t.retry_at.shown(offset)),
            kind: engine.kind().map(Into::into),
            version: info.map(|i| i.version.clone()),
            api_version: info.map(|i| i.api.clone()).filter(|api| !api.is_empty()),
            nodes: engine.nodes.all().filter_map(|node| node_status(node, offset)).collect(),
            last_complete_list: engine.listed.map(|at| at.shown(offset)),
            last_complete_list_age_seconds: engine.listed.map(|at| self.clock.now().since(at).as_secs()),
        }
    }
}

/// The status of an object, from its parts.
pub(crate) fn object_status(
    object: &Object,
    progress: Option<&Progress>,
    containers: &[Arc<Container>],
    nodes: &Nodes,
    offset: WallOffset,
) -> ObjectStatus {
    let mut containers: Vec<_> = containers.iter().map(|c| container_status(c, nodes)).collect();
    containers.sort_by(|a, b| (a.slot, a.attempt, &a.id).cmp(&(b.slot, b.attempt, &b.id)));
    let mut status = ObjectStatus {
        name: object.spec.name.to_string(),
        image: object.spec.template.image.clone(),
        count: object.wanted().into(),
        generation: object.generation,
        observed_generation: 0,
        running: 0,
        ready: 0,
        updated: 0,
        phase: phase(object, progress).into(),
        reason: "it was just submitted and has not been reconciled yet".to_owned(),
        next_retry: None,
        restarts: 0,
        last_exit: None,
        plan: Vec::new(),
        containers,
    };
    let Some(progress) = progress.filter(|progress| progress.observed_generation > 0) else { return status };
    let condition = &progress.condition;
    status.observed_generation = progress.observed_generation;
    status.running = condition.running as u64;
    status.ready = condition.ready as u64;
    status.updated = condition.updated as u64;
    status.plan.clone_from(&progress.plan);
    status.restarts = progress.restarts;
    status.last_exit = progress.last_exit.as_ref().map(|exit| last_exit_status(exit, offset));
    status.next_retry = condition.next_retry.map(|at| at.shown(offset));
    if progress.observed_generation == object.generation {
        status.reason.clone_from(&condition.reason);
    } else {
        status.reason =
            format!("generation {} was just submitted; before it: {}", object.generation, condition.reason);
    }
    status
}

fn last_exit_status(exit: &LastExit, offset: WallOffset) -> LastExitStatus {
    let LastExit { container, finished, seen, reason } = exit;
    let at = finished.clone().unwrap_or_else(|| seen.shown(offset));
    LastExitStatus { container: container.clone(), at, reason: reason.clone() }
}

/// The phase of an object. The condition of an older generation does not apply.
fn phase(object: &Object, progress: Option<&Progress>) -> Phase {
    match progress.filter(|progress| progress.observed_generation == object.generation) {
        Some(progress) => progress.condition.phase,
        None if object.deleted.is_some() => Phase::Deleting,
        None => Phase::Progressing,
    }
}

fn quarantined_status((name, found): (&ObjectName, &Quarantined)) -> QuarantinedStatus {
    let reason = format!("its stored form cannot be read ({}); submit it again", found.why);
    QuarantinedStatus { name: name.to_string(), reason }
}

/// A plain engine is not shown as a node.
fn node_status(tracked: &Tracked, offset: WallOffset) -> Option<NodeStatus> {
    (!tracked.node.name.is_empty() || tracked.node.state == NodeState::Pending).then(|| NodeStatus {
        name: tracked.name().to_owned(),
        address: tracked.node.address.clone(),
        status: tracked.node.state.word().to_owned(),
        availability: tracked.availability.into(),
        since: tracked.since.shown(offset),
        lost_at: tracked.lost_at.map(|at| at.shown(offset)),
        error: tracked.node.error.clone(),
    })
}

fn container_status(container: &Container, nodes: &Nodes) -> ContainerStatus {
    let detail = container.detail.as_deref().cloned().unwrap_or_default();
    let oom = detail.oom_killed.then(|| "out of memory".to_owned());
    let mut error = detail.error.or(oom);
    let unreachable = !nodes.availability(container).reachable();
    if unreachable {
        let state = container.state.word();
        error = Some(format!("its node does not answer; its last known state is {state}"));
    } else if container.visibility == Visibility::Disputed {
        error = Some("the engine reports two states of it, or an unknown one: not settled yet".to_owned());
    }
    ContainerStatus {
        id: container.id.0.to_string(),
        name: container.name.clone(),
        slot: container.identity.slot,
        attempt: container.identity.attempt,
        node: container.node.clone(),
        unreachable,
        state: container.state.into(),
        health: container.health.into(),
        image: container.image.clone(),
        image_id: container.image_id.as_deref().map(str::to_owned),
        ports: detail.ports,
        restarts: detail.restarts,
        started_at: detail.started_at,
        finished_at: detail.finished_at,
        exit_code: detail.exit_code,
        oom_killed: detail.oom_killed,
        error,
        health_output: detail.health_output.filter(|output| !output.is_empty()),
        manager: container.manager.as_ref().filter(|_| container.rival).map(ManagerId::to_string),
        reason: None,
    }
}

/// A container that is left alone because its object is unknown, or because it belongs to another manager.
fn unclaimed_status(container: &Container, nodes: &Nodes) -> ContainerStatus {
    let status = container_status(container, nodes);
    let reason = match &status.manager {
        Some(manager) => format!("manager {manager} created it; it is left alone"),
        None => "its object was never submitted; it is left alone".to_owned(),
    };
    ContainerStatus { reason: Some(reason), ..status }
}

fn copy_status(copy: &CopySeen, nodes: &Nodes) -> ContainerStatus {
    let status = container_status(&copy.container, nodes);
    ContainerStatus { manager: None, reason: Some(copy.reason.to_string()), ..status }
}

fn rival_status((id, containers): (&ManagerId, &usize)) -> RivalStatus {
    let reason = format!(
        "another manager has containers in this cluster: this one creates and removes nothing for their objects. If this \
         one was started by mistake, stop it. To run both, give one of them another --cluster and --data-dir. If the other \
         one is gone for good, start this one once with --take-over={id}"
    );
    RivalStatus { id: id.to_string(), containers: *containers as u64, reason }
}
