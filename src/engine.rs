//! The Docker API endpoint.
//!
//! One trait, two implementations: [`docker`] talks to a plain Docker Engine or a classic Swarm manager, [`simulated`] is a
//! simulation. A call that changes something has one of four `Outcome`s, which determine what may be done next; the table is
//! in [`reply`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use self::logs::{LogLines, LogRequest, LogsError};
use crate::core::container::{Container, ContainerId};
use crate::core::engine_kind::EngineKind;
use crate::core::labels::ContainerIdentity;
use crate::core::manager_id::ManagerId;
use crate::core::name::ObjectName;
use crate::core::node::Node;
use crate::core::outcome::Outcome;
use crate::core::prospects::Prospects;
use crate::core::signal::Signal;
use crate::core::spec::{Constraint, Template};
use crate::engine::error::EngineError;

pub mod docker;
pub(crate) mod endpoint;
pub mod error;
pub mod logs;
mod measured;
pub(crate) mod reply;
pub mod simulated;

pub(crate) use measured::MeasuredEngine;

/// The identity of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// The kind of endpoint.
    pub(crate) kind: EngineKind,
    /// The id that distinguishes this engine from another one at the same address; empty if there is none.
    pub(crate) id: String,
    /// Its version.
    pub(crate) version: String,
    /// The API version spoken, such as `1.41`; empty if there is none.
    pub(crate) api: String,
    /// The hosts behind it; empty for a plain engine.
    pub nodes: Vec<Node>,
    /// The volumes with this daemon's data, which no submitted object may mount.
    pub(crate) own_volumes: Arc<BTreeSet<String>>,
}

/// A container to create.
#[derive(Debug, Clone)]
pub struct NewContainer<'a> {
    /// Its identity, from which name and labels follow.
    pub identity: &'a ContainerIdentity,
    /// The value of the cluster label.
    pub cluster: &'a str,
    /// The value of the manager label.
    pub manager: &'a ManagerId,
    /// Its spec.
    pub template: &'a Template,
}

impl NewContainer<'_> {
    /// The constraints on its placement.
    pub(crate) fn constraints(&self) -> &[Constraint] {
        &self.template.constraints
    }
}

/// What a name or an id refers to at the endpoint.
#[derive(Debug, Clone, PartialEq)]
pub enum Lookup {
    /// There is no such container.
    NotFound,
    /// A container of ours.
    Ours(Box<Container>),
    /// A container that is not ours.
    Foreign,
}

/// Something happened to one of our containers: a hint to reconcile, nothing more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineEvent {
    /// This object may have changed.
    Object(ObjectName),
    /// The process of this container of the object ended.
    Ended(ObjectName, ContainerId),
    /// This container of the object was removed.
    Destroyed(ObjectName, ContainerId),
    /// A user sent this container a signal: `docker stop`, `docker kill` or `docker restart`.
    Signalled(ContainerId, Signal),
    /// Anything may have changed, including nodes.
    Everything,
}

/// A Docker API endpoint. Every call has a deadline and may be repeated.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Identifies the endpoint and its nodes, and negotiates the API version.
    async fn info(&self) -> Result<EngineInfo, EngineError>;

    /// All containers of the cluster, or of one object, including stopped ones and those on lost nodes.
    async fn list(&self, cluster: &str, object: Option<&ObjectName>) -> Result<Vec<Container>, EngineError>;

    /// What a name or a full id refers to. Unlike a list, which may be stale right after a process ended, an inspect is up
    /// to date.
    async fn inspect(&self, cluster: &str, name_or_id: &str) -> Result<Lookup, EngineError>;

    /// Makes sure that the image is present: checks first unless `always`, then pulls unless `never`.
    async fn ensure_image(&self, image: &str, pull: crate::core::spec::Pull) -> Outcome<()>;

    /// Checks whether a create of this template could succeed, without side effects, for a dry run.
    async fn prospects(&self, template: &Template) -> Prospects {
        let _ = template;
        Prospects::default()
    }

    /// Creates a container without starting it.
    async fn create(&self, new: NewContainer<'_>) -> Outcome<ContainerId>;

    /// Compares a created container with its template before the start. `Refused` if they differ; then it must not be
    /// started.
    async fn verify(&self, id: &ContainerId, template: &Template) -> Outcome<()>;

    /// Starts a container. `Done` also if it is running already.
    async fn start(&self, id: &ContainerId) -> Outcome<()>;

    /// Stops a container with its own signal and grace period. `grace` is the longest expected grace period, for the deadline
    /// of the call. `Done` also if it is not running or gone.
    async fn stop(&self, id: &ContainerId, grace: Duration) -> Outcome<()>;

    /// Removes a container with its anonymous volumes. `Done` also if it is gone.
    async fn remove(&self, id: &ContainerId) -> Outcome<()>;

    /// The events of the cluster's containers, until the connection ends.
    async fn events(
        &self,
        cluster: &str,
    ) -> Result<BoxStream<'static, Result<EngineEvent, EngineError>>, EngineError>;

    /// The log of a container, with `follow` until its process ends. It is read no faster than the stream is consumed. A
    /// silent engine ends it with [`LogsError::Silent`]; with `follow` only after minutes.
    async fn logs(&self, id: &ContainerId, request: LogRequest) -> Result<LogLines, LogsError> {
        let _ = (id, request);
        Err(LogsError::Failed("this engine has no logs".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::endpoint::Endpoint;

    #[test]
    fn endpoints_are_parsed_and_formatted() {
        for text in
            ["unix:///var/run/docker.sock", "tcp://203.0.113.13:3376", "tcp://[::1]:2376", "simulated://3"]
        {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn errors_of_invalid_endpoints_say_what_is_expected() {
        for text in [
            "",
            "tcp://",
            "tcp://host",
            "tcp://host:x",
            "tcp://:1",
            "unix://rel",
            "simulated://0",
            "http://x:1",
        ] {
            let error = text.parse::<Endpoint>().unwrap_err();
            assert!(error.contains("expected unix:///PATH"), "{text}: {error}");
        }
    }
}
