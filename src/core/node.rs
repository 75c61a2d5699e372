//! A host behind the endpoint, in the endpoint's own words.

use serde::Serialize;

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
