//! `GET /status`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::core::container;

mod states;

pub use states::{Availability, ContainerState, EngineKind, Health, Phase};

/// The whole status.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct ClusterStatus {
    /// This manager.
    pub(crate) manager: ManagerStatus,
    /// The endpoint.
    pub engine: EngineStatus,
    /// Every object, by name; deleted ones as long as they have containers.
    pub objects: Vec<ObjectStatus>,
    /// Stored objects that cannot be read: their containers are left alone until they are submitted again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) quarantined: Vec<QuarantinedStatus>,
    /// Containers with this cluster's label that are left alone: their object was never submitted, another manager
    /// created them, or their labels are copies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unclaimed: Vec<ContainerStatus>,
}

/// This manager.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ManagerStatus {
    /// Its version.
    pub(crate) version: String,
    /// The value of its label on containers.
    pub(crate) cluster: String,
    /// Where the desired state is kept, and whether it can be written.
    pub(crate) state: String,
    /// Its id, which its containers have in a label.
    pub(crate) id: String,
    /// Managers whose containers it has taken over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) taken_over: Vec<String>,
    /// Other managers with containers in this cluster; the objects of these containers are held.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) rivals: Vec<RivalStatus>,
}

/// Another manager of the same cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RivalStatus {
    /// Its id.
    pub(crate) id: String,
    /// How many containers it has here.
    pub(crate) containers: u64,
    /// What that means, and what to do about it.
    pub(crate) reason: String,
}

/// A stored object that cannot be read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct QuarantinedStatus {
    /// Its name.
    pub(crate) name: String,
    /// Why it cannot be read, and what to do about it.
    pub(crate) reason: String,
}

/// The endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct EngineStatus {
    /// Its address.
    pub(crate) endpoint: String,
    /// Whether it answers and can be used.
    pub(crate) connected: bool,
    /// Why it cannot be used, or why its answers are not acted upon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// When the next attempt to reach it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next_retry: Option<String>,
    /// Its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<EngineKind>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    /// The API version in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) api_version: Option<String>,
    /// The nodes behind it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeStatus>,
    /// When the last complete list was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_complete_list: Option<String>,
    /// How long ago that was, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_complete_list_age_seconds: Option<u64>,
}

/// A node behind the endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct NodeStatus {
    /// Its name, or its address as long as the endpoint does not know the name.
    pub(crate) name: String,
    /// The address at which the endpoint reaches it.
    pub(crate) address: String,
    /// Its state as the endpoint reports it: `Healthy`, `Unhealthy`, `Pending` …
    pub status: String,
    /// How far what is observed of it can be trusted.
    pub(crate) availability: Availability,
    /// Since when it has been healthy or unhealthy.
    pub(crate) since: String,
    /// When its containers will no longer count, if it stays away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lost_at: Option<String>,
    /// Its error, as the endpoint reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// An object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct ObjectStatus {
    /// Its name.
    pub name: String,
    /// Its image.
    pub(crate) image: String,
    /// The desired number of containers; 0 once it is deleted.
    pub(crate) count: u64,
    /// The generation that was submitted last.
    pub generation: u64,
    /// The generation that was acted upon last.
    #[serde(default)]
    #[schema(required)]
    pub observed_generation: u64,
    /// Containers whose process runs, without those on lost nodes.
    #[serde(default)]
    #[schema(required)]
    pub(crate) running: u64,
    /// Containers that run and are not known to be unhealthy.
    pub ready: u64,
    /// Live containers of the present spec, without those on lost nodes.
    #[serde(default)]
    #[schema(required)]
    pub(crate) updated: u64,
    /// How it is doing.
    pub phase: Phase,
    /// Why, in a sentence.
    pub reason: String,
    /// When the next attempt is made, after a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_retry: Option<String>,
    /// How often its containers exited or became unhealthy, other than by the manager, since the last submit and since
    /// the daemon started.
    #[serde(default)]
    #[schema(required)]
    pub restarts: u64,
    /// The last container that exited, other than by the manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<LastExitStatus>,
    /// Steps under way and pending, one line each.
    #[serde(default)]
    #[schema(required)]
    pub(crate) plan: Vec<String>,
    /// Its containers.
    #[serde(default)]
    #[schema(required)]
    pub containers: Vec<ContainerStatus>,
}

/// How a container exited.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct LastExitStatus {
    /// The name of the container.
    pub(crate) container: String,
    /// When, by the engine's clock if that is known.
    pub(crate) at: String,
    /// How, in a sentence.
    pub reason: String,
}

/// A container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerStatus {
    /// The engine's full id.
    #[serde(default)]
    #[schema(required)]
    pub(crate) id: String,
    /// Its name.
    pub name: String,
    /// Its slot.
    #[serde(default)]
    #[schema(required)]
    pub(crate) slot: u32,
    /// Its attempt.
    #[serde(default)]
    #[schema(required)]
    pub(crate) attempt: u32,
    /// The node it is on, if the endpoint has nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Its node does not answer: everything else is the last known state.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) unreachable: bool,
    /// Where in its life it is.
    pub(crate) state: ContainerState,
    /// The result of its health check.
    pub(crate) health: Health,
    /// Its image.
    pub(crate) image: String,
    /// The id of its image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) image_id: Option<String>,
    /// Its ports as `docker ps` shows them, such as `0.0.0.0:8080->80/tcp`; at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) ports: Vec<String>,
    /// How often the engine has restarted it by its restart policy.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) restarts: u64,
    /// When its process started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) started_at: Option<String>,
    /// When its process exited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) finished_at: Option<String>,
    /// The exit code of its process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exit_code: Option<i64>,
    /// The kernel killed a process of it for lack of memory.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) oom_killed: bool,
    /// Its error, as the engine reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// The last output of its health check, if that fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) health_output: Option<String>,
    /// The manager that created it, if that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) manager: Option<String>,
    /// Why it is left alone, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

impl ContainerStatus {
    /// Whether its process runs, or is about to.
    pub(crate) fn live(&self) -> bool {
        self.state.known().is_some_and(container::ContainerState::live)
    }
}

/// A line of `/status?watch`, without its `Id`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "Kind", rename_all = "lowercase", rename_all_fields = "PascalCase")]
pub(crate) enum StatusChange {
    /// The status of an object has changed.
    Object {
        /// The new status.
        object: Box<ObjectStatus>,
    },
    /// An object and its containers are gone.
    Gone {
        /// Its name.
        name: String,
    },
    /// The status of the endpoint has changed.
    Engine {
        /// The new status.
        engine: EngineStatus,
    },
    /// A kind of line that this version does not know.
    #[serde(other)]
    Other,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
