//! A host behind the endpoint, as the endpoint reports it.

/// A host behind the endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name; empty as long as the endpoint does not know it.
    pub(crate) name: String,
    /// Its address, which identifies it while its name is unknown.
    pub address: String,
    /// Its state.
    pub state: NodeState,
    /// What the endpoint reports as wrong with it.
    pub(crate) error: Option<String>,
}

/// The state of a node, as the endpoint reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeState {
    /// It answers.
    Healthy,
    /// The endpoint has not reached it yet.
    Pending,
    /// Any other word of the endpoint, such as `Unhealthy`: it does not answer.
    Other(String),
    /// The endpoint no longer lists it.
    Gone,
}

impl NodeState {
    /// The state that this word of the endpoint stands for.
    pub(crate) fn of_word(word: String) -> NodeState {
        match word.as_str() {
            "Healthy" => NodeState::Healthy,
            "Pending" => NodeState::Pending,
            _ => NodeState::Other(word),
        }
    }

    /// The word for it, in messages.
    pub(crate) fn word(&self) -> &str {
        match self {
            NodeState::Healthy => "Healthy",
            NodeState::Pending => "Pending",
            NodeState::Other(word) => word,
            NodeState::Gone => "gone",
        }
    }
}
