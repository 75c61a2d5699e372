//! A container of ours as last observed.

use std::sync::Arc;
use std::time::Duration;

use strum::{EnumString, IntoStaticStr};

use crate::core::labels::ContainerIdentity;
use crate::core::manager_id::ManagerId;
use crate::core::signal::Signal;
use crate::core::time::Time;

/// An engine's full id of a container. Existing containers are addressed by nothing else.
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

/// The lifecycle state of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum ContainerState {
    /// Created, not started.
    Created,
    /// Its process runs.
    Running,
    /// Its process is frozen.
    Paused,
    /// Its restart policy is about to start it again.
    Restarting,
    /// Its process has ended.
    Exited,
    /// The engine is removing it.
    Removing,
    /// The engine failed to remove it.
    Dead,
}

impl ContainerState {
    /// Docker's word for it.
    pub(crate) fn word(self) -> &'static str {
        self.into()
    }

    /// Whether a container in it holds its slot: its process exists or is about to.
    pub(crate) fn live(self) -> bool {
        match self {
            ContainerState::Created
            | ContainerState::Running
            | ContainerState::Paused
            | ContainerState::Restarting => true,
            ContainerState::Exited | ContainerState::Removing | ContainerState::Dead => false,
        }
    }
}

/// The result of a container's health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Health {
    /// It has no health check.
    None,
    /// No result yet.
    Starting,
    /// The last checks passed.
    Healthy,
    /// The last checks failed.
    Unhealthy,
}

/// How reliably a container's state is observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Visibility {
    /// As reported.
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
    /// Its name, without a node prefix.
    pub name: String,
    /// What its labels say.
    pub identity: ContainerIdentity,
    /// The manager that created it, by its label; `None` for a version without manager ids.
    pub manager: Option<ManagerId>,
    /// Created by another manager whose containers were not taken over: it is never touched. The cache decides this.
    pub(crate) rival: bool,
    /// Its node, if the endpoint has nodes.
    pub node: Option<String>,
    /// Its lifecycle state.
    pub state: ContainerState,
    /// The result of its health check.
    pub(crate) health: Health,
    /// How reliably this is observed.
    pub(crate) visibility: Visibility,
    /// Its image.
    pub image: String,
    /// The id of its image; `None` if the engine does not report it.
    pub(crate) image_id: Option<Arc<str>>,
    /// When it was created, by the engine's clock.
    pub(crate) created: Time,
    /// Details from an inspect, if there was one.
    pub(crate) detail: Option<Arc<Detail>>,
    /// The last signal that a user sent it, as observed.
    pub(crate) signalled: Option<Signalled>,
}

/// A signal that was sent to a container through the engine, by `docker stop`, `docker kill` or `docker restart`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signalled {
    /// Which one.
    pub(crate) signal: Signal,
    /// When it was observed, by our clock.
    pub(crate) at: Time,
    /// Whether it is part of a stop, rather than KILL alone. A restart begins with a stop.
    pub(crate) stop: bool,
}

impl Container {
    /// One that was just created under the name of its identity, and was not started.
    pub(crate) fn new(id: ContainerId, identity: ContainerIdentity, image: &str, created: Time) -> Container {
        Container {
            id,
            name: identity.container_name(),
            identity,
            manager: None,
            rival: false,
            node: None,
            state: ContainerState::Created,
            health: Health::None,
            visibility: Visibility::Clear,
            image: image.to_owned(),
            image_id: None,
            created,
            detail: None,
            signalled: None,
        }
    }

    /// Whether it is running and not known to be unhealthy.
    pub fn ready(&self) -> bool {
        self.state == ContainerState::Running && matches!(self.health, Health::None | Health::Healthy)
    }

    /// Whether it holds its slot: its process exists or is about to.
    pub fn live(&self) -> bool {
        self.state.live()
    }

    /// Whether its process has ended.
    pub fn dead(&self) -> bool {
        matches!(self.state, ContainerState::Exited | ContainerState::Dead)
    }
}

/// The most ports shown per container.
pub(crate) const MAX_PORTS: usize = 32;

/// The most bytes kept of a health check's output.
pub(crate) const HEALTH_OUTPUT_MAX_BYTES: usize = 512;

/// Details of a container that only an inspect reports.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Detail {
    /// When its process started, RFC 3339, by the engine's clock.
    pub(crate) started_at: Option<String>,
    /// When its process ended, RFC 3339, by the engine's clock.
    pub(crate) finished_at: Option<String>,
    /// The exit code of an ended process.
    pub(crate) exit_code: Option<i64>,
    /// The engine's error message.
    pub(crate) error: Option<String>,
    /// The kernel killed one of its processes for lack of memory.
    pub(crate) oom_killed: bool,
    /// The last output of its failing health check, up to [`HEALTH_OUTPUT_MAX_BYTES`], which may be empty; `None` while it
    /// is not unhealthy, or before it was requested.
    pub(crate) health_output: Option<String>,
    /// Its ports as `docker ps` shows them, such as `0.0.0.0:8080->80/tcp`; at most [`MAX_PORTS`].
    pub(crate) ports: Vec<String>,
    /// Its own grace period for a stop, if set.
    pub(crate) stop_timeout: Option<Duration>,
    /// The signal that asks it to stop, if its spec or its image sets one.
    pub(crate) stop_signal: Option<Signal>,
    /// The interval of its health check, if its spec or its image sets one.
    pub(crate) check_interval: Option<Duration>,
    /// How often its restart policy has restarted it since its last start by a user or by us.
    pub(crate) restarts: u64,
}

#[cfg(test)]
mod sample;
