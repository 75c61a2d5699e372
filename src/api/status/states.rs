//! The words of a status, and their meanings in [`core`](crate::core).

use crate::api::words::words;
use crate::core::{availability, condition, container, engine_kind};

words! {
    /// How an object is doing.
    pub enum Phase {
        /// It is as desired.
        Converged = "converged",
        /// Steps are under way or pending.
        Progressing = "progressing",
        /// Something does not work; the rest does.
        Degraded = "degraded",
        /// Nothing can proceed until something changes.
        Blocked = "blocked",
        /// It was deleted, and its containers are being removed.
        Deleting = "deleting",
    }
}

impl From<condition::Phase> for Phase {
    fn from(phase: condition::Phase) -> Phase {
        match phase {
            condition::Phase::Converged => Phase::Converged,
            condition::Phase::Progressing => Phase::Progressing,
            condition::Phase::Degraded => Phase::Degraded,
            condition::Phase::Blocked => Phase::Blocked,
            condition::Phase::Deleting => Phase::Deleting,
        }
    }
}

words! {
    /// Where in its life a container is, in Docker's terms.
    pub enum ContainerState {
        /// It exists and was not started.
        Created = "created",
        /// Its process runs.
        Running = "running",
        /// Its process is frozen.
        Paused = "paused",
        /// The engine is restarting it by its restart policy.
        Restarting = "restarting",
        /// Its process has exited.
        Exited = "exited",
        /// The engine is removing it.
        Removing = "removing",
        /// The engine failed to remove it.
        Dead = "dead",
    }
}

impl From<container::ContainerState> for ContainerState {
    fn from(state: container::ContainerState) -> ContainerState {
        match state {
            container::ContainerState::Created => ContainerState::Created,
            container::ContainerState::Running => ContainerState::Running,
            container::ContainerState::Paused => ContainerState::Paused,
            container::ContainerState::Restarting => ContainerState::Restarting,
            container::ContainerState::Exited => ContainerState::Exited,
            container::ContainerState::Removing => ContainerState::Removing,
            container::ContainerState::Dead => ContainerState::Dead,
        }
    }
}

impl ContainerState {
    /// The state, if this version knows it.
    pub(crate) fn known(&self) -> Option<container::ContainerState> {
        self.as_str().parse().ok()
    }
}

words! {
    /// The result of a container's health check.
    pub enum Health {
        /// It has no health check.
        None = "none",
        /// No result yet.
        Starting = "starting",
        /// The last checks passed.
        Healthy = "healthy",
        /// The last checks failed.
        Unhealthy = "unhealthy",
    }
}

impl From<container::Health> for Health {
    fn from(health: container::Health) -> Health {
        match health {
            container::Health::None => Health::None,
            container::Health::Starting => Health::Starting,
            container::Health::Healthy => Health::Healthy,
            container::Health::Unhealthy => Health::Unhealthy,
        }
    }
}

words! {
    /// How far what is observed of a node can be trusted.
    pub enum Availability {
        /// It is up.
        Up = "up",
        /// It is back, and was not for long.
        Settling = "settling",
        /// It does not answer; its containers count as running for a while.
        Down = "down",
        /// The endpoint does not know, or no longer knows, what runs on it.
        Unknown = "unknown",
        /// It has been away for so long that its containers no longer count.
        Lost = "lost",
    }
}

impl From<availability::Availability> for Availability {
    fn from(availability: availability::Availability) -> Availability {
        match availability {
            availability::Availability::Up => Availability::Up,
            availability::Availability::Settling => Availability::Settling,
            availability::Availability::Down => Availability::Down,
            availability::Availability::Unknown => Availability::Unknown,
            availability::Availability::Lost => Availability::Lost,
        }
    }
}

words! {
    /// The kind of the endpoint.
    pub enum EngineKind {
        /// A plain Docker Engine.
        Docker = "docker",
        /// A classic Docker Swarm manager: one API for many engines.
        ClassicSwarm = "classic-swarm",
        /// The built-in simulation.
        Simulated = "simulated",
    }
}

impl From<engine_kind::EngineKind> for EngineKind {
    fn from(kind: engine_kind::EngineKind) -> EngineKind {
        match kind {
            engine_kind::EngineKind::Docker => EngineKind::Docker,
            engine_kind::EngineKind::ClassicSwarm => EngineKind::ClassicSwarm,
            engine_kind::EngineKind::Simulated => EngineKind::Simulated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ContainerState;

    #[test]
    fn the_words_of_container_states_are_those_of_the_core() {
        for word in ["created", "running", "paused", "restarting", "exited", "removing", "dead"] {
            let state = ContainerState::from(word);
            assert_eq!(state.known().map(ContainerState::from), Some(state), "{word}");
        }
        assert_eq!(ContainerState::from("asleep").known(), None);
    }
}
