//! The Docker Engine of one node: its effects, their durations, and its error messages.
//!
//! Both dialects use it: a Docker Engine sends its errors as JSON, a Swarm manager repeats them as text. An unreachable
//! engine performs a request when it is reachable again.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep, sleep_until};

use super::FakeDocker;
use super::world::{Container, Life, Node, Registry, World};

const CREATE: Duration = Duration::from_millis(30);
const START: Duration = Duration::from_millis(20);
const STOP: Duration = Duration::from_millis(10);
const REMOVE: Duration = Duration::from_millis(10);
const READ: Duration = Duration::from_millis(1);

/// A command that cannot be started.
const NO_COMMAND: &str = "/nope";

/// An engine's refusal: the status code and the message.
pub(crate) type Refusal = (u16, String);

/// Finds a container of a node by full id or name.
pub(crate) fn find<'a>(node: &'a Node, key: &str) -> Option<&'a Container> {
    node.containers.get(key).or_else(|| node.containers.values().find(|c| c.name == key))
}

impl FakeDocker {
    /// Waits until a node can be reached.
    async fn reach(&self, node: usize) {
        let mut changes = self.changes();
        while self.read(|world| world.nodes[node].lost.is_some()) {
            changes.changed().await.unwrap();
        }
    }

    /// The effect of `POST /containers/create`; it takes `longer` than usual.
    pub(crate) async fn create(
        &self,
        node: usize,
        name: &str,
        body: &Value,
        longer: Duration,
    ) -> Result<String, Refusal> {
        let sent = Instant::now();
        self.reach(node).await;
        let image = body["Image"].as_str().unwrap_or_default();
        let valid = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if !name.chars().all(valid) {
            let message =
                format!("Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
            return Err((400, message));
        }
        self.change(|world| {
            let next = world.unique_id();
            let node = &mut world.nodes[node];
            if !node.images.contains(image) {
                return Err((404, format!("No such image: {image}")));
            }
            let holder = find(node, name).map(|c| c.id.clone());
            if let Some(holder) = holder.or_else(|| node.reserved.contains(name).then_some(next)) {
                return Err((
                    409,
                    format!(
                        "Conflict. The container name \"/{name}\" is already in use by container \"{holder}\". You have to \
                         remove (or rename) that container to be able to reuse that name."
                    ),
                ));
            }
            node.reserved.insert(name.to_owned());
            Ok(())
        })?;
        sleep(CREATE + longer).await;
        self.reach(node).await;
        Ok(self.change(|world| {
            world.nodes[node].reserved.remove(name);
            world.make(node, name, body, sent.elapsed())
        }))
    }

    /// The effect of `POST /containers/ID/start`. False if it runs already.
    pub(crate) async fn start(&self, node: usize, key: &str, longer: Duration) -> Result<bool, Refusal> {
        self.on(node, key, START + longer, |world, container| match container.life {
            Life::Running => Ok(false),
            _ if container.command.first().is_some_and(|c| c == NO_COMMAND) => Err((
                400,
                format!(
                    "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container \
                     process: exec: \"{NO_COMMAND}\": stat {NO_COMMAND}: no such file or directory: unknown"
                ),
            )),
            _ => {
                world.start(node, &container.id);
                Ok(true)
            }
        })
        .await
    }

    /// The effect of `POST /containers/ID/stop`. False if it does not run.
    pub(crate) async fn stop(&self, node: usize, key: &str, longer: Duration) -> Result<bool, Refusal> {
        self.on(node, key, STOP + longer, |world, container| {
            if container.life != Life::Running {
                return Ok(false);
            }
            world.emit_signal(node, &container.id, 15);
            world.exit(node, &container.id, 143);
            Ok(true)
        })
        .await
    }

    /// The effect of `DELETE /containers/ID`.
    pub(crate) async fn remove(
        &self,
        node: usize,
        key: &str,
        force: bool,
        longer: Duration,
    ) -> Result<(), Refusal> {
        let id = self
            .on(node, key, longer, |world, container| {
                let id = container.id.clone();
                if container.removing {
                    return Err((409, format!("removal of container {id} is already in progress")));
                }
                if container.life == Life::Running && !force {
                    let message = format!(
                        "You cannot remove a running container {id}. Stop the container before attempting removal or force remove"
                    );
                    return Err((409, message));
                }
                if container.life == Life::Running {
                    world.emit_signal(node, &id, 9);
                    world.exit(node, &id, 137);
                }
                if let Some(container) = world.nodes[node].containers.get_mut(&id) {
                    container.removing = true;
                }
                Ok(id)
            })
            .await?;
        sleep(REMOVE).await;
        self.change(|world| world.remove(node, &id));
        Ok(())
    }

    /// The container that `GET /containers/ID/json` returns, after an end that is under way has completed.
    pub(crate) async fn inspect(&self, node: usize, key: &str) -> Result<Container, Refusal> {
        self.on(node, key, READ, |_, container| Ok(container)).await
    }

    /// Does something with a container, after `takes` and after an end that is under way has completed.
    async fn on<T>(
        &self,
        node: usize,
        key: &str,
        takes: Duration,
        work: impl FnOnce(&mut World, Container) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        sleep(takes).await;
        self.reach(node).await;
        let busy = |world: &World| find(&world.nodes[node], key).map(|c| c.settled);
        while let Some(until) = self.read(busy).filter(|until| *until > Instant::now()) {
            sleep_until(until).await;
        }
        self.change(|world| match find(&world.nodes[node], key).cloned() {
            Some(container) => work(world, container),
            None => Err((404, format!("No such container: {key}"))),
        })
    }

    /// The effect of a pull on one node.
    pub(crate) async fn pull(&self, node: usize, image: &str) -> Result<(), Refusal> {
        let takes = self.read(|world| match world.registry {
            Registry::HasAll(takes) => takes,
            _ => READ,
        });
        sleep(takes).await;
        self.change(|world| match world.registry {
            Registry::HasAll(_) => {
                world.nodes[node].images.insert(image.to_owned());
                Ok(())
            }
            Registry::HasNone => Err((
                404,
                format!("manifest for {image} not found: manifest unknown: manifest unknown"),
            )),
            Registry::Unreachable => {
                Err((500, "Get \"https://registry.invalid/v2/\": dial tcp: lookup registry.invalid on 127.0.0.1:53: read udp \
                           127.0.0.1:38450->127.0.0.1:53: read: connection refused".to_owned()))
            }
        })
    }
}
