//! `/healthz` and `/readyz`: for health checks and load balancers.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::Api;
use super::problem::Problem;
use super::query::Query;
use crate::core::evidence::Evidence;

/// Whether it is alive
///
/// The loops turn. When one of them dies the process ends, and this with it; what is asked here
/// is whether they still turn.
#[utoipa::path(
    get,
    path = "/healthz",
    responses(
        (status = 200, description = "Alive.", body = String),
        (status = 400, description = "Unknown query parameter."),
        (status = 503, description = "The loop has not turned for some time."),
    )
)]
pub(super) async fn healthz(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    Query::read(query.as_deref(), &[])?;
    match api.sources.heartbeat.stalled(api.sources.clock.now()) {
        None => Ok((StatusCode::OK, "ok\n").into_response()),
        Some(why) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Stalled", why)),
    }
}

/// Whether it is ready
///
/// The state is loaded and can be written, and a first complete list was seen.
#[utoipa::path(
    get,
    path = "/readyz",
    responses(
        (status = 200, description = "Ready.", body = String),
        (status = 400, description = "Unknown query parameter."),
        (status = 503, description = "No complete list was seen yet, or the state cannot be written; the detail says what is waited for."),
    )
)]
pub(super) async fn readyz(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    Query::read(query.as_deref(), &[])?;
    let not_ready = |why: String| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Not ready", why);
    if let Some(why) = api.store.trouble() {
        return Err(not_ready(why));
    }
    let engine = api.cache.engine().borrow().clone();
    match (engine.listed, engine.evidence(api.sources.clock.offset())) {
        (None, Evidence::Waiting { reason, .. }) => Err(not_ready(reason)),
        (Some(_), _) | (None, Evidence::Good) => Ok((StatusCode::OK, "ready\n").into_response()),
    }
}
