//! The real state: nodes, their containers and images, and a trace of all effects.
//!
//! The dialects ([`docker`](super::docker), [`swarm`](super::swarm)) change the world and list it, with the lags and errors
//! of the real programs; tests read the real state. After each change the world records its peaks, so that even a short
//! excess is noticed.

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

/// A Swarm manager's view of a node. A plain engine's only node is always healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// Not reached since the manager was started: only its address is known.
    Pending,
    Healthy,
    Unhealthy,
}

/// A host.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) address: String,
    /// Since when it is unreachable.
    pub(crate) lost: Option<Instant>,
    pub(crate) containers: BTreeMap<String, Container>,
    /// Names that creates under way have reserved.
    pub(crate) reserved: BTreeSet<String>,
    pub(crate) images: BTreeSet<String>,
    pub(crate) view: View,
    /// The Swarm manager's error for it.
    pub(crate) error: String,
}

/// The registry of images.
#[derive(Debug)]
pub(crate) enum Registry {
    /// It has every image; a pull takes this long.
    HasAll(Duration),
    /// It has none.
    HasNone,
    /// Its connection is refused.
    Unreachable,
}

/// An event.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) action: &'static str,
    /// The signal number of a `kill`.
    pub(crate) signal: Option<u8>,
    /// `None` for events of nodes.
    pub(crate) container: Option<Container>,
    pub(crate) node: (String, String),
    pub(crate) at: Time,
}

/// The kind of an effect on a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EffectKind {
    Create,
    Start,
    Exit,
    Remove,
}

/// One line of the trace.
#[derive(Debug, Clone)]
pub(crate) struct Effect {
    pub(crate) at: Duration,
    pub(crate) kind: EffectKind,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) node: String,
    pub(crate) object: Option<String>,
    /// The number of the object's live containers just before, except on nodes that had been lost for longer than
    /// [`World::lost_after`].
    pub(crate) existing: usize,
    /// The time since the request, if that is known.
    pub(crate) latency: Duration,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Effect { at, kind, name, node, existing, .. } = self;
        write!(f, "{:9.3} s  {kind:?} {name} on {node}, {existing} existed before", at.as_secs_f64())
    }
}

