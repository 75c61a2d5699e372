//! `/openapi.json`: what can be asked and answered here, as OpenAPI 3.1.
//!
//! The routes are declared once, by the attribute on each handler: the router is made of these declarations, and
//! so is the [`Document`]; so no route is without documentation. What is the same everywhere is written in one
//! place, [`Document::new`]: that errors are problems, and what any request may be answered before it reaches its
//! handler. The index page and the hints of errors read the same document.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::RawQuery;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use utoipa::OpenApi;
use utoipa::openapi::security::SecurityScheme;

use super::events::Missed;
use super::logs;
use super::plan::Rehearsed;
use super::problem::{PROBLEM, Problem};
use super::query::Query;
use super::stream::Ended;
use super::wait::Settled;
use crate::api::event::Event;

mod changes;
mod object;
mod streams;

pub(super) use changes::{Answers, Manners};
pub(super) use object::submitted;
pub(super) use streams::Watch;

/// What the document begins with; the routes bring the rest.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "swarm-cluster-state-manager",
        description = "Keeps exactly as many containers running as you asked for, on a Docker Engine or a classic \
                       Docker Swarm. All requests need mutual TLS.",
    ),
    security(("certificate" = [])),
    components(schemas(Problem, Settled, Rehearsed, Event, Missed, Ended, logs::Line<'static>, logs::Note<'static>)),
)]
struct Head;

/// The beginning of the document.
pub(super) fn head() -> utoipa::openapi::OpenApi {
    let mut head = Head::openapi();
    // The page is for whoever runs the daemon; who wrote it stands in the source.
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

/// The OpenAPI document, and the routes that it tells of.
#[derive(Debug)]
pub(super) struct Document {
    json: Bytes,
    routes: Vec<Route>,
}

/// One path and one method.
#[derive(Debug)]
struct Route {
    /// With the names of what varies in braces.
    template: String,
    method: String,
    summary: String,
}

impl Document {
    /// Completes what the handlers declare.
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

    /// The document as text.
    pub(super) fn json(&self) -> Bytes {
        self.json.clone()
    }

    /// The methods that a path takes, for `Allow`.
    pub(super) fn methods(&self, template: &str) -> String {
        let methods = self.routes.iter().filter(|route| route.template == template);
        methods.map(|route| route.method.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// All paths, as people write them.
    pub(super) fn paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = self.routes.iter().map(|route| route.path()).collect();
        paths.dedup();
        paths
    }

    /// One line a route.
    pub(super) fn index(&self) -> String {
        let longest = self.routes.iter().map(|route| route.path().len()).max().unwrap_or_default();
        let line =
            |route: &Route| format!("{:<6} {:<longest$}  {}\n", route.method, route.path(), route.summary);
        self.routes.iter().map(line).collect()
    }
}

impl Route {
    /// The path with what varies in capitals, as the README has it.
    fn path(&self) -> String {
        let part = |part: &str| match part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
            Some(name) => name.to_ascii_uppercase(),
            None => part.to_owned(),
        };
        self.template.split('/').map(part).collect::<Vec<_>>().join("/")
    }
}

/// An object's members; none of anything else.
fn members(value: Option<&mut Value>) -> impl Iterator<Item = (&String, &mut Value)> {
    value.and_then(Value::as_object_mut).into_iter().flatten()
}

/// A name for generated clients, such as `get_status_name`.
fn id(method: &str, template: &str) -> String {
    let words = template.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    std::iter::once(method).chain(words).collect::<Vec<_>>().join("_")
}

/// What is known of every operation.
fn complete(operation: &mut Value) {
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
    for (status, meaning) in [
        (
            "403",
            "The client's certificate has expired, or is the daemon's own, which may only ask whether it lives; or a web page of another origin has a browser ask.",
        ),
        ("400", "The request cannot be read: the Host, a query parameter, or what else is said here."),
        ("413", "The body is too long."),
        ("421", "The Host is a name that the daemon's certificate does not have."),
        ("429", "This identity asks too often."),
        ("500", "A mistake in the program; the log tells more."),
        ("503", "The daemon did not get to an answer in time, or is stopping."),
    ] {
        responses.entry(status).or_insert_with(|| json!({"description": meaning}));
    }
    for (status, response) in responses.iter_mut() {
        let Some(response) = response.as_object_mut() else { continue };
        if status.starts_with(['4', '5']) {
            let problem = json!({PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}});
            response.entry("content").or_insert(problem);
        }
        if matches!(status.as_str(), "429" | "503") {
            let seconds = json!({
                "description": "When to come back, in seconds.",
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

/// Takes `null` out of all schemas: what an answer has no value for, it leaves out.
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
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Query::read(query.as_deref(), &[])?;
    Ok(([(header::CONTENT_TYPE, "application/json")], document.json()).into_response())
}

#[cfg(test)]
mod tests;
