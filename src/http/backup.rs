//! `GET /backup`: everything that was submitted, in the format that `restore` reads.

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::caller::Caller;
use super::query::{NoParameters, Parameters};
use super::state::ApiState;
use crate::api::problem::Problem;
use crate::core::access::Access;

/// Everything that was submitted, as `restore` reads it
#[utoipa::path(
    get,
    path = "/backup",
    responses(
        (status = 200, description = "One line of JSON each: the head, then the objects and tombstones.",
         body = String, content_type = "application/x-ndjson"),
        (status = 400, description = "Unknown query parameter."),
        (status = 500, description = "The backup cannot be written."),
    )
)]
pub(super) async fn backup(
    State(state): State<ApiState>,
    caller: Caller,
    _: Parameters<NoParameters>,
) -> Result<Response, Problem> {
    caller.authorize(Access::Read, None)?;
    let text = state.shared.backup().await?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"))], text).into_response())
}
