//! `/objects`: what was submitted.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Map, Value, json};
use tracing::info;

use super::peer::Peer;
use super::problem::Problem;
use super::query::Query;
use super::submit::{Receipt, precondition};
use super::{Api, reply};
use crate::model::{Object, ObjectName};
use crate::store::{Change, Transaction};

/// An object as it was submitted, with its generation.
fn as_submitted(object: &Object) -> Value {
    let mut fields = Map::new();
    fields.insert("Generation".to_owned(), json!(object.generation));
    fields.extend(object.spec.submitted.as_object().cloned().unwrap_or_default());
    Value::Object(fields)
}

pub(super) async fn all(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    Query::read(query.as_deref(), &[])?;
    let objects = api.sources.objects.borrow().clone();
    let live: Vec<Value> =
        objects.values().filter(|o| o.deleted.is_none()).map(|o| as_submitted(o)).collect();
    Ok(reply::ok(&live))
}

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

pub(super) async fn delete(
    State(api): State<Api>,
    Extension(peer): Extension<Arc<Peer>>,
    name: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    Query::read(query.as_deref(), &[])?;
    let name = named(name)?;
    let parsed = ObjectName::parse(&name).ok_or_else(|| missing(&api, &name))?;
    let transaction = Transaction {
        precondition: precondition(&headers)?,
        by: peer.subject.as_str().into(),
        ..Transaction::of([Change::Delete(parsed)])
    };
    let committed = match api.store.commit(transaction).await {
        Ok(committed) => committed,
        Err(crate::store::StoreError::NotFound(_)) => return Err(missing(&api, &name)),
        Err(error) => return Err(error.into()),
    };
    let receipts: Vec<Receipt> = committed.iter().map(Receipt::of).collect();
    for one in &committed {
        info!(by = %peer.subject, fingerprint = %peer.fingerprint, object = %one.object.spec.name,
              generation = one.object.generation, result = "deleted", "submitted");
    }
    Ok(match receipts.as_slice() {
        [receipt] => reply::ok(receipt),
        many => reply::ok(&many),
    })
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
