//! An engine that loses and delays calls and returns wrong lists, at random from a seed.
//!
//! It wraps the simulated engine. Faults affect calls only, never the simulated state: an effect happens even if its answer
//! is lost, and a late effect happens once. It counts its faults, and keeps a digest of everything in order, with which two
//! runs of one seed are compared.

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

use super::oracle::Oracle;

/// The deadline of a call, as in the real client.
const DEADLINE: Duration = Duration::from_secs(60);
/// The longest delay of a late effect, in seconds.
const LATEST_EFFECT: u64 = 200;

/// The number of calls, by call and fault.
pub(crate) type Coverage = BTreeMap<(&'static str, &'static str), u64>;

pub(crate) struct FaultyEngine {
    pub(crate) world: Arc<SimulatedEngine>,
    pub(crate) oracle: Arc<Oracle>,
    rng: Mutex<fastrand::Rng>,
    /// The probability of a fault.
    rate: f64,
    /// Whether faults happen.
    pub(crate) active: AtomicBool,
    /// The daemon's cache. Its first list is always true, as the daemon has nothing to compare it with.
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
            Fault::Late => "took effect late",
            Fault::Hang => "hung",
        }
    }
}

impl FaultyEngine {
    pub(crate) fn new(
        world: Arc<SimulatedEngine>,
        oracle: Arc<Oracle>,
        seed: u64,
        rate: f64,
        keep_trace: bool,
    ) -> FaultyEngine {
        FaultyEngine {
            world,
            oracle,
            rng: Mutex::new(fastrand::Rng::with_seed(seed)),
            rate,
            active: AtomicBool::new(true),
            daemon: Mutex::default(),
            earlier: Mutex::default(),
            coverage: Mutex::default(),
            trace: Mutex::default(),
            keep_trace,
        }
    }

    /// The daemon was restarted.
    pub(crate) fn daemon_started(&self, cache: Arc<Cache>) {
        *self.daemon.lock().unwrap() = Some(cache);
    }

