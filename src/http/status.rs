//! `/status`: how everything is doing, now, or with `?watch` from now on.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use futures_util::stream;

use super::problem::Problem;
use super::query::{Query, bad};
use super::stream::Item;
use super::{Api, objects, reply, stream as answers};
use crate::model::ObjectName;

pub(super) async fn all(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = Query::read(query.as_deref(), &["watch", "since"])?;
    if watched(&query)? {
        return watch(&api, &headers, &query, None).await;
    }
    Ok(reply::ok(&api.sources.cluster()))
}

pub(super) async fn one(
    State(api): State<Api>,
    name: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = Query::read(query.as_deref(), &["watch", "since"])?;
    let name = objects::named(name)?;
    let parsed = ObjectName::parse(&name).ok_or_else(|| objects::missing(&api, &name))?;
    if watched(&query)? {
        return watch(&api, &headers, &query, Some(parsed)).await;
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
    headers: &HeaderMap,
    query: &Query,
    only: Option<ObjectName>,
) -> Result<Response, Problem> {
    let since = answers::since(headers, query)?;
    let place = api.long_answer()?;
    let name = only.as_ref().map(ObjectName::to_string).unwrap_or_default();
    let watching = api.feed.watch(since, only).await.ok_or_else(|| objects::missing(api, &name))?;
    let items = stream::unfold(watching, |mut watching| async move {
        let line = watching.next().await?;
        let item = Item { id: Some(line.id.to_string()), kind: line.kind.word(), json: line.json };
        Some((item, watching))
    });
    Ok(answers::answer(headers, items, place))
}
