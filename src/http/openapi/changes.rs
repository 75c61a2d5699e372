//! What all changes (a submit, a deletion, a rollback) have in common: see [`change`](super::super::change).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{
    ContentBuilder, Header, Object, ObjectBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Type,
};
use utoipa::{IntoParams, IntoResponses};

use crate::api::problem::MEDIA_TYPE;
use crate::http::reply;

/// The parameters that all changes have.
pub(in crate::http) struct ChangeParameters;

impl IntoParams for ChangeParameters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let switch = ObjectBuilder::new().schema_type(Type::Boolean).build();
        vec![
            parameter(
                ParameterIn::Query,
                "wait",
                text().examples([json!("60s"), json!("2m")]).build(),
                "A duration up to 1h: the response comes when the change has settled, or after this time.",
            ),
            parameter(
                ParameterIn::Query,
                "dry_run",
                switch,
                "Only shows what would be done; nothing is stored or done.",
            ),
            parameter(
                ParameterIn::Header,
                "If-Match",
                text().pattern(Some(r#"^("[0-9]+"|\*)$"#)).build(),
                "The generation that the object must have, in quotes, or *. Not for arrays.",
            ),
        ]
    }
}

/// An optional parameter.
pub(super) fn parameter(place: ParameterIn, name: &str, kind: Object, description: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(kind))
        .build()
}

/// The responses to a change.
pub(in crate::http) struct ChangeResponses;

impl IntoResponses for ChangeResponses {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let response = |status: &str, description: &str, content: Option<(&str, &str)>| {
            let mut builder = ResponseBuilder::new().description(description);
            if let Some((kind, schema)) = content {
                let schema = RefOr::Ref(Ref::from_schema_name(schema));
                builder = builder.content(kind, ContentBuilder::new().schema(Some(schema)).build());
            }
            if status == "200" {
                builder = builder.header("ETag", generation());
            }
            (status.to_owned(), RefOr::T(builder.build()))
        };
        BTreeMap::from([
            response(
                "200",
                "Committed: a receipt, or an array of them. With wait: everything has converged; for an array, `Objects` has \
                 each object. With dry_run: what would be done.",
                Some((reply::JSON, "Changed")),
            ),
            response("400", "A query parameter, a precondition, the path or the body cannot be read.", None),
            response("404", "There is no such object.", None),
            response("409", "The stored object cannot be read; submit it again.", None),
            response("412", "The precondition does not hold.", None),
            response(
                "422",
                "A field is unknown, ill-typed, out of range or missing; or there is no such revision.",
                None,
            ),
            response(
                "424",
                "With wait: committed; it failed, or was rolled back.",
                Some((MEDIA_TYPE, "Unsettled")),
            ),
            response(
                "503",
                "The state cannot be written; too many long-running requests; the daemon is busy or stopping.",
                None,
            ),
            response(
                "504",
                "With wait: committed, and not settled in time.",
                Some((MEDIA_TYPE, "Unsettled")),
            ),
            response("507", "The disk is full, or the objects are too many or too large.", None),
        ])
    }
}

fn generation() -> Header {
    let mut header = Header::new(ObjectBuilder::new().schema_type(Type::String).build());
    header.description = Some("The object's generation, in quotes; not for arrays.".to_owned());
    header
}

/// The schemas of the responses.
pub(super) fn schemas() -> Map<String, Value> {
    let named = |schema: &str| json!({"$ref": format!("#/components/schemas/{schema}")});
    let many = |schema: &str| json!({"type": "array", "items": named(schema)});
    let changed = json!({
        "anyOf": [
            named("DryRun"), named("Settled"), named("AllSettled"), named("Receipt"), many("Receipt"),
        ],
    });
    let unsettled = json!({
        "description": "A problem, with the result of the wait for the object, or for the objects of an array.",
        "allOf": [named("Problem")],
        "anyOf": [named("Settled"), named("AllSettled")],
    });
    [("Changed", changed), ("Unsettled", unsettled)]
        .into_iter()
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect()
}
