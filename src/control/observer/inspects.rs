//! Inspects of single containers: those that events are about, and those that the status needs details of.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::task::JoinSet;
use tracing::debug;

use super::Observer;
use super::pending::Burst;
use crate::control::cache::Cache;
use crate::core::container::{Container, ContainerId, ContainerState, Health, Visibility};
use crate::engine::Engine;

/// Concurrent inspects for the status.
const DETAILS_AT_ONCE: usize = 4;
/// Inspects for the status after one list. The others follow after the next lists.
const DETAILS_A_LIST: usize = 200;

impl Observer {
    /// Inspects the containers that the events are about.
    pub(super) async fn follow(&self, burst: &Burst) {
        debug!(?burst, "following events");
        self.note_signals(&burst.signalled);
        for id in &burst.destroyed {
            self.cache.removed(id);
        }
        // Docker announces an end before its list shows it, and sends nothing afterwards. An inspect waits for the end, so
        // it goes first.
        for id in burst.ended.difference(&burst.destroyed) {
            // An inspect only changes known containers.
            if self.cache.container(id).is_none() {
                continue;
            }
            inspect_one(&*self.engine, &self.cache, &self.cluster, id).await;
        }
    }

    /// Requests the details that the status shows and a list lacks, once for each state of a container: in a separate task, so
    /// that a hanging inspect delays only later ones.
    pub(super) fn inspect_details(&self, task: &mut JoinSet<()>) {
        while task.try_join_next().is_some() {}
        if !task.is_empty() {
            return;
        }
        let nodes = self.cache.engine().borrow().nodes.clone();
        let wanting: Vec<_> = self
            .cache
            .all()
            .into_iter()
            .filter(|c| wants_inspect(c))
            .filter(|c| c.visibility == Visibility::Clear && nodes.availability(c).reachable())
            .take(DETAILS_A_LIST)
            .collect();
        if wanting.is_empty() {
            return;
        }
        let (engine, cache, cluster) = (self.engine.clone(), self.cache.clone(), self.cluster.clone());
        task.spawn(async move {
            let (engine, cache, cluster) = (&*engine, &*cache, &*cluster);
            let inspect = |container: Arc<Container>| async move {
                inspect_one(engine, cache, cluster, &container.id).await
            };
            stream::iter(wanting).for_each_concurrent(DETAILS_AT_ONCE, inspect).await;
        });
    }
}

/// Whether an inspect may provide details that the status shows.
fn wants_inspect(container: &Container) -> bool {
    match &container.detail {
        None => container.dead() || container.state == ContainerState::Running,
        Some(detail) => container.health == Health::Unhealthy && detail.health_output.is_none(),
    }
}

/// Inspects one container. A failed inspect only costs details.
async fn inspect_one(engine: &dyn Engine, cache: &Cache, cluster: &str, id: &ContainerId) {
    let begun = cache.begin_list();
    match engine.inspect(cluster, &id.0).await {
        Ok(found) => cache.inspected(begun, id, found),
        Err(error) => debug!(container = id.short(), %error, "not inspected"),
    }
}
