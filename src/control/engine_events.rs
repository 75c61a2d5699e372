//! Writes changes of the engine's state to the event log: one event per change, and none for a resync without changes.
//!
//! It is woken by the engine's state in the cache, and reads nothing else. A change that is reverted before the next wake-up
//! is not reported.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tracing::warn;

use crate::api::event::EventKind;
use crate::clock::Clock;
use crate::control::cache::Cache;
use crate::control::cache::Rivals;
use crate::control::engine_state::EngineState;
use crate::core::availability::{Availability, Tracked};
use crate::core::engine_kind::EngineKind;
use crate::core::evidence::Evidence;
use crate::core::manager_id::ManagerId;
use crate::core::time::WallOffset;
use crate::engine::EngineInfo;
use crate::store::event_log::EventLog;

/// Writes the events of the engine.
pub(super) struct EngineEventWriter {
    pub(super) cache: Arc<Cache>,
    pub(super) event_log: EventLog,
    pub(super) clock: Clock,
}

impl EngineEventWriter {
    /// Runs until the cache is gone.
    pub(super) async fn run(self) {
        let mut engine = self.cache.engine();
        let mut rivals = self.cache.rivals();
        let mut reported = Reported::default();
        loop {
            if let Some(text) = reported.news_of_rivals(&rivals.borrow_and_update().clone()) {
                warn!("{text}");
                self.event_log.note_general(EventKind::Engine, text);
            }
            let state = engine.borrow_and_update().clone();
            for text in reported.news(&state, self.clock.offset()) {
                self.event_log.note_general(EventKind::Engine, text);
            }
            let changed = tokio::select! {
                changed = engine.changed() => changed,
                changed = rivals.changed() => changed,
            };
            if changed.is_err() {
                return;
            }
        }
    }
}

/// What was reported last.
#[derive(Debug, Default)]
struct Reported {
    evidence: Option<Evidence>,
    /// By address.
    nodes: BTreeMap<String, Availability>,
    /// Other managers that have containers in this cluster.
    rivals: BTreeSet<ManagerId>,
}

impl Reported {
    /// The news, one sentence each.
    fn news(&mut self, state: &EngineState, offset: WallOffset) -> Vec<String> {
        // Waiting for the first list is no news, unless it takes long: then that is a trouble.
        let starting = state.trouble.is_none() && state.listed.is_none() && state.distrust(offset).is_none();
        if starting {
            return Vec::new();
        }
        let mut news = self.news_of_nodes(state);
        let mut evidence = state.evidence(offset);
        if let Evidence::Waiting { until, .. } = &mut evidence {
            // The next of many retries is no news either.
            *until = None;
        }
        if self.evidence.as_ref() != Some(&evidence) {
            news.push(match &evidence {
                Evidence::Waiting { reason, .. } => reason.clone(),
                Evidence::Good => {
                    format!("the engine at {} answers and is trusted{}", state.endpoint, who(state))
                }
            });
            self.evidence = Some(evidence);
        }
        news
    }

    /// Which other managers have containers in this cluster, if that has changed.
    fn news_of_rivals(&mut self, rivals: &Rivals) -> Option<String> {
        let now: BTreeSet<ManagerId> = rivals.keys().cloned().collect();
        if now == self.rivals {
            return None;
        }
        self.rivals = now;
        let named: Vec<String> = rivals.iter().map(|(id, n)| format!("{id} ({n} containers)")).collect();
        Some(match named.is_empty() {
            true => "no other manager has containers in this cluster any more".to_owned(),
            false => format!(
                "other managers have containers in this cluster: {}; nothing is created or removed for the objects of these",
                named.join(", ")
            ),
        })
    }

    fn news_of_nodes(&mut self, state: &EngineState) -> Vec<String> {
        let mut news = Vec::new();
        // A plain engine is no node to report: the evidence covers it.
        let nodes = state.nodes.all().filter(|_| state.kind().is_none_or(EngineKind::has_nodes));
        let now: BTreeMap<String, &Tracked> =
            nodes.map(|tracked| (tracked.node.address.clone(), tracked)).collect();
        for (address, tracked) in &now {
            let before = self.nodes.get(address).copied();
            // Nodes that are up in the first report are counted in the engine's own event.
            let expected = self.nodes.is_empty() && tracked.availability == Availability::Up;
            if before != Some(tracked.availability) && !expected {
                news.push(sentence(tracked, before));
            }
        }
        let forgotten = self.nodes.keys().filter(|address| !now.contains_key(*address));
        news.extend(forgotten.map(|address| {
            format!("the node at {address} has not been listed for a long time and is forgotten")
        }));
        self.nodes = now.into_iter().map(|(address, tracked)| (address, tracked.availability)).collect();
        news
    }
}

