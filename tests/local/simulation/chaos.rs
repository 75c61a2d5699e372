//! An engine that loses, delays and lies, by the throw of seeded dice.
//!
//! It stands between the production code and the simulated world. Whatever it does to a call, the world's own
//! rules hold: what took effect is there, also when the answer was lost; what lands late lands once. It keeps the
//! count of what it did, and a digest of everything in order, by which two runs of one seed are compared.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use swarm_cluster_state_manager::control::cache::Cache;
use swarm_cluster_state_manager::core::container::{Container, ContainerId};
use swarm_cluster_state_manager::core::evidence::Evidence;
use swarm_cluster_state_manager::core::name::ObjectName;
use swarm_cluster_state_manager::core::outcome::Outcome;
use swarm_cluster_state_manager::core::spec::{Pull, Template};
use swarm_cluster_state_manager::core::time::WallOffset;
use swarm_cluster_state_manager::engine::error::EngineError;
use swarm_cluster_state_manager::engine::simulated::SimulatedEngine;
use swarm_cluster_state_manager::engine::{Engine, EngineEvent, EngineInfo, Lookup, NewContainer};
use tokio::time::sleep;

use super::judge::Judge;

/// How long a call that hangs is waited for, as the real client does.
const DEADLINE: Duration = Duration::from_secs(60);
/// The latest that a create may land after its client was told nothing.
const LATEST_LANDING: u64 = 200;

/// What was done to calls, by call and fault.
pub(crate) type Coverage = BTreeMap<(&'static str, &'static str), u64>;

pub(crate) struct Chaos {
    pub(crate) world: Arc<SimulatedEngine>,
    pub(crate) judge: Arc<Judge>,
    dice: Mutex<fastrand::Rng>,
    /// The part of calls that something is done to.
    rate: f64,
    /// No more faults when false.
    pub(crate) active: AtomicBool,
    /// What the daemon has seen: the first list it takes over is one it has nothing to compare with, so that one is
    /// true.
    daemon: Mutex<Option<Arc<Cache>>>,
    earlier: Mutex<Vec<(Option<ObjectName>, Vec<Container>)>>,
    coverage: Mutex<Coverage>,
    trace: Mutex<(DefaultHasher, Vec<String>)>,
    keep_trace: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    NotSent,
    LostBefore,
    LostAfter,
    Late,
    Hang,
}

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Fault::None => "none",
            Fault::NotSent => "not sent",
            Fault::LostBefore => "lost before its effect",
            Fault::LostAfter => "lost after its effect",
            Fault::Late => "landed late",
            Fault::Hang => "hung",
        }
    }
}

impl Chaos {
    pub(crate) fn new(
        world: Arc<SimulatedEngine>,
        judge: Arc<Judge>,
        seed: u64,
        rate: f64,
        keep_trace: bool,
    ) -> Chaos {
        Chaos {
            world,
            judge,
            dice: Mutex::new(fastrand::Rng::with_seed(seed)),
            rate,
            active: AtomicBool::new(true),
            daemon: Mutex::default(),
            earlier: Mutex::default(),
            coverage: Mutex::default(),
            trace: Mutex::default(),
            keep_trace,
        }
    }

    /// The daemon was started anew.
    pub(crate) fn reborn(&self, cache: Arc<Cache>) {
        *self.daemon.lock().unwrap() = Some(cache);
    }

    /// Whether the daemon is told of all that happens now: no call is tampered with, it has its list, and it trusts it.
    pub(crate) fn sees_everything(&self) -> bool {
        let good =
            |cache: &Arc<Cache>| cache.engine().borrow().evidence(WallOffset::default()) == Evidence::Good;
        self.rate == 0.0 && self.daemon.lock().unwrap().as_ref().is_some_and(good)
    }

    pub(crate) fn coverage(&self) -> Coverage {
        self.coverage.lock().unwrap().clone()
    }

    /// Everything that happened, as a digest, and as lines if they were kept.
    pub(crate) fn trace(&self) -> (u64, Vec<String>) {
        let trace = self.trace.lock().unwrap();
        (trace.0.finish(), trace.1.clone())
    }

