//! What a test does behind the manager's back.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::world::{Container, Lag, Life, View, World};
use super::{FakeDocker, swarm};

/// What becomes of the processes on a node that is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Processes {
    /// They run on: only the line is cut.
    GoOn,
    /// They end with the node.
    End,
}

impl FakeDocker {
    fn locate(&self, what: impl Fn(&Container) -> bool) -> (usize, String) {
        self.look(|world| {
            let mut found = world.containers().filter(|(_, c)| what(c));
            found.next().map(|(n, c)| (n, c.id.clone())).unwrap()
        })
    }

    /// A container's process ends by itself.
    pub(crate) fn exit(&self, id: &str, code: i32) {
        let (node, id) = self.locate(|c| c.id == id);
        self.change(|world| world.exit(node, &id, code));
    }

    /// Somebody kills a container: `docker kill`.
    pub(crate) fn kill(&self, id: &str) {
        let (node, id) = self.locate(|c| c.id == id);
        self.change(|world| {
            world.emit_signal(node, &id, 9);
            world.exit(node, &id, 137);
        });
    }

    /// Somebody restarts a container: `docker restart`. It runs again after a while.
    pub(crate) fn restart(&self, id: &str, after: Duration) {
        let (node, id) = self.locate(|c| c.id == id);
        self.change(|world| {
            world.emit_signal(node, &id, 15);
            world.exit(node, &id, 143);
        });
        let fake = self.clone();
        self.later(after, move || fake.change(|world| world.start(node, &id)));
    }

    /// Somebody gives a container another name: `docker rename`.
    pub(crate) fn rename(&self, id: &str, name: &str) {
        self.container(id, |container| name.clone_into(&mut container.name));
    }

    /// Somebody makes a container and starts it; returns its id.
    pub(crate) fn place(&self, node: usize, name: &str, labels: Value) -> String {
        let body = json!({"Image": "foreign:1", "Cmd": ["sleep"], "Labels": labels});
        self.change(|world| {
            let id = world.make(node, name, &body, Duration::ZERO);
            world.start(node, &id);
            id
        })
    }

    /// The Swarm manager has not heard of a container yet, and will after a while.
    pub(crate) fn unheard_of(&self, id: &str, until: Duration) {
        let id = id.to_owned();
        self.container(&id, |container| container.unheard_of = true);
        let fake = self.clone();
        self.later(until, move || fake.container(&id, |container| container.unheard_of = false));
    }

    /// The two caches of a Swarm manager say this of a container, whatever it does, for a while.
    pub(crate) fn mislead(&self, id: &str, state: Life, status: Life, lasting: Duration) {
        self.container(id, |container| container.mislead(state, status, Instant::now() + lasting));
    }

    fn container(&self, id: &str, change: impl FnOnce(&mut Container)) {
        let (node, id) = self.locate(|c| c.id == id);
        self.change(|world| world.nodes[node].containers.get_mut(&id).map(change));
    }

    /// Puts an image on all nodes.
    pub(crate) fn bring_image(&self, image: &str) {
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

    /// A node can be reached no more. The Swarm manager notices after a while.
    pub(crate) fn lose(&self, node: usize, processes: Processes, noticed_after: Duration) {
        self.change(|world| world.lose(node, processes == Processes::End));
        let fake = self.clone();
        let notice = move || {
            fake.change(|world| {
                if world.nodes[node].lost.is_some() {
                    let words = swarm::lost_words(world, node);
                    swarm::lose_sight(world, node, &words);
                }
            });
        };
        self.later(noticed_after, notice);
    }

    /// A lost node is back. The Swarm manager's two caches learn what became of its containers each in its own time.
    pub(crate) fn return_node(&self, node: usize, lag: Lag) {
        self.change(|world| {
            world.find(node, lag);
            swarm::regain_sight(world, node);
        });
    }

    /// The Swarm manager is started anew: all connections are cut and refused for as long as it is `down`. Then it
    /// knows every node by its address only, and reaches the n-th after the n-th time; a lost one it cannot reach.
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
                    reached.change(|world: &mut World| swarm::regain_sight(world, node));
                });
            }
        });
    }

    /// The endpoint goes, and is back after a while.
    pub(crate) fn away(&self, down: Duration) {
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
