//! What goes wrong between the client and its endpoint.
//!
//! A [`Fault`] is put on the n-th call of a kind; every other call is answered as it should be. All but one of them are
//! made where the request arrives. A refused connection has to be refused before anything arrives, and the
//! connection does not know for which call it is opened: so [`Named`], a thin skin around the engine, says so.

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

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// The connection is refused.
    Refused,
    /// The connection is cut, and nothing happened.
    DroppedBefore,
    /// It is done, then the connection is cut.
    DroppedAfter,
    /// 500, and nothing happened.
    Error500,
    /// It is never answered, and never done.
    Hang,
    /// It is done, and never answered.
    HangAfter,
    /// It is begun at once, done after this long, and never answered. A create has its name from the beginning.
    LandsLate(Duration),
    /// It is begun after this long only, as if it had been on its way, and never answered.
    ArrivesLate(Duration),
    /// It is done, and half of the answer comes.
    HalfBody,
    /// It is done, and the answer cannot be read.
    Nonsense,
    /// It is done, and the answer is 500 with these words.
    DoneBut500(&'static str),
}

/// The faults to come, and the count of all calls.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    planned: BTreeMap<(Call, usize), Fault>,
    seen: BTreeMap<Call, usize>,
    struck: usize,
}

impl Faults {
    /// Plans a fault for the n-th call of its kind, counted from 1.
    pub(crate) fn plan(&mut self, call: Call, nth: usize, fault: Fault) {
        self.planned.insert((call, nth), fault);
    }

    /// How often each call was made.
    pub(crate) fn seen(&self) -> &BTreeMap<Call, usize> {
        &self.seen
    }

    /// How many faults have come to pass.
    pub(crate) fn struck(&self) -> usize {
        self.struck
    }

    /// Counts a call that arrived.
    pub(super) fn arrives(&mut self, call: Call) -> Option<Fault> {
        let seen = self.seen.entry(call).or_default();
        *seen += 1;
        let fault = self.planned.remove(&(call, *seen));
        self.struck += usize::from(fault.is_some());
        fault
    }

    /// Whether the connection that is being opened is to be refused.
    pub(super) fn refuses(&mut self) -> bool {
        let Some(call) = Named::connecting() else { return false };
        let next = self.seen.get(&call).copied().unwrap_or_default() + 1;
        let refuses = self.planned.get(&(call, next)) == Some(&Fault::Refused);
        if refuses {
            self.arrives(call);
        }
        refuses
    }
}

tokio::task_local! {
    /// The calls to come of the engine call that the present task is in.
    static CALLS: (Cell<usize>, &'static [Call]);
}

/// A [`DockerEngine`] that says which calls it is making. With one connection a call, each connect belongs to the
/// next of them.
pub(crate) struct Named(pub(crate) DockerEngine);

impl Named {
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
impl Engine for Named {
    async fn info(&self) -> Result<EngineInfo, EngineError> {
        Named::making(&[Call::Version, Call::Info], self.0.info()).await
    }
    async fn list(&self, cluster: &str, object: Option<&ObjectName>) -> Result<Vec<Container>, EngineError> {
        Named::making(&[Call::List], self.0.list(cluster, object)).await
    }
    async fn inspect(&self, cluster: &str, key: &str) -> Result<Lookup, EngineError> {
        Named::making(&[Call::Inspect], self.0.inspect(cluster, key)).await
    }
    async fn ensure_image(&self, image: &str, pull: Pull) -> Outcome<()> {
        let calls: &[Call] =
            if pull == Pull::Always { &[Call::Pull] } else { &[Call::InspectImage, Call::Pull] };
        Named::making(calls, self.0.ensure_image(image, pull)).await
    }
    async fn prospects(&self, template: &Template) -> Prospects {
        self.0.prospects(template).await
    }

    async fn create(&self, new: NewContainer<'_>) -> Outcome<ContainerId> {
        // A look at the name settles an error that a plain engine answered.
        Named::making(&[Call::Create, Call::Inspect], self.0.create(new)).await
    }
    async fn verify(&self, id: &ContainerId, template: &Template) -> Outcome<()> {
        Named::making(&[Call::Inspect], self.0.verify(id, template)).await
    }
    async fn start(&self, id: &ContainerId) -> Outcome<()> {
        Named::making(&[Call::Start], self.0.start(id)).await
    }
    async fn stop(&self, id: &ContainerId, grace: Duration) -> Outcome<()> {
        Named::making(&[Call::Stop], self.0.stop(id, grace)).await
    }
    async fn remove(&self, id: &ContainerId) -> Outcome<()> {
        Named::making(&[Call::Remove], self.0.remove(id)).await
    }
    async fn events(
        &self,
        cluster: &str,
    ) -> Result<BoxStream<'static, Result<EngineEvent, EngineError>>, EngineError> {
        Named::making(&[Call::Events], self.0.events(cluster)).await
    }
    async fn logs(&self, id: &ContainerId, request: LogRequest) -> Result<LogLines, LogsError> {
        Named::making(&[Call::Inspect, Call::Logs], self.0.logs(id, request)).await
    }
}
