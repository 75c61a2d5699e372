//! The state of the simulated world, and what its manager shows.
//!
//! Pure: no time passes here. The rules are those of a classic Swarm manager: names are unique across the nodes that it
//! knows, reachable or not; for a node that does not answer, it shows the last state; for a node that it has not reached yet,
//! it shows nothing and does not know the names in use there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::core::container::{Container, ContainerId, ContainerState, Detail, Visibility};
use crate::core::name::ObjectName;
use crate::core::node::{Node, NodeState};
use crate::core::outcome::{Outcome, RefusalKind};
use crate::core::time::Time;
use crate::engine::error::EngineError;
use crate::engine::logs::LogsError;
use crate::engine::{Lookup, NewContainer};

/// The fate of the processes on a node that stops answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// They continue: only the network is down.
    GoOn,
    /// They end with the node.
    End,
}

/// The world.
#[derive(Debug, Default)]
pub(super) struct World {
    nodes: BTreeMap<String, Host>,
    containers: BTreeMap<ContainerId, Thing>,
    pub(super) images: BTreeSet<String>,
    made: u64,
}

#[derive(Debug)]
struct Host {
    answers: bool,
    /// The manager has reached it since its start.
    known: bool,
}

/// A container, with what the manager last saw of it.
#[derive(Debug, Clone)]
struct Thing {
    cluster: String,
    container: Container,
    seen: ContainerState,
    startable: bool,
    /// The state that lists show, if they lag behind.
    listed: Option<ContainerState>,
    removals_fail: bool,
}

/// The real state of a container.
#[derive(Debug, Clone, PartialEq)]
pub struct Real {
    /// The value of its cluster label; empty for a container that is not ours.
    pub(crate) cluster: String,
    /// The container.
    pub container: Container,
    /// Whether its node answers.
    pub reachable: bool,
}

fn unreachable<T>(node: &str) -> Outcome<T> {
    Outcome::InDoubt(format!(
        "500: Cannot connect to the Docker daemon at tcp://{node}. Is the docker daemon running?"
    ))
}

impl World {
    pub(super) fn new(nodes: u32) -> World {
        let host = |n| (format!("n{n}"), Host { answers: true, known: true });
        World { nodes: (1..=nodes).map(host).collect(), ..World::default() }
    }

    pub(super) fn nodes(&self) -> Vec<Node> {
        let row = |(name, host): (&String, &Host)| {
            let (shown, status, error) = match (host.known, host.answers) {
                (true, true) => (name.as_str(), "Healthy", None),
                (true, false) => (name.as_str(), "Unhealthy", Some("Cannot connect to the Docker daemon")),
                (false, _) => ("", "Pending", Some("Cannot connect to the Docker daemon")),
            };
            Node {
                name: shown.to_owned(),
                address: name.clone(),
                state: NodeState::of_word(status.to_owned()),
                error: error.map(str::to_owned),
            }
        };
        self.nodes.iter().map(row).collect()
    }

    fn host(&self, thing: &Thing) -> Option<&Host> {
        self.nodes.get(thing.container.node.as_deref()?)
    }

    fn known(&self, thing: &Thing) -> bool {
        self.host(thing).is_some_and(|host| host.known)
    }

    fn answers(&self, thing: &Thing) -> bool {
        self.host(thing).is_some_and(|host| host.known && host.answers)
    }

    fn shown(&self, thing: &Thing) -> Container {
        match self.answers(thing) {
            true => {
                let state = thing.listed.unwrap_or(thing.container.state);
                Container { state, ..thing.container.clone() }
            }
            false => {
                Container { state: thing.seen, visibility: Visibility::HostDown, ..thing.container.clone() }
            }
        }
    }

    pub(super) fn list(&self, cluster: &str, object: Option<&ObjectName>) -> Vec<Container> {
        let concerned = |thing: &&Thing| {
            thing.cluster == cluster && object.is_none_or(|name| thing.container.identity.object == *name)
        };
        let listed = self.containers.values().filter(concerned).filter(|thing| self.known(thing));
        listed.map(|thing| self.shown(thing)).collect()
    }

