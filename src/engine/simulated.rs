//! A simulation of nodes, images and containers without Docker.
//!
//! `--swarm-manager simulated://3` is a complete system for evaluation. It keeps the guarantees of Docker that the program
//! relies on: names are unique, a created container is not running, a repeated start or removal is harmless, events report
//! changes. Containers never end by themselves, and their logs are invented. No registry has an image whose name begins with
//! `nosuch`; the command `/nope` cannot start.
//!
//! The simulation tests use it, too: nodes can be lost and brought back, the manager restarted and containers killed, and the
//! real state can be compared with the visible one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::broadcast;
use tokio::time::sleep;

use self::event::SimulatedEvent;
use super::logs::{LogLines, LogRequest, LogsError};
use crate::clock::Clock;
use crate::core::container::{Container, ContainerId, ContainerState};
use crate::core::engine_kind::EngineKind;
use crate::core::labels::ContainerIdentity;
use crate::core::name::ObjectName;
use crate::core::outcome::{Outcome, RefusalKind};
use crate::core::signal::Signal;
use crate::core::spec::{Pull, Template, TemplateHash};
use crate::engine::error::EngineError;
use crate::engine::{Engine, EngineEvent, EngineInfo, Lookup, NewContainer};

mod event;
mod logs;
mod world;

pub use world::{Fate, Real};

/// The duration of a pull.
const PULL: Duration = Duration::from_millis(300);
/// The duration of any other change; about that of a create on an idle machine.
const CHANGE: Duration = Duration::from_millis(20);
/// Events buffered for a slow listener; beyond that, it is notified that anything may have changed.
const EVENTS: usize = 1_024;

/// The engine.
pub struct SimulatedEngine {
    world: Arc<Mutex<world::World>>,
    events: broadcast::Sender<SimulatedEvent>,
    clock: Clock,
}

impl SimulatedEngine {
    /// An empty world of `nodes` nodes, `n1` and so on.
    pub fn new(nodes: u32, clock: Clock) -> SimulatedEngine {
        let world = Arc::new(Mutex::new(world::World::new(nodes)));
        SimulatedEngine { world, events: broadcast::Sender::new(EVENTS), clock }
    }

    fn world(&self) -> MutexGuard<'_, world::World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn announce(&self, event: SimulatedEvent) {
        // Without a listener this is an error, and irrelevant.
        let _ = self.events.send(event);
    }

    /// Changes a container and announces it.
    fn change<T>(
        &self,
        id: &ContainerId,
        event: impl FnOnce(ObjectName) -> EngineEvent,
        change: impl FnOnce(&mut world::World) -> T,
    ) -> T {
        let mut world = self.world();
        let owner = world.owner(id);
        let done = change(&mut world);
        drop(world);
        if let Some((cluster, object)) = owner {
            self.announce(SimulatedEvent::Container(cluster, event(object)));
        }
        done
    }

    /// The real state, whatever is visible.
    pub fn real(&self) -> Vec<Real> {
        self.world().real()
    }

    /// Adds a running container that was not submitted, with the label of a cluster or without.
    pub fn put(&self, cluster: &str, name: &str) -> Option<ContainerId> {
        let mut world = self.world();
        let identity = ContainerIdentity {
            object: ObjectName::parse("foreign")?,
            slot: 1,
            attempt: 1,
            template: TemplateHash::from_label("foreign"),
        };
        let created = Container::new(world.next_id(name), identity, "foreign", self.clock.now());
        let container = Container {
            name: name.to_owned(),
            node: world.nodes().first().map(|node| node.address.clone()),
            state: ContainerState::Running,
            ..created
        };
        Some(world.put(cluster, container, true))
    }

    /// Ends a container's process.
    pub fn kill(&self, id: &ContainerId) {
        self.change(id, |object| EngineEvent::Ended(object, id.clone()), |world| world.end(id, 137));
    }

    /// A user sends a signal to a container, which ignores it.
    pub fn signal(&self, id: &ContainerId, signal: Signal) {
        self.change(id, |_| EngineEvent::Signalled(id.clone(), signal), |_| ());
    }

    /// A user starts an ended container again. Returns whether it is running now and was not before.
    pub fn start_again(&self, id: &ContainerId) -> bool {
        let now = self.clock.now();
        self.change(id, EngineEvent::Object, |world| {
            world.is_dead(id) && world.start(id, now) == Outcome::Done(())
        })
    }

    /// A user pauses or unpauses a container.
    pub fn pause(&self, id: &ContainerId, pause: bool) {
        self.change(id, EngineEvent::Object, |world| world.pause(id, pause));
    }

    /// A user renames a container.
    pub fn rename(&self, id: &ContainerId, name: &str) {
        self.change(id, EngineEvent::Object, |world| world.rename(id, name));
    }

    /// A user creates a copy of a container with the same labels, as with `docker commit` and `docker run`.
    pub fn copy(&self, id: &ContainerId, name: &str) -> Option<ContainerId> {
        let mut world = self.world();
        let Real { cluster, container, .. } = world.real().into_iter().find(|r| r.container.id == *id)?;
        let node = world.nodes().first().map(|node| node.address.clone());
        let (id, name, image) = (world.next_id(name), name.to_owned(), "copy".to_owned());
        let object = container.identity.object.clone();
        let copy =
            Container { id, name, image, node, state: ContainerState::Running, detail: None, ..container };
        let id = world.put(&cluster, copy, true);
        drop(world);
        self.announce(SimulatedEvent::Container(cluster, EngineEvent::Object(object)));
        Some(id)
    }

    /// Makes the removals of a container fail, or succeed again. After a failed removal, lists show it as being removed for
    /// good, and an inspect as dead.
    pub fn fail_removals(&self, id: &ContainerId, fail: bool) {
        self.world().fail_removals(id, fail);
    }

    /// Makes lists show the present state of the container until they catch up.
    pub fn lag(&self, id: &ContainerId, lag: bool) {
        self.world().lag(id, lag);
    }

    /// Disconnects a node.
    pub fn lose(&self, node: &str, fate: Fate) {
        self.world().lose(node, fate);
        self.announce(SimulatedEvent::Nodes);
    }

    /// Reconnects a node.
    pub fn bring_back(&self, node: &str) {
        self.world().bring_back(node);
        self.announce(SimulatedEvent::Nodes);
    }

    /// Restarts the manager: it knows a node only after it [reaches](SimulatedEngine::reach) it, and all connections end.
    pub fn restart_manager(&self) {
        self.world().forget_nodes();
        self.announce(SimulatedEvent::End);
    }

    /// Lets the manager reach a node, if it answers.
    pub fn reach(&self, node: &str) {
        if self.world().reach_node(node) {
            self.announce(SimulatedEvent::Nodes);
        }
    }
}

