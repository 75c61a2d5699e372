//! The responses that show everything, each shared by all clients that ask for it: see [`SharedResponse`].

use std::time::UNIX_EPOCH;

use axum::body::Bytes;

use super::reply;
use super::shared_response::{SharedResponse, Sources};
use crate::api::problem::{Problem, ProblemKind};
use crate::core::desired::Desired;
use crate::status::StatusReader;
use crate::store::backup;

/// One of each.
pub(crate) struct SharedResponses {
    reader: StatusReader,
    status: SharedResponse,
    objects: SharedResponse,
    backup: SharedResponse,
}

impl SharedResponses {
    /// Nothing is built yet.
    pub(crate) fn new(reader: &StatusReader) -> SharedResponses {
        let objects = || Sources::default().and(reader.objects.clone());
        let status =
            objects().and(reader.progresses.clone()).and(reader.cache.engine()).and(reader.cache.changes());
        SharedResponses {
            reader: reader.clone(),
            status: SharedResponse::new(status),
            objects: SharedResponse::new(objects()),
            backup: SharedResponse::new(objects()),
        }
    }

    /// `GET /status`. It shows the age of the last list in seconds, and whether the state can be written.
    pub(super) async fn status(&self) -> Result<Bytes, Problem> {
        let reader = self.reader.clone();
        let key = format!("{} {}", self.second(), reader.store.durability());
        self.status.get(key, move || reply::text(&reader.cluster())).await
    }

    /// `GET /objects`.
    pub(super) async fn objects(&self) -> Result<Bytes, Problem> {
        let objects = self.reader.objects.clone();
        let build = move || {
            let objects = objects.borrow().clone();
            let live = objects.values().filter(|object| object.deleted.is_none());
            reply::text(&live.map(|object| reply::stored(object)).collect::<Vec<_>>())
        };
        self.objects.get(String::new(), build).await
    }

    /// `GET /backup`, which has the time at which it was made.
    pub(super) async fn backup(&self) -> Result<Bytes, Problem> {
        let (store, now) = (self.reader.store.clone(), self.reader.clock.wall());
        let build = move || {
            // In this order: an object that is submitted again in between is in both, and then the object counts.
            let quarantined = store.quarantined();
            let objects = store.objects().borrow().clone();
            backup::write(&Desired { objects, quarantined }, Some(&store.ownership().identity()), now)
                .map(Into::into)
                .map_err(|error| Problem::new(ProblemKind::BackupFailed, error.to_string()))
        };
        self.backup.get(self.second(), build).await
    }

    /// The wall clock, in whole seconds.
    fn second(&self) -> String {
        let since = self.reader.clock.wall().system().duration_since(UNIX_EPOCH);
        since.unwrap_or_default().as_secs().to_string()
    }
}
