//! What all phases of a stream share.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;

use crate::control::cache::Containers;
use crate::core::object::Objects;
use crate::logs::query::{LogItem, LogPermits, LogQuery};
use crate::logs::source::Logs;

/// What all phases of a stream share.
pub(super) struct Reader {
    pub(super) logs: Logs,
    pub(super) query: LogQuery,
    pub(super) permits: LogPermits,
    pub(super) containers: watch::Receiver<Arc<Containers>>,
    pub(super) objects: watch::Receiver<Arc<Objects>>,
    /// Items that were not handed over yet.
    pub(super) ready: VecDeque<LogItem>,
}

impl Reader {
    pub(super) fn new(logs: Logs, query: LogQuery, permits: LogPermits) -> Reader {
        Reader {
            containers: logs.sources.cache.containers(&query.object),
            objects: logs.sources.objects.clone(),
            logs,
            query,
            permits,
            ready: VecDeque::new(),
        }
    }

    pub(super) fn note(&mut self, container: Option<Arc<str>>, text: impl Into<String>) {
        self.ready.push_back(LogItem::Note { container, text: text.into() });
    }
}
