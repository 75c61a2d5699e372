//! The HTTPS side: requests in, answers out.
//!
//! [`accept`] owns the sockets and hands whole requests of clients with a valid certificate to the router made
//! here. A handler parses, commits or reads a snapshot, and answers; it never speaks to the engine or to a worker, and
//! one that is asked to wait watches snapshots. Errors leave as `problem` documents, by one table.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::Method;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::feed::Feed;
use crate::observed::Cache;
use crate::status::Sources;
use crate::store::Store;

pub mod accept;
mod backup;
mod change;
pub mod connection;
mod events;
mod health;
mod history;
mod objects;
pub mod peer;
mod plan;
mod problem;
mod query;
mod reply;
mod status;
mod stream;
mod submit;
pub mod tls;
mod wait;

use peer::Peer;
use problem::Problem;

/// The largest request body, in bytes: room for some thousand objects.
const BODY_MAX_BYTES: usize = 1024 * 1024;

/// Answers that may take as long as their client likes, waits and streams, at one time. Each holds a connection; so
/// many leave a fifth of those that one address may have for those who only ask or submit.
pub const LONG_ANSWERS: usize = 200;

/// What the handlers work with.
#[derive(Clone)]
pub struct Api {
    /// Where submits go.
    pub store: Arc<dyn Store>,
    /// What the status is made from.
    pub sources: Sources,
    /// The observed side, for readiness.
    pub cache: Arc<Cache>,
    /// What changes in the status.
    pub feed: Feed,
    /// Places for answers that take long: [`LONG_ANSWERS`] of them.
    pub long: Arc<Semaphore>,
    /// The turn to make a forecast: one at a time, so that a flood of them leaves a thread to everybody else.
    pub forecasts: Arc<Semaphore>,
    /// Ends what waits.
    pub stop: CancellationToken,
}

impl Api {
    /// A place for an answer that takes long, to be held until its end; refused where there is none left.
    fn long_answer(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.long.clone().try_acquire_owned().map_err(|_| Problem::too_many_wait(LONG_ANSWERS))
    }
}

/// All routes, and what is tried of a path that is none of them.
const ROUTES: &[&str] = &[
    "/",
    "/submit",
    "/status",
    "/status/NAME",
    "/objects",
    "/objects/NAME",
    "/objects/NAME/history",
    "/objects/NAME/rollback",
    "/plan",
    "/events",
    "/backup",
    "/healthz, /readyz",
];

/// The router over all routes.
pub fn router(api: Api) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/submit", post(submit::submit))
        .route("/status", get(status::all))
        .route("/status/{name}", get(status::one))
        .route("/objects", get(objects::all))
        .route("/objects/{name}", get(objects::one).delete(objects::delete))
        .route("/backup", get(backup::backup))
        .route("/objects/{name}/history", get(history::history))
        .route("/objects/{name}/rollback", post(history::rollback))
        .route("/plan", get(plan::all))
        .route("/events", get(events::events))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .method_not_allowed_fallback(wrong_method)
        .fallback(no_such_path)
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .layer(from_fn_with_state(api.clone(), only_valid_peers))
        .with_state(api)
}

async fn index() -> Response {
    let lines = format!(
        "swarm-cluster-state-manager {}\n\nPOST   /submit          one object or an array of objects\n\
         GET    /status          everything; /status/NAME for one object; ?watch to see it change\n\
         GET    /events          what was done, and why\n\
         GET    /objects         what was submitted; /objects/NAME for one\n\
         DELETE /objects/NAME    the object and its containers\n\
         GET    /objects/NAME/history    the specs that it has had\n\
         POST   /objects/NAME/rollback   back to one of them\n\
         GET    /plan            what would be done now\n\
         GET    /healthz /readyz\n",
        env!("CARGO_PKG_VERSION")
    );
    lines.into_response()
}

async fn wrong_method(request: Request) -> Problem {
    let path = request.uri().path();
    let allowed = match path {
        "/submit" => "POST",
        p if p.starts_with("/objects/") && p.ends_with("/history") => "GET",
        p if p.starts_with("/objects/") && p.ends_with("/rollback") => "POST",
        p if p.starts_with("/objects/") => "GET, DELETE",
        _ => "GET",
    };
    Problem::wrong_method(request.method(), path, allowed)
}

async fn no_such_path(request: Request) -> Problem {
    Problem::no_such_path(request.uri().path(), ROUTES)
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
    if peer.expired(api.sources.clock.now().system()) && !peer.health_only {
        return Problem::expired(&peer).into_response();
    }
    next.run(request).await
}