    pub(super) fn inspect(&self, cluster: &str, key: &str) -> Result<Lookup, EngineError> {
        let known = || self.containers.values().filter(|thing| self.known(thing));
        let by_id = known().find(|thing| &*thing.container.id.0 == key);
        let mut named = known().filter(|thing| thing.container.name == key);
        let found = match (by_id, named.next(), named.next()) {
            (Some(thing), ..) | (None, Some(thing), None) => thing,
            // A duplicate name refers to neither.
            (None, ..) => return Ok(Lookup::NotFound),
        };
        if !self.answers(found) {
            let node = found.container.node.as_deref().unwrap_or_default();
            return Err(EngineError::new(format!("500: Container {key} running on unhealthy node {node}")));
        }
        if found.cluster != cluster {
            return Ok(Lookup::Foreign);
        }
        let detail = Some(found.container.detail.clone().unwrap_or_default());
        Ok(Lookup::Ours(Box::new(Container { detail, ..found.container.clone() })))
    }

    pub(super) fn create(&mut self, new: &NewContainer<'_>, now: Time) -> Outcome<ContainerId> {
        let name = new.identity.container_name();
        if !self.images.contains(&new.template.image) {
            return Outcome::refused(RefusalKind::NoImage, format!("No such image: {}", new.template.image));
        }
        let holds = |thing: &&Thing| thing.container.name == name && self.known(thing);
        if let Some(holder) = self.containers.values().find(holds) {
            let id = holder.container.id.short();
            return Outcome::refused(
                RefusalKind::NameTaken,
                format!("Conflict. The container name \"/{name}\" is already in use by container {id}"),
            );
        }
        let wanted = new.constraints().iter().find_map(|c| c.0.strip_prefix("name=="));
        let load = |node: &str| {
            self.containers.values().filter(|thing| thing.container.node.as_deref() == Some(node)).count()
        };
        let healthy =
            || self.nodes.iter().filter(|(_, host)| host.known && host.answers).map(|(name, _)| name);
        let Some(node) = healthy().filter(|n| wanted.is_none_or(|w| w == *n)).min_by_key(|n| load(n)) else {
            let (kind, message) = match healthy().next() {
                Some(_) => (RefusalKind::NoPlace, "Unable to find a node that satisfies the constraints"),
                None => (RefusalKind::NoNode, "No healthy node available in the cluster"),
            };
            return Outcome::refused(kind, message);
        };
        let node = node.clone();
        let command = new.template.body.cmd.as_deref().and_then(|c| c.first()).map(String::as_str);
        let created = Container::new(self.next_id(&name), new.identity.clone(), &new.template.image, now);
        let container = Container { manager: Some(new.manager.clone()), node: Some(node), ..created };
        let startable = command != Some("/nope");
        Outcome::Done(self.put(new.cluster, container, startable))
    }

    /// Adds a container.
    pub(super) fn put(&mut self, cluster: &str, container: Container, startable: bool) -> ContainerId {
        let id = container.id.clone();
        let thing = Thing {
            cluster: cluster.to_owned(),
            seen: container.state,
            container,
            startable,
            listed: None,
            removals_fail: false,
        };
        self.containers.insert(id.clone(), thing);
        id
    }

    pub(super) fn next_id(&mut self, name: &str) -> ContainerId {
        self.made += 1;
        let digest = Sha256::digest(format!("{name} {}", self.made));
        hex::encode(digest).as_str().into()
    }

    /// A container whose log can be read.
    pub(super) fn read(&self, id: &ContainerId) -> Result<Container, LogsError> {
        let thing = self.containers.get(id).filter(|thing| self.known(thing)).ok_or(LogsError::Gone)?;
        let node = || thing.container.node.clone().unwrap_or_default();
        match self.answers(thing) {
            true => Ok(thing.container.clone()),
            false => Err(LogsError::NodeAway(format!("500: Container running on unhealthy node {}", node()))),
        }
    }

    /// A container that a call can reach; `Err` is the outcome of the call otherwise.
    fn reach(&mut self, id: &ContainerId) -> Result<&mut Thing, Outcome<()>> {
        let missing = || Outcome::refused(RefusalKind::Other, format!("No such container: {}", id.short()));
        let thing = self.containers.get(id).ok_or_else(missing)?;
        let host = self.host(thing).ok_or_else(missing)?;
        match (host.known, host.answers) {
            (false, _) => Err(missing()),
            (true, false) => Err(unreachable(thing.container.node.as_deref().unwrap_or_default())),
            (true, true) => self.containers.get_mut(id).ok_or_else(missing),
        }
    }

    pub(super) fn start(&mut self, id: &ContainerId, now: Time) -> Outcome<()> {
        let thing = match self.reach(id) {
            Ok(thing) => thing,
            Err(answer) => return answer,
        };
        if !thing.startable {
            let message = "exec: \"/nope\": stat /nope: no such file or directory";
            return Outcome::refused(RefusalKind::Impossible, message);
        }
        if thing.container.state != ContainerState::Running {
            thing.container.state = ContainerState::Running;
            let detail = Detail { started_at: Some(now.rfc3339()), ..Detail::default() };
            thing.container.detail = Some(Arc::new(detail));
            thing.seen = ContainerState::Running;
        }
        Outcome::Done(())
    }

