//! Keeps the cache current: the only task that lists the engine's containers.
//!
//! It connects, opens the event stream, then lists everything, so that no change is missed between the two. From then on an
//! event means "list this object again", the resync period means "list everything", and the end of the stream means "start
//! over". While no engine answers, it records that in the cache and keeps retrying. It never changes anything on the engine.
//!
//! A container in a list exists; one that a list lacks is not missing until that is proven. Behind a classic Swarm manager the
//! nodes are requested before and after the list, and a node counts as up only if it was up both times. A container that
//! disappeared without an event is inspected by its id; and while some node's containers may be hidden, or after the
//! connection of the answers has ended, no container counts as gone.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval_at, sleep_until, timeout_at};
use tracing::{debug, info, warn};

use crate::clock::{self, Clock};
use crate::control::cache::{Cache, Mark};
use crate::control::engine_state::Trouble;
use crate::core::availability::NodeTimeouts;
use crate::core::container::{Container, ContainerId, ContainerState, Health, Visibility};
use crate::core::engine_kind::EngineKind;
use crate::core::name::ObjectName;
use crate::core::node::{Node, NodeState};
use crate::core::signal::Signal;
use crate::core::time::Time;
use crate::engine::error::EngineError;
use crate::engine::{Engine, EngineEvent, EngineInfo, Lookup};

/// The first wait before another connection attempt: short, since an attempt is cheap and users wait for it.
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// The longest such wait.
const LONGEST_RETRY: Duration = Duration::from_secs(5);
/// With events about more objects than this at once, a list of everything is cheaper.
const MANY_OBJECTS: usize = 8;
/// Events are gathered for this long before a list, so that a burst costs one list.
const GATHER: Duration = Duration::from_millis(10);
/// The most containers whose events are remembered at once. For more, everything is listed.
const MANY_CONTAINERS: usize = 1_000;
/// Concurrent inspects of containers that are missing from a list or in a disputed state.
const INSPECTS_AT_ONCE: usize = 8;
/// An answer that takes longer is reported in the status.
const SLOW: Duration = Duration::from_secs(5);
/// A node is trusted again after this many resync periods without trouble.
const STABLE_RESYNCS: u32 = 2;
/// Signals remembered per container and burst of events.
const MAX_SIGNALS: usize = 8;
/// Concurrent inspects for the status.
const DETAILS_AT_ONCE: usize = 4;
/// Inspects for the status after one list. The others follow after the next lists.
const DETAILS_A_LIST: usize = 200;

/// Observes the engine.
pub(super) struct Observer {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) cluster: String,
    pub(super) cache: Arc<Cache>,
    /// The period of complete lists.
    pub(super) resync: Duration,
    /// How long a node may be down before its containers do not count.
    pub(super) lost_after: Duration,
    pub(super) clock: Clock,
}

impl Observer {
    /// Runs until it is aborted.
    pub(super) async fn run(self) {
        let mut retry = FIRST_RETRY;
        let mut trouble: Option<(Time, String)> = None;
        loop {
            let connected = self.clock.now();
            let Err(error) = self.observe(&mut trouble).await;
            let now = self.clock.now();
            if now.since(connected) > LONGEST_RETRY {
                retry = FIRST_RETRY;
            }
            let (since, said) = trouble.get_or_insert((now, String::new()));
            if said != error.message() {
                match error.answered() {
                    true => {
                        warn!(endpoint = %self.cache.endpoint(), %error, "cannot use the engine; retrying")
                    }
                    false => {
                        warn!(endpoint = %self.cache.endpoint(), %error, "the engine does not answer; retrying")
                    }
                }
                error.message().clone_into(said);
            }
            let (since, retry_at) = (*since, now + retry);
            self.cache
                .set_engine(|state| state.trouble = Some(Trouble { error: error.clone(), since, retry_at }));
            sleep_until(self.clock.instant(retry_at)).await;
            retry = (retry * 2).min(LONGEST_RETRY);
        }
    }

