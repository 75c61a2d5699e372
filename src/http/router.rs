//! The routes.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::{Extension, Router};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::openapi::{Document, head};
use super::query::{NoParameters, Parameters};
use super::state::ApiState;
use super::submit::BODY_MAX_BYTES;
use super::{
    backup, events, health, history, logs, metrics, middleware, objects, openapi, plan, problem, status,
    submit,
};
use crate::api::problem::Problem;

/// The router with all routes.
pub(crate) fn router(state: ApiState) -> Router {
    let (routes, declared) = routes().split_for_parts();
    routes
        .method_not_allowed_fallback(wrong_method)
        .fallback(no_such_path)
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .layer(Extension(Arc::new(Document::new(&declared))))
        .layer(from_fn(middleware::only_valid_requests))
        .layer(from_fn_with_state(state.clone(), middleware::only_valid_callers))
        .layer(from_fn(middleware::note_route))
        .with_state(state)
}

/// Each handler declares its own path, method and responses.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(head())
        .routes(routes!(index))
        .routes(routes!(submit::submit))
        .routes(routes!(status::all))
        .routes(routes!(status::one))
        .routes(routes!(objects::all))
        .routes(routes!(objects::one, objects::delete))
        .routes(routes!(history::history))
        .routes(routes!(history::rollback))
        .routes(routes!(logs::logs))
        .routes(routes!(plan::all))
        .routes(routes!(events::events))
        .routes(routes!(backup::backup))
        .routes(routes!(metrics::metrics))
        .routes(routes!(openapi::openapi))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
}

/// This list
#[utoipa::path(
    get,
    path = "/",
    responses(
        (status = 200, description = "All requests, one per line.", body = String),
        (status = 400, description = "Unknown query parameter."),
    )
)]
async fn index(Extension(document): Extension<Arc<Document>>, _: Parameters<NoParameters>) -> String {
    format!("swarm-cluster-state-manager {}\n\n{}", env!("CARGO_PKG_VERSION"), document.index())
}

async fn wrong_method(
    matched: Option<MatchedPath>,
    Extension(document): Extension<Arc<Document>>,
    request: Request,
) -> Problem {
    let path = request.uri().path();
    let allowed = document.methods(matched.as_ref().map_or(path, MatchedPath::as_str));
    problem::wrong_method(request.method(), path, allowed)
}

async fn no_such_path(Extension(document): Extension<Arc<Document>>, request: Request) -> Problem {
    problem::no_such_path(request.uri().path(), &document.paths())
}
