//! `/objects`: what was submitted.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::change::{Caller, Shape, change};
use super::openapi::{Answers, Manners};
use super::problem::Problem;
use super::query::Query;
use super::{Api, answers, reply};
use crate::core::name::ObjectName;
use crate::core::object::Object;
use crate::core::transaction::{Change, Transaction};

/// An object as it was submitted, with its generation.
pub(super) fn as_submitted(object: &Object) -> Value {
    let mut fields = Map::new();
    fields.insert("Generation".to_owned(), json!(object.generation));
    fields.extend(object.spec.submitted.as_object().cloned().unwrap_or_default());
    Value::Object(fields)
}

/// What was submitted
#[utoipa::path(
    get,
    path = "/objects",
    responses(
        (status = 200, description = "Every object that is not deleted, by name.",
         body = ref("#/components/schemas/StoredObjects"), content_type = "application/json"),
        (status = 400, description = "A query parameter is not known."),
    )
)]
pub(super) async fn all(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    Query::read(query.as_deref(), &[])?;
    Ok(reply::written(answers::objects(&api).await?))
}

/// What was submitted for one object
#[utoipa::path(
    get,
    path = "/objects/{name}",
    params(("name" = String, Path, description = "The object's name.")),
    responses(
        (
            status = 200, description = "The object.",
            body = ref("#/components/schemas/StoredObject"), content_type = "application/json",
            headers(("ETag" = String, description = "Its generation, in quotes: for If-Match.")),
        ),
        (status = 400, description = "A query parameter is not known, or the path cannot be read."),
        (status = 404, description = "There is no such object."),
    )
)]
pub(super) async fn one(
    State(api): State<Api>,
    name: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Query::read(query.as_deref(), &[])?;
    let name = named(name)?;
    let objects = api.sources.objects.borrow().clone();
    let found = ObjectName::parse(&name).and_then(|n| objects.get(&n)).filter(|o| o.deleted.is_none());
    match found {
        Some(object) => Ok(reply::tagged(reply::ok(&as_submitted(object)), object.generation)),
        None => Err(missing(&api, &name)),
    }
}

/// Deletes an object and its containers
#[utoipa::path(
    delete,
    path = "/objects/{name}",
    params(
        ("name" = String, Path, description = "The object's name."),
        Manners,
    ),
    responses(Answers)
)]
pub(super) async fn delete(
    State(api): State<Api>,
    name: Result<Path<String>, PathRejection>,
    caller: Caller,
) -> Result<Response, Problem> {
    let manner = caller.manner(&[])?;
    let name = named(name)?;
    let name = ObjectName::parse(&name).ok_or_else(|| missing(&api, &name))?;
    change(&api, &caller, &manner, Transaction::of([Change::Delete(name)]), Shape::One, None).await
}

/// The name in a path.
pub(super) fn named(path: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    path.map(|Path(name)| name).map_err(|rejection| {
        Problem::new(
            rejection.status(),
            "Bad path",
            format!("the name in the path cannot be read: {rejection}"),
        )
    })
}

pub(super) fn missing(api: &Api, name: &str) -> Problem {
    let objects = api.sources.objects.borrow().clone();
    Problem::no_such_object(name, objects.iter().filter(|(_, o)| o.deleted.is_none()).map(|(n, _)| n))
}
