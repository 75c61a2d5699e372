//! The answers that show everything, each shared by all who ask for it: see [`SharedAnswer`].

use std::time::UNIX_EPOCH;

use axum::body::Bytes;
use serde_json::Value;

use super::objects::as_submitted;
use super::problem::Problem;
use super::shared_answer::{SharedAnswer, Sources};
use super::{Api, reply};
use crate::core::desired::Desired;
use crate::store::backup;

/// One of each.
pub struct Answers {
    status: SharedAnswer,
    objects: SharedAnswer,
    backup: SharedAnswer,
}

impl Answers {
    /// Nothing is built yet.
    pub fn new(sources: &crate::status::StatusReader) -> Answers {
        let objects = || Sources::default().and(sources.objects.clone());
        let status = objects()
            .and(sources.progresses.clone())
            .and(sources.cache.engine())
            .and(sources.cache.changes());
        Answers {
            status: SharedAnswer::new(status),
            objects: SharedAnswer::new(objects()),
            backup: SharedAnswer::new(objects()),
        }
    }
}

/// `GET /status`. It tells how old the last list is, in seconds, and whether the state can be written.
pub(super) async fn status(api: &Api) -> Result<Bytes, Problem> {
    let sources = api.sources.clone();
    let key = format!("{} {}", second(api), sources.store.durability());
    api.answers.status.get(key, move || reply::text(&sources.cluster())).await
}

/// `GET /objects`.
pub(super) async fn objects(api: &Api) -> Result<Bytes, Problem> {
    let objects = api.sources.objects.clone();
    let build = move || {
        let objects = objects.borrow().clone();
        let live: Vec<Value> = objects
            .values()
            .filter(|object| object.deleted.is_none())
            .map(|object| as_submitted(object))
            .collect();
        reply::text(&live)
    };
    api.answers.objects.get(String::new(), build).await
}

/// `GET /backup`, which says when it was made.
pub(super) async fn backup(api: &Api, failed: fn(String) -> Problem) -> Result<Bytes, Problem> {
    let (store, now) = (api.store.clone(), api.sources.clock.wall());
    let build = move || {
        // In this order: what is submitted anew in between stands in both, and then the object counts.
        let quarantined = store.quarantined();
        let objects = store.objects().borrow().clone();
        backup::write(&Desired { objects, quarantined }, Some(&store.ownership().identity()), now)
            .map(Into::into)
            .map_err(|e| failed(e.to_string()))
    };
    api.answers.backup.get(second(api), build).await
}

/// The second of the wall clock.
fn second(api: &Api) -> String {
    let since = api.sources.clock.wall().system().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs().to_string()
}