    /// Observes over one connection; ends with the reason for its end.
    async fn observe(
        &self,
        trouble: &mut Option<(Time, String)>,
    ) -> Result<std::convert::Infallible, EngineError> {
        let info = self.ask("who it is", self.engine.info()).await?;
        let identity = info.id.clone();
        let kind = info.kind;
        self.cache.set_engine(|state| state.info = Some(info.clone()));
        self.cache.ownership().begin(self.clock.now());
        self.cache.meet_engine(&info);
        let mut events = PendingEvents::of(self.ask("its events", self.engine.events(&self.cluster)).await?);
        let mut relist_at = self.list_all(info.clone(), &identity, &mut events).await?;
        let version = &info.version;
        if let Some((since, _)) = trouble.take() {
            let gone =
                humantime::format_duration(Duration::from_secs(self.clock.now().since(since).as_secs()));
            info!(endpoint = %self.cache.endpoint(), version, "the engine answers again after {gone}");
        } else {
            info!(endpoint = %self.cache.endpoint(), ?kind, version, "the engine answers");
        }
        let mut details = JoinSet::new();
        self.inspect_details(&mut details);

        let first = clock::monotonic() + self.resync;
        let mut resync = interval_at(first, self.resync);
        resync.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // In a fixed order, so that a simulation with the same seed takes the same path; events last, so that a
            // flood of them cannot starve the resync.
            let everything = tokio::select! {
                biased;
                _ = resync.tick() => true,
                () = sleep_until(self.clock.instant(relist_at.unwrap_or_default())), if relist_at.is_some() => true,
                gathered = events.gather() => { gathered?; false }
            };
            let found = events.take();
            if everything || found.everything || found.objects.len() > MANY_OBJECTS {
                self.follow(&found).await;
                // A plain engine stays the same while connected.
                let info = match kind.has_nodes() {
                    true => self.ask("who it is", self.engine.info()).await?,
                    false => info.clone(),
                };
                relist_at = self.list_all(info, &identity, &mut events).await?;
            } else {
                self.follow(&found).await;
                for object in &found.objects {
                    self.list(Some(object), &mut events).await?;
                }
            }
            self.inspect_details(&mut details);
        }
    }

    /// Lists everything: nodes, containers, nodes again. Returns when to do so again, if a node's availability changes before
    /// the next resync.
    async fn list_all(
        &self,
        before: EngineInfo,
        identity: &str,
        events: &mut PendingEvents,
    ) -> Result<Option<Time>, EngineError> {
        // Bad news about nodes counts before the list, good news only after it: the list may lack the containers of a node
        // that was not healthy when the list was requested.
        let known = self.cache.engine().borrow().info.clone();
        self.record_nodes(&merge_pessimistic(before.clone(), known.as_ref().unwrap_or(&before)), identity);
        let at = self.clock.now();
        let (begun, list) = self.read_list(None).await?;
        let after = if before.kind.has_nodes() {
            self.ask("who it is", self.engine.info()).await?
        } else {
            before.clone()
        };
        self.check(events)?;
        let seen = merge_pessimistic(after.clone(), &before);
        let recovered = seen != after;
        let list = self.settle_disputes(list, true).await;
        let absent = self.cache.listed(begun, None, list);
        self.confirm_missing(begun, absent, identity, events).await?;
        let next_change = self.record_nodes(&seen, identity);
        self.cache.set_engine(|state| {
            state.info = Some(seen);
            state.listed = Some(at);
            state.trouble = None;
        });
        self.cache.forget_vanished();
        Ok(if recovered { Some(self.clock.now()) } else { next_change })
    }

    /// Records the endpoint's nodes. Returns when the availability of one changes next.
    fn record_nodes(&self, info: &EngineInfo, identity: &str) -> Option<Time> {
        // A plain engine is a single node, identified by the engine's id at the time of the connection.
        let itself = || Node {
            name: String::new(),
            address: identity.to_owned(),
            state: NodeState::Healthy,
            error: None,
        };
        let reported = match info.kind.has_nodes() {
            true => info.nodes.clone(),
            false if identity.is_empty() => Vec::new(),
            false => vec![itself()],
        };
        let timeouts =
            NodeTimeouts { lost_after: self.lost_after, stable_after: self.resync * STABLE_RESYNCS };
        let mut next_change = None;
        self.cache
            .set_engine(|state| next_change = state.nodes.observe(self.clock.now(), &reported, timeouts));
        next_change
    }

    async fn read_list(&self, object: Option<&ObjectName>) -> Result<(Mark, Vec<Container>), EngineError> {
        let begun = self.cache.begin_list();
        let list = self.ask("a list", self.engine.list(&self.cluster, object)).await?;
        Ok((begun, list))
    }

    /// Lists one object's containers.
    async fn list(&self, object: Option<&ObjectName>, events: &mut PendingEvents) -> Result<(), EngineError> {
        let (begun, list) = self.read_list(object).await?;
        self.check(events)?;
        let list = self.settle_disputes(list, false).await;
        let absent = self.cache.listed(begun, object, list);
        self.confirm_missing(begun, absent, "", events).await
    }

    /// Inspects containers in a disputed state, those that are listed although they were removed, and, in a list of everything,
    /// those in removal: after a failed removal an engine lists them so permanently.
    async fn settle_disputes(&self, list: Vec<Container>, everything: bool) -> Vec<Container> {
        // A frozen node must not block everything: what is not settled by then stays disputed.
        let until = clock::monotonic() + SLOW;
        stream::iter(list)
            .map(|mut container| async move {
                let removed = self.cache.was_removed(&container.id);
                let contradicted = self.cache.contradicts(&container);
                let going = everything && container.state == ContainerState::Removing;
                if container.visibility != Visibility::Disputed && !removed && !contradicted && !going {
                    return Some(container);
                }
                let inspected = self.engine.inspect(&self.cluster, &container.id.0);
                let found = timeout_at(until, inspected).await.unwrap_or_else(|_| Err(unanswered()));
                match found {
                    Ok(Lookup::Ours(found)) => {
                        self.cache.not_removed(&container.id);
                        // What an inspect does not settle stays disputed.
                        if found.visibility == Visibility::Clear {
                            if found.state != container.state {
                                self.cache.overrule(&container.id, found.state);
                            }
                            (container.state, container.health, container.detail) =
                                (found.state, found.health, found.detail);
                            container.visibility = Visibility::Clear;
                        }
                        Some(container)
                    }
                    Ok(Lookup::NotFound | Lookup::Foreign) | Err(_) if removed => None,
                    _ if contradicted => Some(Container { visibility: Visibility::Disputed, ..container }),
                    _ => Some(container),
                }
            })
            .buffered(INSPECTS_AT_ONCE)
            .filter_map(std::future::ready)
            .collect()
            .await
    }

    /// Confirms which containers that a list lacks are gone: those whose id the engine does not know although it could. All
    /// others stay as last observed.
    async fn confirm_missing(
        &self,
        begun: Mark,
        absent: Vec<Arc<Container>>,
        identity: &str,
        events: &mut PendingEvents,
    ) -> Result<(), EngineError> {
        let engine = self.cache.engine().borrow().clone();
        let absent: Vec<_> = absent.into_iter().filter(|c| engine.nodes.would_show(c)).collect();
        if absent.is_empty() || engine.nodes.may_hide_containers() {
            return Ok(());
        }
        let until = clock::monotonic() + SLOW;
        let inspect = |container: Arc<Container>| async move {
            let inspected = self.engine.inspect(&self.cluster, &container.id.0);
            match timeout_at(until, inspected).await.unwrap_or_else(|_| Err(unanswered())) {
                Ok(Lookup::NotFound) => Some(container),
                Ok(Lookup::Ours(_) | Lookup::Foreign) => None,
                Err(error) => {
                    debug!(container = %container.name, %error, "missing from a list, and not inspected");
                    None
                }
            }
        };
        let missing: Vec<Arc<Container>> = stream::iter(absent)
            .map(inspect)
            .buffer_unordered(INSPECTS_AT_ONCE)
            .filter_map(std::future::ready)
            .collect()
            .await;
        if missing.is_empty() {
            return Ok(());
        }
        if engine.kind().is_none_or(EngineKind::has_nodes) {
            // A manager that was restarted meanwhile does not know nodes that it has not reached yet.
            let info = self.ask("who it is", self.engine.info()).await?;
            let known = engine.info.as_ref().unwrap_or(&info);
            self.record_nodes(&merge_pessimistic(info.clone(), known), identity);
        }
        events.check()?;
        let engine = self.cache.engine().borrow().clone();
        if engine.nodes.may_hide_containers() {
            return Ok(());
        }
        let gone = missing.into_iter().filter(|c| engine.nodes.would_show(c));
        let gone: Vec<ContainerId> = gone.map(|c| c.id.clone()).collect();
        self.cache.gone(begun, &gone);
        Ok(())
    }

    /// Waits for an answer; a slow one is reported in the status.
    async fn ask<T>(
        &self,
        what: &str,
        question: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, EngineError> {
        let mut question = std::pin::pin!(question);
        let asked = self.clock.now();
        match tokio::time::timeout(SLOW, &mut question).await {
            Ok(answer) => answer,
            Err(_) => {
                let error =
                    EngineError::unanswered(format!("it was asked for {what} and has not answered yet"));
                let slow = Trouble { error, since: asked, retry_at: self.clock.now() };
                // The earlier trouble, if any, is restored afterwards: only a list ends it.
                let mut before = None;
                self.cache.set_engine(|state| before = state.trouble.replace(slow.clone()));
                let answer = question.await?;
                self.cache.set_engine(|state| {
                    if state.trouble.as_ref() == Some(&slow) {
                        state.trouble.clone_from(&before);
                    }
                });
                Ok(answer)
            }
        }
    }

    fn note_signals(&self, signalled: &BTreeMap<ContainerId, Vec<Signal>>) {
        let now = self.clock.now();
        for (id, signals) in signalled {
            signals.iter().for_each(|signal| self.cache.signalled(id, *signal, now));
        }
    }

    /// Takes the events that have arrived, and records signals at once: a list that shows an end must not be merged before the
    /// signal that explains it.
    fn check(&self, events: &mut PendingEvents) -> Result<(), EngineError> {
        events.check()?;
        self.note_signals(&std::mem::take(&mut events.found.signalled));
        Ok(())
    }

    /// Inspects the containers that the events are about.
    async fn follow(&self, found: &Found) {
        debug!(?found, "following events");
        self.note_signals(&found.signalled);
        for id in &found.destroyed {
            self.cache.removed(id);
        }
        // Docker announces an end before its list shows it, and sends nothing afterwards. An inspect waits for the end, so
        // it goes first.
        for id in found.ended.difference(&found.destroyed) {
            // An inspect only changes known containers.
            if self.cache.container(id).is_none() {
                continue;
            }
            inspect_one(&*self.engine, &self.cache, &self.cluster, id).await;
        }
    }

    /// Requests the details that the status shows and a list lacks, once for each state of a container: in a separate task, so
    /// that a hanging inspect delays only later ones.
    fn inspect_details(&self, task: &mut JoinSet<()>) {
        while task.try_join_next().is_some() {}
        if !task.is_empty() {
            return;
        }
        let nodes = self.cache.engine().borrow().nodes.clone();
        let wanting: Vec<_> = self
            .cache
            .all()
            .into_iter()
            .filter(|c| wants_inspect(c))
            .filter(|c| c.visibility == Visibility::Clear && nodes.availability(c).reachable())
            .take(DETAILS_A_LIST)
            .collect();
        if wanting.is_empty() {
            return;
        }
        let (engine, cache, cluster) = (self.engine.clone(), self.cache.clone(), self.cluster.clone());
        task.spawn(async move {
            let (engine, cache, cluster) = (&*engine, &*cache, &*cluster);
            let inspect = |container: Arc<Container>| async move {
                inspect_one(engine, cache, cluster, &container.id).await
            };
            stream::iter(wanting).for_each_concurrent(DETAILS_AT_ONCE, inspect).await;
        });
    }
}

