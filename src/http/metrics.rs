//! `/metrics`: for Prometheus, and whatever reads what Prometheus reads.

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use super::query::Query;
use super::{Api, negotiate};
use crate::telemetry::Format;

/// Metrics, for Prometheus
#[utoipa::path(
    get,
    path = "/metrics",
    responses(
        (status = 200, description = "Prometheus' text format, or OpenMetrics where Accept asks for it.", content(
            (String = "text/plain"),
            (String = "application/openmetrics-text"),
        )),
        (status = 400, description = "A query parameter is not known."),
    )
)]
pub(super) async fn metrics(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    Query::read(query.as_deref(), &[])?;
    let open = negotiate::prefers(&headers, "application/openmetrics-text", "text/plain");
    let format = if open { Format::OpenMetrics } else { Format::Prometheus };
    let text = api.exposition.write(format).map_err(|_| {
        let detail = "the metrics cannot be written; this is a mistake in the program";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "No metrics", detail)
    })?;
    Ok(([(header::CONTENT_TYPE, format.content_type())], text).into_response())
}
