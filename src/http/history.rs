//! `GET /objects/NAME/history`, the revisions of an object, and `POST /objects/NAME/rollback`, back to one of them. A
//! deleted object has both, as long as its tombstone is kept.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::caller::Caller;
use super::change::{ChangeRequest, change};
use super::objects::Named;
use super::openapi::{ChangeParameters, ChangeResponses};
use super::query::{FromQuery, NoParameters, Parameters, Query};
use super::reply::{self, Shape};
use super::state::ApiState;
use crate::api::change::Receipt;
use crate::api::object::{ObjectHistory, Revision, SubmittedSpec};
use crate::api::problem::Problem;
use crate::core::access::Access;
use crate::core::object::{self, Object};
use crate::core::transaction::{Change, Transaction};

fn history_of(object: &Object) -> ObjectHistory {
    ObjectHistory {
        name: object.spec.name.to_string(),
        generation: object.generation,
        deleted: object.deleted.map(|at| at.rfc3339()),
        revisions: object.revisions.iter().rev().map(revision).collect(),
    }
}

fn revision(revision: &object::Revision) -> Revision {
    Revision {
        generation: revision.generation,
        at: revision.at.rfc3339(),
        by: revision.by.to_string(),
        rolled_back_to: revision.rolled_back_to,
        object: SubmittedSpec::of(&revision.submitted),
    }
}

/// The revisions of an object
///
/// Also of a deleted object, as long as its tombstone is kept.
#[utoipa::path(
    get,
    path = "/objects/{name}/history",
    params(("name" = String, Path, description = "The object's name.")),
    responses(
        (
            status = 200, description = "The last specs, newest first.", body = ObjectHistory,
            headers(("ETag" = String, description = "Its generation, in quotes.")),
        ),
        (status = 400, description = "Unknown query parameter, or an unreadable path."),
        (status = 404, description = "There never was such an object, or its tombstone is gone."),
    )
)]
pub(super) async fn history(
    State(state): State<ApiState>,
    caller: Caller,
    _: Parameters<NoParameters>,
    Named(name): Named,
) -> Result<Response, Problem> {
    caller.authorize(Access::Read, Some(&name))?;
    let objects = state.status.objects.borrow().clone();
    match objects.get(&name) {
        Some(object) => Ok(reply::tagged(reply::ok(&history_of(object)), object.generation)),
        None => Err(state.no_such_object(name.as_str())),
    }
}

/// The parameters of a rollback.
pub(super) struct RollbackParameters {
    to: Option<u64>,
}

impl FromQuery for RollbackParameters {
    const NAMES: &'static [&'static str] = &["to"];

    fn from_query(query: &Query, _: &HeaderMap) -> Result<RollbackParameters, Problem> {
        Ok(RollbackParameters { to: query.number("to")? })
    }
}

/// Back to an earlier spec
///
/// Also of a deleted object, which exists again afterwards.
#[utoipa::path(
    post,
    path = "/objects/{name}/rollback",
    params(
        ("name" = String, Path, description = "The object's name."),
        ("to" = Option<u64>, Query,
         description = "The generation whose spec to restore; without it the last spec that differs."),
        ChangeParameters,
    ),
    responses(
        (status = 201, description = "A deleted object exists again.", body = Receipt,
         headers(("ETag" = String, description = "Its generation, in quotes."))),
        ChangeResponses,
    )
)]
pub(super) async fn rollback(
    State(state): State<ApiState>,
    ChangeRequest { options, parameters }: ChangeRequest<RollbackParameters>,
    Named(name): Named,
) -> Result<Response, Problem> {
    let transaction = Transaction::of([Change::Rollback { name, to: parameters.to }]);
    change(&state, &options, transaction, Shape::One, None).await
}