/// Whether an inspect may provide details that the status shows.
fn wants_inspect(container: &Container) -> bool {
    match &container.detail {
        None => container.dead() || container.state == ContainerState::Running,
        Some(detail) => container.health == Health::Unhealthy && detail.health_output.is_none(),
    }
}

/// The error of an inspect that timed out.
fn unanswered() -> EngineError {
    EngineError::unanswered(format!("no answer within {}", humantime::format_duration(SLOW)))
}

/// Merges two reports about the nodes: a node is healthy if it was healthy in both.
fn merge_pessimistic(mut now: EngineInfo, earlier: &EngineInfo) -> EngineInfo {
    let by_address: BTreeMap<&str, &Node> =
        earlier.nodes.iter().rev().map(|node| (node.address.as_str(), node)).collect();
    for node in &mut now.nodes {
        match by_address.get(node.address.as_str()).copied() {
            Some(earlier) if earlier.state == NodeState::Healthy => {}
            Some(earlier) if node.state == NodeState::Healthy => *node = earlier.clone(),
            Some(_) => {}
            None => node.state = NodeState::Pending,
        }
    }
    now
}

/// Inspects one container. A failed inspect only costs details.
async fn inspect_one(engine: &dyn Engine, cache: &Cache, cluster: &str, id: &ContainerId) {
    let begun = cache.begin_list();
    match engine.inspect(cluster, &id.0).await {
        Ok(found) => cache.inspected(begun, id, found),
        Err(error) => debug!(container = id.short(), %error, "not inspected"),
    }
}

