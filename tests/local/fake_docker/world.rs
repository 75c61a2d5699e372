//! What really is: nodes, their containers and images, and the account of all that was done to them.
//!
//! Nothing in here answers a request. The dialects ([`docker`](super::docker), [`swarm`](super::swarm)) change the
//! world and show it, late or wrongly where the real ones do; a test looks at it as it is. After each change the
//! world takes stock of itself, so that no excess, however short, goes unseen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};
use swarm_cluster_state_manager::core::time::Time;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use super::names::{self, Network, Volume};

mod container;

pub(crate) use container::{Container, Lag, Life};

/// The wall clock when a world begins.
pub(crate) const EPOCH: Time = Time(1_795_368_540_000);
/// Longer than any test.
pub(crate) const FOR_GOOD: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// What a Swarm manager thinks of a node. A plain engine's one node is always healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// Not reached since the manager was started: known by its address only.
    Pending,
    Healthy,
    Unhealthy,
}

/// A host.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) address: String,
    /// Since when it cannot be reached.
    pub(crate) lost: Option<Instant>,
    pub(crate) containers: BTreeMap<String, Container>,
    /// Names that creates under way have taken.
    pub(crate) reserved: BTreeSet<String>,
    pub(crate) images: BTreeSet<String>,
    pub(crate) view: View,
    /// What a Swarm manager says is wrong with it.
    pub(crate) error: String,
}

/// Where images come from.
#[derive(Debug)]
pub(crate) enum Registry {
    /// It has every image, after this long.
    HasAll(Duration),
    /// It has none.
    HasNone,
    /// Its connection is refused.
    Unreachable,
}

/// What happened.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) action: &'static str,
    /// Of a `kill`: the signal's number.
    pub(crate) signal: Option<u8>,
    /// Nothing for events of nodes.
    pub(crate) container: Option<Container>,
    pub(crate) node: (String, String),
    pub(crate) at: Time,
}

/// Something that was done to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Create,
    Start,
    Exit,
    Remove,
}

/// One line of the account.
#[derive(Debug, Clone)]
pub(crate) struct Effect {
    pub(crate) at: Duration,
    pub(crate) what: What,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) node: String,
    pub(crate) object: Option<String>,
    /// How many of the object's containers were live just before, not counting those on nodes that had been lost for longer
    /// than [`World::lost_after`].
    pub(crate) there: usize,
    /// How long ago it was asked for, where that is known.
    pub(crate) asked: Duration,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Effect { at, what, name, node, there, .. } = self;
        write!(f, "{:9.3} s  {what:?} {name} on {node}, {there} there before", at.as_secs_f64())
    }
}

/// All of it.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) nodes: Vec<Node>,
    pub(crate) registry: Registry,
    /// All that was done, in order.
    pub(crate) trace: Vec<Effect>,
    /// After how long a manager may count a lost node's containers out.
    pub(crate) lost_after: Duration,
    /// How late lists show an end.
    pub(crate) lag: Lag,
    /// For how long an engine is busy with an end, and inspects of it wait.
    pub(crate) ending: Duration,
    pub(crate) networks: Vec<Network>,
    pub(crate) volumes: Vec<Volume>,
    /// What an endpoint that understands requests otherwise than they were meant puts in place of what was sent.
    pub(crate) misread: Value,
    /// Names that a Swarm manager has given to creates under way, with the node that it chose.
    pub(crate) pending: BTreeMap<String, usize>,
    began: Instant,
    made: u64,
    peaks: BTreeMap<String, usize>,
    doubled: BTreeSet<String>,
    listeners: Vec<UnboundedSender<Event>>,
}

impl World {
    pub(crate) fn new(nodes: usize) -> World {
        let node = |n: usize| Node {
            name: format!("node-{n}"),
            address: format!("10.99.0.{}:2376", 10 + n),
            lost: None,
            containers: BTreeMap::new(),
            reserved: BTreeSet::new(),
            images: BTreeSet::new(),
            view: View::Healthy,
            error: String::new(),
        };
        let mut world = World {
            nodes: (1..=nodes).map(node).collect(),
            networks: Vec::new(),
            volumes: Vec::new(),
            misread: Value::Null,
            registry: Registry::HasAll(Duration::from_millis(300)),
            trace: Vec::new(),
            lost_after: Duration::from_secs(30),
            lag: Lag::default(),
            ending: Duration::ZERO,
            pending: BTreeMap::new(),
            began: Instant::now(),
            made: 0,
            peaks: BTreeMap::new(),
            doubled: BTreeSet::new(),
            listeners: Vec::new(),
        };
        world.networks = names::built_in(nodes, || world.unique_id());
        world
    }

