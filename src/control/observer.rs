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

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval_at, sleep_until};
use tracing::{info, warn};

use self::pending::{MANY_OBJECTS, PendingEvents};
use crate::clock::{self, Clock};
use crate::control::cache::{Cache, Mark};
use crate::control::engine_state::Trouble;
use crate::core::availability::NodeTimeouts;
use crate::core::container::{Container, ContainerId};
use crate::core::name::ObjectName;
use crate::core::node::{Node, NodeState};
use crate::core::signal::Signal;
use crate::core::time::Time;
use crate::engine::error::EngineError;
use crate::engine::{Engine, EngineInfo};

mod confirm;
mod inspects;
mod pending;

/// The first wait before another connection attempt: short, since an attempt is cheap and users wait for it.
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// The longest such wait.
const LONGEST_RETRY: Duration = Duration::from_secs(5);
/// An answer that takes longer is reported in the status.
const SLOW: Duration = Duration::from_secs(5);
/// A node is trusted again after this many resync periods without trouble.
const STABLE_RESYNCS: u32 = 2;

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
        let info = self.ask("/info", self.engine.info()).await?;
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
            let burst = events.take();
            if everything || burst.everything || burst.objects.len() > MANY_OBJECTS {
                self.follow(&burst).await;
                // A plain engine stays the same while connected.
                let info = match kind.has_nodes() {
                    true => self.ask("/info", self.engine.info()).await?,
                    false => info.clone(),
                };
                relist_at = self.list_all(info, &identity, &mut events).await?;
            } else {
                self.follow(&burst).await;
                for object in &burst.objects {
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
            self.ask("/info", self.engine.info()).await?
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
        let list = self.ask("its list of containers", self.engine.list(&self.cluster, object)).await?;
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
        self.note_signals(&std::mem::take(&mut events.burst.signalled));
        Ok(())
    }
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
