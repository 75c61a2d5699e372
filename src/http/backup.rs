//! `GET /backup`: everything that was submitted, in the form that `restore` reads.

use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use super::query::Query;
use super::{Api, answers};

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
    let failed = |error: String| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "Backup failed", error);
    let text = answers::backup(&api, failed).await?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"))], text).into_response())
}
