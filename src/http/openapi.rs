//! `/openapi.json`: the API as OpenAPI 3.1.
//!
//! The attribute on each handler declares its route, for both the router and the [`Document`], so that every route is
//! documented. [`Document::new`] adds what is the same for all routes: that errors are problems, and the responses that any
//! request may get before it reaches its handler. The index page and the hints in errors are made from the same document.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use utoipa::OpenApi;
use utoipa::openapi::security::SecurityScheme;

use super::query::{NoParameters, Parameters};
use crate::api::change::{AllSettled, Settled};
use crate::api::event::{Event, Missed};
use crate::api::logs::{LogLine, LogNote};
use crate::api::plan::DryRun;
use crate::api::problem::{MEDIA_TYPE, Problem};
use crate::api::stream::StreamEnd;

mod changes;
mod object;
mod streams;

pub(super) use changes::{ChangeParameters, ChangeResponses};
pub(super) use streams::WatchParameters;

/// The beginning of the document; the routes add the rest.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "swarm-cluster-state-manager",
        description = "Keeps exactly as many containers running as you asked for, on a Docker Engine or a classic \
                       Docker Swarm. All requests need mutual TLS.",
    ),
    security(("certificate" = [])),
    components(schemas(
        Problem, Settled, AllSettled, DryRun, Event, Missed, StreamEnd, LogLine<'static>, LogNote<'static>
    )),
)]
struct Head;

/// The beginning of the document.
pub(super) fn head() -> utoipa::openapi::OpenApi {
    let mut head = Head::openapi();
    // The crate's author is not a contact for users of this API.
    head.info.contact = None;
    let certificate = SecurityScheme::MutualTls {
        description: Some(
            "A client certificate of the CA in --tlscacert, such as docker-machine's.".to_owned(),
        ),
        deprecated: None,
        extensions: None,
    };
    let components = head.components.get_or_insert_default();
    components.add_security_scheme("certificate", certificate);
    head
}

/// The OpenAPI document, and its routes.
#[derive(Debug)]
pub(super) struct Document {
    json: Bytes,
    routes: Vec<Route>,
}

/// One path and one method.
#[derive(Debug)]
struct Route {
    /// The path, with its parameters in braces.
    template: String,
    method: String,
    summary: String,
}

impl Document {
    /// Completes the declarations of the handlers.
    pub(super) fn new(declared: &utoipa::openapi::OpenApi) -> Document {
        let mut document = serde_json::to_value(declared).unwrap_or_default();
        without_nulls(&mut document);
        let mut routes = Vec::new();
        for (template, item) in members(document.pointer_mut("/paths")) {
            for (method, operation) in members(Some(item)) {
                let summary = operation.get("summary").and_then(Value::as_str).unwrap_or_default();
                let summary = summary.trim_end_matches('.').to_owned();
                routes.push(Route {
                    template: template.clone(),
                    method: method.to_ascii_uppercase(),
                    summary,
                });
                complete(operation);
                if let Some(operation) = operation.as_object_mut() {
                    operation.insert("operationId".to_owned(), id(method, template).into());
                }
            }
        }
        if let Some(Value::Object(schemas)) = document.pointer_mut("/components/schemas") {
            schemas.extend(object::schemas());
            schemas.extend(changes::schemas());
            schemas.extend(streams::schemas());
        }
        let mut json = serde_json::to_vec_pretty(&document).unwrap_or_default();
        json.push(b'\n');
        Document { json: json.into(), routes }
    }

    /// The text of the document.
    pub(super) fn json(&self) -> Bytes {
        self.json.clone()
    }

    /// The methods of a path, for `Allow`.
    pub(super) fn methods(&self, template: &str) -> String {
        let methods = self.routes.iter().filter(|route| route.template == template);
        methods.map(|route| route.method.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// All paths, with their parameters in capitals.
    pub(super) fn paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = self.routes.iter().map(|route| route.path()).collect();
        paths.dedup();
        paths
    }

    /// One line per route.
    pub(super) fn index(&self) -> String {
        let longest = self.routes.iter().map(|route| route.path().len()).max().unwrap_or_default();
        let line =
            |route: &Route| format!("{:<6} {:<longest$}  {}\n", route.method, route.path(), route.summary);
        self.routes.iter().map(line).collect()
    }
}

impl Route {
    /// The path with its parameters in capitals, as in the documentation.
    fn path(&self) -> String {
        let part = |part: &str| match part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
            Some(name) => name.to_ascii_uppercase(),
            None => part.to_owned(),
        };
        self.template.split('/').map(part).collect::<Vec<_>>().join("/")
    }
}

/// The members of a JSON object; none of any other value.
fn members(value: Option<&mut Value>) -> impl Iterator<Item = (&String, &mut Value)> {
    value.and_then(Value::as_object_mut).into_iter().flatten()
}

/// A name for generated clients, such as `get_status_name`.
fn id(method: &str, template: &str) -> String {
    let words = template.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    std::iter::once(method).chain(words).collect::<Vec<_>>().join("_")
}

/// Adds what is the same for every operation.
fn complete(operation: &mut Value) {
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
    for (status, meaning) in [
        (
            "403",
            "The client's certificate has expired, or is the daemon's own, which is for health checks only; or a web page of another origin sent the request.",
        ),
        ("400", "The request cannot be read: the Host, a query parameter, or another part of it."),
        ("413", "The body is too large."),
        ("421", "The Host is a name that the daemon's certificate does not have."),
        ("429", "Too many requests of this identity."),
        ("500", "A bug in the daemon; its log has more."),
        ("501", "The Transfer-Encoding is not chunked."),
        ("503", "The daemon did not respond in time, or is stopping."),
    ] {
        responses.entry(status).or_insert_with(|| json!({"description": meaning}));
    }
    for (status, response) in responses.iter_mut() {
        let Some(response) = response.as_object_mut() else { continue };
        if status.starts_with(['4', '5']) {
            let problem = json!({MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}});
            response.entry("content").or_insert(problem);
        }
        if matches!(status.as_str(), "429" | "503" | "507") {
            let seconds = json!({
                "description": "When to try again, in seconds.",
                "schema": {"type": "integer", "minimum": 1},
            });
            header_of(response, "Retry-After", seconds);
        }
    }
}

fn header_of(response: &mut Map<String, Value>, name: &str, header: Value) {
    let headers = response.entry("headers").or_insert_with(|| json!({}));
    if let Some(headers) = headers.as_object_mut() {
        headers.entry(name).or_insert(header);
    }
}

/// Removes `null` from all schemas: responses leave out fields without a value.
fn without_nulls(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        Value::Object(fields) => {
            if let Some(Value::Array(types)) = fields.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    fields.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(choices)) = fields.get_mut("oneOf") {
                choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
                if let [Value::Object(only)] = choices.as_slice() {
                    let only = only.clone();
                    fields.remove("oneOf");
                    fields.extend(only);
                }
            }
            fields.values_mut().for_each(without_nulls);
        }
        _ => {}
    }
}

/// This document
#[utoipa::path(
    get,
    path = "/openapi.json",
    responses(
        (status = 200, description = "OpenAPI 3.1.", body = Value, content_type = "application/json"),
        (status = 400, description = "Unknown query parameter."),
    )
)]
pub(super) async fn openapi(
    Extension(document): Extension<Arc<Document>>,
    _: Parameters<NoParameters>,
) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document.json()).into_response()
}

#[cfg(test)]
mod tests;
