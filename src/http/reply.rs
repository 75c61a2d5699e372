//! How responses are written.

use axum::body::Bytes;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::api::change::Receipt;
use crate::api::object::{StoredObject, SubmittedSpec};
use crate::api::problem::{Problem, ProblemKind};
use crate::core::object::Object;
use crate::core::transaction::Committed;
use crate::server::problem;

/// The content type of a successful response.
pub(super) const JSON: &str = "application/json";

/// The text of a successful response in JSON.
pub(super) fn text<T: Serialize>(value: &T) -> Result<Vec<u8>, Problem> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|error| {
        tracing::error!(%error, "a response cannot be serialized");
        Problem::new(ProblemKind::NoAnswer, "the response cannot be serialized; see the daemon's log")
    })?;
    text.push(b'\n');
    Ok(text)
}

/// A successful response whose JSON is written already.
pub(super) fn written(text: Bytes) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(JSON))], text).into_response()
}

/// A successful response in JSON.
pub(super) fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    problem::json(status, JSON, value)
}

/// A 200 in JSON.
pub(super) fn ok<T: Serialize>(value: &T) -> Response {
    json(StatusCode::OK, value)
}

/// Adds the generation as `ETag`.
pub(super) fn tagged(mut response: Response, generation: u64) -> Response {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{generation}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// Whether a response is about one object, or a list of them: as its request was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    One,
    Many,
}

impl Shape {
    /// One response of the parts for each object.
    pub(super) fn response<T: Serialize>(self, status: StatusCode, parts: &[T]) -> Response {
        match (self, parts) {
            (Shape::One, [one]) => json(status, one),
            _ => json(status, &parts),
        }
    }
}

/// The receipt of a committed change.
pub(super) fn receipt(committed: &Committed) -> Receipt {
    Receipt {
        name: committed.object.spec.name.to_string(),
        generation: committed.object.generation,
        result: committed.effect.into(),
        rolled_back_to: committed.rolled_back_to(),
    }
}

/// An object as it was submitted, with its generation.
pub(super) fn stored(object: &Object) -> StoredObject {
    StoredObject { generation: object.generation, spec: SubmittedSpec::of(&object.spec.submitted) }
}
