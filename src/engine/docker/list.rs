//! Listing containers.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use http::Method;
use http_body_util::BodyExt;
use tokio::time::timeout;
use tracing::warn;

use super::answer::{broke_off, no_answer, read_whole, refusal};
use super::docker_engine::DockerEngine;
use super::wire;
use crate::core::container::Container;
use crate::core::name::ObjectName;
use crate::engine::error::EngineError;
use crate::engine::{Engine, Lookup};

/// A list of ten thousand containers over a slow link.
const LIST: Duration = Duration::from_secs(60);
/// A list is decoded in slices of this size, about 100 µs each; other tasks run in between.
const SLICE_BYTES: usize = 64 * 1024;
/// Concurrent inspects of unclear entries.
const PARALLEL_INSPECTS: usize = 8;

impl DockerEngine {
    pub(super) async fn list_containers(
        &self,
        cluster: &str,
        object: Option<&ObjectName>,
    ) -> Result<Vec<Container>, EngineError> {
        let work = async {
            let list = self.read_list(cluster, object).await?;
            self.inspect_unclear(cluster, object, list).await
        };
        timeout(LIST, work).await.unwrap_or_else(|_| Err(EngineError::unanswered(no_answer(LIST))))
    }

    /// Decodes a list while it arrives.
    async fn read_list(&self, cluster: &str, object: Option<&ObjectName>) -> Result<wire::List, EngineError> {
        let path = wire::list_path(cluster, object);
        let response = self.transport.request(Method::GET, &path, None).await?;
        if !response.status().is_success() {
            let status = response.status().as_u16();
            return Err(EngineError::new(refusal(status, &read_whole(response).await?)));
        }
        let mut reader = wire::ListReader::new(cluster, self.is_swarm());
        let mut body = response.into_body();
        let failed = |error: wire::ListError| EngineError::new(error.to_string());
        while let Some(frame) = body.frame().await {
            let data = frame.map_err(|e| broke_off(&e))?.into_data().unwrap_or_default();
            for slice in data.chunks(SLICE_BYTES) {
                // The reader filters again: an endpoint may ignore filters.
                reader.push(slice).map_err(failed)?;
                tokio::task::yield_now().await;
            }
        }
        reader.finish().map_err(failed)
    }

    /// Inspects the entries of a list that may be ours.
    async fn inspect_unclear(
        &self,
        cluster: &str,
        object: Option<&ObjectName>,
        list: wire::List,
    ) -> Result<Vec<Container>, EngineError> {
        let wire::List { mut containers, unclear, mut unknown } = list;
        let found: Vec<_> = stream::iter(unclear)
            .map(|key| async move { self.inspect(cluster, &key).await })
            .buffered(PARALLEL_INSPECTS)
            .collect()
            .await;
        for lookup in found {
            match lookup {
                Ok(Lookup::Ours(container)) => containers.push(*container),
                Ok(Lookup::Foreign | Lookup::NotFound) => {}
                Err(_) => unknown += 1,
            }
        }
        if unknown == 0 {
            if object.is_none() {
                self.listed.store(true, Ordering::Relaxed);
                self.unknown.store(0, Ordering::Relaxed);
            }
        } else if self.listed.load(Ordering::Relaxed) {
            // Warn once, not for each list.
            if object.is_none() && self.unknown.swap(unknown, Ordering::Relaxed) != unknown {
                warn!(
                    entries = unknown,
                    "cannot read some entries of the engine's list; known containers keep their last state"
                );
            }
        } else {
            return Err(EngineError::new(format!(
                "cannot read {unknown} entries of its list: no container counts as missing until they can be read"
            )));
        }
        Ok(containers)
    }
}