    /// Whether the daemon learns of everything that happens now: there are no faults, and it trusts its list.
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
        let line = format!("{:>8} {}", self.oracle.now().0, line());
        tracing::info!("{line}");
        let mut trace = self.trace.lock().unwrap();
        line.hash(&mut trace.0);
        if self.keep_trace {
            trace.1.push(line);
        }
    }

    fn random<T>(&self, draw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        draw(&mut self.rng.lock().unwrap())
    }

    fn count(&self, call: &'static str, fault: &'static str) {
        *self.coverage.lock().unwrap().entry((call, fault)).or_default() += 1;
    }

    fn has_fault(&self) -> bool {
        self.active.load(Ordering::Relaxed) && self.random(|rng| rng.f64()) < self.rate
    }

    /// The fault of the next call of this kind.
    async fn fault(&self, call: &'static str, possible: &[Fault]) -> Fault {
        sleep(Duration::from_millis(self.random(|rng| rng.u64(1..40)))).await;
        let fault = match self.has_fault() {
            true => self.random(|rng| possible[rng.usize(..possible.len())]),
            false => Fault::None,
        };
        self.count(call, fault.name());
        fault
    }

    /// Performs a change with a fault. The effect does not depend on a waiting caller.
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
                let late = Duration::from_secs(self.random(|rng| rng.u64(1..LATEST_EFFECT)));
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

    async fn read_call(&self, call: &'static str) -> Result<(), EngineError> {
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
impl Engine for FaultyEngine {
    async fn info(&self) -> Result<EngineInfo, EngineError> {
        self.read_call("info").await?;
        self.world.info().await
    }

    async fn list(&self, cluster: &str, object: Option<&ObjectName>) -> Result<Vec<Container>, EngineError> {
        self.read_call("list").await?;
        let list = self.world.list(cluster, object).await?;
        let listed = |cache: &Arc<Cache>| cache.engine().borrow().listed.is_some();
        let wrong = self.daemon.lock().unwrap().as_ref().is_some_and(listed) && self.has_fault();
        let mut earlier = self.earlier.lock().unwrap();
        if earlier.len() > 8 {
            earlier.remove(0);
        }
        earlier.push((object.cloned(), list.clone()));
        if !wrong {
            return Ok(list);
        }
        match self.random(|rng| rng.u32(..3)) {
            0 => {
                self.count("list", "empty");
                Ok(Vec::new())
            }
            1 => {
                self.count("list", "incomplete");
                Ok(list.into_iter().filter(|_| self.random(|rng| rng.bool())).collect())
            }
            _ => {
                self.count("list", "stale");
                let stale = earlier.iter().find(|(of, _)| of.as_ref() == object);
                Ok(stale.map_or(list, |(_, list)| list.clone()))
            }
        }
    }

    async fn inspect(&self, cluster: &str, name_or_id: &str) -> Result<Lookup, EngineError> {
        self.read_call("inspect").await?;
        self.world.inspect(cluster, name_or_id).await
    }

    async fn ensure_image(&self, image: &str, pull: Pull) -> Outcome<()> {
        let (world, image) = (self.world.clone(), image.to_owned());
        let possible = &[Fault::NotSent, Fault::LostBefore, Fault::LostAfter, Fault::Hang];
        self.change("pull", possible, async move { world.ensure_image(&image, pull).await }).await
    }

    async fn create(&self, new: NewContainer<'_>) -> Outcome<ContainerId> {
        let (world, oracle) = (self.world.clone(), self.oracle.clone());
        let (identity, cluster, template) =
            (new.identity.clone(), new.cluster.to_owned(), new.template.clone());
        let manager = new.manager.clone();
        self.note(|| format!("create {}", identity.container_name()));
        oracle.create_pending(1);
        let begun = oracle.now();
        let work = {
            let oracle = oracle.clone();
            async move {
                let new = NewContainer {
                    identity: &identity,
                    cluster: &cluster,
                    manager: &manager,
                    template: &template,
                };
                let outcome = world.create(new).await;
                if matches!(outcome, Outcome::Done(_)) {
                    let timed_out = oracle.now().since(begun) > DEADLINE;
                    oracle.created(&identity, timed_out, &world.real());
                }
                outcome
            }
        };
        let outcome = self.change("create", CHANGES, work).await;
        oracle.create_pending(-1);
        outcome
    }

    async fn verify(&self, id: &ContainerId, template: &Template) -> Outcome<()> {
        self.world.verify(id, template).await
    }

    async fn start(&self, id: &ContainerId) -> Outcome<()> {
        self.note(|| format!("start {}", id.short()));
        self.oracle.touched(id, &self.world.real());
        let (world, id) = (self.world.clone(), id.clone());
        let oracle = self.oracle.clone();
        let work = async move {
            // A late start may restart a container that has ended meanwhile: the oracle does not count that.
            let ended = world.real().iter().any(|r| r.container.id == id && r.container.dead());
            let outcome = world.start(&id).await;
            let real = world.real();
            let started =
                real.iter().find(|r| r.container.id == id && !ended && outcome == Outcome::Done(()));
            if let Some(started) = started {
                oracle.started(&started.container.identity, &real);
            }
            outcome
        };
        self.change("start", CHANGES, work).await
    }

    async fn stop(&self, id: &ContainerId, grace: Duration) -> Outcome<()> {
        self.note(|| format!("stop {}", id.short()));
        self.oracle.touched(id, &self.world.real());
        let (world, id) = (self.world.clone(), id.clone());
        self.change("stop", CHANGES, async move { world.stop(&id, grace).await }).await
    }

    async fn remove(&self, id: &ContainerId) -> Outcome<()> {
        self.note(|| format!("remove {}", id.short()));
        self.oracle.touched(id, &self.world.real());
        let (world, id) = (self.world.clone(), id.clone());
        self.change("remove", CHANGES, async move { world.remove(&id).await }).await
    }

    async fn events(
        &self,
        cluster: &str,
    ) -> Result<BoxStream<'static, Result<EngineEvent, EngineError>>, EngineError> {
        self.read_call("events").await?;
        let events = self.world.events(cluster).await?;
        let mut rng = fastrand::Rng::with_seed(self.random(|rng| rng.u64(..)));
        let rate = if self.active.load(Ordering::Relaxed) { self.rate } else { 0.0 };
        // Some events are lost; sometimes the stream breaks.
        let events = events.filter_map(move |event| {
            let lost = rng.f64() < rate;
            let broken = rng.f64() < rate / 20.0;
            std::future::ready(match (broken, lost) {
                (true, _) => Some(Err(EngineError::new("its event stream broke off"))),
                (false, true) => None,
                (false, false) => Some(event),
            })
        });
        Ok(events.boxed())
    }
}
