//! The only task that writes the state, and how it handles disk failures.
//!
//! The task is woken by transactions, by new events and by timers. Waiting transactions are applied to the last snapshot one
//! after the other and committed together; each gets its own answer. The tail of the event log is written along with them, or
//! separately soon after.
//!
//! After a failed commit it is unknown what the disk holds, and after a failed fsync not even a read would tell. So the old file
//! is abandoned: the acknowledged state is in memory, and is written to a new file that replaces the old one. Until that
//! succeeds, nothing is acknowledged, and reads continue. A failed commit was not taken, unless the process dies first: then the
//! next start decides.
//!
//! The data directory may be removed, moved or replaced under an open file. So [`Guard`] checks it before and after each commit,
//! and periodically; while the open file is not the one in the directory, nothing is acknowledged.
//!
//! It never answers before the data is on disk, and never publishes uncommitted data.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use self::disk::{CommitError, Disk, is_full, panicked};
use super::file::{Batch, StateFile};
use super::guard::Guard;
use super::{Answer, EVENTS_AHEAD, Request, Shared};
use crate::clock::{self, Clock};
use crate::core::desired::Desired;
use crate::core::transaction::{Committed, Effect, apply};
use crate::crash_points;
use crate::store::StoreError;
use crate::store::event_log::MAX_EVENTS;

mod disk;
mod recovery;

/// The most transactions per commit, which bounds the memory for bodies of 1 MiB.
const MAX_BATCH: usize = 64;
/// Events are on disk after this time at the latest.
const FLUSH: Duration = Duration::from_secs(1);
/// The first wait before another attempt to replace a failed file; it doubles up to the longest one.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// How often the file is checked while nothing is committed: soon enough to warn a user who removes the directory. Each check
/// is two system calls.
const LOOK: Duration = Duration::from_secs(2);

/// Writes the state of a [`RedbStore`](super::RedbStore).
pub(crate) struct Writer {
    dir: PathBuf,
    disk: Disk,
    guard: Guard,
    desired: Desired,
    /// The last event on disk.
    written_event: u64,
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Request>,
    clock: Clock,
}

/// A transaction and its answer, held back until the batch is on disk.
struct Decided {
    request: Request,
    answer: Answer,
}

impl Writer {
    pub(super) fn new(
        dir: &Path,
        file: StateFile,
        guard: Guard,
        desired: Desired,
        shared: Arc<Shared>,
        queue: mpsc::Receiver<Request>,
        clock: Clock,
    ) -> Writer {
        let written_event = *shared.event_log.last().borrow();
        let (dir, disk) = (dir.to_owned(), Disk::Good(file));
        Writer { dir, disk, guard, desired, written_event, shared, queue, clock }
    }