fn sentence(tracked: &Tracked, before: Option<Availability>) -> String {
    let (name, trouble) = (tracked.name(), tracked.trouble());
    match tracked.availability {
        Availability::Up if before.is_none() => format!("node {name} is new and up"),
        Availability::Up => format!("node {name} is up"),
        Availability::Settling => {
            format!("node {name} is back; it is trusted once it has been healthy for a while")
        }
        Availability::Down => format!("node {name} is down ({trouble})"),
        Availability::Unknown => format!("it is unknown what runs on node {name} ({trouble})"),
        Availability::Lost => {
            format!("node {name} is lost ({trouble}): its containers no longer count")
        }
    }
}

/// The engine and its version, in brackets.
fn who(state: &EngineState) -> String {
    let Some(EngineInfo { kind, version, .. }) = &state.info else { return String::new() };
    let kind = match kind {
        EngineKind::Docker => return format!(" (Docker {version})"),
        EngineKind::ClassicSwarm => "classic Swarm",
        EngineKind::Simulated => "simulated",
    };
    format!(" ({kind} {version}, nodes: {})", state.nodes.all().count())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::control::engine_state::Trouble;
    use crate::core::availability::{NodeTimeouts, Nodes};
    use crate::core::node::{Node, NodeState};
    use crate::core::time::Time;
    use crate::engine::error::EngineError;

    fn state(nodes: Nodes, listed: Option<u64>, trouble: Option<&str>) -> EngineState {
        let info = EngineInfo {
            kind: EngineKind::ClassicSwarm,
            version: "1.2.9".to_owned(),
            api: String::new(),
            id: String::new(),
            nodes: Vec::new(),
            own_volumes: Default::default(),
        };
        let trouble = trouble.map(|error| Trouble {
            error: EngineError::unanswered(error),
            since: Time(0),
            retry_at: Time(listed.unwrap_or_default()),
        });
        let listed = listed.map(Time);
        EngineState {
            info: Some(info),
            trouble,
            listed,
            nodes,
            ..EngineState::unknown("tcp://m:3376".into())
        }
    }

    #[test]
    fn a_change_is_reported_once_and_a_resync_without_changes_is_not() {
        let timeouts =
            NodeTimeouts { lost_after: Duration::from_secs(30), stable_after: Duration::from_secs(20) };
        let mut nodes = Nodes::default();
        let mut see = |second: u64, second_node: &str| {
            let node = |n: u32, status: &str| Node {
                name: format!("n{n}"),
                address: format!("10.0.0.{n}"),
                state: NodeState::of_word(status.to_owned()),
                error: None,
            };
            nodes.observe(Time(second * 1000), &[node(1, "Healthy"), node(2, second_node)], timeouts);
            nodes.clone()
        };
        let mut reported = Reported::default();
        let mut news = |state: EngineState| reported.news(&state, WallOffset::default()).join("; ");

        assert_eq!(
            news(state(Nodes::default(), None, Some("refused"))).matches("has not answered").count(),
            1
        );
        assert_eq!(
            news(state(Nodes::default(), Some(1), Some("refused"))),
            "",
            "only the next retry differs"
        );
        let up = "the engine at tcp://m:3376 answers and is trusted (classic Swarm 1.2.9, nodes: 2)";
        assert_eq!(news(state(see(10, "Healthy"), Some(10), None)), up);
        assert_eq!(news(state(see(20, "Healthy"), Some(20), None)), "");
        assert_eq!(news(state(see(30, "Unhealthy"), Some(30), None)), "node n2 is down (Unhealthy)");
        assert_eq!(news(state(see(45, "Unhealthy"), Some(45), None)), "");
        assert!(news(state(see(60, "Unhealthy"), Some(60), None)).starts_with("node n2 is lost (Unhealthy)"));
        assert!(news(state(see(70, "Healthy"), Some(70), None)).starts_with("node n2 is back"));
        assert_eq!(news(state(see(90, "Healthy"), Some(90), None)), "node n2 is up");
        let pending = news(state(see(100, "Pending"), Some(100), None));
        assert!(
            pending.starts_with("it is unknown what runs on node n2 (Pending); waiting until"),
            "{pending}"
        );
        assert!(news(state(see(101, "Healthy"), Some(101), None)).contains("answers and is trusted"));
    }

    #[test]
    fn waiting_for_the_first_list_is_no_news() {
        let mut reported = Reported::default();
        let plain = |listed| {
            let mut state = state(Nodes::default(), listed, None);
            state.info.as_mut().unwrap().kind = EngineKind::Docker;
            state
        };
        assert!(reported.news(&plain(None), WallOffset::default()).is_empty());
        let news = reported.news(&plain(Some(1)), WallOffset::default());
        assert_eq!(news, ["the engine at tcp://m:3376 answers and is trusted (Docker 1.2.9)"]);
        assert!(reported.news(&plain(Some(2)), WallOffset::default()).is_empty());
    }
}