/// The nodes of an endpoint, and what happened to them.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) nodes: Vec<Node>,
    pub(crate) registry: Registry,
    /// All effects, in order.
    pub(crate) trace: Vec<Effect>,
    /// The time after which a manager may replace a lost node's containers.
    pub(crate) lost_after: Duration,
    /// The lag of lists after an end.
    pub(crate) lag: Lag,
    /// How long an end takes, during which inspects wait.
    pub(crate) ending: Duration,
    pub(crate) networks: Vec<Network>,
    pub(crate) volumes: Vec<Volume>,
    /// Fields that override those of a create, for an endpoint that misreads requests.
    pub(crate) misread: Value,
    /// Names that a Swarm manager has reserved for creates under way, with the chosen node.
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

    // ---- Reading

    /// All containers, with the index of their node.
    pub(crate) fn containers(&self) -> impl Iterator<Item = (usize, &Container)> {
        self.nodes.iter().enumerate().flat_map(|(n, node)| node.containers.values().map(move |c| (n, c)))
    }

    /// An object's containers on reachable nodes.
    pub(crate) fn reachable<'a>(&'a self, object: &'a str) -> impl Iterator<Item = &'a Container> {
        self.containers()
            .filter(|(n, _)| self.nodes[*n].lost.is_none())
            .map(|(_, c)| c)
            .filter(move |c| c.object() == Some(object))
    }

    /// The ids of an object's running containers on reachable nodes.
    pub(crate) fn running(&self, object: &str) -> BTreeSet<String> {
        self.reachable(object).filter(|c| c.life == Life::Running).map(|c| c.id.clone()).collect()
    }

    /// The number of an object's live containers from the manager's view.
    fn counted(&self, object: &str, now: Instant) -> usize {
        let counts = |node: &Node| node.lost.is_none_or(|since| now - since <= self.lost_after);
        let live =
            |(n, c): &(usize, &Container)| c.live() && c.object() == Some(object) && counts(&self.nodes[*n]);
        self.containers().filter(live).count()
    }

    /// The most live containers that an object ever had on reachable nodes at a time.
    pub(crate) fn peak(&self, object: &str) -> usize {
        self.peaks.get(object).copied().unwrap_or_default()
    }

    /// Slots that ever had two live containers on reachable nodes at a time.
    pub(crate) fn doubled(&self) -> &BTreeSet<String> {
        &self.doubled
    }

    /// The number of effects of a kind.
    pub(crate) fn count(&self, kind: EffectKind) -> usize {
        self.trace.iter().filter(|effect| effect.kind == kind).count()
    }

    // ---- Changing

    /// Records peaks after each change.
    pub(super) fn record_peaks(&mut self) {
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

    fn record(&mut self, kind: EffectKind, node: usize, container: &Container, latency: Duration) {
        let now = Instant::now();
        let existing = container.object().map_or(0, |object| self.counted(object, now));
        self.trace.push(Effect {
            at: now - self.began,
            kind,
            id: container.id.clone(),
            name: container.name.clone(),
            node: self.nodes[node].name.clone(),
            object: container.object().map(str::to_owned),
            existing,
            latency,
        });
    }

    /// Creates a container from a create body that was sent `latency` ago.
    pub(crate) fn make(&mut self, node: usize, name: &str, body: &Value, latency: Duration) -> String {
        let mut body = body.clone();
        merge(&mut body, &self.misread);
        let id = self.unique_id();
        let container = Container::new(id.clone(), name, body, Instant::now());
        self.record(EffectKind::Create, node, &container, latency);
        self.emit("create", node, &container);
        self.nodes[node].containers.insert(id.clone(), container);
        id
    }

    /// Starts a container, unless it runs or is gone.
    pub(crate) fn start(&mut self, node: usize, id: &str) {
        let Some(container) = self.nodes[node].containers.get_mut(id) else { return };
        if container.life == Life::Running {
            return;
        }
        container.enter(Life::Running, Instant::now(), Lag::default());
        let container = container.clone();
        self.record(EffectKind::Start, node, &container, Duration::ZERO);
        self.emit("start", node, &container);
    }

    /// Ends a container's process, if it runs.
    pub(crate) fn exit(&mut self, node: usize, id: &str, code: i32) {
        // Lists do not show what happens on a lost node.
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
        self.record(EffectKind::Exit, node, &before, Duration::ZERO);
        let Some(container) = self.nodes[node].containers.get_mut(id) else { return };
        container.enter(Life::Exited(code), now, lag);
        container.settled = now + ending;
        let container = container.clone();
        self.emit("die", node, &container);
    }

    /// Removes a container.
    pub(crate) fn remove(&mut self, node: usize, id: &str) {
        let Some(container) = self.nodes[node].containers.get(id).cloned() else { return };
        self.record(EffectKind::Remove, node, &container, Duration::ZERO);
        self.nodes[node].containers.remove(id);
        self.emit("destroy", node, &container);
    }

    /// A node becomes unreachable; its processes keep running, or end with it.
    pub(super) fn lose(&mut self, node: usize, processes_end: bool) {
        self.nodes[node].lost = Some(Instant::now());
        if processes_end {
            let ids: Vec<String> = self.nodes[node].containers.keys().cloned().collect();
            ids.iter().for_each(|id| self.exit(node, id, 137));
        }
    }

    /// A node is reachable again; lists catch up with its containers after this lag.
    pub(super) fn reconnect(&mut self, node: usize, lag: Lag) {
        let now = Instant::now();
        self.nodes[node].lost = None;
        for container in self.nodes[node].containers.values_mut() {
            container.catch_up(now, lag);
        }
    }

    // ---- Events

    /// Sends all further events to a listener.
    pub(crate) fn listen(&mut self, listener: UnboundedSender<Event>) {
        self.listeners.push(listener);
    }

    fn emit(&mut self, action: &'static str, node: usize, container: &Container) {
        // Events of an engine that is unreachable, or not reached by the manager yet, are lost.
        if self.nodes[node].lost.is_none() && self.nodes[node].view != View::Pending {
            self.send(action, None, node, Some(container.clone()));
        }
    }

    /// Emits the event of a signal.
    pub(crate) fn emit_signal(&mut self, node: usize, id: &str, signal: u8) {
        if let Some(container) = self.nodes[node].containers.get(id).cloned() {
            self.send("kill", Some(signal), node, Some(container));
        }
    }

    /// Emits an event of a node.
    pub(crate) fn emit_node(&mut self, action: &'static str, node: usize) {
        self.send(action, None, node, None);
    }

    fn send(&mut self, action: &'static str, signal: Option<u8>, node: usize, container: Option<Container>) {
        let at = self.time(Instant::now());
        let node = (self.nodes[node].name.clone(), self.nodes[node].address.clone());
        let event = Event { action, signal, container, node, at };
        self.listeners.retain(|listener| listener.send(event.clone()).is_ok());
    }
}

/// Merges one body into another, field by field.
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
