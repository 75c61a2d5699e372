//! The observed state of the engine, and whether it may be acted on.

use std::sync::Arc;

use crate::core::availability::{Availability, Nodes};
use crate::core::engine_kind::EngineKind;
use crate::core::evidence::Evidence;
use crate::core::time::{Time, WallOffset};
use crate::engine::EngineInfo;
use crate::engine::error::EngineError;

/// The endpoint as last seen.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineState {
    /// Its name in messages.
    pub(crate) endpoint: Arc<str>,
    /// The last answer about the engine, if there was one.
    pub(crate) info: Option<EngineInfo>,
    /// Why it cannot be used, if so.
    pub(crate) trouble: Option<Trouble>,
    /// When the last complete list began.
    pub listed: Option<Time>,
    /// The nodes behind it.
    pub(crate) nodes: Nodes,
    /// Why it is not acted on, if it is another engine than the one that the state is for.
    pub(crate) other_engine: Option<String>,
}

/// An endpoint that does not answer, or whose answers cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// The error of the endpoint or of the connection.
    pub(crate) error: EngineError,
    /// Since when.
    pub(crate) since: Time,
    /// The next try.
    pub(crate) retry_at: Time,
}

impl EngineState {
    /// The state before anything was observed: nothing may be concluded from it.
    pub(crate) fn unknown(endpoint: Arc<str>) -> EngineState {
        EngineState {
            endpoint,
            info: None,
            trouble: None,
            listed: None,
            nodes: Nodes::default(),
            other_engine: None,
        }
    }

    /// Whether it answers and can be used.
    pub(crate) fn connected(&self) -> bool {
        self.trouble.is_none() && self.listed.is_some()
    }

    /// Whether the cache may be acted on.
    pub fn evidence(&self, offset: WallOffset) -> Evidence {
        let endpoint = &self.endpoint;
        if let Some(trouble) = &self.trouble {
            let (since, error) = (trouble.since.shown(offset), &trouble.error);
            let reason = match error.answered() {
                true => format!("cannot use the engine at {endpoint}: {error}"),
                false => {
                    format!(
                        "waiting for the engine at {endpoint}, which has not answered since {since}: {error}"
                    )
                }
            };
            return Evidence::Waiting { reason, until: Some(trouble.retry_at) };
        }
        if let Some((reason, until)) = self.distrust(offset) {
            return Evidence::Waiting { reason, until };
        }
        match self.listed {
            Some(_) => Evidence::Good,
            None => Evidence::Waiting {
                reason: format!("waiting for the first complete list from {endpoint}"),
                until: None,
            },
        }
    }

    /// Why a list may be incomplete, or must not be acted on, because of the nodes.
    pub(super) fn distrust(&self, offset: WallOffset) -> Option<(String, Option<Time>)> {
        let endpoint = &self.endpoint;
        if let Some(reason) = &self.other_engine {
            return Some((reason.clone(), None));
        }
        if let Some(hidden) = self.nodes.all().find(|tracked| tracked.availability == Availability::Unknown) {
            let until = hidden.lost_at.map(|at| format!(", or it counts as lost at {}", at.shown(offset)));
            let reason = match self.kind().is_none_or(EngineKind::has_nodes) {
                true => format!(
                    "waiting until the manager at {endpoint} knows what runs on node {} ({}){}: until then no container counts as missing",
                    hidden.name(),
                    hidden.trouble(),
                    until.unwrap_or_default()
                ),
                false => format!(
                    "another engine answers at {endpoint} than before: waiting for the earlier one{}",
                    until.unwrap_or_default()
                ),
            };
            return Some((reason, hidden.lost_at));
        }
        let has_nodes = self.kind().is_some_and(EngineKind::has_nodes);
        if !has_nodes || self.nodes.all().any(|tracked| tracked.availability.reachable()) {
            return None;
        }
        let reason = match self.nodes.all().next() {
            // They come with the first list.
            None if self.listed.is_none() => return None,
            None => format!("the manager at {endpoint} lists no node: waiting until it does"),
            Some(node) => format!(
                "no node behind {endpoint} is up ({}: {}): nothing is created or removed until one is",
                node.name(),
                node.trouble()
            ),
        };
        Some((reason, None))
    }

    /// The kind of endpoint, once it is known.
    pub(crate) fn kind(&self) -> Option<EngineKind> {
        self.info.as_ref().map(|info| info.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(error: EngineError) -> String {
        let trouble = Trouble { error, since: Time(0), retry_at: Time(250) };
        let state = EngineState { trouble: Some(trouble), ..EngineState::unknown("tcp://m:3376".into()) };
        match state.evidence(WallOffset::default()) {
            Evidence::Waiting { reason, .. } => reason,
            Evidence::Good => panic!("{state:?}"),
        }
    }

    #[test]
    fn an_engine_that_answers_is_not_reported_as_silent() {
        assert_eq!(
            waiting(EngineError::new("it speaks API 1.22; this program needs 1.24 or newer")),
            "cannot use the engine at tcp://m:3376: it speaks API 1.22; this program needs 1.24 or newer"
        );
        assert_eq!(
            waiting(EngineError::unanswered("connection refused")),
            "waiting for the engine at tcp://m:3376, which has not answered since 1970-01-01T00:00:00.000Z: connection refused"
        );
    }
}
