//! After a failure: warns, looks for the file, and writes the acknowledged state to a new one.

use std::sync::PoisonError;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tracing::{error, info, warn};

use super::disk::{Disk, is_full, panicked};
use super::{FIRST_RETRY, Writer};
use crate::api::event::EventKind;
use crate::clock;
use crate::store::StoreError;
use crate::store::event_log::MAX_EVENTS;
use crate::store::redb::EVENTS_AHEAD;
use crate::store::redb::file::{Content, OpenError, StateFile};
use crate::store::redb::guard::Displaced;

/// The longest wait before another attempt to replace a failed file.
const LAST_RETRY: Duration = Duration::from_secs(30);

impl Writer {
    pub(super) fn fail(&mut self, error: StoreError, commit: u64, pause: Duration) {
        let retry_at = clock::monotonic() + pause;
        self.alarm(&error);
        self.disk = Disk::Failed { error, commit, retry_at, pause };
    }

    /// Publishes that nothing can be written. Returns whether that is news.
    fn alarm(&self, error: &StoreError) -> bool {
        let said = error.to_string();
        let before = self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).replace(said.clone());
        if before.is_none() {
            self.shared.event_log.note_general(EventKind::Store, said.clone());
        }
        before != Some(said)
    }

    /// Publishes that the state can be written again.
    fn all_clear(&self) {
        *self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.shared.event_log.note_general(EventKind::Store, "the state can be written again");
    }

    /// Records that the file is not the one in the directory.
    pub(super) fn displaced(&mut self, file: StateFile, displaced: &Displaced) -> StoreError {
        let error = StoreError::Unsettled(displaced.to_string());
        if self.alarm(&error) {
            error!(%error, "the state file is not where it belongs");
        }
        self.disk =
            Disk::Displaced { file, error: error.clone(), retry_at: clock::monotonic() + FIRST_RETRY };
        error
    }

    /// Checks whether the file is the one in the directory.
    pub(super) async fn look(&mut self) {
        if !matches!(self.disk, Disk::Good(_) | Disk::Displaced { .. }) {
            return;
        }
        let guard = self.guard.clone();
        // A hanging file system must not block this thread.
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
                    info!("the state file is back in its place: submits are accepted again");
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
                self.fail(StoreError::Unsettled(panicked(&panic)), commit, FIRST_RETRY);
            }
        }
    }

    /// Runs the task that is due.
    pub(super) async fn retry(&mut self) {
        match self.disk {
            Disk::Failed { .. } => self.settle().await,
            Disk::Displaced { .. } => self.look().await,
            Disk::Good(_) | Disk::Away => {}
        }
    }

    /// After a failed commit: writes the acknowledged state to a new file.
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
        // The failed commit may have reached the disk.
        let made = spawn_blocking(move || {
            guard.allows_recreation().map_err(SettleError::Displaced)?;
            let file = StateFile::create(&dir, &content, commit + 2).map_err(SettleError::Open)?;
            guard.renew().map_err(OpenError::io(&dir, "read")).map_err(SettleError::Open)?;
            Ok((file, guard))
        });
        let error = match made.await {
            Ok(Ok((file, guard))) => {
                (self.disk, self.guard) = (Disk::Good(file), guard);
                self.written_event = last;
                self.shared.ownership.written(&ownership);
                info!("the state was written to a new file: submits are accepted again");
                self.all_clear();
                return;
            }
            Ok(Err(SettleError::Open(OpenError::Io { path, what, error }))) if is_full(&error) => {
                StoreError::NoSpace(format!("{} cannot be {what}: {error}", path.display()))
            }
            Ok(Err(error)) => StoreError::Unsettled(error.to_string()),
            Err(panic) => StoreError::Unsettled(panicked(&panic)),
        };
        warn!(%error, "the state cannot be written to a new file yet");
        self.fail(error, commit, (pause * 2).min(LAST_RETRY));
    }
}

/// Why the state could not be written to a new file.
#[derive(Debug, thiserror::Error)]
enum SettleError {
    #[error(transparent)]
    Displaced(Displaced),
    #[error(transparent)]
    Open(OpenError),
}
