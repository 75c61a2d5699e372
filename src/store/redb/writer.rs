//! The writer: the only one who changes the state, and what it does when the disk fails.
//!
//! What runs here: one task. It is woken by transactions, by new events and by the time. Transactions that wait are
//! applied one after the other to the last snapshot and committed together; each has its own answer. The log's
//! tail goes along, or by itself soon after.
//!
//! When a commit fails, nobody knows what the disk holds, and after a failed fsync not even reading it back would
//! tell. So the old file is given up: what was acknowledged is in memory, and is written anew into a file that takes
//! the old one's place. Until that has worked nothing is acknowledged, and reads go on. What failed was not taken,
//! unless the process dies before: then the next start finds out.
//!
//! The data directory may be removed, moved or replaced under an open file. So [`Guard`] is asked before and after each
//! commit, and from time to time; while the file is not the one that the directory shows, nothing is acknowledged.
//!
//! What it never does: answer before the disk has it, or show what is not committed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::file::{Batch, Content, OpenError, StateFile};
use super::guard::{Displaced, Guard};
use super::{Answer, EVENTS_AHEAD, Request, Shared};
use crate::api::event::EventKind;
use crate::clock::{self, Clock};
use crate::core::desired::Desired;
use crate::core::transaction::{Committed, Effect, apply};
use crate::crash_points;
use crate::store::StoreError;
use crate::store::event_log::MAX_EVENTS;

/// The most transactions in one commit: what 1 MiB bodies may need of memory at once.
const MAX_BATCH: usize = 64;
/// Events are on the disk this long after they were noted, at the latest.
const FLUSH: Duration = Duration::from_secs(1);
/// The first wait before a failed file is written anew once more, doubling up to the last.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);
/// How often the file is looked at while nothing is committed: soon enough for whoever removes the directory to see
/// the alarm, and two calls to the file system each time.
const LOOK: Duration = Duration::from_secs(2);

/// Writes the state of a [`RedbStore`](super::RedbStore).
pub struct Writer {
    dir: PathBuf,
    disk: Disk,
    guard: Guard,
    desired: Desired,
    /// The last event that the disk has.
    written_event: u64,
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Request>,
    clock: Clock,
}

enum Disk {
    Good(StateFile),
    /// The file is not the one that the directory shows. It holds what was acknowledged.
    Displaced {
        file: StateFile,
        error: StoreError,
        retry_at: Instant,
    },
    /// A commit failed; the file is to be written anew.
    Failed {
        error: StoreError,
        commit: u64,
        retry_at: Instant,
        pause: Duration,
    },
    /// A blocking task has it.
    Away,
}

