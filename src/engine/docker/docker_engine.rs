//! The state of the client of a Docker API endpoint.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use arc_swap::ArcSwapOption;
use tokio::sync::Semaphore;

use super::api_version::ApiVersion;
use super::own_data::OwnData;
use super::transport::Transport;
use crate::core::engine_kind::EngineKind;

/// Concurrent pulls, over all images: they share one network link.
const PARALLEL_PULLS: usize = 4;

/// The engine over HTTP.
pub struct DockerEngine {
    pub(super) transport: Transport,
    pub(super) kind: ArcSwapOption<EngineKind>,
    /// The API version spoken; none before the first answer.
    pub(super) api: ArcSwapOption<ApiVersion>,
    pub(super) own: OwnData,
    /// The volumes that hold it; none before they have been looked up.
    pub(super) own_volumes: ArcSwapOption<BTreeSet<String>>,
    /// The engine's id, which distinguishes it from another one at the same address.
    pub(super) identity: ArcSwapOption<String>,
    /// A complete list without unknown entries has been read. From then on an unreadable entry hides nothing: the caller
    /// remembers the containers it knew, and none of them is missing until an inspect says so.
    pub(super) listed: AtomicBool,
    /// The number of unreadable entries in the last list.
    pub(super) unknown: AtomicUsize,
    pub(super) pulls: Semaphore,
}

impl DockerEngine {
    /// An engine reached over `transport`. Sends nothing yet.
    pub fn new(transport: Transport) -> DockerEngine {
        DockerEngine {
            transport,
            kind: ArcSwapOption::empty(),
            api: ArcSwapOption::empty(),
            own: OwnData::default(),
            own_volumes: ArcSwapOption::empty(),
            identity: ArcSwapOption::empty(),
            listed: AtomicBool::new(false),
            unknown: AtomicUsize::new(0),
            pulls: Semaphore::new(PARALLEL_PULLS),
        }
    }

    /// Protects this data from submitted objects.
    pub(crate) fn protecting(self, own: OwnData) -> DockerEngine {
        DockerEngine { own, ..self }
    }

    pub(super) fn is_swarm(&self) -> bool {
        self.kind.load().as_deref() == Some(&EngineKind::ClassicSwarm)
    }

    /// The volumes that no submitted object may mount.
    pub(super) fn own_volumes(&self) -> Arc<BTreeSet<String>> {
        self.own_volumes.load().as_ref().map_or_else(Arc::default, Arc::clone)
    }
}
