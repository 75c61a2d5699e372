//! Keeps the cache true: the one task that asks the engine what is there.
//!
//! It connects, opens the event stream, then lists everything; so that nothing falls between the two. From
//! then on an event means "look at this object again", the resync period means "look at everything", and the
//! end of the stream means "begin again". Where no engine answers it says so in the cache and keeps trying.
//! It never changes anything on the engine.
//!
//! What a list shows is believed; what it lacks is not, until it is proven. Behind a classic Swarm manager the
//! nodes are asked for before and after, and a node counts as up only if it was so both times. A container
//! that was there and that no event explains is inspected by its id; and while some node's containers may be
//! hidden, or the connection that the answers came over has ended, nothing is called gone at all.

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
use crate::core::node::Node;
use crate::core::signal::Signal;
use crate::core::time::Time;
use crate::engine::error::EngineError;
use crate::engine::{Engine, EngineEvent, EngineInfo, Lookup};

/// The wait between two tries to reach an engine that does not answer: short, since a socket costs nothing to
/// try and people wait for it.
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// The longest such wait.
const LONGEST_RETRY: Duration = Duration::from_secs(5);
/// With events about more objects than this at once, one list of everything is cheaper.
const MANY_OBJECTS: usize = 8;
/// Events are taken up for this long before a list is asked for, so that a burst costs one list.
const GATHER: Duration = Duration::from_millis(10);
/// The most containers that events are remembered of at once. Of more than these a list of everything says as much.
const MANY_CONTAINERS: usize = 1_000;
/// Inspects of containers that a list lacks or contradicts itself about, at once.
const INSPECTS_AT_ONCE: usize = 8;
/// An answer that takes longer is worth a sentence in the status.
const SLOW: Duration = Duration::from_secs(5);
/// A node that was in trouble is believed after this many resync periods without any.
const STABLE_RESYNCS: u32 = 2;
/// Signals to one container that are remembered from one burst of events.
const MAX_SIGNALS: usize = 8;
/// Inspects for the status page, at once.
const DETAILS_AT_ONCE: usize = 4;
/// Inspects for the status page after one list. The rest come after the next lists.
const DETAILS_A_LIST: usize = 200;

/// What the observer needs.
pub struct Observer {
    /// The engine to ask.
    pub engine: Arc<dyn Engine>,
    /// How the engine is called in messages.
    pub endpoint: String,
    /// The cluster label.
    pub cluster: String,
    /// Where to put what was found.
    pub cache: Arc<Cache>,
    /// The period of complete lists.
    pub resync: Duration,
    /// How long a node may be down before its containers do not count.
    pub lost_after: Duration,
    /// The time.
    pub clock: Clock,
}

