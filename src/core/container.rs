//! A container of ours as last observed.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use strum::IntoStaticStr;
use utoipa::ToSchema;

use crate::core::labels::ContainerIdentity;
use crate::core::manager_id::ManagerId;
use crate::core::signal::Signal;
use crate::core::time::Time;

/// An engine's full id of a container. Containers are addressed by nothing else once they exist.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerId(pub Arc<str>);

impl ContainerId {
    /// The twelve characters that `docker ps` shows.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl From<&str> for ContainerId {
    fn from(id: &str) -> ContainerId {
        ContainerId(id.into())
    }
}

/// Where in its life a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "lowercase")]
pub enum ContainerState {
    /// Made, not started.
    Created,
    /// Its process runs.
    Running,
    /// Its process is frozen.
    Paused,
    /// The engine's own restart policy is at work.
    Restarting,
    /// Its process has ended.
    Exited,
    /// The engine is removing it.
    Removing,
    /// The engine failed to remove it.
    Dead,
}

impl ContainerState {
    /// The word Docker uses for it.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

/// The verdict of a container's health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It has no health check.
    None,
    /// No verdict yet.
    Starting,
    /// The last checks passed.
    Healthy,
    /// The last checks failed.
    Unhealthy,
}

/// How clearly a container's state is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Visibility {
    /// As told.
    #[default]
    Clear,
    /// The endpoint contradicts itself, and an inspect could not settle it.
    Disputed,
    /// Its host does not answer; the state is the last one known.
    HostDown,
}

/// A container of ours as last observed.
#[derive(Debug, Clone, PartialEq)]
pub struct Container {
    /// The engine's full id.
    pub id: ContainerId,
    /// Its name, without a node before it.
    pub name: String,
    /// What our labels on it say.
    pub identity: ContainerIdentity,
    /// The manager that created it, by its label; `None` where a version without manager ids did.
    pub manager: Option<ManagerId>,
    /// Created by another manager, whose containers were not taken over: it is never touched. The cache decides.
    pub rival: bool,
    /// The node it is on, where the endpoint has nodes.
    pub node: Option<String>,
    /// Where in its life it is.
    pub state: ContainerState,
    /// What its health check says.
    pub health: Health,
    /// How clearly this is seen.
    pub visibility: Visibility,
    /// The image it was made from.
    pub image: String,
    /// The id of the image that it was made from; `None` where the engine does not say.
    pub image_id: Option<Arc<str>>,
    /// When it was made, by the engine's clock.
    pub created: Time,
    /// What an inspect told, where one was made.
    pub detail: Option<Arc<Detail>>,
    /// The last signal that a user was seen to send it.
    pub signalled: Option<Signalled>,
}

/// A signal that was sent to a container through the engine, by `docker stop`, `docker kill` or `docker restart`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signalled {
    /// Which one.
    pub signal: Signal,
    /// When it was seen, by our clock.
    pub at: Time,
    /// It is part of a stop: it is not KILL alone. A restart begins with a stop.
    pub stop: bool,
}

impl Container {
    /// True where it does what it is there for: runs and is not known to be unwell.
    pub fn ready(&self) -> bool {
        self.state == ContainerState::Running && matches!(self.health, Health::None | Health::Healthy)
    }

    /// True where it holds its slot: its process exists or is about to.
    pub fn live(&self) -> bool {
        matches!(
            self.state,
            ContainerState::Created
                | ContainerState::Running
                | ContainerState::Paused
                | ContainerState::Restarting
        )
    }

    /// True where its process has ended and it is only kept.
    pub fn dead(&self) -> bool {
        matches!(self.state, ContainerState::Exited | ContainerState::Dead)
    }
}

/// The most ports of a container that are shown.
pub const MAX_PORTS: usize = 32;

/// The most of a health check's output that is kept, in bytes.
pub const HEALTH_OUTPUT_MAX_BYTES: usize = 512;

/// What only an inspect tells about a container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Detail {
    /// When its process started, RFC 3339, by the engine's clock.
    pub started_at: Option<String>,
    /// When its process ended, RFC 3339, by the engine's clock.
    pub finished_at: Option<String>,
    /// The exit code of an ended process.
    pub exit_code: Option<i64>,
    /// What the engine says went wrong.
    pub error: Option<String>,
    /// The kernel ended a process of it for lack of memory.
    pub oom_killed: bool,
    /// The last output of its failing health check, up to [`HEALTH_OUTPUT_MAX_BYTES`], which may be empty; `None` as long
    /// as it is not unhealthy, or was not asked for.
    pub health_output: Option<String>,
    /// Its ports as `docker ps` shows them, such as `0.0.0.0:8080->80/tcp`; at most [`MAX_PORTS`].
    pub ports: Vec<String>,
    /// How long it may take to stop, where its own spec says so.
    pub stop_timeout: Option<Duration>,
    /// The signal that asks it to stop, where its own spec or its image says so.
    pub stop_signal: Option<Signal>,
    /// The period of its health check, where its own spec or its image says so.
    pub check_interval: Option<Duration>,
    /// How often the engine has restarted it by its own restart policy since a user or we started it.
    pub restarts: u64,
}