    pub(crate) fn note(&self, line: impl FnOnce() -> String) {
        let line = format!("{:>8} {}", self.judge.now().0, line());
        tracing::info!("{line}");
        let mut trace = self.trace.lock().unwrap();
        line.hash(&mut trace.0);
        if self.keep_trace {
            trace.1.push(line);
        }
    }

    fn roll<T>(&self, throw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        throw(&mut self.dice.lock().unwrap())
    }

    fn count(&self, call: &'static str, fault: &'static str) {
        *self.coverage.lock().unwrap().entry((call, fault)).or_default() += 1;
    }

    fn strikes(&self) -> bool {
        self.active.load(Ordering::Relaxed) && self.roll(|dice| dice.f64()) < self.rate
    }

    /// What is done to the next call of this kind.
    async fn fault(&self, call: &'static str, possible: &[Fault]) -> Fault {
        sleep(Duration::from_millis(self.roll(|dice| dice.u64(1..40)))).await;
        let fault = match self.strikes() {
            true => self.roll(|dice| possible[dice.usize(..possible.len())]),
            false => Fault::None,
        };
        self.count(call, fault.name());
        fault
    }

    /// Performs a change with whatever befalls it. It takes effect on the engine's side: also where nobody waits.
    async fn change<T: Send + 'static>(
        &self,
        call: &'static str,
        possible: &[Fault],
        work: impl Future<Output = Outcome<T>> + Send + 'static,
    ) -> Outcome<T> {
        match self.fault(call, possible).await {
            Fault::None => tokio::spawn(work).await.unwrap(),
            Fault::NotSent => Outcome::NotSent("connection refused".to_owned()),
            Fault::LostBefore => Outcome::InDoubt("connection reset by peer".to_owned()),
            Fault::LostAfter => {
                tokio::spawn(work).await.unwrap();
                Outcome::InDoubt("connection reset by peer".to_owned())
            }
            Fault::Late => {
                let late = Duration::from_secs(self.roll(|dice| dice.u64(1..LATEST_LANDING)));
                tokio::spawn(async move {
                    sleep(late).await;
                    work.await;
                });
                sleep(late.min(DEADLINE)).await;
                Outcome::InDoubt("no answer within 60s".to_owned())
            }
            Fault::Hang => {
                sleep(DEADLINE).await;
                Outcome::InDoubt("no answer within 60s".to_owned())
            }
        }
    }

    async fn question(&self, call: &'static str) -> Result<(), EngineError> {
        match self.fault(call, &[Fault::NotSent, Fault::LostBefore, Fault::Hang]).await {
            Fault::None => Ok(()),
            Fault::Hang => {
                sleep(Duration::from_secs(10)).await;
                Err(EngineError::new("no answer within 10s"))
            }
            fault => Err(EngineError::new(fault.name())),
        }
    }
}

const CHANGES: &[Fault] =
    &[Fault::NotSent, Fault::LostBefore, Fault::LostAfter, Fault::LostAfter, Fault::Late, Fault::Hang];

#[async_trait]
impl Engine for Chaos {
    async fn info(&self) -> Result<EngineInfo, EngineError> {
        self.question("info").await?;
        self.world.info().await
    }

    async fn list(&self, cluster: &str, object: Option<&ObjectName>) -> Result<Vec<Container>, EngineError> {
        self.question("list").await?;
        let list = self.world.list(cluster, object).await?;
        let listed = |cache: &Arc<Cache>| cache.engine().borrow().listed.is_some();
        let lie = self.daemon.lock().unwrap().as_ref().is_some_and(listed) && self.strikes();
        let mut earlier = self.earlier.lock().unwrap();
        if earlier.len() > 8 {
            earlier.remove(0);
        }
        earlier.push((object.cloned(), list.clone()));
        if !lie {
            return Ok(list);
        }
        match self.roll(|dice| dice.u32(..3)) {
            0 => {
                self.count("list", "empty");
                Ok(Vec::new())
            }
            1 => {
                self.count("list", "short");
                Ok(list.into_iter().filter(|_| self.roll(|dice| dice.bool())).collect())
            }
            _ => {
                self.count("list", "stale");
                let stale = earlier.iter().find(|(of, _)| of.as_ref() == object);
                Ok(stale.map_or(list, |(_, list)| list.clone()))
            }
        }
    }