impl Observer {
    /// Observes for ever.
    pub async fn run(self) {
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
                warn!(endpoint = %self.endpoint, error = %error, "the engine does not answer; trying again until it does");
                error.message().clone_into(said);
            }
            let (since, retry_at) = (*since, now + retry);
            self.cache.set_engine(|state| {
                state.trouble = Some(Trouble { error: error.message().to_owned(), since, retry_at })
            });
            sleep_until(self.clock.instant(retry_at)).await;
            retry = (retry * 2).min(LONGEST_RETRY);
        }
    }

    /// One connection's life; ends with the reason for its end.
    async fn observe(
        &self,
        trouble: &mut Option<(Time, String)>,
    ) -> Result<std::convert::Infallible, EngineError> {
        let info = self.ask("who it is", self.engine.info()).await?;
        let identity = info.id.clone();
        let kind = info.kind;
        self.cache.set_engine(|state| state.info = Some(info.clone()));
        self.cache.ownership().begin(self.clock.now());
        self.cache.meet_engine(&info, &self.endpoint);
        let mut events = PendingEvents::of(self.ask("its events", self.engine.events(&self.cluster)).await?);
        let mut look_at = self.list_all(info.clone(), &identity, &mut events).await?;
        let version = &info.version;
        if let Some((since, _)) = trouble.take() {
            let gone =
                humantime::format_duration(Duration::from_secs(self.clock.now().since(since).as_secs()));
            info!(endpoint = %self.endpoint, version, "the engine answers again after {gone}");
        } else {
            info!(endpoint = %self.endpoint, ?kind, version, "the engine answers");
        }
        let mut details = JoinSet::new();
        self.look_at_details(&mut details);

        let first = clock::monotonic() + self.resync;
        let mut resync = interval_at(first, self.resync);
        resync.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // In a fixed order, so that a simulation of the same seed takes the same way; events last, so that a
            // flood of them leaves the resync its turn.
            let everything = tokio::select! {
                biased;
                _ = resync.tick() => true,
                () = sleep_until(self.clock.instant(look_at.unwrap_or_default())), if look_at.is_some() => true,
                gathered = events.gather() => { gathered?; false }
            };
            let found = events.take();
            if everything || found.everything || found.objects.len() > MANY_OBJECTS {
                self.follow(&found).await;
                // A plain engine that we are connected to has not become another.
                let info = match kind {
                    EngineKind::Docker => info.clone(),
                    _ => self.ask("who it is", self.engine.info()).await?,
                };
                look_at = self.list_all(info, &identity, &mut events).await?;
            } else {
                self.follow(&found).await;
                for object in &found.objects {
                    self.list(Some(object), &mut events).await?;
                }
            }
            self.look_at_details(&mut details);
        }
    }

    /// Looks at everything: nodes, containers, nodes again. Returns when to look again, where a wait for a node
    /// ends before the next resync.
    async fn list_all(
        &self,
        before: EngineInfo,
        identity: &str,
        events: &mut PendingEvents,
    ) -> Result<Option<Time>, EngineError> {
        // Bad news of nodes counts before the list, good news only after it: what is on a node that was not well when
        // the list was asked for may not be in it.
        let known = self.cache.engine().borrow().info.clone();
        self.take_nodes(&merge_pessimistic(before.clone(), known.as_ref().unwrap_or(&before)), identity);
        let at = self.clock.now();
        let (begun, list) = self.read_list(None).await?;
        let many = before.kind != EngineKind::Docker;
        let after = if many { self.ask("who it is", self.engine.info()).await? } else { before.clone() };
        self.check(events)?;
        let seen = merge_pessimistic(after.clone(), &before);
        let got_better = seen != after;
        let list = self.settle_disputes(list, true).await;
        let absent = self.cache.listed(begun, None, list);
        self.confirm_missing(begun, absent, identity, events).await?;
        let look_again = self.take_nodes(&seen, identity);
        self.cache.set_engine(|state| {
            state.info = Some(seen);
            state.listed = Some(at);
            state.trouble = None;
        });
        self.cache.forget_vanished();
        Ok(if got_better { Some(self.clock.now()) } else { look_again })
    }

    /// Takes note of the endpoint's nodes. Returns when to look again.
    fn take_nodes(&self, info: &EngineInfo, identity: &str) -> Option<Time> {
        // A plain engine is the one node there is, told apart by what it was called when we connected.
        let itself = || Node {
            name: String::new(),
            address: identity.to_owned(),
            status: "Healthy".to_owned(),
            error: None,
        };
        let said = match info.kind {
            EngineKind::Docker if identity.is_empty() => Vec::new(),
            EngineKind::Docker => vec![itself()],
            EngineKind::ClassicSwarm | EngineKind::Simulated => info.nodes.clone(),
        };
        let patience =
            NodeTimeouts { lost_after: self.lost_after, stable_after: self.resync * STABLE_RESYNCS };
        let mut look_again = None;
        self.cache.set_engine(|state| look_again = state.nodes.observe(self.clock.now(), &said, patience));
        look_again
    }

    async fn read_list(&self, object: Option<&ObjectName>) -> Result<(Mark, Vec<Container>), EngineError> {
        let begun = self.cache.begin_list();
        let list = self.ask("a list", self.engine.list(&self.cluster, object)).await?;
        Ok((begun, list))
    }

    /// Looks at one object's containers.
    async fn list(&self, object: Option<&ObjectName>, events: &mut PendingEvents) -> Result<(), EngineError> {
        let (begun, list) = self.read_list(object).await?;
        self.check(events)?;
        let list = self.settle_disputes(list, false).await;
        let absent = self.cache.listed(begun, object, list);
        self.confirm_missing(begun, absent, "", events).await
    }

    /// Inspects what the endpoint contradicts itself about, what it lists although it was removed, and, of a list of
    /// everything, what it calls in removal: of a removal that failed an engine's list says so for good.
    async fn settle_disputes(&self, list: Vec<Container>, everything: bool) -> Vec<Container> {
        // A node that has frozen must not hold up everybody: what is not settled by then stays disputed.
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
                        // What not even an inspect says stays disputed.
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

    /// Finds out what became of containers that a list lacks: they are gone where the engine knows nothing of their
    /// id, and could know. All others stay as they were seen last.
    async fn confirm_missing(
        &self,
        begun: Mark,
        absent: Vec<Arc<Container>>,
        identity: &str,
        events: &mut PendingEvents,
    ) -> Result<(), EngineError> {
        let engine = self.cache.engine().borrow().clone();
        let absent: Vec<_> = absent.into_iter().filter(|c| engine.nodes.would_show(c)).collect();
        if absent.is_empty() || engine.nodes.hide_something() {
            return Ok(());
        }
        let until = clock::monotonic() + SLOW;
        let look = |container: Arc<Container>| async move {
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
            .map(look)
            .buffer_unordered(INSPECTS_AT_ONCE)
            .filter_map(std::future::ready)
            .collect()
            .await;
        if missing.is_empty() {
            return Ok(());
        }
        if engine.kind() != Some(EngineKind::Docker) {
            // A manager that was restarted meanwhile knows nothing of what it has not reached yet.
            let info = self.ask("who it is", self.engine.info()).await?;
            let known = engine.info.as_ref().unwrap_or(&info);
            self.take_nodes(&merge_pessimistic(info.clone(), known), identity);
        }
        events.check()?;
        let engine = self.cache.engine().borrow().clone();
        if engine.nodes.hide_something() {
            return Ok(());
        }
        let gone = missing.into_iter().filter(|c| engine.nodes.would_show(c));
        let gone: Vec<ContainerId> = gone.map(|c| c.id.clone()).collect();
        self.cache.gone(begun, &gone);
        Ok(())
    }

    /// Waits for an answer; where it is slow in coming, the status says so.
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
                let error = format!("it was asked for {what}, and has not answered yet");
                let slow = Trouble { error, since: asked, retry_at: self.clock.now() };
                // What was wrong before is no news any more, and is not over either before there is a list.
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

    /// Takes up the events that have come already, those of signals at once: a list that shows an end must not be taken
    /// over before the signal that explains it.
    fn check(&self, events: &mut PendingEvents) -> Result<(), EngineError> {
        events.check()?;
        self.note_signals(&std::mem::take(&mut events.found.signalled));
        Ok(())
    }

    /// Looks where the events point.
    async fn follow(&self, found: &Found) {
        debug!(?found, "looking again after events");
        self.note_signals(&found.signalled);
        for id in &found.destroyed {
            self.cache.removed(id);
        }
        // Docker announces an end before its list shows it, and nothing more comes after that. An inspect waits
        // until the end is done, so it goes first.
        for id in found.ended.difference(&found.destroyed) {
            // Nothing is known of it that an inspect could change.
            if self.cache.container(id).is_none() {
                continue;
            }
            look_at(&*self.engine, &self.cache, &self.cluster, id).await;
        }
    }

    /// Asks for what the status page shows and a list does not tell, once for each state of a container: in a
    /// task of its own, so that an inspect that hangs holds nothing up but the next ones.
    fn look_at_details(&self, task: &mut JoinSet<()>) {
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
            let look = |container: Arc<Container>| async move {
                look_at(engine, cache, cluster, &container.id).await
            };
            stream::iter(wanting).for_each_concurrent(DETAILS_AT_ONCE, look).await;
        });
    }
}

