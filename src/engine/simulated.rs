//! A small world of its own: nodes, images and containers without Docker.
//!
//! `--swarm-manager simulated://3` gives a newcomer a whole system to try. It keeps Docker's promises that the
//! rest relies on: names are unique, a create makes a container that does not run yet, a repeated start or
//! removal is harmless, events tell what happened. Containers never end by themselves, and their logs are invented. An image whose name
//! begins with `nosuch` is one that no registry has; a command `/nope` is one that cannot start.
//!
//! The same world carries the simulation tests: nodes can be lost and brought back, its manager restarted and
//! its containers killed, and what really runs can be told from what is shown.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::broadcast;
use tokio::time::sleep;

use super::logs::{LogLines, LogRequest, LogsError};
use crate::clock::Clock;
use crate::core::container::{Container, ContainerId, ContainerState, Health, Visibility};
use crate::core::engine_kind::EngineKind;
use crate::core::labels::ContainerIdentity;
use crate::core::name::ObjectName;
use crate::core::outcome::{Outcome, Refusal, RefusalKind};
use crate::core::signal::Signal;
use crate::core::spec::{Pull, Template, TemplateHash};
use crate::engine::error::EngineError;
use crate::engine::{Engine, EngineEvent, EngineInfo, Lookup, NewContainer};

mod logs;
mod world;

pub use world::{Fate, Real};

/// How long a pull takes here.
const PULL: Duration = Duration::from_millis(300);
/// How long any other change takes here; a real engine needs about this for a create on an idle machine.
const CHANGE: Duration = Duration::from_millis(20);
/// Events kept for a listener that lags; one that lags further looks at everything.
const EVENTS: usize = 1_024;

/// The engine.
pub struct SimulatedEngine {
    world: Arc<Mutex<world::World>>,
    events: broadcast::Sender<Event>,
    clock: Clock,
}

#[derive(Clone)]
enum Event {
    /// Of a cluster's container.
    Of(String, EngineEvent),
    /// Of the nodes.
    Nodes,
    /// The connection ends.
    End,
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

    fn announce(&self, event: Event) {
        // Nobody listening is no error.
        let _ = self.events.send(event);
    }

    /// Changes a container and tells of it.
    fn change<T>(
        &self,
        id: &ContainerId,
        hint: impl FnOnce(ObjectName) -> EngineEvent,
        change: impl FnOnce(&mut world::World) -> T,
    ) -> T {
        let mut world = self.world();
        let owner = world.owner(id);
        let done = change(&mut world);
        drop(world);
        if let Some((cluster, object)) = owner {
            self.announce(Event::Of(cluster, hint(object)));
        }
        done
    }

    /// What really is there, whatever is shown.
    pub fn real(&self) -> Vec<Real> {
        self.world().real()
    }

    /// Puts a running container there that nobody submitted: with the label of a cluster, or of none.
    pub fn put(&self, cluster: &str, name: &str) -> Option<ContainerId> {
        let mut world = self.world();
        let identity = ContainerIdentity {
            object: ObjectName::parse("nobodys")?,
            slot: 1,
            attempt: 1,
            template: TemplateHash::from_label("nobodys"),
        };
        let container = Container {
            id: world.next_id(name),
            name: name.to_owned(),
            identity,
            manager: None,
            rival: false,
            node: world.nodes().first().map(|node| node.address.clone()),
            state: ContainerState::Running,
            health: Health::None,
            visibility: Visibility::Clear,
            image: "nobodys".to_owned(),
            image_id: None,
            created: self.clock.now(),
            detail: None,
            signalled: None,
        };
        Some(world.put(cluster, container, true))
    }

    /// A running container of an object, as this engine shows it.
    #[cfg(test)]
    pub(crate) fn sample(object: &crate::core::object::Object, slot: u32) -> Container {
        let template = object.spec.template.hash.clone();
        let identity = ContainerIdentity { object: object.spec.name.clone(), slot, attempt: 1, template };
        Container {
            id: format!("id of {}", identity.container_name()).as_str().into(),
            name: identity.container_name(),
            identity,
            manager: None,
            rival: false,
            node: None,
            state: ContainerState::Running,
            health: Health::None,
            visibility: Visibility::Clear,
            image: object.spec.template.image.clone(),
            image_id: None,
            created: crate::core::time::Time(0),
            detail: None,
            signalled: None,
        }
    }

