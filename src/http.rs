//! The HTTPS side: requests in, answers out.
//!
//! [`server`](crate::server) owns the sockets and hands whole requests of clients with a valid certificate to the router made
//! here. A handler parses, commits or reads a snapshot, and answers; it never speaks to the engine or to a worker (logs
//! come through [`logs`](crate::logs)), and one that is asked to wait watches snapshots. Errors leave as `problem` documents, by one table.

use std::sync::Arc;

use axum::body::HttpBody;
use axum::extract::{DefaultBodyLimit, MatchedPath, RawQuery, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::openapi::Document;
use self::problem::Problem;
use self::query::Query;
use crate::control::cache::Cache;
use crate::core::submission::strict;
use crate::engine::Engine;
use crate::logs::Logs;
use crate::server::fair_share::{FairShare, Permit};
use crate::server::peer::Peer;
use crate::server::request_check::{self, ServedNames};
use crate::status::StatusReader;
use crate::status::watch::Feed;
use crate::store::Store;
use crate::telemetry::{Exposition, Route};

mod answers;
mod backup;
mod change;
mod endpoint;
mod events;
mod expensive;
mod health;
mod history;
mod logs;
mod metrics;
mod negotiate;
mod objects;
mod openapi;
mod plan;
pub(crate) mod problem;
mod query;
mod reply;
mod shared_answer;
mod status;
mod stream;
mod submit;
mod wait;

pub use answers::Answers;
pub use expensive::Expensive;

/// The largest request body, in bytes: room for some thousand objects.
const BODY_MAX_BYTES: usize = 1024 * 1024;

/// Answers that may take as long as their client likes, waits and streams, of one identity at one time while no other
/// has any. Each holds a connection; so many leave a fifth of those that one address may have for those who only ask
/// or submit.
pub const LONG_ANSWERS: usize = 200;
/// Such answers in all. An identity has half of what the others leave.
const LONG_ANSWERS_IN_ALL: usize = 2 * LONG_ANSWERS;

/// How many long answers there are where there are so many connections: a fifth of these is for those who only ask or
/// submit.
pub fn long_running_requests(connections: usize) -> usize {
    (connections * 4 / 5).clamp(1, LONG_ANSWERS_IN_ALL)
}

/// What the handlers work with.
#[derive(Clone)]
pub struct Api {
    /// Where submits go.
    pub store: Arc<dyn Store>,
    /// What the status is made from.
    pub sources: StatusReader,
    /// The observed side, for readiness.
    pub cache: Arc<Cache>,
    /// The endpoint, for questions that the cache has no answer to.
    pub engine: Arc<dyn Engine>,
    /// What changes in the status.
    pub feed: Feed,
    /// Permits for answers that take long: as many as [`long_running_requests`] says.
    pub long: Arc<FairShare>,
    /// What containers write.
    pub logs: Logs,
    /// Permits for logs that are read at once: as many as [`at_once`](crate::logs::at_once) says.
    pub log_readers: Arc<FairShare>,
    /// The answers that show everything.
    pub answers: Arc<Answers>,
    /// What `/metrics` shows.
    pub exposition: Arc<Exposition>,
    /// Turns for requests that cost much.
    pub expensive: Expensive,
    /// Ends what waits.
    pub stop: CancellationToken,
}

impl Api {
    /// A permit for an answer that takes long, to be held until its end; refused where there is none left, or this
    /// client has its share.
    fn long_answer(&self, peer: &Peer) -> Result<Permit, Problem> {
        self.long.try_acquire(&peer.identity).map_err(Problem::too_many_wait)
    }
}

/// The router over all routes.
pub fn router(api: Api) -> Router {
    let (routes, declared) = routes().split_for_parts();
    routes
        .method_not_allowed_fallback(wrong_method)
        .fallback(no_such_path)
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .layer(Extension(Arc::new(Document::new(&declared))))
        .layer(from_fn(only_valid_requests))
        .layer(from_fn_with_state(api.clone(), only_valid_peers))
        .layer(from_fn(note_route))
        .with_state(api)
}

/// Each handler says itself by which path and method it is reached, and what it answers.
fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(openapi::head())
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

/// The OpenAPI document, as `/openapi.json` gives it.
pub fn document() -> Vec<u8> {
    Document::new(&routes().into_openapi()).json().to_vec()
}

/// This list
#[utoipa::path(
    get,
    path = "/",
    responses(
        (status = 200, description = "All requests, a line each.", body = String),
        (status = 400, description = "Unknown query parameter."),
    )
)]
async fn index(
    Extension(document): Extension<Arc<Document>>,
    RawQuery(query): RawQuery,
) -> Result<String, Problem> {
    Query::read(query.as_deref(), &[])?;
    Ok(format!("swarm-cluster-state-manager {}\n\n{}", env!("CARGO_PKG_VERSION"), document.index()))
}

