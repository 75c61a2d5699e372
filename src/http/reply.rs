//! How answers are written: JSON in lines that people can read, with a newline at the end.

use axum::body::Bytes;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::problem::Problem;

/// The content type of a good answer.
pub(super) const JSON: &str = "application/json";

/// The text of a good answer in JSON.
pub(super) fn text<T: Serialize>(value: &T) -> Result<Vec<u8>, Problem> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|error| {
        tracing::error!(%error, "an answer cannot be written");
        let detail = "an answer cannot be written; see the log";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "No answer", detail)
    })?;
    text.push(b'\n');
    Ok(text)
}

/// A good answer whose text in JSON is there already.
pub(super) fn written(text: Bytes) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(JSON))], text).into_response()
}

/// An answer in JSON.
pub(super) fn json<T: Serialize>(status: StatusCode, content_type: &'static str, value: &T) -> Response {
    match serde_json::to_vec_pretty(value) {
        Ok(mut body) => {
            body.push(b'\n');
            (status, [(header::CONTENT_TYPE, HeaderValue::from_static(content_type))], body).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written");
            (StatusCode::INTERNAL_SERVER_ERROR, "an answer cannot be written; see the log\n").into_response()
        }
    }
}

/// A good answer in JSON.
pub(super) fn ok<T: Serialize>(value: &T) -> Response {
    json(StatusCode::OK, JSON, value)
}

/// Puts the generation on an answer.
pub(super) fn tagged(mut response: Response, generation: u64) -> Response {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{generation}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