    /// Ends a container's process.
    pub fn kill(&self, id: &ContainerId) {
        self.change(id, |object| EngineEvent::Ended(object, id.clone()), |world| world.end(id, 137));
    }

    /// A user sends a container a signal, which it takes no notice of.
    pub fn signal(&self, id: &ContainerId, signal: Signal) {
        self.change(id, |_| EngineEvent::Signalled(id.clone(), signal), |_| ());
    }

    /// A user starts an ended container again. Returns whether it runs now and did not before.
    pub fn start_again(&self, id: &ContainerId) -> bool {
        let now = self.clock.now();
        self.change(id, EngineEvent::Object, |world| {
            world.is_dead(id) && world.start(id, now) == Outcome::Done(())
        })
    }

    /// A user freezes a running container, or lets a frozen one run on.
    pub fn pause(&self, id: &ContainerId, pause: bool) {
        self.change(id, EngineEvent::Object, |world| world.pause(id, pause));
    }

    /// A user gives a container another name.
    pub fn rename(&self, id: &ContainerId, name: &str) {
        self.change(id, EngineEvent::Object, |world| world.rename(id, name));
    }

    /// A user makes a copy of a container that carries the same labels, as `docker commit` and `docker run` do.
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
        self.announce(Event::Of(cluster, EngineEvent::Object(object)));
        Some(id)
    }

    /// The removals of a container fail from now on, or work again. After one that failed the list calls it in removal
    /// for good, and an inspect calls it dead.
    pub fn fail_removals(&self, id: &ContainerId, fail: bool) {
        self.world().fail_removals(id, fail);
    }

    /// From now on lists show the container's present state, whatever becomes of it, until they catch up.
    pub fn lag(&self, id: &ContainerId, lag: bool) {
        self.world().lag(id, lag);
    }

    /// Cuts a node off.
    pub fn lose(&self, node: &str, fate: Fate) {
        self.world().lose(node, fate);
        self.announce(Event::Nodes);
    }

    /// Lets a node answer again.
    pub fn bring_back(&self, node: &str) {
        self.world().bring_back(node);
        self.announce(Event::Nodes);
    }

    /// Restarts the manager: it knows no node until it [reaches](SimulatedEngine::reach) it, and all connections end.
    pub fn restart_manager(&self) {
        self.world().forget_nodes();
        self.announce(Event::End);
    }

    /// Lets the manager reach a node, if that answers.
    pub fn reach(&self, node: &str) {
        if self.world().reach_node(node) {
            self.announce(Event::Nodes);
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
        let refused = |kind, words| Outcome::Refused(Refusal { kind, words });
        if pull == Pull::Never {
            return refused(RefusalKind::Impossible, format!("No such image: {image}"));
        }
        sleep(PULL).await;
        if image.starts_with("nosuch") {
            let words = format!("manifest for {image} not found: manifest unknown");
            return refused(RefusalKind::NoImage, words);
        }
        self.world().images.insert(image.to_owned());
        Outcome::Done(())
    }

    async fn create(&self, new: NewContainer<'_>) -> Outcome<ContainerId> {
        sleep(CHANGE).await;
        let outcome = self.world().create(&new, self.clock.now());
        if matches!(outcome, Outcome::Done(_)) {
            self.announce(Event::Of(
                new.cluster.to_owned(),
                EngineEvent::Object(new.identity.object.clone()),
            ));
        }
        outcome
    }

    /// What is created here is what was asked for.
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
            self.announce(Event::Of(cluster, EngineEvent::Destroyed(object, id.clone())));
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
                Ok(Event::End) | Err(broadcast::error::RecvError::Closed) => None,
                Ok(event) => Some((event, events)),
                Err(broadcast::error::RecvError::Lagged(_)) => Some((Event::Nodes, events)),
            }
        });
        Ok(events
            .filter_map(move |event| {
                let hint = match event {
                    Event::Of(of, hint) if of == cluster => Some(Ok(hint)),
                    Event::Of(..) | Event::End => None,
                    Event::Nodes => Some(Ok(EngineEvent::Everything)),
                };
                async move { hint }
            })
            .boxed())
    }
    /// Lines that are invented, and say so.
    async fn logs(&self, id: &ContainerId, request: LogRequest) -> Result<LogLines, LogsError> {
        logs::lines(self.world.clone(), self.events.subscribe(), self.clock, id.clone(), request)
    }
}