/// A transaction's answer, kept until the batch is on the disk.
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

    /// Runs until it is told to stop or nobody can ask any more; then writes what is left of the log and closes the file.
    pub async fn run(mut self, stop: CancellationToken) {
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
            // Whoever does not wait any more need not know.
            let _ = request.answer.send(Err(StoreError::Stopping));
        }
        self.flush().await;
        if let Disk::Good(file) = self.disk
            && let Err(error) = spawn_blocking(|| file.close()).await.unwrap_or(Ok(()))
        {
            warn!(%error, "the state file was not closed in order: the next start checks it");
        }
    }

    /// What is noted while the disk fails is written with the new file.
    fn has_unwritten(&self) -> bool {
        matches!(self.disk, Disk::Good(_))
            && (*self.shared.event_log.last().borrow() > self.written_event
                || self.shared.ownership.has_unwritten())
    }

    /// Takes a batch of transactions.
    async fn serve(&mut self, requests: Vec<Request>) {
        if let Disk::Failed { error, .. } | Disk::Displaced { error, .. } = &self.disk {
            let error = error.clone();
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
            // Nothing is written, and yet an answer says that what was submitted lasts.
            self.look().await;
            if let Disk::Failed { error, .. } | Disk::Displaced { error, .. } = &self.disk {
                let error = error.clone();
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

    /// Shows what is committed: first in the log, so that it stands before what it causes.
    fn publish(&self, decided: &[Decided]) {
        for Decided { request, answer } in decided {
            let committed: &[Committed] = answer.as_deref().unwrap_or_default();
            self.shared.event_log.committed(committed, &request.transaction.by);
        }
        *self.shared.quarantined.lock().unwrap_or_else(PoisonError::into_inner) =
            self.desired.quarantined.clone();
        self.shared.objects.send_replace(self.desired.objects.clone());
    }

    /// Writes the log alone.
    async fn flush(&mut self) {
        if self.has_unwritten() && self.write(self.log_batch()).await.is_err() {
            self.retry().await;
        }
    }

    /// A batch with what was noted since the last one.
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
            // What was written to a file that lost its name meanwhile is not on the disk for anyone.
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
            Err(panic) => StoreError::Unsettled(died(&panic)),
        };
        error!(%error, "a commit failed");
        self.fail(error.clone(), commit, FIRST_RETRY);
        Err(error)
    }

    fn fail(&mut self, error: StoreError, commit: u64, pause: Duration) {
        let retry_at = clock::monotonic() + pause;
        self.alarm(&error);
        self.disk = Disk::Failed { error, commit, retry_at, pause };
    }

    /// Makes it known that nothing can be written. Returns whether that is news.
    fn alarm(&self, error: &StoreError) -> bool {
        let said = error.to_string();
        let before = self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).replace(said.clone());
        if before.is_none() {
            self.shared.event_log.note_general(EventKind::Store, said.clone());
        }
        before != Some(said)
    }

    /// Makes it known that all can be written again.
    fn all_clear(&self) {
        *self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.shared.event_log.note_general(EventKind::Store, "the state can be written again");
    }

    /// Takes note that the file is not the one that the directory shows.
    fn displaced(&mut self, file: StateFile, displaced: &Displaced) -> StoreError {
        let error = StoreError::Unsettled(displaced.to_string());
        if self.alarm(&error) {
            error!(%error, "the state file is not where it belongs");
        }
        self.disk =
            Disk::Displaced { file, error: error.clone(), retry_at: clock::monotonic() + FIRST_RETRY };
        error
    }

    /// Looks whether the file is the one that the directory shows.
    async fn look(&mut self) {
        if !matches!(self.disk, Disk::Good(_) | Disk::Displaced { .. }) {
            return;
        }
        let guard = self.guard.clone();
        // A file system that does not answer must not hold up a thread that does other things.
        let found = spawn_blocking(move || guard.check()).await;
        let file = match std::mem::replace(&mut self.disk, Disk::Away) {
            Disk::Good(file) | Disk::Displaced { file, .. } => file,
            other => {
                self.disk = other;
                return;
            }
        };
        match found {
            Ok(Ok(())) => {
                self.disk = Disk::Good(file);
                if self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
                    info!("the state file is back in its place: submits are taken again");
                    self.all_clear();
                }
            }
            Ok(Err(displaced @ (Displaced::Removed(_) | Displaced::Altered(_)))) => {
                let commit = file.last_commit();
                let error = self.displaced(file, &displaced);
                self.disk = Disk::Failed { error, commit, retry_at: clock::monotonic(), pause: FIRST_RETRY };
                self.settle().await;
            }
            Ok(Err(displaced)) => drop(self.displaced(file, &displaced)),
            Err(panic) => {
                let commit = file.last_commit();
                self.fail(StoreError::Unsettled(died(&panic)), commit, FIRST_RETRY);
            }
        }
    }

    /// What is waited for is tried.
    async fn retry(&mut self) {
        match self.disk {
            Disk::Failed { .. } => self.settle().await,
            Disk::Displaced { .. } => self.look().await,
            Disk::Good(_) | Disk::Away => {}
        }
    }

    /// After a failed commit: writes what was acknowledged into a new file.
    async fn settle(&mut self) {
        let Disk::Failed { commit, pause, .. } = self.disk else { return };
        let event_log = &self.shared.event_log;
        let events = event_log.after(0, MAX_EVENTS).events;
        let last = *event_log.last().borrow();
        let content = Content {
            desired: self.desired.clone(),
            events: events.iter().map(|event| (**event).clone()).collect(),
            last_event: last + EVENTS_AHEAD,
            identity: Some(self.shared.ownership.identity()),
            recorded: self.shared.ownership.recorded(),
        };
        let ownership = self.shared.ownership.unwritten();
        let mut guard = self.guard.clone();
        let dir = self.dir.clone();
        // The failed one may have reached the disk as one commit more.
        let made = spawn_blocking(move || {
            guard.allows_writing_anew().map_err(SettleError::Displaced)?;
            let file = StateFile::create(&dir, &content, commit + 2).map_err(SettleError::Open)?;
            guard.renew().map_err(OpenError::io(&dir, "read")).map_err(SettleError::Open)?;
            Ok((file, guard))
        });
        let error = match made.await {
            Ok(Ok((file, guard))) => {
                (self.disk, self.guard) = (Disk::Good(file), guard);
                self.written_event = last;
                self.shared.ownership.written(&ownership);
                info!("the state was written anew: submits are taken again");
                self.all_clear();
                return;
            }
            Ok(Err(SettleError::Open(OpenError::Io { path, what, error }))) if is_full(&error) => {
                StoreError::NoSpace(format!("{} cannot be {what}: {error}", path.display()))
            }
            Ok(Err(error)) => StoreError::Unsettled(error.to_string()),
            Err(panic) => StoreError::Unsettled(died(&panic)),
        };
        warn!(%error, "the state cannot be written anew yet");
        self.fail(error, commit, (pause * 2).min(LAST_RETRY));
    }
}

/// Why a batch is not on the disk.
#[derive(Debug, thiserror::Error)]
enum CommitError {
    /// Nothing was written.
    #[error("{0}")]
    NotBegun(Displaced),
    #[error("{0}")]
    Failed(redb::Error),
    /// It was written, to a file that has lost its name meanwhile.
    #[error("{0}")]
    Lost(Displaced),
}

/// Why the state could not be written anew.
#[derive(Debug, thiserror::Error)]
enum SettleError {
    #[error(transparent)]
    Displaced(Displaced),
    #[error(transparent)]
    Open(OpenError),
}

fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
}

fn died(panic: &JoinError) -> String {
    format!("writing it died: {panic}")
}
