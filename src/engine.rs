//! The Docker API endpoint, as the rest of the program sees it.
//!
//! One trait, two implementations: [`docker`] speaks to a plain Docker Engine or a classic Swarm manager,
//! [`simulated`] is a small world of its own. A call that changes something ends in one of four
//! [`Outcome`]s, and what may be done next depends on which: the table that decides is in [`outcome`].

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::{Constraint, Container, ContainerId, ManagerId, Marks, ObjectName, Signal, Template};
use crate::sanitize;
use logs::{LogLines, LogRequest, LogsError};

pub mod docker;
pub mod logs;
mod measured;
pub mod outcome;
pub mod simulated;

pub use measured::Measured;
pub use outcome::{Outcome, Refusal, RefusalKind};

/// Where the engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A socket on this machine.
    Unix(std::path::PathBuf),
    /// `HOST:PORT`, spoken to with TLS unless plain TCP was allowed.
    Tcp {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// A simulated cluster of this many nodes.
    Simulated(u32),
}

/// The most nodes of a simulated cluster.
pub const MAX_SIMULATED_NODES: u32 = 1_000;

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Endpoint, String> {
        let wanted = "expected unix:///PATH, tcp://HOST:PORT or simulated://NODES";
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(format!("no scheme in {text:?}: {wanted}"));
        };
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Endpoint::Unix(rest.into())),
            "unix" => Err(format!("{text:?} is not an absolute path: {wanted}")),
            "tcp" => {
                let rest = rest.strip_suffix('/').unwrap_or(rest);
                let (host, port) = rest.rsplit_once(':').ok_or_else(|| {
                    format!("no port in {text:?}: {wanted}; Docker with TLS usually is at 2376, a Swarm manager at 3376")
                })?;
                let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
                let port = port.parse().ok().filter(|p| *p > 0);
                match (host, port) {
                    ("", _) => Err(format!("no host in {text:?}: {wanted}")),
                    (_, None) => Err(format!("no valid port in {text:?}: {wanted}")),
                    (host, Some(port)) => Ok(Endpoint::Tcp { host: host.to_owned(), port }),
                }
            }
            "simulated" => rest
                .parse()
                .ok()
                .filter(|n| (1..=MAX_SIMULATED_NODES).contains(n))
                .map(Endpoint::Simulated)
                .ok_or_else(|| {
                    format!("{text:?} does not say how many nodes, 1 to {MAX_SIMULATED_NODES}: {wanted}")
                }),
            other => Err(format!("the scheme {other:?} is not known: {wanted}")),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Unix(path) => write!(f, "unix://{}", path.display()),
            Endpoint::Tcp { host, port } if host.contains(':') => write!(f, "tcp://[{host}]:{port}"),
            Endpoint::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
            Endpoint::Simulated(nodes) => write!(f, "simulated://{nodes}"),
        }
    }
}

/// What kind of endpoint answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Kind {
    /// A plain Docker Engine.
    #[serde(rename = "docker")]
    Docker,
    /// A classic Docker Swarm manager, one API over many engines.
    #[serde(rename = "classic-swarm")]
    ClassicSwarm,
    /// No Docker at all.
    #[serde(rename = "simulated")]
    Simulated,
}

/// A host behind the endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Node {
    /// Its name; empty where the endpoint does not know it yet.
    pub name: String,
    /// Its address, by which it is told apart also while its name is not known.
    pub address: String,
    /// Its state in the endpoint's own word: `Healthy`, `Unhealthy`, `Pending` …
    pub status: String,
    /// What the endpoint says is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Who answers at the endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// What kind of endpoint it is.
    pub kind: Kind,
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
    pub marks: &'a Marks,
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
pub enum Holder {
    /// Nothing: there is no such container.
    Nobody,
    /// A container of ours.
    Ours(Box<Container>),
    /// A container that is not ours.
    Foreign,
}

/// What a create would meet now, as far as questions tell that change nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prospects {
    /// Whether the image is there; `None` where that is unknown.
    pub image: Option<bool>,
    /// Why the create would be refused.
    pub refusal: Option<String>,
}

/// Something happened to a container of ours: a hint to look, nothing more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
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

/// A question to the engine that was not answered. Its message is escaped and bounded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EngineError(String);

impl EngineError {
    /// An error with this message, escaped and bounded.
    pub fn new(message: impl AsRef<str>) -> EngineError {
        EngineError(sanitize::message(message.as_ref()))
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.0
    }
}

/// A Docker API endpoint. Every call has a deadline of its own and may be repeated.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Who answers, and the nodes behind it. Settles the API version anew.
    async fn info(&self) -> Result<Info, EngineError>;

    /// All containers of the cluster, or those of one object; stopped ones and those on lost nodes included.
    async fn list(&self, cluster: &str, object: Option<&ObjectName>) -> Result<Vec<Container>, EngineError>;

    /// What a name or a full id stands for. It waits where a list would not: right after a process ended, a list
    /// may still call it running.
    async fn inspect(&self, cluster: &str, name_or_id: &str) -> Result<Holder, EngineError>;

    /// Sees to it that the image is there: asks first unless `always`, then pulls unless `never`.
    async fn provide_image(&self, image: &str, pull: crate::model::Pull) -> Outcome<()>;

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
    async fn hints(
        &self,
        cluster: &str,
    ) -> Result<BoxStream<'static, Result<Hint, EngineError>>, EngineError>;

    /// What a container wrote, and with `follow` what it writes until its process ends. It is read no faster than the
    /// stream is. An engine that falls silent ends it with [`LogsError::Silent`], one that follows only after minutes.
    async fn logs(&self, id: &ContainerId, request: LogRequest) -> Result<LogLines, LogsError> {
        let _ = (id, request);
        Err(LogsError::Failed("this engine keeps none".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