/// Whether an inspect may tell what the status shows and is unknown yet.
fn wants_inspect(container: &Container) -> bool {
    match &container.detail {
        None => container.dead() || container.state == ContainerState::Running,
        Some(detail) => container.health == Health::Unhealthy && detail.health_output.is_none(),
    }
}

/// An inspect that was not waited for any longer.
fn unanswered() -> EngineError {
    EngineError::new(format!("no answer within {}", humantime::format_duration(SLOW)))
}

/// What is to be thought of nodes that were looked at twice: a node is well if it was so both times.
fn merge_pessimistic(mut now: EngineInfo, earlier: &EngineInfo) -> EngineInfo {
    let by_address: BTreeMap<&str, &Node> =
        earlier.nodes.iter().rev().map(|node| (node.address.as_str(), node)).collect();
    for node in &mut now.nodes {
        match by_address.get(node.address.as_str()).copied() {
            Some(earlier) if earlier.status == "Healthy" => {}
            Some(earlier) if node.status == "Healthy" => *node = earlier.clone(),
            Some(_) => {}
            None => node.status = "Pending".to_owned(),
        }
    }
    now
}

/// Inspects one container. One that fails costs a detail; what is there, the lists say.
async fn look_at(engine: &dyn Engine, cache: &Cache, cluster: &str, id: &ContainerId) {
    let begun = cache.begin_list();
    match engine.inspect(cluster, &id.0).await {
        Ok(found) => cache.inspected(begun, id, found),
        Err(error) => debug!(container = id.short(), %error, "not inspected"),
    }
}

