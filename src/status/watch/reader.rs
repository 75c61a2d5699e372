//! The readers' side of the feed.

use std::ops::Bound;
use std::sync::Arc;

use tokio::sync::watch;

use crate::core::name::ObjectName;
use crate::status::watch::{Line, LineId, LineKind, LinesSnapshot};

/// The feed that readers subscribe to. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Feed {
    epoch: u64,
    /// How many readers have begun.
    begun: watch::Sender<u64>,
    published: watch::Sender<Arc<LinesSnapshot>>,
}

impl Feed {
    pub(super) fn new(
        epoch: u64,
        begun: watch::Sender<u64>,
        published: watch::Sender<Arc<LinesSnapshot>>,
    ) -> Feed {
        Feed { epoch, begun, published }
    }

    #[cfg(test)]
    pub(super) fn published(&self) -> Arc<LinesSnapshot> {
        self.published.borrow().clone()
    }

    /// Begins to watch everything, or `only` one object: from a full snapshot, or from the lines after `since`, if that is a
    /// line of this process. Waits for the next refresh, which begins within [`PAUSE`](crate::status::watch::PAUSE). `None` if
    /// `only` does not exist and the reader never had a line about it.
    pub(crate) async fn watch(&self, since: Option<LineId>, only: Option<ObjectName>) -> Option<Watching> {
        let mut snapshots = self.published.subscribe();
        let mut ticket = 0;
        self.begun.send_modify(|begun| {
            *begun += 1;
            ticket = *begun;
        });
        let looked = snapshots.wait_for(|snapshot| snapshot.begun >= ticket).await;
        let first = looked.map(|snapshot| snapshot.clone()).unwrap_or_default();
        let ours =
            |id: &LineId| id.epoch == self.epoch && (first.forgotten..=first.last).contains(&id.number);
        let (taken, seen) = match since.filter(ours) {
            Some(id) => (id.number, id.number),
            None => {
                let there = |line: &Line| line.kind == LineKind::Object && line.subject == only;
                if only.is_some() && !first.lines.values().any(there) {
                    return None;
                }
                (0, first.last)
            }
        };
        Some(Watching { snapshots, only, taken, seen })
    }
}

/// A reader.
#[derive(Debug)]
pub(crate) struct Watching {
    snapshots: watch::Receiver<Arc<LinesSnapshot>>,
    only: Option<ObjectName>,
    /// The number of the last line that was read or skipped.
    taken: u64,
    /// `gone` lines up to this number are no news to the reader.
    seen: u64,
}

impl Watching {
    /// The next line, as soon as there is one; `None` once the feed has ended. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Line> {
        loop {
            let snapshot = self.snapshots.borrow_and_update().clone();
            let mut newer = snapshot.lines.range((Bound::Excluded(self.taken), Bound::Unbounded));
            if let Some((number, line)) = newer.find(|(_, line)| self.concerns(line)) {
                self.taken = *number;
                return Some(line.clone());
            }
            self.taken = self.taken.max(snapshot.last);
            self.snapshots.changed().await.ok()?;
        }
    }

    fn concerns(&self, line: &Line) -> bool {
        let news = line.kind != LineKind::Gone || line.id.number > self.seen;
        news && (self.only.is_none() || self.only == line.subject)
    }
}
