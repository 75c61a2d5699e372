//! The schemas of what is submitted.
//!
//! Our own fields are described here; Docker's are those that bollard's create body has, by name, and Docker's
//! documentation describes them.

use bollard_stubs::models::ContainerCreateBody;
use serde_json::{Map, Value, json};
use utoipa::openapi::Ref;

use crate::core::name::MAX_NAME_BYTES;
use crate::core::spec::MAX_COUNT;
use crate::core::submission::{MAX_HISTORY, strict};

/// Where Docker describes its create body.
const DOCKER: &str = "https://docs.docker.com/reference/api/engine/";

/// The schema of what was submitted, for fields that hold it.
pub(in crate::http) fn submitted() -> Ref {
    Ref::from_schema_name("Object")
}

/// `Object`, as it is submitted, and `StoredObject`, as it is given back; and one or many of what may be many.
pub(super) fn schemas() -> [(String, Value); 5] {
    let mut properties = own();
    for field in strict::fields::<ContainerCreateBody>() {
        let described =
            json!({"description": format!("Docker's {field}, of the body of POST /containers/create.")});
        properties.entry(*field).or_insert(described);
    }
    let mut stored_properties = properties.clone();
    properties.insert(
        "Generation".to_owned(),
        json!({
            "type": "integer", "minimum": 0,
            "description": "The submit is only taken where the object has this generation, as GET /objects/{name} gave it; \
                            0: where there is no such object. Else it is answered 412. Not stored.",
        }),
    );
    let example = json!({"Name": "nginx", "Image": "nginx:1.9.6", "Count": 5});
    let submitted = json!({
        "type": "object",
        "description": "A Docker container-create body plus a name and a count. Unknown and doubled fields are refused.",
        "externalDocs": {"description": "Docker Engine API: create a container", "url": DOCKER},
        "required": ["Name", "Image", "Count"],
        "properties": properties,
        "additionalProperties": false,
        "examples": [example],
    });
    stored_properties.insert(
        "Generation".to_owned(),
        json!({"type": "integer", "minimum": 1, "description": "Grows with each changed spec."}),
    );
    let stored = json!({
        "type": "object",
        "description": "An object as it was submitted, with its generation.",
        "required": ["Generation", "Name", "Image", "Count"],
        "properties": stored_properties,
        "additionalProperties": false,
    });
    [
        ("Object".to_owned(), submitted),
        ("StoredObject".to_owned(), stored),
        ("StoredObjects".to_owned(), many("StoredObject")),
        ("Submission".to_owned(), one_or_many("Object")),
        ("Receipts".to_owned(), one_or_many("Receipt")),
    ]
}

fn one_or_many(schema: &str) -> Value {
    json!({"oneOf": [{"$ref": format!("#/components/schemas/{schema}")}, many(schema)]})
}

fn many(schema: &str) -> Value {
    json!({"type": "array", "items": {"$ref": format!("#/components/schemas/{schema}")}})
}

/// Our own fields, and `Image`, which an object must have.
fn own() -> Map<String, Value> {
    let duration = |what: &str| {
        let what = format!("{what} A plain number is one of seconds.");
        json!({"type": ["string", "integer"], "description": what, "examples": ["5s", "1m30s"]})
    };
    let fields = [
        (
            "Name",
            json!({
                "type": "string",
                "pattern": format!("^[a-zA-Z0-9][a-zA-Z0-9_.-]{{0,{}}}$", MAX_NAME_BYTES - 1),
                "description": "What the object is called; its containers are called NAME.SLOT.ATTEMPT.",
            }),
        ),
        (
            "Count",
            json!({
                "type": "integer", "minimum": 0, "maximum": MAX_COUNT,
                "description": "How many containers run.",
            }),
        ),
        ("Image", json!({"type": "string", "maxLength": 512, "description": "The image that they run."})),
        (
            "Update",
            json!({
                "type": "object",
                "description": "How a changed object is rolled out, in the words of Docker's UpdateConfig.",
                "additionalProperties": false,
                "properties": {
                    "Parallelism": {
                        "type": "integer", "minimum": 0, "maximum": u32::MAX, "default": 1,
                        "description": "How many are replaced at once; 0 means all.",
                    },
                    "Delay": duration("The pause between one replaced batch and the next; 0s by default."),
                    "Order": {
                        "type": "string", "enum": ["start-first", "stop-first"],
                        "description": "start-first by default, stop-first where a host port or an address is fixed.",
                    },
                    "Monitor": duration("How long a new container has to run before the old one goes; 5s by default."),
                    "FailAfter": duration(
                        "How long what can pass must have failed, at least three times in a row, before the object is called \
                         failed; 10s by default. What cannot pass, such as a command that the image does not have, fails at once.",
                    ),
                    "FailureAction": {
                        "type": "string", "enum": ["rollback", "pause", "continue"], "default": "rollback",
                        "description": "What happens after too many failures.",
                    },
                    "MaxFailureRatio": {
                        "type": "number", "minimum": 0, "maximum": 1, "default": 0,
                        "description": "The part of the replacements that may fail.",
                    },
                },
            }),
        ),
        (
            "OnNodeLost",
            json!({
                "type": "string", "enum": ["replace", "hold"], "default": "replace",
                "description": "Whether containers on a lost node are replaced elsewhere.",
            }),
        ),
        (
            "Pull",
            json!({
                "type": "string", "enum": ["missing", "always", "never"], "default": "missing",
                "description": "When the image is pulled.",
            }),
        ),
        (
            "Constraints",
            json!({
                "type": "array", "items": {"type": "string"}, "examples": [["name==n3", "ostype==linux"]],
                "description": "Which nodes may run it, for a classic Swarm manager.",
            }),
        ),
        (
            "History",
            json!({
                "type": "integer", "minimum": 0, "maximum": MAX_HISTORY, "default": 1,
                "description": "Dead containers kept a slot, for docker logs.",
            }),
        ),
    ];
    fields.map(|(name, schema)| (name.to_owned(), schema)).into_iter().collect()
}