    /// The wall clock's time of a moment.
    pub(crate) fn time(&self, at: Instant) -> Time {
        EPOCH + at.duration_since(self.began)
    }

    /// 64 hexadecimal digits that nothing else has.
    pub(crate) fn unique_id(&mut self) -> String {
        self.made += 1;
        Sha256::digest(self.made.to_be_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    // ---- Looking

    /// All containers, with the index of their node.
    pub(crate) fn containers(&self) -> impl Iterator<Item = (usize, &Container)> {
        self.nodes.iter().enumerate().flat_map(|(n, node)| node.containers.values().map(move |c| (n, c)))
    }

    /// An object's containers on nodes that can be reached.
    pub(crate) fn reachable<'a>(&'a self, object: &'a str) -> impl Iterator<Item = &'a Container> {
        self.containers()
            .filter(|(n, _)| self.nodes[*n].lost.is_none())
            .map(|(_, c)| c)
            .filter(move |c| c.object() == Some(object))
    }

    /// The ids of an object's running containers on nodes that can be reached.
    pub(crate) fn running(&self, object: &str) -> BTreeSet<String> {
        self.reachable(object).filter(|c| c.life == Life::Running).map(|c| c.id.clone()).collect()
    }

    /// An object's live containers, as a manager has to count them.
    fn counted(&self, object: &str, now: Instant) -> usize {
        let counts = |node: &Node| node.lost.is_none_or(|since| now - since <= self.lost_after);
        let live =
            |(n, c): &(usize, &Container)| c.live() && c.object() == Some(object) && counts(&self.nodes[*n]);
        self.containers().filter(live).count()
    }

    /// The most live containers that an object ever had on reachable nodes at one moment.
    pub(crate) fn peak(&self, object: &str) -> usize {
        self.peaks.get(object).copied().unwrap_or_default()
    }

    /// Slots that ever had two live containers on reachable nodes at one moment.
    pub(crate) fn doubled(&self) -> &BTreeSet<String> {
        &self.doubled
    }

    /// How often something was done.
    pub(crate) fn count(&self, what: What) -> usize {
        self.trace.iter().filter(|effect| effect.what == what).count()
    }

    // ---- Changing

    /// Takes stock, after each change.
    pub(super) fn take_stock(&mut self) {
        let mut objects: BTreeMap<String, usize> = BTreeMap::new();
        let mut slots: BTreeMap<String, usize> = BTreeMap::new();
        for (n, container) in self.containers() {
            let (Some(object), Some(slot)) = (container.object(), container.slot()) else { continue };
            if container.live() && self.nodes[n].lost.is_none() {
                *objects.entry(object.to_owned()).or_default() += 1;
                *slots.entry(format!("{object}.{slot}")).or_default() += 1;
            }
        }
        for (object, count) in objects {
            let peak = self.peaks.entry(object).or_default();
            *peak = count.max(*peak);
        }
        self.doubled.extend(slots.into_iter().filter(|(_, count)| *count > 1).map(|(slot, _)| slot));
    }

    fn record(&mut self, what: What, node: usize, container: &Container, asked: Duration) {
        let now = Instant::now();
        let there = container.object().map_or(0, |object| self.counted(object, now));
        self.trace.push(Effect {
            at: now - self.began,
            what,
            id: container.id.clone(),
            name: container.name.clone(),
            node: self.nodes[node].name.clone(),
            object: container.object().map(str::to_owned),
            there,
            asked,
        });
    }

    /// Makes a container from a create body that was sent a while ago.
    pub(crate) fn make(&mut self, node: usize, name: &str, body: &Value, asked: Duration) -> String {
        let mut body = body.clone();
        merge(&mut body, &self.misread);
        let id = self.unique_id();
        let container = Container::new(id.clone(), name, body, Instant::now());
        self.record(What::Create, node, &container, asked);
        self.emit("create", node, &container);
        self.nodes[node].containers.insert(id.clone(), container);
        id
    }

    /// Starts a container. Nothing where it runs, or is gone.
    pub(crate) fn start(&mut self, node: usize, id: &str) {
        let Some(container) = self.nodes[node].containers.get_mut(id) else { return };
        if container.life == Life::Running {
            return;
        }
        container.live_on(Life::Running, Instant::now(), Lag::default());
        let container = container.clone();
        self.record(What::Start, node, &container, Duration::ZERO);
        self.emit("start", node, &container);
    }

    /// Ends a container's process. Nothing where it does not run.
    pub(crate) fn exit(&mut self, node: usize, id: &str, code: i32) {
        // Nobody sees what happens on a lost node.
        let lag = match self.nodes[node].lost {
            None => self.lag,
            Some(_) => Lag { state: FOR_GOOD, status: FOR_GOOD },
        };
        let now = Instant::now();
        let ending = self.ending;
        let Some(before) = self.nodes[node].containers.get(id).cloned() else { return };
        if before.life != Life::Running {
            return;
        }
        self.record(What::Exit, node, &before, Duration::ZERO);
        let Some(container) = self.nodes[node].containers.get_mut(id) else { return };
        container.live_on(Life::Exited(code), now, lag);
        container.settled = now + ending;
        let container = container.clone();
        self.emit("die", node, &container);
    }

    /// Removes a container.
    pub(crate) fn remove(&mut self, node: usize, id: &str) {
        let Some(container) = self.nodes[node].containers.get(id).cloned() else { return };
        self.record(What::Remove, node, &container, Duration::ZERO);
        self.nodes[node].containers.remove(id);
        self.emit("destroy", node, &container);
    }

    /// A node can be reached no more; its processes go on, or end with it.
    pub(super) fn lose(&mut self, node: usize, processes_end: bool) {
        self.nodes[node].lost = Some(Instant::now());
        if processes_end {
            let ids: Vec<String> = self.nodes[node].containers.keys().cloned().collect();
            ids.iter().for_each(|id| self.exit(node, id, 137));
        }
    }

    /// A node can be reached again; lists learn what became of its containers with this lag.
    pub(super) fn find(&mut self, node: usize, lag: Lag) {
        let now = Instant::now();
        self.nodes[node].lost = None;
        for container in self.nodes[node].containers.values_mut() {
            container.catch_up(now, lag);
        }
    }

    // ---- Events

    /// Sends all events from now on to a listener, until it is gone.
    pub(crate) fn listen(&mut self, listener: UnboundedSender<Event>) {
        self.listeners.push(listener);
    }

    fn emit(&mut self, action: &'static str, node: usize, container: &Container) {
        // An engine that cannot be reached tells nobody, and nor does one that a manager has not reached yet.
        if self.nodes[node].lost.is_none() && self.nodes[node].view != View::Pending {
            self.tell(action, None, node, Some(container.clone()));
        }
    }

    /// Tells a signal that somebody sent.
    pub(crate) fn emit_signal(&mut self, node: usize, id: &str, signal: u8) {
        if let Some(container) = self.nodes[node].containers.get(id).cloned() {
            self.tell("kill", Some(signal), node, Some(container));
        }
    }

    /// Tells an event of a node.
    pub(crate) fn emit_node(&mut self, action: &'static str, node: usize) {
        self.tell(action, None, node, None);
    }

    fn tell(&mut self, action: &'static str, signal: Option<u8>, node: usize, container: Option<Container>) {
        let at = self.time(Instant::now());
        let node = (self.nodes[node].name.clone(), self.nodes[node].address.clone());
        let event = Event { action, signal, container, node, at };
        self.listeners.retain(|listener| listener.send(event.clone()).is_ok());
    }
}

/// Puts one body over another, field by field.
fn merge(body: &mut Value, over: &Value) {
    match (body, over) {
        (_, Value::Null) => {}
        (Value::Object(body), Value::Object(over)) => {
            for (name, value) in over {
                merge(body.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (body, over) => *body = over.clone(),
    }
}
