//! What happens to a cluster: changes, faults, users, and another manager.

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

use super::{Daemon, IMAGES, Rival, Story};
use crate::simulation::chaos::Chaos;
use crate::simulation::judge::Judge;

impl Story {
    pub(super) async fn submit(&mut self) {
        let name = self.objects[self.dice.usize(..self.objects.len())];
        let count = self.dice.u32(0..7);
        let image = IMAGES[if self.dice.u32(..4) == 0 { self.dice.usize(..3) } else { 0 }];
        let hold = ["replace", "hold"][usize::from(self.dice.u32(..8) == 0)];
        let order = ["start-first", "stop-first"][usize::from(self.dice.u32(..4) == 0)];
        let text = format!(
            r#"{{"Name": "{name}", "Image": "{image}", "Count": {count}, "OnNodeLost": "{hold}", "Update": {{"Monitor": "1s", "Order": "{order}"}}}}"#
        );
        let Submission::One(spec) = submission::read(text.as_bytes()).unwrap() else { unreachable!() };
        self.chaos.judge.demand(&spec.name, count, image);
        self.store.commit(Transaction::of([Change::Put(spec)])).await.unwrap();
        self.happened("submit", &text);
    }

    async fn delete(&mut self) {
        let name = ObjectName::parse(self.objects[self.dice.usize(..self.objects.len())]).unwrap();
        let live = self.store.objects().borrow().get(&name).is_some_and(|o| o.deleted.is_none());
        if live {
            self.chaos.judge.demand(&name, 0, IMAGES[0]);
            self.store.commit(Transaction::of([Change::Delete(name.clone())])).await.unwrap();
            self.happened("delete", name.as_str());
        }
    }

    /// A running container of ours, whichever.
    fn victim(&mut self) -> Option<ContainerId> {
        let real = self.chaos.world.real();
        let ours: Vec<_> =
            real.iter().filter(|r| self.chaos.judge.ours(r) && r.reachable && r.container.ready()).collect();
        (!ours.is_empty()).then(|| ours[self.dice.usize(..ours.len())].container.id.clone())
    }

    pub(super) async fn something_happens(&mut self, daemon: Daemon) -> Daemon {
        match self.dice.u32(..100) {
            0..28 => self.submit().await,
            28..33 => self.delete().await,
            33..45 => {
                if let Some(id) = self.victim() {
                    self.chaos.world.kill(&id);
                    self.happened("kill", id.short());
                }
            }
            45..52 => {
                if let Some(id) = self.victim() {
                    self.chaos.world.remove(&id).await;
                    self.happened("removal behind its back", id.short());
                }
            }
            52..61 => self.lose_a_node(),
            61..68 => {
                if let Some(node) = self.away.pop() {
                    self.bring_back(&node);
                }
            }
            68..74 => self.restart_the_manager(),
            74..82 => {
                self.happened("death of the daemon", "");
                self.chaos.judge.died();
                daemon.die().await;
                sleep(Duration::from_millis(self.dice.u64(0..3_000))).await;
                return Daemon::start(&self.chaos, &self.store, self.clock);
            }
            82..91 => self.a_user_interferes().await,
            91..93 => self.a_second_manager_comes().await,
            93..98 => self.the_engine_misbehaves(),
            _ => {
                self.happened("quiet", "");
                sleep(Duration::from_secs(self.dice.u64(30..400))).await;
            }
        }
        daemon
    }

