//! `GET /status`.

use serde::Serialize;
use utoipa::ToSchema;

use crate::core::availability::Availability;
use crate::core::condition::Phase;
use crate::core::container::{ContainerState, Health};
use crate::core::engine_kind::EngineKind;

/// The whole status.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct ClusterStatus {
    /// This manager.
    pub manager: ManagerStatus,
    /// The endpoint.
    pub engine: EngineStatus,
    /// Every object, by name; deleted ones as long as containers of theirs are there.
    pub objects: Vec<ObjectStatus>,
    /// Objects that are stored and cannot be read: their containers are left alone until they are submitted anew.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quarantined: Vec<QuarantinedStatus>,
    /// Containers with this cluster's label that are left alone: nobody submitted their object, another manager
    /// created them, or they only carry copied labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unclaimed: Vec<ContainerStatus>,
}

/// This manager.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct ManagerStatus {
    /// Its version.
    pub version: &'static str,
    /// The value of its label on containers.
    pub cluster: String,
    /// How lasting what was submitted is.
    pub state: String,
    /// Its id, which its containers carry in a label.
    pub id: String,
    /// Managers whose containers it has taken over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub taken_over: Vec<String>,
    /// Other managers that have containers in this cluster; objects that they have containers of are held.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rivals: Vec<RivalStatus>,
}

/// Another manager of the same cluster.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct RivalStatus {
    /// Its id.
    pub id: String,
    /// How many containers it has here.
    pub containers: usize,
    /// What that means, and what to do.
    pub reason: String,
}

/// An object that is stored and cannot be read.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct QuarantinedStatus {
    /// Its name.
    pub name: String,
    /// Why it cannot be read, and what to do.
    pub reason: String,
}

/// The endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct EngineStatus {
    /// Where it is.
    pub endpoint: String,
    /// Whether it answers.
    pub connected: bool,
    /// Why it does not, or why what it says is not acted upon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The next try to reach it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_retry: Option<String>,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<EngineKind>,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The API version spoken with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// The hosts behind it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeStatus>,
    /// When the last complete list was begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_complete_list: Option<String>,
    /// How long ago that was, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_complete_list_age_seconds: Option<u64>,
}

/// A host behind the endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct NodeStatus {
    /// Its name, or its address as long as the endpoint does not know that.
    pub name: String,
    /// Where the endpoint reaches it.
    pub address: String,
    /// Its state in the endpoint's own word: `Healthy`, `Unhealthy`, `Pending` …
    pub status: String,
    /// How far it is believed.
    pub availability: Availability,
    /// Since when it is well, or is not.
    pub since: String,
    /// When its containers stop counting, where that draws near.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_at: Option<String>,
    /// What the endpoint says is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// An object.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct ObjectStatus {
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// How many containers are wanted; 0 once it is deleted.
    pub count: u32,
    /// The generation that was submitted last.
    pub generation: u64,
    /// The generation that was acted upon last.
    pub observed_generation: u64,
    /// Containers whose process runs.
    pub running: usize,
    /// Containers that run and are not known to be unwell.
    pub ready: usize,
    /// Live containers of the present spec.
    pub updated: usize,
    /// How it is doing.
    pub phase: Phase,
    /// Why, in a sentence.
    pub reason: String,
    /// When the next try is made, where something failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_retry: Option<String>,
    /// How often its containers ended or turned unhealthy without being asked to, since it was last submitted and since
    /// the daemon started.
    pub restarts: u64,
    /// The last end of a container that the manager did not ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<LastExitStatus>,
    /// Steps under way and about to begin, one line each.
    pub plan: Vec<String>,
    /// Its containers.
    pub containers: Vec<ContainerStatus>,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct LastExitStatus {
    /// The container's name.
    pub container: String,
    /// When: by the engine's clock where that is known.
    pub at: String,
    /// How, in a sentence.
    pub reason: String,
}

/// A container.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerStatus {
    /// The engine's full id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its slot.
    pub slot: u32,
    /// Its attempt.
    pub attempt: u32,
    /// The node it is on, where the endpoint has nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Where in its life it is.
    pub state: ContainerState,
    /// What its health check says.
    pub health: Health,
    /// Its image.
    pub image: String,
    /// The id of its image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// Its ports as `docker ps` shows them, such as `0.0.0.0:8080->80/tcp`; at most 32.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<String>,
    /// How often the engine has restarted it by its own restart policy.
    #[serde(skip_serializing_if = "is_zero")]
    pub restarts: u64,
    /// When its process started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When its process ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
    /// The exit code of an ended process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// The kernel ended a process of it for lack of memory.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub oom_killed: bool,
    /// What the engine says went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The last output of its health check, where that fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_output: Option<String>,
    /// The manager that created it, where that is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// Why it is left alone, where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
