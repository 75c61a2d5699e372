//! Checks of every request, before its handler.

use axum::Extension;
use axum::body::HttpBody;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::caller::Caller;
use super::problem;
use super::state::ApiState;
use super::submit::{self, BODY_MAX_BYTES};
use crate::api::problem::{Problem, ProblemKind};
use crate::core::access::Access;
use crate::core::sanitize::shown;
use crate::server::request_check::{self, ServedNames};
use crate::telemetry::Route;

/// Refuses what the certificate does not allow. The handshake has verified it; a connection may live longer than its
/// certificate.
pub(super) async fn only_valid_callers(
    State(state): State<ApiState>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Response {
    let access = match (request.method(), request.uri().path()) {
        (&Method::GET, "/healthz" | "/readyz") => Access::Health,
        (&Method::GET | &Method::HEAD, _) => Access::Read,
        _ => Access::Change,
    };
    if let Err(denied) = caller.authorize(access, None) {
        return denied.into_response();
    }
    // The daemon's own certificate may expire: the health check is about the loops, and a restart would not renew it.
    if caller.peer.expired(state.status.clock.wall().system()) && !caller.peer.health_only {
        return problem::expired(&caller.peer).into_response();
    }
    next.run(request).await
}

/// Refuses what HTTP forbids, what a web page of another origin has a browser send, and a body that is not allowed or too
/// large, before any of it is read.
pub(super) async fn only_valid_requests(
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
        return body_not_taken(&head.method, head.uri.path()).into_response();
    }
    if usize::try_from(length).is_ok_and(|length| length <= BODY_MAX_BYTES) {
        return next.run(Request::from_parts(head, body)).await;
    }
    submit::too_large().into_response()
}

/// Whether this request has all its parameters in the query. What is not a request at all becomes a 405 or a 404.
fn takes_no_body(method: &Method, path: &str) -> bool {
    let rollback = path.ends_with("/rollback");
    match *method {
        Method::GET | Method::HEAD => path != "/submit" && !rollback,
        Method::DELETE => path.strip_prefix("/objects/").is_some_and(|name| !name.contains('/')),
        Method::POST => rollback,
        _ => false,
    }
}

/// The client may mean something by its body that would not be done.
fn body_not_taken(method: &Method, path: &str) -> Problem {
    let detail = format!(
        "{method} {} takes no body, but the request has one; parameters go after the '?'; nothing was done",
        shown(path)
    );
    Problem::new(ProblemKind::BodyNotAllowed, detail)
}

/// Notes the route of a request for the metrics: there are few routes, and any number of paths.
pub(super) async fn note_route(
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