    /// Another manager is started by mistake, with the same cluster name and an object of the same name.
    async fn a_second_manager_comes(&mut self) {
        if self.rival.is_some() {
            return;
        }
        let judge = Arc::new(Judge::new(self.clock));
        let world = self.chaos.world.clone();
        let chaos = Arc::new(Chaos::new(world, judge.clone(), self.dice.u64(..), 0.0, false));
        let store = Arc::new(MemoryStore::new(self.clock));
        self.chaos.judge.rival(store.ownership().manager());
        judge.rival(self.store.ownership().manager());
        let daemon = Daemon::start(&chaos, &store, self.clock);
        let name = self.objects[self.dice.usize(..self.objects.len())];
        let count = self.dice.u32(0..7);
        let text = format!(r#"{{"Name": "{name}", "Image": "v1", "Count": {count}}}"#);
        let Submission::One(spec) = submission::read(text.as_bytes()).unwrap() else { unreachable!() };
        store.commit(Transaction::of([Change::Put(spec)])).await.unwrap();
        self.happened("second manager", &text);
        self.rival = Some(Rival { daemon, judge, store });
    }

    /// A user has noticed: the second manager is ended, and what it made is removed by hand.
    pub(super) async fn the_second_manager_goes(&mut self) {
        let Some(Rival { daemon, judge, store }) = self.rival.take() else { return };
        daemon.die().await;
        let touched = |condition: &String| condition.contains("somebody else");
        self.rivals_faults
            .extend(judge.verdicts().into_iter().filter(touched).map(|v| format!("rival: {v}")));
        let manager = store.ownership().manager();
        for real in self.chaos.world.real() {
            if real.container.manager.as_ref() == Some(&manager) {
                self.chaos.world.remove(&real.container.id).await;
            }
        }
    }

    /// What users do by hand: restart, pause, rename, copy, send signals.
    async fn a_user_interferes(&mut self) {
        let Some(id) = self.victim() else { return };
        let world = self.chaos.world.clone();
        match self.dice.u32(..5) {
            3 => {
                self.happened("rename by a user", id.short());
                world.rename(&id, &format!("renamed-{}", self.events.len()));
            }
            4 => {
                self.happened("copy by a user", id.short());
                if let Some(copy) = world.copy(&id, &format!("copy-{}", self.events.len())) {
                    self.chaos.judge.foreign(copy);
                }
            }
            0 => {
                // Whoever sees all of it has no excuse for one too many.
                let seen = self.chaos.sees_everything();
                self.happened("restart by a user", id.short());
                world.signal(&id, Signal::TERM);
                world.kill(&id);
                sleep(Duration::from_millis(self.dice.u64(10..1_500))).await;
                let identity =
                    world.real().into_iter().find(|r| r.container.id == id).map(|r| r.container.identity);
                if world.start_again(&id)
                    && let Some(identity) = identity
                {
                    self.chaos.judge.started_by_a_user(&identity, &world.real(), seen);
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

    /// What engines do: removals that fail, lists that lag behind.
    fn the_engine_misbehaves(&mut self) {
        let Some(id) = self.victim() else { return };
        if self.dice.bool() {
            self.happened("removals of a container fail", id.short());
            self.chaos.world.fail_removals(&id, true);
        } else {
            self.happened("lists lag behind about a container", id.short());
            self.chaos.world.lag(&id, true);
        }
        self.bewitched.push(id);
    }

    /// Nothing of it lasts.
    pub(super) fn interference_ends(&mut self) {
        for id in self.paused.drain(..) {
            self.chaos.world.pause(&id, false);
        }
        for id in self.bewitched.drain(..) {
            self.chaos.world.fail_removals(&id, false);
            self.chaos.world.lag(&id, false);
        }
    }

    fn lose_a_node(&mut self) {
        let node = self.nodes[self.dice.usize(..self.nodes.len())].clone();
        let fate = if self.dice.bool() { Fate::GoOn } else { Fate::End };
        // An end of somebody else's container with its node is not ours to answer for.
        let fate = if node == "n1" { Fate::GoOn } else { fate };
        self.chaos.judge.trouble(&node, true);
        self.chaos.world.lose(&node, fate);
        self.happened("loss of a node", &node);
        if !self.away.contains(&node) {
            self.away.push(node);
        }
    }

    pub(super) fn bring_back(&mut self, node: &str) {
        self.chaos.world.bring_back(node);
        self.chaos.judge.trouble(node, false);
        self.happened("return of a node", node);
    }

    /// The manager knows no node, then reaches one after the other.
    fn restart_the_manager(&mut self) {
        self.happened("restart of the manager", "");
        self.chaos.world.restart_manager();
        for node in self.nodes.clone() {
            self.chaos.judge.trouble(&node, true);
            let chaos = self.chaos.clone();
            let after = Duration::from_millis(self.dice.u64(0..12_000));
            tokio::spawn(async move {
                sleep(after).await;
                chaos.world.reach(&node);
                let info = chaos.world.info().await.unwrap();
                if info.nodes.iter().any(|n| n.address == node && n.state == NodeState::Healthy) {
                    chaos.judge.trouble(&node, false);
                }
            });
        }
    }
}
