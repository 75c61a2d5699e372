//! The Docker API endpoint, as the rest of the program sees it.
//!
//! One trait, two implementations: [`docker`] speaks to a plain Docker Engine or a classic Swarm manager,
//! [`simulated`] is a small world of its own. A call that changes something ends in one of four
//! `Outcome`s, and what may be done next depends on which: the table that decides is in [`reply`].

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
pub mod endpoint;
pub mod error;
pub mod logs;
mod measured;
pub mod reply;
pub mod simulated;

pub use measured::Measured;

/// Who answers at the endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// What kind of endpoint it is.
    pub kind: EngineKind,
    /// What tells this engine from another at the same address; empty where nothing does.
    pub id: String,
    /// Its version.
    pub version: String,
    /// The API version spoken with it, such as `1.41`; empty where there is none.
    pub api: String,
    /// The hosts behind it; empty for a plain engine.
    pub nodes: Vec<Node>,
    /// The volumes there that hold this daemon's own data, which no submitted object may mount.
    pub own_volumes: Arc<BTreeSet<String>>,
}

/// A container to be made.
#[derive(Debug, Clone)]
pub struct NewContainer<'a> {
    /// Which one it is; name and labels follow from this.
    pub identity: &'a ContainerIdentity,
    /// The cluster label's value.
    pub cluster: &'a str,
    /// The manager label's value.
    pub manager: &'a ManagerId,
    /// What it is.
    pub template: &'a Template,
}

impl NewContainer<'_> {
    /// Where it may be placed.
    pub fn constraints(&self) -> &[Constraint] {
        &self.template.constraints
    }
}

/// What a name or an id stands for at the endpoint.
#[derive(Debug, Clone, PartialEq)]
pub enum Lookup {
    /// Nothing: there is no such container.
    NotFound,
    /// A container of ours.
    Ours(Box<Container>),
    /// A container that is not ours.
    Foreign,
}

/// Something happened to a container of ours: a hint to look, nothing more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineEvent {
    /// Look at this object.
    Object(ObjectName),
    /// Look at this container of the object, whose process ended.
    Ended(ObjectName, ContainerId),
    /// This container of the object was removed.
    Destroyed(ObjectName, ContainerId),
    /// A user sent this container a signal: `docker stop`, `docker kill` or `docker restart`.
    Signalled(ContainerId, Signal),
    /// Look at everything, nodes included.
    Everything,
}

/// A Docker API endpoint. Every call has a deadline of its own and may be repeated.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Who answers, and the nodes behind it. Settles the API version anew.
    async fn info(&self) -> Result<EngineInfo, EngineError>;

    /// All containers of the cluster, or those of one object; stopped ones and those on lost nodes included.
    async fn list(&self, cluster: &str, object: Option<&ObjectName>) -> Result<Vec<Container>, EngineError>;

    /// What a name or a full id stands for. It waits where a list would not: right after a process ended, a list
    /// may still call it running.
    async fn inspect(&self, cluster: &str, name_or_id: &str) -> Result<Lookup, EngineError>;

    /// Sees to it that the image is there: asks first unless `always`, then pulls unless `never`.
    async fn ensure_image(&self, image: &str, pull: crate::core::spec::Pull) -> Outcome<()>;

    /// What a create of this template would meet now: only questions, for a dry run.
    async fn prospects(&self, template: &Template) -> Prospects {
        let _ = template;
        Prospects::default()
    }

    /// Makes a container; it does not run yet.
    async fn create(&self, new: NewContainer<'_>) -> Outcome<ContainerId>;

    /// Compares a container that was created, and not started yet, with the template that it was created from. Refused
    /// where they differ: it must not be started then.
    async fn verify(&self, id: &ContainerId, template: &Template) -> Outcome<()>;

    /// Starts a container. Done also where it runs already.
    async fn start(&self, id: &ContainerId) -> Outcome<()>;

    /// Asks a container to stop with its own signal, and ends it after its own grace period. `grace` is the
    /// longest of these that is expected, for the call's deadline. Done also where it does not run, or is gone.
    async fn stop(&self, id: &ContainerId, grace: Duration) -> Outcome<()>;

    /// Removes a container with its anonymous volumes. Done also where it is gone.
    async fn remove(&self, id: &ContainerId) -> Outcome<()>;

    /// Hints of what happens to the cluster's containers, until the connection ends.
    async fn events(
        &self,
        cluster: &str,
    ) -> Result<BoxStream<'static, Result<EngineEvent, EngineError>>, EngineError>;

    /// What a container wrote, and with `follow` what it writes until its process ends. It is read no faster than the
    /// stream is. An engine that falls silent ends it with [`LogsError::Silent`], one that follows only after minutes.
    async fn logs(&self, id: &ContainerId, request: LogRequest) -> Result<LogLines, LogsError> {
        let _ = (id, request);
        Err(LogsError::Failed("this engine keeps none".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::endpoint::Endpoint;

    #[test]
    fn endpoints_are_read_and_written_alike() {
        for text in
            ["unix:///var/run/docker.sock", "tcp://203.0.113.13:3376", "tcp://[::1]:2376", "simulated://3"]
        {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn bad_endpoints_say_what_is_expected() {
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