async fn wrong_method(
    matched: Option<MatchedPath>,
    Extension(document): Extension<Arc<Document>>,
    request: Request,
) -> Problem {
    let path = request.uri().path();
    let allowed = document.methods(matched.as_ref().map_or(path, MatchedPath::as_str));
    Problem::wrong_method(request.method(), path, allowed)
}

async fn no_such_path(Extension(document): Extension<Arc<Document>>, request: Request) -> Problem {
    Problem::no_such_path(request.uri().path(), &document.paths())
}

/// The certificate was checked in the handshake; what may have changed since is checked with each request.
async fn only_valid_peers(
    State(api): State<Api>,
    Extension(peer): Extension<Arc<Peer>>,
    request: Request,
    next: Next,
) -> Response {
    let health = request.method() == Method::GET && matches!(request.uri().path(), "/healthz" | "/readyz");
    if peer.health_only && !health {
        return Problem::health_only().into_response();
    }
    // The daemon's own certificate may have ended: the health check asks about the loop, and a restart that
    // follows a failed one would not mend a certificate.
    if peer.expired(api.sources.clock.wall().system()) && !peer.health_only {
        return Problem::expired(&peer).into_response();
    }
    next.run(request).await
}

/// Refuses what HTTP forbids, what a page of another origin has a browser ask, and a body that is too long: before
/// any of it is read.
async fn only_valid_requests(
    Extension(names): Extension<ServedNames>,
    request: Request,
    next: Next,
) -> Response {
    let (head, body) = request.into_parts();
    if let Err(problem) = request_check::check(&head, &names) {
        return problem.into_response();
    }
    let length = body.size_hint().lower();
    let has_body = length > 0 || head.headers.contains_key(header::TRANSFER_ENCODING);
    if has_body && takes_no_body(&head.method, head.uri.path()) {
        return no_body(&head.method, head.uri.path()).into_response();
    }
    if usize::try_from(length).is_ok_and(|length| length <= BODY_MAX_BYTES) {
        return next.run(Request::from_parts(head, body)).await;
    }
    submit::too_large().into_response()
}

/// Whether a request of this kind has its parameters in the query alone. What is no request at all is a 405 or a 404.
fn takes_no_body(method: &Method, path: &str) -> bool {
    let rollback = path.ends_with("/rollback");
    match *method {
        Method::GET | Method::HEAD => path != "/submit" && !rollback,
        Method::DELETE => path.strip_prefix("/objects/").is_some_and(|name| !name.contains('/')),
        Method::POST => rollback,
        _ => false,
    }
}

/// A body could mean something that is not done: only a submit has one.
fn no_body(method: &Method, path: &str) -> Problem {
    let detail = format!(
        "{method} {} takes no body, and was given one; parameters go behind the '?', such as ?wait=60s; nothing was done",
        strict::shown(path)
    );
    Problem::new(StatusCode::BAD_REQUEST, "Body not taken", detail)
}

/// Writes down which route a request takes, for the one who counts it: a path may be anything, a route may not.
async fn note_route(
    matched: Option<MatchedPath>,
    route: Option<Extension<Route>>,
    request: Request,
    next: Next,
) -> Response {
    if let (Some(matched), Some(Extension(route))) = (matched, route) {
        route.found(matched.as_str());
    }
    next.run(request).await
}