#[async_trait]
impl Engine for SimulatedEngine {
    async fn info(&self) -> Result<EngineInfo, EngineError> {
        Ok(EngineInfo {
            kind: EngineKind::Simulated,
            id: String::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            api: String::new(),
            nodes: self.world().nodes(),
            own_volumes: Default::default(),
        })
    }

    async fn list(&self, cluster: &str, object: Option<&ObjectName>) -> Result<Vec<Container>, EngineError> {
        Ok(self.world().list(cluster, object))
    }

    async fn inspect(&self, cluster: &str, name_or_id: &str) -> Result<Lookup, EngineError> {
        self.world().inspect(cluster, name_or_id)
    }

    async fn ensure_image(&self, image: &str, pull: Pull) -> Outcome<()> {
        if pull != Pull::Always && self.world().images.contains(image) {
            return Outcome::Done(());
        }
        if pull == Pull::Never {
            return Outcome::refused(RefusalKind::Impossible, format!("No such image: {image}"));
        }
        sleep(PULL).await;
        if image.starts_with("nosuch") {
            return Outcome::refused(
                RefusalKind::NoImage,
                format!("manifest for {image} not found: manifest unknown"),
            );
        }
        self.world().images.insert(image.to_owned());
        Outcome::Done(())
    }

    async fn create(&self, new: NewContainer<'_>) -> Outcome<ContainerId> {
        sleep(CHANGE).await;
        let outcome = self.world().create(&new, self.clock.now());
        if matches!(outcome, Outcome::Done(_)) {
            self.announce(SimulatedEvent::Container(
                new.cluster.to_owned(),
                EngineEvent::Object(new.identity.object.clone()),
            ));
        }
        outcome
    }

    /// Created containers always match their templates.
    async fn verify(&self, _id: &ContainerId, _template: &Template) -> Outcome<()> {
        Outcome::Done(())
    }

    async fn start(&self, id: &ContainerId) -> Outcome<()> {
        sleep(CHANGE).await;
        self.change(id, EngineEvent::Object, |world| world.start(id, self.clock.now()))
    }

    async fn stop(&self, id: &ContainerId, _grace: Duration) -> Outcome<()> {
        sleep(CHANGE).await;
        self.change(id, |object| EngineEvent::Ended(object, id.clone()), |world| world.end(id, 0))
    }

    async fn remove(&self, id: &ContainerId) -> Outcome<()> {
        sleep(CHANGE).await;
        let owner = self.world().owner(id);
        let outcome = self.world().remove(id);
        if let Some((cluster, object)) = owner.filter(|_| self.world().owner(id).is_none()) {
            self.announce(SimulatedEvent::Container(cluster, EngineEvent::Destroyed(object, id.clone())));
        }
        outcome
    }

    async fn events(
        &self,
        cluster: &str,
    ) -> Result<BoxStream<'static, Result<EngineEvent, EngineError>>, EngineError> {
        let cluster = cluster.to_owned();
        let events = stream::unfold(self.events.subscribe(), |mut events| async move {
            match events.recv().await {
                Ok(SimulatedEvent::End) | Err(broadcast::error::RecvError::Closed) => None,
                Ok(event) => Some((event, events)),
                Err(broadcast::error::RecvError::Lagged(_)) => Some((SimulatedEvent::Nodes, events)),
            }
        });
        Ok(events
            .filter_map(move |event| {
                let event = match event {
                    SimulatedEvent::Container(of, event) if of == cluster => Some(Ok(event)),
                    SimulatedEvent::Container(..) | SimulatedEvent::End => None,
                    SimulatedEvent::Nodes => Some(Ok(EngineEvent::Everything)),
                };
                async move { event }
            })
            .boxed())
    }

    /// Invented lines that say so.
    async fn logs(&self, id: &ContainerId, request: LogRequest) -> Result<LogLines, LogsError> {
        logs::lines(self.world.clone(), self.events.subscribe(), self.clock, id.clone(), request)
    }
}
