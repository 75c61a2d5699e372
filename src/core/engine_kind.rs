//! The kinds of Docker API endpoints.

use serde::{Deserialize, Serialize};

/// What kind of endpoint answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EngineKind {
    /// A plain Docker Engine.
    #[serde(rename = "docker")]
    Docker,
    /// A classic Docker Swarm manager, one API over many engines.
    #[serde(rename = "classic-swarm")]
    ClassicSwarm,
    /// No Docker, but a simulation of it.
    #[serde(rename = "simulated")]
    Simulated,
}

impl EngineKind {
    /// Whether there are nodes behind the endpoint, among which it places containers. An endpoint without nodes is one host:
    /// it has each host port once, takes no placement constraints, and stays the same engine while connected.
    pub(crate) fn has_nodes(self) -> bool {
        match self {
            EngineKind::Docker => false,
            EngineKind::ClassicSwarm | EngineKind::Simulated => true,
        }
    }

    /// Whether its containers end with this process.
    pub(crate) fn is_simulated(self) -> bool {
        self == EngineKind::Simulated
    }
}
