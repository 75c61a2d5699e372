//! What streams have in common: see [`stream`](super::super::stream).

use serde_json::{Map, Value, json};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Type};

use super::changes::parameter;

/// How a status is watched.
pub(in crate::http) struct Watch;

impl IntoParams for Watch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let kind = |kind| ObjectBuilder::new().schema_type(kind).build();
        vec![
            parameter(
                ParameterIn::Query,
                "watch",
                kind(Type::Boolean),
                "Goes on with what changes: a line of JSON each, or server-sent events where Accept asks for them.",
            ),
            parameter(
                ParameterIn::Query,
                "since",
                kind(Type::String),
                "With watch: the Id of a line; what has changed after it is shown.",
            ),
            parameter(
                ParameterIn::Header,
                "Last-Event-ID",
                kind(Type::String),
                "With watch: as since, for clients that connect again.",
            ),
        ]
    }
}

/// The schemas of their lines.
pub(super) fn schemas() -> Map<String, Value> {
    let named = |schema: &str| json!({"$ref": format!("#/components/schemas/{schema}")});
    let line = |kind: &str, member: &str, schema: Value| {
        json!({
            "type": "object",
            "required": ["Id", "Kind", member],
            "properties": {
                "Id": {"type": "string", "description": "To be given as since, or Last-Event-ID."},
                "Kind": {"const": kind},
                member: schema,
            },
        })
    };
    let status = json!({
        "description": "A line of a watched status: an object, the engine, that nothing is left of an object, or why the stream is over.",
        "oneOf": [
            line("object", "Object", named("ObjectStatus")),
            line("engine", "Engine", named("EngineStatus")),
            line("gone", "Name", json!({"type": "string"})),
            named("Ended"),
        ],
    });
    let event = json!({
        "description": "A line of the log, how many of them were missed, or why the stream is over.",
        "anyOf": [named("Event"), named("Missed"), named("Ended")],
    });
    let log = json!({
        "description": "A line of a log, something about the stream itself, or why the stream is over.",
        "anyOf": [named("LogLine"), named("LogNote"), named("Ended")],
    });
    [("StatusLine", status), ("EventLine", event), ("LogsLine", log)]
        .map(|(name, schema)| (name.to_owned(), schema))
        .into_iter()
        .collect()
}
