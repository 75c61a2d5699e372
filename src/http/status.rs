//! `/status`: the present status, and with `?watch` its changes.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::caller::Caller;
use super::objects::Named;
use super::openapi::WatchParameters;
use super::query::{FromQuery, Parameters, Query, bad};
use super::reply;
use super::state::ApiState;
use super::stream::{self, End, Item};
use crate::api::problem::Problem;
use crate::api::status::{ClusterStatus, ObjectStatus};
use crate::core::access::Access;
use crate::core::name::ObjectName;
use crate::status::watch::LineId;

/// The status of everything
///
/// With `watch` a full snapshot first, then one line per change.
#[utoipa::path(
    get,
    path = "/status",
    params(WatchParameters),
    responses(
        (
            status = 200, description = "The manager, the engine and every object; with watch a stream.",
            content(
                (ClusterStatus = "application/json"),
                (ref("#/components/schemas/StatusLine") = "application/x-ndjson"),
                (String = "text/event-stream"),
            )
        ),
        (status = 400, description = "A query parameter or Last-Event-ID is not allowed."),
        (status = 503, description = "Too many long-running requests, or the daemon is busy or stopping."),
    )
)]
pub(super) async fn all(
    State(state): State<ApiState>,
    caller: Caller,
    Parameters(Watch { watch, since }): Parameters<Watch>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.authorize(Access::Read, None)?;
    match watch {
        true => changes(&state, &caller, &headers, since, None).await,
        false => Ok(reply::written(state.shared.status().await?)),
    }
}

/// The status of one object
///
/// With `watch` its status first, then one line per change.
#[utoipa::path(
    get,
    path = "/status/{name}",
    params(("name" = String, Path, description = "The object's name."), WatchParameters),
    responses(
        (
            status = 200, description = "The object and its containers; with watch a stream.",
            content(
                (ObjectStatus = "application/json"),
                (ref("#/components/schemas/StatusLine") = "application/x-ndjson"),
                (String = "text/event-stream"),
            ),
            headers(("ETag" = String, description = "Its generation, in quotes; not with watch.")),
        ),
        (status = 400, description = "A query parameter or Last-Event-ID is not allowed, or the path is unreadable."),
        (status = 404, description = "There is no such object, or it was deleted and its containers are gone."),
        (status = 503, description = "Too many long-running requests, or the daemon is busy or stopping."),
    )
)]
pub(super) async fn one(
    State(state): State<ApiState>,
    caller: Caller,
    Parameters(Watch { watch, since }): Parameters<Watch>,
    Named(name): Named,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.authorize(Access::Read, Some(&name))?;
    if watch {
        return changes(&state, &caller, &headers, since, Some(name)).await;
    }
    match state.status.object(&name) {
        Some(status) => Ok(reply::tagged(reply::ok(&status), status.generation)),
        None => Err(state.no_such_object(name.as_str())),
    }
}

/// The parameters of `/status`.
pub(super) struct Watch {
    watch: bool,
    since: Option<LineId>,
}

impl FromQuery for Watch {
    const NAMES: &'static [&'static str] = &["watch", "since"];

    fn from_query(query: &Query, headers: &HeaderMap) -> Result<Watch, Problem> {
        let watch = query.flag("watch")?;
        if !watch && query.text("since").is_some() {
            return Err(bad("since", "continues a watch; allowed is with 'watch' only"));
        }
        Ok(Watch { watch, since: watch.then(|| stream::since(headers, query)).transpose()?.flatten() })
    }
}

/// A snapshot and then the changes, of everything or of one object.
async fn changes(
    state: &ApiState,
    caller: &Caller,
    headers: &HeaderMap,
    since: Option<LineId>,
    only: Option<ObjectName>,
) -> Result<Response, Problem> {
    let permit = state.long_running_permit(caller)?;
    let name = only.as_ref().map(ObjectName::to_string).unwrap_or_default();
    let watching = state.status_feed.watch(since, only).await.ok_or_else(|| state.no_such_object(&name))?;
    let items = futures_util::stream::unfold(watching, |mut watching| async move {
        let line = watching.next().await?;
        let item = Item { id: Some(line.id.to_string()), kind: line.kind.word().into(), json: line.json };
        Some((item, watching))
    });
    Ok(stream::response(headers, items, permit, End::of(&caller.peer, state.status.clock)))
}