    /// Runs until it is stopped or has no more clients; then writes the rest of the event log and closes the file.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut requests = Vec::with_capacity(MAX_BATCH);
        let mut noted = self.shared.event_log.last();
        let mut owned = self.shared.ownership.versions();
        let mut flush_at = None;
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            flush_at = self.has_unwritten().then(|| flush_at.unwrap_or_else(|| clock::monotonic() + FLUSH));
            let retry_at = match self.disk {
                Disk::Failed { retry_at, .. } | Disk::Displaced { retry_at, .. } => Some(retry_at),
                _ => None,
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                n = self.queue.recv_many(&mut requests, MAX_BATCH) => {
                    if n == 0 {
                        break;
                    }
                    self.serve(std::mem::take(&mut requests)).await;
                }
                _ = noted.changed(), if flush_at.is_none() => {}
                _ = owned.changed(), if flush_at.is_none() => {}
                _ = look.tick() => self.look().await,
                () = sleep_until(retry_at.unwrap_or_else(clock::monotonic)), if retry_at.is_some() => self.retry().await,
                () = sleep_until(flush_at.unwrap_or_else(clock::monotonic)), if flush_at.is_some() => self.flush().await,
            }
        }
        self.queue.close();
        while let Some(request) = self.queue.recv().await {
            // The client may have stopped waiting.
            let _ = request.answer.send(Err(StoreError::Stopping));
        }
        self.flush().await;
        if let Disk::Good(file) = self.disk
            && let Err(error) = spawn_blocking(|| file.close()).await.unwrap_or(Ok(()))
        {
            warn!(%error, "the state file was not closed properly: the next start checks it");
        }
    }

    /// Events during a disk failure are written to the new file.
    fn has_unwritten(&self) -> bool {
        matches!(self.disk, Disk::Good(_))
            && (*self.shared.event_log.last().borrow() > self.written_event
                || self.shared.ownership.has_unwritten())
    }

    /// Serves a batch of transactions.
    async fn serve(&mut self, requests: Vec<Request>) {
        if let Some(error) = self.disk.failing() {
            requests.into_iter().for_each(|request| drop(request.answer.send(Err(error.clone()))));
            return;
        }
        let before = self.desired.clone();
        let mut after = before.clone();
        let now = self.clock.wall();
        let decide = |request: Request| {
            let applied = apply(&after, &request.transaction, now).map(|(next, committed)| {
                after = next;
                committed
            });
            Decided { request, answer: applied.map_err(StoreError::from) }
        };
        let decided: Vec<Decided> = requests.into_iter().map(decide).collect();
        let changed: BTreeSet<_> = decided
            .iter()
            .flat_map(|d| d.answer.iter().flatten())
            .filter(|one| one.effect != Effect::Unchanged)
            .map(|one| one.object.spec.name.clone())
            .collect();
        if changed.is_empty() {
            // Nothing is written, but an answer says that the submitted state is durable.
            self.look().await;
            if let Some(error) = self.disk.failing() {
                decided.into_iter().for_each(|d| drop(d.request.answer.send(Err(error.clone()))));
                return;
            }
            if !Arc::ptr_eq(&before.objects, &after.objects) {
                self.desired = after;
                self.publish(&decided);
            }
        } else {
            let mut batch = self.log_batch();
            batch.objects = changed.iter().filter_map(|name| after.objects.get(name).cloned()).collect();
            batch.forgotten =
                before.objects.keys().filter(|name| !after.objects.contains_key(*name)).cloned().collect();
            if let Err(error) = self.write(batch).await {
                let error = self.disk.failing().unwrap_or(error);
                decided.into_iter().for_each(|d| drop(d.request.answer.send(Err(error.clone()))));
                self.retry().await;
                return;
            }
            self.desired = after;
            self.publish(&decided);
        }
        crash_points::point("before-answer");
        for Decided { request, answer } in decided {
            let _ = request.answer.send(answer);
        }
    }

    /// Publishes a commit: first in the event log, so that it precedes what it causes.
    fn publish(&self, decided: &[Decided]) {
        for Decided { request, answer } in decided {
            let committed: &[Committed] = answer.as_deref().unwrap_or_default();
            self.shared.event_log.committed(committed, &request.transaction.by);
        }
        *self.shared.quarantined.lock().unwrap_or_else(PoisonError::into_inner) =
            self.desired.quarantined.clone();
        self.shared.objects.send_replace(self.desired.objects.clone());
    }

    /// Writes only the event log.
    async fn flush(&mut self) {
        if self.has_unwritten() && self.write(self.log_batch()).await.is_err() {
            self.retry().await;
        }
    }

    /// A batch with the events since the last one.
    fn log_batch(&self) -> Batch {
        let event_log = &self.shared.event_log;
        let events = event_log.after(self.written_event, MAX_EVENTS).events;
        let last = events.last().map_or(self.written_event, |event| event.id);
        Batch {
            oldest_event: event_log.before_last(MAX_EVENTS) + 1,
            promised_event: last + EVENTS_AHEAD,
            events,
            ownership: self.shared.ownership.unwritten(),
            ..Batch::default()
        }
    }

    /// Commits a batch on a thread that may block. After an error the disk is [`Disk::Failed`].
    async fn write(&mut self, batch: Batch) -> Result<(), StoreError> {
        let Disk::Good(mut file) = std::mem::replace(&mut self.disk, Disk::Away) else {
            return Err(StoreError::Unsettled("the writer has no file".to_owned()));
        };
        let last = batch.events.last().map_or(self.written_event, |event| event.id);
        let commit = file.last_commit();
        let mut guard = self.guard.clone();
        let ownership = batch.ownership.clone();
        let written = spawn_blocking(move || {
            if let Err(displaced) = guard.check() {
                return (Err(CommitError::NotBegun(displaced)), file);
            }
            let committed = file.commit(&batch).map_err(CommitError::Failed);
            // Data in a file that has lost its name meanwhile is lost.
            let kept = committed.and_then(|()| guard.committed().map_err(CommitError::Lost));
            (kept.map(|()| guard), file)
        });
        let error = match written.await {
            Ok((Ok(guard), file)) => {
                (self.disk, self.guard) = (Disk::Good(file), guard);
                self.written_event = last;
                self.shared.ownership.written(&ownership);
                return Ok(());
            }
            Ok((Err(CommitError::NotBegun(displaced)), file)) => return Err(self.displaced(file, &displaced)),
            Ok((Err(CommitError::Failed(redb::Error::Io(error))), _)) if is_full(&error) => {
                StoreError::NoSpace(error.to_string())
            }
            Ok((Err(error), _)) => StoreError::Unsettled(error.to_string()),
            Err(panic) => StoreError::Unsettled(panicked(&panic)),
        };
        error!(%error, "a commit failed");
        self.fail(error.clone(), commit, FIRST_RETRY);
        Err(error)
    }
}