/// What a burst of events is about.
#[derive(Debug, Default)]
struct Found {
    everything: bool,
    objects: BTreeSet<ObjectName>,
    ended: BTreeSet<ContainerId>,
    destroyed: BTreeSet<ContainerId>,
    /// In order.
    signalled: BTreeMap<ContainerId, Vec<Signal>>,
}

/// Adds one, or records that there are more than `many`.
fn add<T: Ord>(noted: &mut BTreeSet<T>, new: T, many: usize, everything: &mut bool) {
    if noted.len() <= many {
        noted.insert(new);
    }
    *everything |= noted.len() > many;
}

/// The event stream, and the events that were not followed yet.
struct PendingEvents {
    stream: BoxStream<'static, Result<EngineEvent, EngineError>>,
    found: Found,
}

impl PendingEvents {
    fn of(stream: BoxStream<'static, Result<EngineEvent, EngineError>>) -> PendingEvents {
        PendingEvents { stream, found: Found::default() }
    }

    fn add(&mut self, event: Option<Result<EngineEvent, EngineError>>) -> Result<(), EngineError> {
        let event = event.ok_or_else(|| EngineError::unanswered("its event stream ended"))??;
        let Found { everything, objects, ended, destroyed, signalled } = &mut self.found;
        match event {
            EngineEvent::Everything => *everything = true,
            EngineEvent::Object(object) => add(objects, object, MANY_OBJECTS, everything),
            EngineEvent::Signalled(id, signal) if signalled.len() < MANY_CONTAINERS => {
                let signals = signalled.entry(id).or_default();
                // Of a flood of signals the last ones suffice.
                if signals.len() == MAX_SIGNALS {
                    signals.remove(0);
                }
                signals.push(signal);
            }
            EngineEvent::Signalled(..) => *everything = true,
            EngineEvent::Ended(object, id) => {
                add(objects, object, MANY_OBJECTS, everything);
                add(ended, id, MANY_CONTAINERS, everything);
            }
            EngineEvent::Destroyed(object, id) => {
                add(objects, object, MANY_OBJECTS, everything);
                add(destroyed, id, MANY_CONTAINERS, everything);
            }
        }
        Ok(())
    }

    /// Waits for an event, unless one is pending, then gathers those that follow closely.
    async fn gather(&mut self) -> Result<(), EngineError> {
        if !self.waiting() {
            let event = self.stream.next().await;
            self.add(event)?;
        }
        let until = clock::monotonic() + GATHER;
        while let Ok(event) = tokio::time::timeout_at(until, self.stream.next()).await {
            self.add(event)?;
        }
        Ok(())
    }

    fn waiting(&self) -> bool {
        let Found { everything, objects, ended, destroyed, signalled } = &self.found;
        *everything
            || !(objects.is_empty() && ended.is_empty() && destroyed.is_empty() && signalled.is_empty())
    }

    fn take(&mut self) -> Found {
        std::mem::take(&mut self.found)
    }

    /// Takes the events that have arrived. An error means that the connection has ended: answers just before that may be those
    /// of another incarnation of the endpoint.
    fn check(&mut self) -> Result<(), EngineError> {
        while let Some(event) = self.stream.next().now_or_never() {
            self.add(event)?;
        }
        Ok(())
    }
}
