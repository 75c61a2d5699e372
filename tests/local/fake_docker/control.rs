//! What tests do to the world: end containers, lose nodes, restart the Swarm manager.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::world::{Container, Lag, Life, View, World};
use super::{FakeDocker, swarm};

/// What happens to the processes of a lost node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Processes {
    /// They keep running; only the connection is cut.
    KeepRunning,
    /// They end with the node.
    End,
}

impl FakeDocker {
    fn locate(&self, what: impl Fn(&Container) -> bool) -> (usize, String) {
        self.read(|world| {
            let mut found = world.containers().filter(|(_, c)| what(c));
            found.next().map(|(n, c)| (n, c.id.clone())).unwrap()
        })
    }

    /// A container's process ends by itself.
    pub(crate) fn exit(&self, id: &str, code: i32) {
        let (node, id) = self.locate(|c| c.id == id);
        self.change(|world| world.exit(node, &id, code));
    }

    /// A user kills a container: `docker kill`.
    pub(crate) fn kill(&self, id: &str) {
        let (node, id) = self.locate(|c| c.id == id);
        self.change(|world| {
            world.emit_signal(node, &id, 9);
            world.exit(node, &id, 137);
        });
    }

    /// A user restarts a container: `docker restart`. It runs again after a delay.
    pub(crate) fn restart(&self, id: &str, after: Duration) {
        let (node, id) = self.locate(|c| c.id == id);
        self.change(|world| {
            world.emit_signal(node, &id, 15);
            world.exit(node, &id, 143);
        });
        let fake = self.clone();
        self.later(after, move || fake.change(|world| world.start(node, &id)));
    }

    /// A user renames a container: `docker rename`.
    pub(crate) fn rename(&self, id: &str, name: &str) {
        self.container(id, |container| name.clone_into(&mut container.name));
    }

    /// A user creates and starts a container; returns its id.
    pub(crate) fn place(&self, node: usize, name: &str, labels: Value) -> String {
        let body = json!({"Image": "foreign:1", "Cmd": ["sleep"], "Labels": labels});
        self.change(|world| {
            let id = world.make(node, name, &body, Duration::ZERO);
            world.start(node, &id);
            id
        })
    }

    /// The Swarm manager does not know a container yet; it learns of it after a delay.
    pub(crate) fn hide(&self, id: &str, lasting: Duration) {
        let id = id.to_owned();
        self.container(&id, |container| container.hidden = true);
        let fake = self.clone();
        self.later(lasting, move || fake.container(&id, |container| container.hidden = false));
    }

    /// Sets what lists show of a container for a while, whatever its real state.
    pub(crate) fn mislead(&self, id: &str, state: Life, status: Life, lasting: Duration) {
        self.container(id, |container| container.mislead(state, status, Instant::now() + lasting));
    }

    fn container(&self, id: &str, change: impl FnOnce(&mut Container)) {
        let (node, id) = self.locate(|c| c.id == id);
        self.change(|world| world.nodes[node].containers.get_mut(&id).map(change));
    }

    /// Puts an image on all nodes.
    pub(crate) fn add_image(&self, image: &str) {
        self.change(|world| {
            for node in &mut world.nodes {
                node.images.insert(image.to_owned());
            }
        });
    }

    /// The index of the node that a container is on.
    pub(crate) fn node_of(&self, id: &str) -> usize {
        self.locate(|c| c.id == id).0
    }

    /// A node becomes unreachable. The Swarm manager notices after a delay.
    pub(crate) fn lose(&self, node: usize, processes: Processes, noticed_after: Duration) {
        self.change(|world| world.lose(node, processes == Processes::End));
        let fake = self.clone();
        let notice = move || {
            fake.change(|world| {
                if world.nodes[node].lost.is_some() {
                    let error = swarm::connection_error(world, node);
                    swarm::mark_unhealthy(world, node, &error);
                }
            });
        };
        self.later(noticed_after, notice);
    }

    /// A lost node is back. The Swarm manager's two caches catch up with its containers after different lags.
    pub(crate) fn return_node(&self, node: usize, lag: Lag) {
        self.change(|world| {
            world.reconnect(node, lag);
            swarm::mark_reached(world, node);
        });
    }

    /// Restarts the Swarm manager: all connections are cut, and refused while it is `down`. Then it knows only the
    /// addresses of its nodes, and reaches the n-th node after the n-th delay, unless the node is lost.
    pub(crate) fn restart_manager(&self, down: Duration, reached_after: &[Duration]) {
        self.cut_all(false);
        self.change(|world| {
            world.pending.clear();
            for node in &mut world.nodes {
                node.view = View::Pending;
                node.error.clear();
            }
        });
        let fake = self.clone();
        let times = reached_after.to_vec();
        self.later(down, move || {
            fake.cut_all(true);
            for (node, after) in times.into_iter().enumerate() {
                let reached = fake.clone();
                fake.later(after, move || {
                    reached.change(|world: &mut World| swarm::mark_reached(world, node));
                });
            }
        });
    }

    /// The endpoint is unreachable for a while.
    pub(crate) fn disconnect(&self, down: Duration) {
        self.cut_all(false);
        let fake = self.clone();
        self.later(down, move || fake.cut_all(true));
    }

    fn later(&self, after: Duration, work: impl FnOnce() + Send + 'static) {
        if after.is_zero() {
            return work();
        }
        tokio::spawn(async move {
            sleep(after).await;
            work();
        });
    }
}
