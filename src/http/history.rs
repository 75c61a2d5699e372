//! `GET /objects/NAME/history`, the specs that an object has had, and `POST /objects/NAME/rollback`, back to one of
//! them. Deleted objects have both, as long as their tombstone is kept.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::change::{Caller, Receipt, Shape, change};
use super::objects::{missing, named};
use super::openapi::{Answers, Manners, submitted};
use super::problem::Problem;
use super::query::Query;
use super::{Api, reply};
use crate::core::name::ObjectName;
use crate::core::object::{Object, Revision};
use crate::core::transaction::{Change, Transaction};

/// An object's past.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Past<'a> {
    /// The object's name.
    name: &'a str,
    /// The generation that it has now.
    generation: u64,
    /// When it was deleted, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<String>,
    /// Newest first.
    revisions: Vec<Row<'a>>,
}

/// One of its specs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = Revision)]
pub(super) struct Row<'a> {
    /// The generation that it made.
    generation: u64,
    /// When it was submitted, RFC 3339.
    at: String,
    /// Who submitted it: the subject of the certificate.
    by: &'a str,
    /// The generation whose spec this is again.
    #[serde(skip_serializing_if = "Option::is_none")]
    rolled_back_to: Option<u64>,
    /// As it was submitted.
    #[schema(schema_with = submitted)]
    object: &'a Value,
}

impl Past<'_> {
    fn of(object: &Object) -> Past<'_> {
        Past {
            name: object.spec.name.as_str(),
            generation: object.generation,
            deleted: object.deleted.map(|at| at.rfc3339()),
            revisions: object.revisions.iter().rev().map(Row::of).collect(),
        }
    }
}

impl Row<'_> {
    fn of(revision: &Revision) -> Row<'_> {
        Row {
            generation: revision.generation,
            at: revision.at.rfc3339(),
            by: &revision.by,
            rolled_back_to: revision.rolled_back_to,
            object: &revision.submitted,
        }
    }
}

/// The specs that an object has had
///
/// Also of a deleted object, as long as its tombstone is kept.
#[utoipa::path(
    get,
    path = "/objects/{name}/history",
    params(("name" = String, Path, description = "The object's name.")),
    responses(
        (
            status = 200, description = "The last specs, newest first.", body = Past<'static>,
            headers(("ETag" = String, description = "Its generation, in quotes.")),
        ),
        (status = 400, description = "A query parameter is not known, or the path cannot be read."),
        (status = 404, description = "There never was such an object, or it is forgotten."),
    )
)]
pub(super) async fn history(
    State(api): State<Api>,
    name: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Query::read(query.as_deref(), &[])?;
    let name = named(name)?;
    let objects = api.sources.objects.borrow().clone();
    match ObjectName::parse(&name).and_then(|name| objects.get(&name)) {
        Some(object) => Ok(reply::tagged(reply::ok(&Past::of(object)), object.generation)),
        None => Err(missing(&api, &name)),
    }
}

/// Back to an earlier spec
///
/// Also of a deleted object, which is there again then.
#[utoipa::path(
    post,
    path = "/objects/{name}/rollback",
    params(
        ("name" = String, Path, description = "The object's name."),
        ("to" = Option<u64>, Query,
         description = "The generation whose spec it is to have; without it the last spec that differs."),
        Manners,
    ),
    responses(
        (status = 201, description = "A deleted object is there again.", body = Receipt,
         headers(("ETag" = String, description = "Its generation, in quotes."))),
        Answers,
    )
)]
pub(super) async fn rollback(
    State(api): State<Api>,
    name: Result<Path<String>, PathRejection>,
    caller: Caller,
) -> Result<Response, Problem> {
    let manner = caller.manner(&["to"])?;
    let to = manner.query.number("to")?;
    let name = named(name)?;
    let name = ObjectName::parse(&name).ok_or_else(|| missing(&api, &name))?;
    let transaction = Transaction::of([Change::Rollback { name, to }]);
    change(&api, &caller, &manner, transaction, Shape::One, None).await
}
