//! `/status`: how everything is doing, now, or with `?watch` from now on.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use futures_util::stream;

use super::openapi::Watch;
use super::problem::Problem;
use super::query::{Query, bad};
use super::stream::{End, Item};
use super::{Api, answers as shared, objects, reply, stream as answers};
use crate::api::status::{ClusterStatus, ObjectStatus};
use crate::core::name::ObjectName;
use crate::server::peer::Peer;

/// How everything is doing
///
/// With `watch` everything as it is, and then what changes, a line each.
#[utoipa::path(
    get,
    path = "/status",
    params(Watch),
    responses(
        (
            status = 200, description = "The manager, the engine and every object; with watch a stream.",
            content(
                (ClusterStatus = "application/json"),
                (ref("#/components/schemas/StatusLine") = "application/x-ndjson"),
                (String = "text/event-stream"),
            )
        ),
        (status = 400, description = "A query parameter or Last-Event-ID cannot be read."),
        (status = 503, description = "Too many wait or watch already, or the daemon is busy or stopping."),
    )
)]
pub(super) async fn all(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
    Extension(peer): Extension<Arc<Peer>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = Query::read(query.as_deref(), &["watch", "since"])?;
    if watched(&query)? {
        return watch(&api, &peer, &headers, &query, None).await;
    }
    Ok(reply::written(shared::status(&api).await?))
}

/// How one object is doing
///
/// With `watch` as it is, and then as it changes.
#[utoipa::path(
    get,
    path = "/status/{name}",
    params(("name" = String, Path, description = "The object's name."), Watch),
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
        (status = 400, description = "A query parameter or Last-Event-ID cannot be read, or the path."),
        (status = 404, description = "There is no such object, or nothing is left of a deleted one."),
        (status = 503, description = "Too many wait or watch already, or the daemon is busy or stopping."),
    )
)]
pub(super) async fn one(
    State(api): State<Api>,
    name: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    Extension(peer): Extension<Arc<Peer>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = Query::read(query.as_deref(), &["watch", "since"])?;
    let name = objects::named(name)?;
    let parsed = ObjectName::parse(&name).ok_or_else(|| objects::missing(&api, &name))?;
    if watched(&query)? {
        return watch(&api, &peer, &headers, &query, Some(parsed)).await;
    }
    match api.sources.object(&parsed) {
        Some(status) => Ok(reply::tagged(reply::ok(&status), status.generation)),
        None => Err(objects::missing(&api, &name)),
    }
}

fn watched(query: &Query) -> Result<bool, Problem> {
    let watched = query.flag("watch")?;
    if !watched && query.text("since").is_some() {
        return Err(bad("since", "says where to go on watching; allowed is with 'watch' only"));
    }
    Ok(watched)
}

/// Everything, or `only` one object, as it changes.
async fn watch(
    api: &Api,
    peer: &Arc<Peer>,
    headers: &HeaderMap,
    query: &Query,
    only: Option<ObjectName>,
) -> Result<Response, Problem> {
    let since = answers::since(headers, query)?;
    let place = api.long_answer(peer)?;
    let name = only.as_ref().map(ObjectName::to_string).unwrap_or_default();
    let watching = api.feed.watch(since, only).await.ok_or_else(|| objects::missing(api, &name))?;
    let items = stream::unfold(watching, |mut watching| async move {
        let line = watching.next().await?;
        let item = Item { id: Some(line.id.to_string()), kind: line.kind.word(), json: line.json };
        Some((item, watching))
    });
    Ok(answers::answer(headers, items, place, End::of(peer, api.sources.clock)))
}
