//! One seed's story: what is submitted, what goes wrong, and how it ends.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use swarm_cluster_state_manager::clock::Clock;
use swarm_cluster_state_manager::control::progress::Progresses;
use swarm_cluster_state_manager::control::{self, Parts, Tasks};
use swarm_cluster_state_manager::core::condition::Phase;
use swarm_cluster_state_manager::core::container::ContainerId;
use swarm_cluster_state_manager::core::name::ObjectName;
use swarm_cluster_state_manager::core::node::NodeState;
use swarm_cluster_state_manager::core::signal::Signal;
use swarm_cluster_state_manager::core::submission;
use swarm_cluster_state_manager::core::submission::Submission;
use swarm_cluster_state_manager::core::time::Time;
use swarm_cluster_state_manager::core::transaction::{Change, Transaction};
use swarm_cluster_state_manager::engine::Engine;
use swarm_cluster_state_manager::engine::simulated::{Fate, SimulatedEngine};
use swarm_cluster_state_manager::store::Store;
use swarm_cluster_state_manager::store::memory::MemoryStore;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::chaos::{Chaos, Coverage};
use super::judge::Judge;

const CLUSTER: &str = "simulation";
/// Even seeds have one object. They take the same way each time; where two workers wait for the same word, tokio
/// wakes them in whichever order.
const OBJECTS: [&str; 2] = ["web", "db"];
const IMAGES: [&str; 3] = ["v1", "v2", "v3"];
/// After the faults have ended, all must be as asked for within this: the longest back-off, twice.
const PEACE: Duration = Duration::from_secs(900);
/// What is as wanted is left alone: nothing is done for this long.
const CALM: Duration = Duration::from_secs(60);

/// What came of a seed.
pub(crate) struct Ending {
    pub(crate) coverage: Coverage,
    pub(crate) events: Vec<&'static str>,
    pub(crate) creates: u64,
    pub(crate) worst_excess: i64,
    pub(crate) converged_after: Duration,
    pub(crate) digest: u64,
    pub(crate) wrong: Vec<String>,
    pub(crate) trace: Vec<String>,
}

/// The reconcile loop, composed as the daemon composes it.
struct Daemon {
    tasks: Tasks,
    progresses: watch::Receiver<Arc<Progresses>>,
}

impl Daemon {
    fn start(chaos: &Arc<Chaos>, store: &Arc<MemoryStore>, clock: Clock) -> Daemon {
        let control = control::start(Parts {
            engine: chaos.clone(),
            store: store.clone(),
            endpoint: "simulated".into(),
            cluster: CLUSTER.to_owned(),
            resync: Duration::from_secs(10),
            lost_after: Duration::from_secs(30),
            parallel: 8,
            metrics: Arc::default(),
            clock,
            stop: CancellationToken::new(),
        });
        chaos.reborn(control.cache);
        Daemon { tasks: control.tasks, progresses: control.progresses }
    }

    /// Dies wherever it is.
    async fn die(mut self) {
        assert!(self.tasks.watch().now_or_never().is_none(), "a task ended by itself");
        self.tasks.abort().await;
    }
}

struct Story {
    dice: fastrand::Rng,
    chaos: Arc<Chaos>,
    store: Arc<MemoryStore>,
    clock: Clock,
    nodes: Vec<String>,
    away: Vec<String>,
    objects: &'static [&'static str],
    events: Vec<&'static str>,
    /// Containers that a user has frozen.
    paused: Vec<ContainerId>,
    /// Containers about which the engine misbehaves.
    bewitched: Vec<ContainerId>,
    rival: Option<Rival>,
    /// What rivals did wrong.
    rivals_faults: Vec<String>,
}

/// Another manager of the same cluster, on the same engine. What it does to containers that are not its own, its judge
/// holds against it.
struct Rival {
    daemon: Daemon,
    judge: Arc<Judge>,
    store: Arc<MemoryStore>,
}

