//! What all changes have in common, a submit, a deletion and a rollback: see [`change`](super::super::change).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{
    ContentBuilder, Header, Object, ObjectBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Type,
};
use utoipa::{IntoParams, IntoResponses};

use super::super::problem::PROBLEM;
use super::super::reply;

/// How a change is to be made.
pub(in crate::http) struct Manners;

impl IntoParams for Manners {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let switch = ObjectBuilder::new().schema_type(Type::Boolean).build();
        vec![
            parameter(
                ParameterIn::Query,
                "wait",
                text().examples([json!("60s"), json!("2m")]).build(),
                "A duration up to 1h: the answer comes when all of it has settled, or after this long.",
            ),
            parameter(
                ParameterIn::Query,
                "dry_run",
                switch,
                "Only tells what would be done; nothing is stored or done.",
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

/// A parameter that may be left out.
pub(super) fn parameter(place: ParameterIn, name: &str, kind: Object, description: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(kind))
        .build()
}

/// What a change may be answered.
pub(in crate::http) struct Answers;

impl IntoResponses for Answers {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let told = |status: &str, description: &str, content: Option<(&str, &str)>| {
            let mut response = ResponseBuilder::new().description(description);
            if let Some((kind, schema)) = content {
                let schema = RefOr::Ref(Ref::from_schema_name(schema));
                response = response.content(kind, ContentBuilder::new().schema(Some(schema)).build());
            }
            if status == "200" {
                response = response.header("ETag", generation());
            }
            (status.to_owned(), RefOr::T(response.build()))
        };
        BTreeMap::from([
            told(
                "200",
                "Taken: a receipt, or an array of them. With wait: all of it has converged, and of an array `Objects` holds each. \
                 With dry_run: what would be done.",
                Some((reply::JSON, "Changed")),
            ),
            told("400", "A query parameter, a precondition, the path or the body cannot be read.", None),
            told("404", "There is no such object.", None),
            told("409", "What is stored of the object cannot be read; submit it anew.", None),
            told("412", "The precondition does not hold.", None),
            told(
                "422",
                "A field is unknown, ill-typed, out of range or missing; or there is no such revision.",
                None,
            ),
            told("424", "With wait: taken, and it failed, or was rolled back.", Some((PROBLEM, "Unsettled"))),
            told(
                "503",
                "The state cannot be written; too many wait already; the daemon is busy or stopping.",
                None,
            ),
            told("504", "With wait: taken, and not settled in time.", Some((PROBLEM, "Unsettled"))),
            told("507", "The disk is full, or there are too many objects, or too long ones.", None),
        ])
    }
}

fn generation() -> Header {
    let mut header = Header::new(ObjectBuilder::new().schema_type(Type::String).build());
    header.description = Some("The object's generation, in quotes; not for arrays.".to_owned());
    header
}

/// The schemas of the answers.
pub(super) fn schemas() -> Map<String, Value> {
    let named = |schema: &str| json!({"$ref": format!("#/components/schemas/{schema}")});
    let many = |schema: &str| json!({"type": "array", "items": named(schema)});
    let all_settled = json!({
        "type": "object",
        "description": "What became of the objects of an array, and the worst of it.",
        "required": ["Outcome", "Objects"],
        "properties": {"Outcome": named("SettledAs"), "Objects": many("Settled")},
    });
    let changed = json!({
        "anyOf": [
            named("Rehearsed"), named("Settled"), named("AllSettled"), named("Receipt"), many("Receipt"),
        ],
    });
    let unsettled = json!({
        "description": "A problem, with what became of the object; of the objects, where there was an array.",
        "allOf": [named("Problem")],
        "anyOf": [named("Settled"), named("AllSettled")],
    });
    [("Changed", changed), ("Unsettled", unsettled), ("AllSettled", all_settled)]
        .into_iter()
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect()
}
