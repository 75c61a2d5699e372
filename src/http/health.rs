//! `/healthz` and `/readyz`: for health checks and load balancers.

use axum::extract::State;

use super::query::{NoParameters, Parameters};
use super::state::ApiState;
use crate::api::problem::{Problem, ProblemKind};
use crate::core::evidence::Evidence;

/// Whether it is alive
///
/// Whether the reconcile loop makes progress. When a loop dies, the process ends.
#[utoipa::path(
    get,
    path = "/healthz",
    responses(
        (status = 200, description = "Alive.", body = String),
        (status = 400, description = "Unknown query parameter."),
        (status = 503, description = "The loop has made no progress for some time."),
    )
)]
pub(super) async fn healthz(
    State(state): State<ApiState>,
    _: Parameters<NoParameters>,
) -> Result<&'static str, Problem> {
    match state.status.heartbeat.stalled(state.status.clock.now()) {
        None => Ok("ok\n"),
        Some(why) => Err(Problem::new(ProblemKind::Stalled, why)),
    }
}

/// Whether it is ready
///
/// The state is loaded and can be written, and a complete list was received.
#[utoipa::path(
    get,
    path = "/readyz",
    responses(
        (status = 200, description = "Ready.", body = String),
        (status = 400, description = "Unknown query parameter."),
        (status = 503, description = "No complete list was received yet, or the state cannot be written; the detail says which."),
    )
)]
pub(super) async fn readyz(
    State(state): State<ApiState>,
    _: Parameters<NoParameters>,
) -> Result<&'static str, Problem> {
    let not_ready = |why: String| Problem::new(ProblemKind::NotReady, why);
    if let Some(why) = state.store.trouble() {
        return Err(not_ready(why));
    }
    let engine = state.cache.engine().borrow().clone();
    match (engine.listed, engine.evidence(state.status.clock.offset())) {
        (None, Evidence::Waiting { reason, .. }) => Err(not_ready(reason)),
        (Some(_), _) | (None, Evidence::Good) => Ok("ready\n"),
    }
}
