//! The incidents of a run: changes, faults, users, and another manager.

use std::sync::Arc;
use std::time::Duration;

use swarm_cluster_state_manager::core::container::ContainerId;
use swarm_cluster_state_manager::core::name::ObjectName;
use swarm_cluster_state_manager::core::node::NodeState;
use swarm_cluster_state_manager::core::signal::Signal;
use swarm_cluster_state_manager::core::submission::{self, Submission};
use swarm_cluster_state_manager::core::transaction::{Change, Transaction};
use swarm_cluster_state_manager::engine::Engine;
use swarm_cluster_state_manager::engine::simulated::Fate;
use swarm_cluster_state_manager::store::Store;
use swarm_cluster_state_manager::store::memory::MemoryStore;
use tokio::time::sleep;

use super::{Daemon, IMAGES, Rival, Run};
use crate::simulation::faulty_engine::FaultyEngine;
use crate::simulation::oracle::Oracle;

impl Run {
    pub(super) async fn submit(&mut self) {
        let name = self.objects[self.rng.usize(..self.objects.len())];
        let count = self.rng.u32(0..7);
        let image = IMAGES[if self.rng.u32(..4) == 0 { self.rng.usize(..3) } else { 0 }];
        let hold = ["replace", "hold"][usize::from(self.rng.u32(..8) == 0)];
        let order = ["start-first", "stop-first"][usize::from(self.rng.u32(..4) == 0)];
        let text = format!(
            r#"{{"Name": "{name}", "Image": "{image}", "Count": {count}, "OnNodeLost": "{hold}", "Update": {{"Monitor": "1s", "Order": "{order}"}}}}"#
        );
        let Submission::One(spec) = submission::read(text.as_bytes()).unwrap() else { unreachable!() };
        self.engine.oracle.demand(&spec.name, count, image);
        self.store.commit(Transaction::of([Change::Put(spec)])).await.unwrap();
        self.happened("submit", &text);
    }

    async fn delete(&mut self) {
        let name = ObjectName::parse(self.objects[self.rng.usize(..self.objects.len())]).unwrap();
        let live = self.store.objects().borrow().get(&name).is_some_and(|o| o.deleted.is_none());
        if live {
            self.engine.oracle.demand(&name, 0, IMAGES[0]);
            self.store.commit(Transaction::of([Change::Delete(name.clone())])).await.unwrap();
            self.happened("delete", name.as_str());
        }
    }

    /// A random running container of the manager.
    fn random_container(&mut self) -> Option<ContainerId> {
        let real = self.engine.world.real();
        let ours: Vec<_> = real
            .iter()
            .filter(|r| self.engine.oracle.ours(r) && r.reachable && r.container.ready())
            .collect();
        (!ours.is_empty()).then(|| ours[self.rng.usize(..ours.len())].container.id.clone())
    }

    pub(super) async fn next_incident(&mut self, daemon: Daemon) -> Daemon {
        match self.rng.u32(..100) {
            0..28 => self.submit().await,
            28..33 => self.delete().await,
            33..45 => {
                if let Some(id) = self.random_container() {
                    self.engine.world.kill(&id);
                    self.happened("kill", id.short());
                }
            }
            45..52 => {
                if let Some(id) = self.random_container() {
                    self.engine.world.remove(&id).await;
                    self.happened("removal by a user", id.short());
                }
            }
            52..61 => self.lose_a_node(),
            61..68 => {
                if let Some(node) = self.away.pop() {
                    self.return_node(&node);
                }
            }
            68..74 => self.restart_manager(),
            74..82 => {
                self.happened("crash of the daemon", "");
                self.engine.oracle.died();
                daemon.die().await;
                sleep(Duration::from_millis(self.rng.u64(0..3_000))).await;
                return Daemon::start(&self.engine, &self.store, self.clock);
            }
            82..91 => self.interfere_as_user().await,
            91..93 => self.start_second_manager().await,
            93..98 => self.misbehave(),
            _ => {
                self.happened("quiet", "");
                sleep(Duration::from_secs(self.rng.u64(30..400))).await;
            }
        }
        daemon
    }

