//! Events of the simulation.

use crate::engine::EngineEvent;

#[derive(Clone)]
pub(super) enum SimulatedEvent {
    /// An event of a container of this cluster.
    Container(String, EngineEvent),
    /// The nodes changed.
    Nodes,
    /// The connection ends.
    End,
}
