//! `GET /backup`: everything that was submitted, in the form that `restore` reads.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Api;
use super::problem::Problem;
use super::query::Query;
use crate::store::{Desired, backup};

/// Everything that was submitted, as `restore` reads it
#[utoipa::path(
    get,
    path = "/backup",
    responses(
        (status = 200, description = "A line of JSON each: the head, then the objects and tombstones.",
         body = String, content_type = "application/x-ndjson"),
        (status = 400, description = "A query parameter is not known."),
        (status = 500, description = "It cannot be written."),
    )
)]
pub(super) async fn backup(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    Query::read(query.as_deref(), &[])?;
    // In this order: what is submitted anew in between stands in both, and then the object counts.
    let quarantined = api.store.quarantined();
    let objects: Arc<_> = api.store.objects().borrow().clone();
    let now = api.sources.clock.now();
    let identity = api.store.ownership().identity();
    // Thousands of objects take a while.
    let written = tokio::task::spawn_blocking(move || {
        backup::write(&Desired { objects, quarantined }, Some(&identity), now)
    });
    let failed = |error: String| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "Backup failed", error);
    let text = written.await.map_err(|e| failed(e.to_string()))?.map_err(|e| failed(e.to_string()))?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"))], text).into_response())
}