    /// Another manager is started by mistake, with the same cluster name and an object of the same name.
    async fn start_second_manager(&mut self) {
        if self.rival.is_some() {
            return;
        }
        let oracle = Arc::new(Oracle::new(self.clock));
        let world = self.engine.world.clone();
        let engine = Arc::new(FaultyEngine::new(world, oracle.clone(), self.rng.u64(..), 0.0, false));
        let store = Arc::new(MemoryStore::new(self.clock));
        self.engine.oracle.rival(store.ownership().manager());
        oracle.rival(self.store.ownership().manager());
        let daemon = Daemon::start(&engine, &store, self.clock);
        let name = self.objects[self.rng.usize(..self.objects.len())];
        let count = self.rng.u32(0..7);
        let text = format!(r#"{{"Name": "{name}", "Image": "v1", "Count": {count}}}"#);
        let Submission::One(spec) = submission::read(text.as_bytes()).unwrap() else { unreachable!() };
        store.commit(Transaction::of([Change::Put(spec)])).await.unwrap();
        self.happened("second manager", &text);
        self.rival = Some(Rival { daemon, oracle, store });
    }

    /// A user ends the second manager, and removes its containers.
    pub(super) async fn remove_second_manager(&mut self) {
        let Some(Rival { daemon, oracle, store }) = self.rival.take() else { return };
        daemon.die().await;
        let touched = |violation: &String| violation.contains("a foreign container");
        self.rival_violations
            .extend(oracle.violations().into_iter().filter(touched).map(|v| format!("rival: {v}")));
        let manager = store.ownership().manager();
        for real in self.engine.world.real() {
            if real.container.manager.as_ref() == Some(&manager) {
                self.engine.world.remove(&real.container.id).await;
            }
        }
    }

    /// A user restarts, pauses, renames or copies a container, or sends a signal.
    async fn interfere_as_user(&mut self) {
        let Some(id) = self.random_container() else { return };
        let world = self.engine.world.clone();
        match self.rng.u32(..5) {
            3 => {
                self.happened("rename by a user", id.short());
                world.rename(&id, &format!("renamed-{}", self.events.len()));
            }
            4 => {
                self.happened("copy by a user", id.short());
                if let Some(copy) = world.copy(&id, &format!("copy-{}", self.events.len())) {
                    self.engine.oracle.foreign(copy);
                }
            }
            0 => {
                // A daemon that learns of everything must not create one too many.
                let daemon_knows = self.engine.sees_everything();
                self.happened("restart by a user", id.short());
                world.signal(&id, Signal::TERM);
                world.kill(&id);
                sleep(Duration::from_millis(self.rng.u64(10..1_500))).await;
                let identity =
                    world.real().into_iter().find(|r| r.container.id == id).map(|r| r.container.identity);
                if world.start_again(&id)
                    && let Some(identity) = identity
                {
                    self.engine.oracle.started_by_a_user(&identity, &world.real(), daemon_knows);
                }
            }
            1 => {
                self.happened("pause by a user", id.short());
                world.pause(&id, true);
                self.paused.push(id);
            }
            _ => {
                self.happened("signal by a user", id.short());
                world.signal(&id, Signal(1));
            }
        }
    }

    /// The engine fails removals, or its lists lag.
    fn misbehave(&mut self) {
        let Some(id) = self.random_container() else { return };
        if self.rng.bool() {
            self.happened("failing removals of a container", id.short());
            self.engine.world.fail_removals(&id, true);
        } else {
            self.happened("lagging lists of a container", id.short());
            self.engine.world.lag(&id, true);
        }
        self.misbehaving.push(id);
    }

    /// Ends all interference.
    pub(super) fn end_interference(&mut self) {
        for id in self.paused.drain(..) {
            self.engine.world.pause(&id, false);
        }
        for id in self.misbehaving.drain(..) {
            self.engine.world.fail_removals(&id, false);
            self.engine.world.lag(&id, false);
        }
    }

    fn lose_a_node(&mut self) {
        let node = self.nodes[self.rng.usize(..self.nodes.len())].clone();
        let fate = if self.rng.bool() { Fate::GoOn } else { Fate::End };
        // The foreign containers are on n1, and must not end with it.
        let fate = if node == "n1" { Fate::GoOn } else { fate };
        self.engine.oracle.outage(&node, true);
        self.engine.world.lose(&node, fate);
        self.happened("loss of a node", &node);
        if !self.away.contains(&node) {
            self.away.push(node);
        }
    }

    pub(super) fn return_node(&mut self, node: &str) {
        self.engine.world.bring_back(node);
        self.engine.oracle.outage(node, false);
        self.happened("return of a node", node);
    }

    /// The Swarm manager knows no node, then reaches one after the other.
    fn restart_manager(&mut self) {
        self.happened("restart of the manager", "");
        self.engine.world.restart_manager();
        for node in self.nodes.clone() {
            self.engine.oracle.outage(&node, true);
            let engine = self.engine.clone();
            let after = Duration::from_millis(self.rng.u64(0..12_000));
            tokio::spawn(async move {
                sleep(after).await;
                engine.world.reach(&node);
                let info = engine.world.info().await.unwrap();
                if info.nodes.iter().any(|n| n.address == node && n.state == NodeState::Healthy) {
                    engine.oracle.outage(&node, false);
                }
            });
        }
    }
}
