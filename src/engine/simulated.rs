//! A small world of its own: nodes, images and containers without Docker.
//!
//! `--swarm-manager simulated://3` gives a newcomer a whole system to try. It keeps Docker's promises that the
//! rest relies on: names are unique, a create makes a container that does not run yet, a repeated start or
//! removal is harmless, events tell what happened. Containers never end by themselves. An image whose name
//! begins with `nosuch` is one that no registry has; a command `/nope` is one that cannot start.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt};
use sha2::{Digest, Sha256};
use tokio::sync::broadcast;
use tokio::time::sleep;

use super::{
    Engine, EngineError, Hint, Holder, Info, Kind, NewContainer, Node, Outcome, Refusal, RefusalKind,
};
use crate::clock::Clock;
use crate::model::{Container, ContainerId, Detail, Health, ObjectName, Pull, Sight, State};

/// How long a pull takes here.
const PULL: Duration = Duration::from_millis(300);
/// How long any other change takes here; a real engine needs about this for a create on an idle machine.
const CHANGE: Duration = Duration::from_millis(20);
/// Events kept for a listener that lags; one that lags further looks at everything.
const EVENTS: usize = 1_024;

/// The world.
pub struct SimulatedEngine {
    nodes: Vec<String>,
    world: Mutex<World>,
    events: broadcast::Sender<(String, ObjectName)>,
    clock: Clock,
}

#[derive(Default)]
struct World {
    containers: BTreeMap<ContainerId, Simulated>,
    images: std::collections::BTreeSet<String>,
    made: u64,
}

struct Simulated {
    cluster: String,
    container: Container,
    startable: bool,
}

impl SimulatedEngine {
    /// An empty world of `nodes` nodes, `n1` and so on.
    pub fn new(nodes: u32, clock: Clock) -> SimulatedEngine {
        let nodes = (1..=nodes).map(|n| format!("n{n}")).collect();
        SimulatedEngine { nodes, world: Mutex::default(), events: broadcast::Sender::new(EVENTS), clock }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn announce(&self, cluster: &str, object: &ObjectName) {
        // Nobody listening is no error.
        let _ = self.events.send((cluster.to_owned(), object.clone()));
    }

    /// Changes a container, if it is there.
    fn change(&self, id: &ContainerId, change: impl FnOnce(&mut Simulated)) -> bool {
        let announced = self.world().containers.get_mut(id).map(|simulated| {
            change(simulated);
            (simulated.cluster.clone(), simulated.container.marks.object.clone())
        });
        if let Some((cluster, object)) = &announced {
            self.announce(cluster, object);
        }
        announced.is_some()
    }
}

fn refused<T>(kind: RefusalKind, words: String) -> Outcome<T> {
    Outcome::Refused(Refusal { kind, words })
}

#[async_trait]
impl Engine for SimulatedEngine {
    async fn info(&self) -> Result<Info, EngineError> {
        let node = |name: &String| Node {
            name: name.clone(),
            address: name.clone(),
            status: "Healthy".to_owned(),
            error: None,
        };
        Ok(Info {
            kind: Kind::Simulated,
            id: String::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            api: String::new(),
            nodes: self.nodes.iter().map(node).collect(),
        })
    }

    async fn list(&self, cluster: &str, object: Option<&ObjectName>) -> Result<Vec<Container>, EngineError> {
        let concerned = |s: &&Simulated| {
            s.cluster == cluster && object.is_none_or(|name| s.container.marks.object == *name)
        };
        Ok(self.world().containers.values().filter(concerned).map(|s| s.container.clone()).collect())
    }

    async fn inspect(&self, cluster: &str, name_or_id: &str) -> Result<Holder, EngineError> {
        let meant = |s: &&Simulated| s.container.name == name_or_id || &*s.container.id.0 == name_or_id;
        Ok(match self.world().containers.values().find(meant) {
            None => Holder::Nobody,
            Some(s) if s.cluster == cluster => {
                let detail = Some(s.container.detail.clone().unwrap_or_default());
                Holder::Ours(Box::new(Container { detail, ..s.container.clone() }))
            }
            Some(_) => Holder::Foreign,
        })
    }

    async fn provide_image(&self, image: &str, pull: Pull) -> Outcome<()> {
        if pull != Pull::Always && self.world().images.contains(image) {
            return Outcome::Done(());
        }
        if pull == Pull::Never {
            return refused(RefusalKind::NoImage, format!("No such image: {image}"));
        }
        sleep(PULL).await;
        if image.starts_with("nosuch") {
            return refused(
                RefusalKind::NoImage,
                format!("manifest for {image} not found: manifest unknown"),
            );
        }
        self.world().images.insert(image.to_owned());
        Outcome::Done(())
    }