    pub(super) fn end(&mut self, id: &ContainerId, exit_code: i64) -> Outcome<()> {
        match self.reach(id) {
            Ok(thing) => {
                thing.end(exit_code);
                thing.seen = thing.container.state;
                Outcome::Done(())
            }
            // Already gone, as far as visible.
            Err(Outcome::Refused(_)) => Outcome::Done(()),
            Err(answer) => answer,
        }
    }

    pub(super) fn remove(&mut self, id: &ContainerId) -> Outcome<()> {
        match self.reach(id) {
            Ok(thing) if thing.removals_fail => {
                thing.container.state = ContainerState::Dead;
                thing.listed = Some(ContainerState::Removing);
                Outcome::InDoubt("500: unable to remove filesystem: device or resource busy".to_owned())
            }
            Ok(_) => {
                self.containers.remove(id);
                Outcome::Done(())
            }
            Err(Outcome::Refused(_)) => Outcome::Done(()),
            Err(answer) => answer,
        }
    }

    pub(super) fn is_dead(&self, id: &ContainerId) -> bool {
        self.containers.get(id).is_some_and(|thing| thing.container.dead())
    }

    pub(super) fn pause(&mut self, id: &ContainerId, pause: bool) {
        let (from, to) = if pause {
            (ContainerState::Running, ContainerState::Paused)
        } else {
            (ContainerState::Paused, ContainerState::Running)
        };
        if let Ok(thing) = self.reach(id)
            && thing.container.state == from
        {
            (thing.container.state, thing.seen) = (to, to);
        }
    }

    pub(super) fn rename(&mut self, id: &ContainerId, name: &str) {
        if let Ok(thing) = self.reach(id) {
            name.clone_into(&mut thing.container.name);
        }
    }

    pub(super) fn fail_removals(&mut self, id: &ContainerId, fail: bool) {
        if let Some(thing) = self.containers.get_mut(id) {
            thing.removals_fail = fail;
        }
    }

    pub(super) fn lag(&mut self, id: &ContainerId, lag: bool) {
        if let Some(thing) = self.containers.get_mut(id) {
            thing.listed = lag.then_some(thing.container.state);
        }
    }

    pub(super) fn lose(&mut self, node: &str, fate: Fate) {
        let Some(host) = self.nodes.get_mut(node) else { return };
        host.answers = false;
        if fate == Fate::End {
            let there = |thing: &&mut Thing| thing.container.node.as_deref() == Some(node);
            self.containers.values_mut().filter(there).for_each(|thing| thing.end(137));
        }
    }

    pub(super) fn bring_back(&mut self, node: &str) {
        let Some(host) = self.nodes.get_mut(node) else { return };
        host.answers = true;
        host.known = true;
        let there = |thing: &&mut Thing| thing.container.node.as_deref() == Some(node);
        self.containers.values_mut().filter(there).for_each(|thing| thing.seen = thing.container.state);
    }

    pub(super) fn forget_nodes(&mut self) {
        self.nodes.values_mut().for_each(|host| host.known = false);
    }

    /// Lets the manager reach a node that answers. Returns whether this is the first time.
    pub(super) fn reach_node(&mut self, node: &str) -> bool {
        self.nodes.get_mut(node).is_some_and(|host| host.answers && !std::mem::replace(&mut host.known, true))
    }

    /// The cluster and the object of a container.
    pub(super) fn owner(&self, id: &ContainerId) -> Option<(String, ObjectName)> {
        self.containers.get(id).map(|thing| (thing.cluster.clone(), thing.container.identity.object.clone()))
    }

    pub(super) fn real(&self) -> Vec<Real> {
        let real = |thing: &Thing| Real {
            cluster: thing.cluster.clone(),
            container: thing.container.clone(),
            reachable: self.host(thing).is_some_and(|host| host.answers),
        };
        self.containers.values().map(real).collect()
    }
}

impl Thing {
    fn end(&mut self, exit_code: i64) {
        if matches!(self.container.state, ContainerState::Running | ContainerState::Paused) {
            self.container.state = ContainerState::Exited;
            Arc::make_mut(self.container.detail.get_or_insert_default()).exit_code = Some(exit_code);
        }
    }
}
