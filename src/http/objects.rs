//! `/objects`: what was submitted.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::response::Response;

use super::caller::Caller;
use super::change::{ChangeRequest, change};
use super::openapi::{ChangeParameters, ChangeResponses};
use super::query::{NoParameters, Parameters};
use super::reply::{self, Shape};
use super::state::ApiState;
use crate::api::problem::{Problem, ProblemKind};
use crate::core::access::Access;
use crate::core::name::ObjectName;
use crate::core::transaction::{Change, Transaction};

/// Extracts the name in a path. A text that is not a name is the name of no object.
pub(super) struct Named(pub(super) ObjectName);

impl FromRequestParts<ApiState> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Named, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(name) = path.map_err(|rejection: PathRejection| {
            Problem::new(ProblemKind::BadPath, format!("the name in the path cannot be read: {rejection}"))
        })?;
        ObjectName::parse(&name).map(Named).ok_or_else(|| state.no_such_object(&name))
    }
}

/// What was submitted
#[utoipa::path(
    get,
    path = "/objects",
    responses(
        (status = 200, description = "Every object that is not deleted, by name.",
         body = ref("#/components/schemas/StoredObjects"), content_type = "application/json"),
        (status = 400, description = "Unknown query parameter."),
    )
)]
pub(super) async fn all(
    State(state): State<ApiState>,
    caller: Caller,
    _: Parameters<NoParameters>,
) -> Result<Response, Problem> {
    caller.authorize(Access::Read, None)?;
    Ok(reply::written(state.shared.objects().await?))
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
        (status = 400, description = "Unknown query parameter, or an unreadable path."),
        (status = 404, description = "There is no such object."),
    )
)]
pub(super) async fn one(
    State(state): State<ApiState>,
    caller: Caller,
    _: Parameters<NoParameters>,
    Named(name): Named,
) -> Result<Response, Problem> {
    caller.authorize(Access::Read, Some(&name))?;
    let objects = state.status.objects.borrow().clone();
    match objects.get(&name).filter(|object| object.deleted.is_none()) {
        Some(object) => Ok(reply::tagged(reply::ok(&reply::stored(object)), object.generation)),
        None => Err(state.no_such_object(name.as_str())),
    }
}

/// Deletes an object and its containers
#[utoipa::path(
    delete,
    path = "/objects/{name}",
    params(
        ("name" = String, Path, description = "The object's name."),
        ChangeParameters,
    ),
    responses(ChangeResponses)
)]
pub(super) async fn delete(
    State(state): State<ApiState>,
    ChangeRequest { options, .. }: ChangeRequest<NoParameters>,
    Named(name): Named,
) -> Result<Response, Problem> {
    change(&state, &options, Transaction::of([Change::Delete(name)]), Shape::One, None).await
}