    async fn inspect(&self, cluster: &str, name_or_id: &str) -> Result<Lookup, EngineError> {
        self.question("inspect").await?;
        self.world.inspect(cluster, name_or_id).await
    }

    async fn ensure_image(&self, image: &str, pull: Pull) -> Outcome<()> {
        let (world, image) = (self.world.clone(), image.to_owned());
        let possible = &[Fault::NotSent, Fault::LostBefore, Fault::LostAfter, Fault::Hang];
        self.change("pull", possible, async move { world.ensure_image(&image, pull).await }).await
    }

    async fn create(&self, new: NewContainer<'_>) -> Outcome<ContainerId> {
        let (world, judge) = (self.world.clone(), self.judge.clone());
        let (identity, cluster, template) =
            (new.identity.clone(), new.cluster.to_owned(), new.template.clone());
        let manager = new.manager.clone();
        self.note(|| format!("create {}", identity.container_name()));
        judge.asked(1);
        let begun = judge.now();
        let work = {
            let judge = judge.clone();
            async move {
                let new = NewContainer {
                    identity: &identity,
                    cluster: &cluster,
                    manager: &manager,
                    template: &template,
                };
                let outcome = world.create(new).await;
                if matches!(outcome, Outcome::Done(_)) {
                    let given_up = judge.now().since(begun) > DEADLINE;
                    judge.created(&identity, given_up, &world.real());
                }
                outcome
            }
        };
        let outcome = self.change("create", CHANGES, work).await;
        judge.asked(-1);
        outcome
    }

    async fn verify(&self, id: &ContainerId, template: &Template) -> Outcome<()> {
        self.world.verify(id, template).await
    }

    async fn start(&self, id: &ContainerId) -> Outcome<()> {
        self.note(|| format!("start {}", id.short()));
        self.judge.touched(id, &self.world.real());
        let (world, id) = (self.world.clone(), id.clone());
        let judge = self.judge.clone();
        let work = async move {
            // A start that lands late may wake what has ended meanwhile: that is nobody's doing any more.
            let ended = world.real().iter().any(|r| r.container.id == id && r.container.dead());
            let outcome = world.start(&id).await;
            let real = world.real();
            let started =
                real.iter().find(|r| r.container.id == id && !ended && outcome == Outcome::Done(()));
            if let Some(started) = started {
                judge.started(&started.container.identity, &real);
            }
            outcome
        };
        self.change("start", CHANGES, work).await
    }

    async fn stop(&self, id: &ContainerId, grace: Duration) -> Outcome<()> {
        self.note(|| format!("stop {}", id.short()));
        self.judge.touched(id, &self.world.real());
        let (world, id) = (self.world.clone(), id.clone());
        self.change("stop", CHANGES, async move { world.stop(&id, grace).await }).await
    }

    async fn remove(&self, id: &ContainerId) -> Outcome<()> {
        self.note(|| format!("remove {}", id.short()));
        self.judge.touched(id, &self.world.real());
        let (world, id) = (self.world.clone(), id.clone());
        self.change("remove", CHANGES, async move { world.remove(&id).await }).await
    }

    async fn events(
        &self,
        cluster: &str,
    ) -> Result<BoxStream<'static, Result<EngineEvent, EngineError>>, EngineError> {
        self.question("events").await?;
        let hints = self.world.events(cluster).await?;
        let mut dice = fastrand::Rng::with_seed(self.roll(|dice| dice.u64(..)));
        let rate = if self.active.load(Ordering::Relaxed) { self.rate } else { 0.0 };
        // Some are lost; and now and then the stream breaks.
        let hints = hints.filter_map(move |hint| {
            let lost = dice.f64() < rate;
            let broken = dice.f64() < rate / 20.0;
            std::future::ready(match (broken, lost) {
                (true, _) => Some(Err(EngineError::new("its event stream broke off"))),
                (false, true) => None,
                (false, false) => Some(hint),
            })
        });
        Ok(hints.boxed())
    }
}
