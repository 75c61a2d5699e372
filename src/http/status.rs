//! `/status`: how everything is doing.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;

use super::problem::Problem;
use super::query::Query;
use super::{Api, objects, reply};
use crate::model::ObjectName;

pub(super) async fn all(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    Query::read(query.as_deref(), &[])?;
    Ok(reply::ok(&api.sources.cluster()))
}

pub(super) async fn one(
    State(api): State<Api>,
    name: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Query::read(query.as_deref(), &[])?;
    let name = objects::named(name)?;
    match ObjectName::parse(&name).and_then(|name| api.sources.object(&name)) {
        Some(status) => Ok(reply::tagged(reply::ok(&status), status.generation)),
        None => Err(objects::missing(&api, &name)),
    }
}