    async fn create(&self, new: NewContainer<'_>) -> Outcome<ContainerId> {
        sleep(CHANGE).await;
        let name = new.marks.container_name();
        let wanted = new.constraints().iter().find_map(|c| c.0.strip_prefix("name=="));
        let mut guard = self.world();
        let world = &mut *guard;
        if !world.images.contains(&new.template.image) {
            return refused(RefusalKind::NoImage, format!("No such image: {}", new.template.image));
        }
        if let Some(holder) = world.containers.values().find(|s| s.container.name == name) {
            let id = holder.container.id.short();
            return refused(
                RefusalKind::NameTaken,
                format!("Conflict. The container name \"/{name}\" is already in use by container {id}"),
            );
        }
        let load = |node: &str| {
            world.containers.values().filter(|s| s.container.node.as_deref() == Some(node)).count()
        };
        let allowed = self.nodes.iter().filter(|node| wanted.is_none_or(|w| w == node.as_str()));
        let Some(node) = allowed.min_by_key(|node| load(node)).cloned() else {
            return refused(
                RefusalKind::NoPlace,
                "Unable to find a node that satisfies the constraints".to_owned(),
            );
        };
        world.made += 1;
        let digest = Sha256::digest(format!("{name} {}", world.made));
        let id: ContainerId = digest.iter().map(|b| format!("{b:02x}")).collect::<String>().as_str().into();
        let container = Container {
            id: id.clone(),
            name,
            marks: new.marks.clone(),
            node: Some(node),
            state: State::Created,
            health: Health::None,
            sight: Sight::Clear,
            image: new.template.image.clone(),
            created: self.clock.now(),
            detail: None,
            signalled: false,
        };
        let command = new.template.body.cmd.as_deref().and_then(|c| c.first()).map(String::as_str);
        let startable = command != Some("/nope");
        world
            .containers
            .insert(id.clone(), Simulated { cluster: new.cluster.to_owned(), container, startable });
        drop(guard);
        self.announce(new.cluster, &new.marks.object);
        Outcome::Done(id)
    }

    async fn start(&self, id: &ContainerId) -> Outcome<()> {
        sleep(CHANGE).await;
        if self.world().containers.get(id).is_some_and(|s| !s.startable) {
            return refused(
                RefusalKind::Other,
                "exec: \"/nope\": stat /nope: no such file or directory".to_owned(),
            );
        }
        let now = self.clock.now();
        let there = self.change(id, |s| {
            if s.container.state != State::Running {
                s.container.state = State::Running;
                s.container.detail = Some(Detail { started_at: Some(now.rfc3339()), ..Detail::default() });
            }
        });
        if there {
            Outcome::Done(())
        } else {
            refused(RefusalKind::Other, format!("No such container: {}", id.short()))
        }
    }

    async fn stop(&self, id: &ContainerId, _grace: Duration) -> Outcome<()> {
        sleep(CHANGE).await;
        self.change(id, |s| {
            if s.container.state == State::Running {
                s.container.state = State::Exited;
                s.container.detail.get_or_insert_default().exit_code = Some(0);
            }
        });
        Outcome::Done(())
    }

    async fn remove(&self, id: &ContainerId) -> Outcome<()> {
        sleep(CHANGE).await;
        let gone = self.world().containers.remove(id);
        if let Some(simulated) = gone {
            self.announce(&simulated.cluster, &simulated.container.marks.object);
        }
        Outcome::Done(())
    }

    async fn hints(
        &self,
        cluster: &str,
    ) -> Result<BoxStream<'static, Result<Hint, EngineError>>, EngineError> {
        let cluster = cluster.to_owned();
        let events = stream::unfold(self.events.subscribe(), |mut events| async move {
            match events.recv().await {
                Ok((cluster, object)) => Some((Some((cluster, object)), events)),
                Err(broadcast::error::RecvError::Lagged(_)) => Some((None, events)),
                Err(broadcast::error::RecvError::Closed) => None,
            }
        });
        Ok(events
            .filter_map(move |event| {
                let hint = match event {
                    Some((of, object)) if of == cluster => Some(Ok(Hint::Object(object))),
                    Some(_) => None,
                    None => Some(Ok(Hint::Everything)),
                };
                async move { hint }
            })
            .boxed())
    }
}
