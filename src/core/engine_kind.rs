//! The kinds of Docker API endpoints.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What kind of endpoint answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum EngineKind {
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
