//! What all streams have in common: see [`stream`](super::super::stream).

use serde_json::{Map, Value, json};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Type};

use super::changes::parameter;

/// The parameters of a watched status.
pub(in crate::http) struct WatchParameters;

impl IntoParams for WatchParameters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let kind = |kind| ObjectBuilder::new().schema_type(kind).build();
        vec![
            parameter(
                ParameterIn::Query,
                "watch",
                kind(Type::Boolean),
                "Continues with one line of JSON per change, or server-sent events if Accept asks for them.",
            ),
            parameter(
                ParameterIn::Query,
                "since",
                kind(Type::String),
                "With watch: the Id of a line; starts with the changes after it.",
            ),
            parameter(
                ParameterIn::Header,
                "Last-Event-ID",
                kind(Type::String),
                "With watch: like since, for clients that reconnect.",
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
                "Id": {"type": "string", "description": "The value of since or Last-Event-ID that continues after this line."},
                "Kind": {"const": kind},
                member: schema,
            },
        })
    };
    let status = json!({
        "description": "A line of a watched status: an object, the engine, an object that is gone, or the end of the stream.",
        "oneOf": [
            line("object", "Object", named("ObjectStatus")),
            line("engine", "Engine", named("EngineStatus")),
            line("gone", "Name", json!({"type": "string"})),
            named("StreamEnd"),
        ],
    });
    let event = json!({
        "description": "An event, a number of missed events, or the end of the stream.",
        "anyOf": [named("Event"), named("Missed"), named("StreamEnd")],
    });
    let log = json!({
        "description": "A line of a log, a note about the stream, or the end of the stream.",
        "anyOf": [named("LogLine"), named("LogNote"), named("StreamEnd")],
    });
    [("StatusLine", status), ("EventLine", event), ("LogsLine", log)]
        .map(|(name, schema)| (name.to_owned(), schema))
        .into_iter()
        .collect()
}