/// What the events that came close together point at.
#[derive(Debug, Default)]
struct Found {
    everything: bool,
    objects: BTreeSet<ObjectName>,
    ended: BTreeSet<ContainerId>,
    destroyed: BTreeSet<ContainerId>,
    /// In their order.
    signalled: BTreeMap<ContainerId, Vec<Signal>>,
}

/// Takes note of one more, or that there are more than `many`.
fn add<T: Ord>(noted: &mut BTreeSet<T>, new: T, many: usize, everything: &mut bool) {
    if noted.len() <= many {
        noted.insert(new);
    }
    *everything |= noted.len() > many;
}

/// The event stream, and what has come of it and was not followed yet.
struct PendingEvents {
    stream: BoxStream<'static, Result<EngineEvent, EngineError>>,
    found: Found,
}

impl PendingEvents {
    fn of(stream: BoxStream<'static, Result<EngineEvent, EngineError>>) -> PendingEvents {
        PendingEvents { stream, found: Found::default() }
    }

    fn add(&mut self, hint: Option<Result<EngineEvent, EngineError>>) -> Result<(), EngineError> {
        let hint = hint.ok_or_else(|| EngineError::new("its event stream ended"))??;
        let Found { everything, objects, ended, destroyed, signalled } = &mut self.found;
        match hint {
            EngineEvent::Everything => *everything = true,
            EngineEvent::Object(object) => add(objects, object, MANY_OBJECTS, everything),
            EngineEvent::Signalled(id, signal) if signalled.len() < MANY_CONTAINERS => {
                let signals = signalled.entry(id).or_default();
                // Of a flood of signals the last ones say enough.
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

    /// Waits for a hint, unless one is there, then takes up those that come close after it.
    async fn gather(&mut self) -> Result<(), EngineError> {
        if !self.waiting() {
            let hint = self.stream.next().await;
            self.add(hint)?;
        }
        let until = clock::monotonic() + GATHER;
        while let Ok(hint) = tokio::time::timeout_at(until, self.stream.next()).await {
            self.add(hint)?;
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

    /// Takes up what has come already. An error means that the connection has ended: answers that came just
    /// before may be those of another incarnation of the endpoint.
    fn check(&mut self) -> Result<(), EngineError> {
        while let Some(hint) = self.stream.next().now_or_never() {
            self.add(hint)?;
        }
        Ok(())
    }
}
