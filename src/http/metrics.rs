//! `/metrics`: for Prometheus and compatible collectors.

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use super::caller::Caller;
use super::negotiate;
use super::query::{NoParameters, Parameters};
use super::state::ApiState;
use crate::api::problem::{Problem, ProblemKind};
use crate::core::access::Access;
use crate::telemetry::Format;

/// Metrics, for Prometheus
#[utoipa::path(
    get,
    path = "/metrics",
    responses(
        (status = 200, description = "Prometheus' text format, or OpenMetrics if Accept asks for it.", content(
            (String = "text/plain"),
            (String = "application/openmetrics-text"),
        )),
        (status = 400, description = "Unknown query parameter."),
    )
)]
pub(super) async fn metrics(
    State(state): State<ApiState>,
    caller: Caller,
    _: Parameters<NoParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.authorize(Access::Read, None)?;
    let open = negotiate::prefers(&headers, "application/openmetrics-text", "text/plain");
    let format = if open { Format::OpenMetrics } else { Format::Prometheus };
    let text = state.exposition.write(format).map_err(|_| {
        Problem::new(ProblemKind::NoMetrics, "the metrics cannot be written; this is a bug in the daemon")
    })?;
    Ok(([(header::CONTENT_TYPE, format.content_type())], text).into_response())
}
