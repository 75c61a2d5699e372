//! What a list says against what an inspect says: which state counts, and which containers are gone.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::time::timeout_at;
use tracing::debug;

use super::pending::PendingEvents;
use super::{Observer, SLOW, merge_pessimistic};
use crate::clock;
use crate::control::cache::Mark;
use crate::core::container::{Container, ContainerId, ContainerState, Visibility};
use crate::core::engine_kind::EngineKind;
use crate::engine::Lookup;
use crate::engine::error::EngineError;

/// Concurrent inspects of containers that are missing from a list or in a disputed state.
const INSPECTS_AT_ONCE: usize = 8;

impl Observer {
    /// Inspects containers in a disputed state, those that are listed although they were removed, and, in a list of everything,
    /// those in removal: after a failed removal an engine lists them so permanently.
    pub(super) async fn settle_disputes(&self, list: Vec<Container>, everything: bool) -> Vec<Container> {
        // A frozen node must not block everything: what is not settled by then stays disputed.
        let until = clock::monotonic() + SLOW;
        stream::iter(list)
            .map(|mut container| async move {
                let removed = self.cache.was_removed(&container.id);
                let contradicted = self.cache.contradicts(&container);
                let going = everything && container.state == ContainerState::Removing;
                if container.visibility != Visibility::Disputed && !removed && !contradicted && !going {
                    return Some(container);
                }
                let inspected = self.engine.inspect(&self.cluster, &container.id.0);
                let found = timeout_at(until, inspected).await.unwrap_or_else(|_| Err(unanswered()));
                match found {
                    Ok(Lookup::Ours(found)) => {
                        self.cache.not_removed(&container.id);
                        // What an inspect does not settle stays disputed.
                        if found.visibility == Visibility::Clear {
                            if found.state != container.state {
                                self.cache.overrule(&container.id, found.state);
                            }
                            (container.state, container.health, container.detail) =
                                (found.state, found.health, found.detail);
                            container.visibility = Visibility::Clear;
                        }
                        Some(container)
                    }
                    Ok(Lookup::NotFound | Lookup::Foreign) | Err(_) if removed => None,
                    _ if contradicted => Some(Container { visibility: Visibility::Disputed, ..container }),
                    _ => Some(container),
                }
            })
            .buffered(INSPECTS_AT_ONCE)
            .filter_map(std::future::ready)
            .collect()
            .await
    }

    /// Confirms which containers that a list lacks are gone: those whose id the engine does not know although it could. All
    /// others stay as last observed.
    pub(super) async fn confirm_missing(
        &self,
        begun: Mark,
        absent: Vec<Arc<Container>>,
        identity: &str,
        events: &mut PendingEvents,
    ) -> Result<(), EngineError> {
        let engine = self.cache.engine().borrow().clone();
        let absent: Vec<_> = absent.into_iter().filter(|c| engine.nodes.would_show(c)).collect();
        if absent.is_empty() || engine.nodes.may_hide_containers() {
            return Ok(());
        }
        let until = clock::monotonic() + SLOW;
        let inspect = |container: Arc<Container>| async move {
            let inspected = self.engine.inspect(&self.cluster, &container.id.0);
            match timeout_at(until, inspected).await.unwrap_or_else(|_| Err(unanswered())) {
                Ok(Lookup::NotFound) => Some(container),
                Ok(Lookup::Ours(_) | Lookup::Foreign) => None,
                Err(error) => {
                    debug!(container = %container.name, %error, "missing from a list, and not inspected");
                    None
                }
            }
        };
        let missing: Vec<Arc<Container>> = stream::iter(absent)
            .map(inspect)
            .buffer_unordered(INSPECTS_AT_ONCE)
            .filter_map(std::future::ready)
            .collect()
            .await;
        if missing.is_empty() {
            return Ok(());
        }
        if engine.kind().is_none_or(EngineKind::has_nodes) {
            // A manager that was restarted meanwhile does not know nodes that it has not reached yet.
            let info = self.ask("/info", self.engine.info()).await?;
            let known = engine.info.as_ref().unwrap_or(&info);
            self.record_nodes(&merge_pessimistic(info.clone(), known), identity);
        }
        events.check()?;
        let engine = self.cache.engine().borrow().clone();
        if engine.nodes.may_hide_containers() {
            return Ok(());
        }
        let gone = missing.into_iter().filter(|c| engine.nodes.would_show(c));
        let gone: Vec<ContainerId> = gone.map(|c| c.id.clone()).collect();
        self.cache.gone(begun, &gone);
        Ok(())
    }
}

/// The error of an inspect that timed out.
fn unanswered() -> EngineError {
    EngineError::unanswered(format!("no answer within {}", humantime::format_duration(SLOW)))
}
