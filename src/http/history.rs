//! `GET /objects/NAME/history`, the specs that an object has had, and `POST /objects/NAME/rollback`, back to one of
//! them. Deleted objects have both, as long as their tombstone is kept.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;

use super::change::{Caller, Shape, change};
use super::objects::{missing, named};
use super::problem::Problem;
use super::query::Query;
use super::{Api, reply};
use crate::model::{Object, ObjectName, Revision};
use crate::store::{Change, Transaction};

/// An object's past.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Past<'a> {
    name: &'a str,
    generation: u64,
    /// When it was deleted, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<String>,
    /// Newest first.
    revisions: Vec<Row<'a>>,
}

/// One of its specs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row<'a> {
    generation: u64,
    at: String,
    by: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rolled_back_to: Option<u64>,
    /// As it was submitted.
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
    change(&api, &caller, &manner, transaction, Shape::One).await
}