/// Plays one seed to its end.
pub(crate) async fn play(seed: u64, keep_trace: bool) -> Ending {
    let clock = Clock::starting_at(Time(1_000_000));
    let mut dice = fastrand::Rng::with_seed(seed);
    let nodes = dice.u32(1..=4);
    let world = Arc::new(SimulatedEngine::new(nodes, clock));
    let judge = Arc::new(Judge::new(clock));
    let rate = [0.0, 0.02, 0.1, 0.3][dice.usize(..4)];
    let chaos = Arc::new(Chaos::new(world, judge.clone(), dice.u64(..), rate, keep_trace));
    let store = Arc::new(MemoryStore::new(clock));
    let nodes = (1..=nodes).map(|n| format!("n{n}")).collect();
    let mut story = Story {
        dice,
        chaos: chaos.clone(),
        store,
        clock,
        nodes,
        away: Vec::new(),
        objects: if seed.is_multiple_of(2) { &OBJECTS[..1] } else { &OBJECTS },
        events: Vec::new(),
        paused: Vec::new(),
        bewitched: Vec::new(),
        rival: None,
        rivals_faults: Vec::new(),
    };
    if story.dice.bool() {
        let name = ["web.1.1", "db.2.1", "other"][story.dice.usize(..3)];
        judge.foreign(chaos.world.put("", name).unwrap());
        // And one that bears our cluster's label, of an object that nobody submitted.
        judge.foreign(chaos.world.put(CLUSTER, "nobodys.1.1").unwrap());
    }
    let mut daemon = Daemon::start(&chaos, &story.store, clock);
    story.submit().await;
    for _ in 0..story.dice.u32(4..16) {
        sleep(Duration::from_millis(story.dice.u64(0..15_000))).await;
        daemon = story.something_happens(daemon).await;
    }
    let ended = story.peace(&daemon.progresses).await;
    let mut wrong = judge.verdicts();
    wrong.append(&mut story.rivals_faults);
    wrong.extend(ended.clone().err());
    daemon.die().await;
    let (digest, trace) = chaos.trace();
    Ending {
        coverage: chaos.coverage(),
        events: story.events,
        creates: judge.creates(),
        worst_excess: judge.worst_excess(),
        converged_after: ended.unwrap_or(PEACE),
        digest,
        wrong,
        trace,
    }
}

impl Story {
    fn happened(&mut self, what: &'static str, detail: &str) {
        self.chaos.note(|| format!("--- {what} {detail}"));
        self.events.push(what);
    }

    async fn submit(&mut self) {
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

    async fn something_happens(&mut self, daemon: Daemon) -> Daemon {
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
    async fn the_second_manager_goes(&mut self) {
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
    fn interference_ends(&mut self) {
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

    fn bring_back(&mut self, node: &str) {
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

    /// All faults end. Returns how long it takes until all is as asked for and nothing more is done, or what is wrong.
    async fn peace(&mut self, progresses: &watch::Receiver<Arc<Progresses>>) -> Result<Duration, String> {
        self.happened("peace", "");
        self.chaos.active.store(false, Ordering::Relaxed);
        // What was to land late has landed.
        sleep(Duration::from_secs(200)).await;
        for node in self.nodes.clone() {
            self.bring_back(&node);
        }
        self.interference_ends();
        self.the_second_manager_goes().await;
        let began = self.clock.now();
        let mut calm = (began, 0);
        while self.clock.now().since(began) < PEACE {
            let says_so = progresses.borrow().values().all(|p| p.condition.phase == Phase::Converged);
            let done = self.chaos.trace().0;
            if !says_so || done != calm.1 || self.chaos.judge.settled(&self.chaos.world.real()).is_err() {
                calm = (self.clock.now(), done);
            } else if self.clock.now().since(calm.0) >= CALM {
                return Ok(calm.0.since(began));
            }
            sleep(Duration::from_millis(500)).await;
        }
        let says: Vec<_> =
            progresses.borrow().values().map(|p| (p.condition.reason.clone(), p.plan.clone())).collect();
        let what = match self.chaos.judge.settled(&self.chaos.world.real()) {
            Ok(()) => "all is as asked for, and yet something goes on".to_owned(),
            Err(what) => what,
        };
        Err(format!("after {} s of peace: {what}; the status says {says:?}", PEACE.as_secs()))
    }
}
