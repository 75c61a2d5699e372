//! Faults between the client and its endpoint.
//!
//! A [`Fault`] is planned for the n-th call of a kind; every other call is answered normally. Faults apply when the request
//! arrives, except for a refused connection: a connection does not know for which call it is opened, so [`CallTracker`], a
//! wrapper of the engine, records it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use swarm_cluster_state_manager::core::container::{Container, ContainerId};
use swarm_cluster_state_manager::core::name::ObjectName;
use swarm_cluster_state_manager::core::outcome::Outcome;
use swarm_cluster_state_manager::core::prospects::Prospects;
use swarm_cluster_state_manager::core::spec::{Pull, Template};
use swarm_cluster_state_manager::engine::docker::DockerEngine;
use swarm_cluster_state_manager::engine::error::EngineError;
use swarm_cluster_state_manager::engine::logs::{LogLines, LogRequest, LogsError};
use swarm_cluster_state_manager::engine::{Engine, EngineEvent, EngineInfo, Lookup, NewContainer};

/// The calls that the client makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Call {
    Version,
    Info,
    Events,
    List,
    Inspect,
    InspectImage,
    Pull,
    Create,
    Start,
    Stop,
    Remove,
    Logs,
}

/// A fault of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// The connection is refused.
    Refused,
    /// The connection is cut before the effect, which does not happen.
    DroppedBefore,
    /// The connection is cut after the effect.
    DroppedAfter,
    /// 500 without an effect.
    Error500,
    /// No answer and no effect.
    Hang,
    /// The effect happens, but there is no answer.
    HangAfter,
    /// The call begins at once, takes effect after this time, and is never answered. A create reserves its name at once.
    LandsLate(Duration),
    /// The call begins after this time, as if it was delayed by the network, and is never answered.
    ArrivesLate(Duration),
    /// The effect happens, but only half of the answer arrives.
    HalfBody,
    /// The effect happens, but the answer is unreadable.
    Nonsense,
    /// The effect happens, but the answer is 500 with this message.
    DoneBut500(&'static str),
}

/// The planned faults, and the number of calls.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    planned: BTreeMap<(Call, usize), Fault>,
    counts: BTreeMap<Call, usize>,
    triggered: usize,
}

impl Faults {
    /// Plans a fault for the n-th call of its kind, counted from 1.
    pub(crate) fn plan(&mut self, call: Call, nth: usize, fault: Fault) {
        self.planned.insert((call, nth), fault);
    }

    /// The number of calls of each kind.
    pub(crate) fn counts(&self) -> &BTreeMap<Call, usize> {
        &self.counts
    }

    /// The number of faults that were triggered.
    pub(crate) fn triggered(&self) -> usize {
        self.triggered
    }

    /// Counts a call that arrived.
    pub(super) fn arrives(&mut self, call: Call) -> Option<Fault> {
        let nth = self.counts.entry(call).or_default();
        *nth += 1;
        let fault = self.planned.remove(&(call, *nth));
        self.triggered += usize::from(fault.is_some());
        fault
    }

    /// Whether to refuse the connection that is being opened.
    pub(super) fn refuses(&mut self) -> bool {
        let Some(call) = CallTracker::connecting() else { return false };
        let next = self.counts.get(&call).copied().unwrap_or_default() + 1;
        let refuses = self.planned.get(&(call, next)) == Some(&Fault::Refused);
        if refuses {
            self.arrives(call);
        }
        refuses
    }
}

tokio::task_local! {
    /// The further HTTP calls of the engine call that the present task makes.
    static CALLS: (Cell<usize>, &'static [Call]);
}

/// A [`DockerEngine`] that records which HTTP calls it makes. With one connection per call, each connect belongs to the
/// next of them.
pub(crate) struct CallTracker(pub(crate) DockerEngine);

impl CallTracker {
    fn connecting() -> Option<Call> {
        let next = |(made, calls): &(Cell<usize>, &'static [Call])| {
            let call = calls.get(made.get()).copied();
            made.set(made.get() + 1);
            call
        };
        CALLS.try_with(next).ok().flatten()
    }

    async fn making<T>(calls: &'static [Call], work: impl Future<Output = T>) -> T {
        CALLS.scope((Cell::new(0), calls), work).await
    }
}

#[async_trait]
impl Engine for CallTracker {
    async fn info(&self) -> Result<EngineInfo, EngineError> {
        CallTracker::making(&[Call::Version, Call::Info], self.0.info()).await
    }
    async fn list(&self, cluster: &str, object: Option<&ObjectName>) -> Result<Vec<Container>, EngineError> {
        CallTracker::making(&[Call::List], self.0.list(cluster, object)).await
    }
    async fn inspect(&self, cluster: &str, key: &str) -> Result<Lookup, EngineError> {
        CallTracker::making(&[Call::Inspect], self.0.inspect(cluster, key)).await
    }
    async fn ensure_image(&self, image: &str, pull: Pull) -> Outcome<()> {
        let calls: &[Call] =
            if pull == Pull::Always { &[Call::Pull] } else { &[Call::InspectImage, Call::Pull] };
        CallTracker::making(calls, self.0.ensure_image(image, pull)).await
    }
    async fn prospects(&self, template: &Template) -> Prospects {
        self.0.prospects(template).await
    }

    async fn create(&self, new: NewContainer<'_>) -> Outcome<ContainerId> {
        // After an error of a plain engine, the client inspects the name.
        CallTracker::making(&[Call::Create, Call::Inspect], self.0.create(new)).await
    }
    async fn verify(&self, id: &ContainerId, template: &Template) -> Outcome<()> {
        CallTracker::making(&[Call::Inspect], self.0.verify(id, template)).await
    }
    async fn start(&self, id: &ContainerId) -> Outcome<()> {
        CallTracker::making(&[Call::Start], self.0.start(id)).await
    }
    async fn stop(&self, id: &ContainerId, grace: Duration) -> Outcome<()> {
        CallTracker::making(&[Call::Stop], self.0.stop(id, grace)).await
    }
    async fn remove(&self, id: &ContainerId) -> Outcome<()> {
        CallTracker::making(&[Call::Remove], self.0.remove(id)).await
    }
    async fn events(
        &self,
        cluster: &str,
    ) -> Result<BoxStream<'static, Result<EngineEvent, EngineError>>, EngineError> {
        CallTracker::making(&[Call::Events], self.0.events(cluster)).await
    }
    async fn logs(&self, id: &ContainerId, request: LogRequest) -> Result<LogLines, LogsError> {
        CallTracker::making(&[Call::Inspect, Call::Logs], self.0.logs(id, request)).await
    }
}
