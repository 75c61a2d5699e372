//! The schemas of submitted objects.
//!
//! Our own fields are described here. Docker's fields are those of bollard's create body, and described in Docker's
//! documentation.

use bollard_stubs::models::ContainerCreateBody;
use serde_json::{Map, Value, json};

use crate::core::name::MAX_NAME_BYTES;
use crate::core::spec::MAX_COUNT;
use crate::core::submission::{MAX_HISTORY, strict};

/// Where Docker describes its create body.
const DOCKER: &str = "https://docs.docker.com/reference/api/engine/";

/// `Object`, as it is submitted, `StoredObject`, as it is returned, and lists of them.
pub(super) fn schemas() -> [(String, Value); 5] {
    let mut properties = own();
    for field in strict::fields::<ContainerCreateBody>() {
        let described =
            json!({"description": format!("Docker's {field}, in the body of POST /containers/create.")});
        properties.entry(*field).or_insert(described);
    }
    let mut stored_properties = properties.clone();
    properties.insert(
        "Generation".to_owned(),
        json!({
            "type": "integer", "minimum": 0,
            "description": "The submit succeeds only if the object has this generation, as GET /objects/{name} returned it; \
                            0: only if there is no such object. Otherwise the response is 412. Not stored.",
        }),
    );
    let example = json!({"Name": "nginx", "Image": "nginx:1.9.6", "Count": 5});
    let submitted = json!({
        "type": "object",
        "description": "A Docker container-create body plus a name and a count. Unknown and duplicate fields are refused.",
        "externalDocs": {"description": "Docker Engine API: create a container", "url": DOCKER},
        "required": ["Name", "Image", "Count"],
        "properties": properties,
        "additionalProperties": false,
        "examples": [example],
    });
    stored_properties.insert(
        "Generation".to_owned(),
        json!({"type": "integer", "minimum": 1, "description": "Increases with each changed spec."}),
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
        let what = format!("{what} A plain number means seconds.");
        json!({"type": ["string", "integer"], "description": what, "examples": ["5s", "1m30s"]})
    };
    let fields = [
        (
            "Name",
            json!({
                "type": "string",
                "pattern": format!("^[a-zA-Z0-9][a-zA-Z0-9_.-]{{0,{}}}$", MAX_NAME_BYTES - 1),
                "description": "The name of the object; its containers are named NAME.SLOT.ATTEMPT.",
            }),
        ),
        (
            "Count",
            json!({
                "type": "integer", "minimum": 0, "maximum": MAX_COUNT,
                "description": "The number of containers.",
            }),
        ),
        ("Image", json!({"type": "string", "maxLength": 512, "description": "The image of the containers."})),
        (
            "Update",
            json!({
                "type": "object",
                "description": "How a changed object is rolled out, like Docker's UpdateConfig.",
                "additionalProperties": false,
                "properties": {
                    "Parallelism": {
                        "type": "integer", "minimum": 0, "maximum": u32::MAX, "default": 1,
                        "description": "How many containers are replaced at a time; 0 means all.",
                    },
                    "Delay": duration("The pause between two batches; 0s by default."),
                    "Order": {
                        "type": "string", "enum": ["start-first", "stop-first"],
                        "description": "start-first by default, stop-first if a host port or an address is fixed.",
                    },
                    "Monitor": duration("How long a new container has to be ready before the old one is removed; 5s by default."),
                    "FailAfter": duration(
                        "How long a failure that may pass has to last, with at least three failures in a row, before the object counts \
                         as failed; 10s by default. What cannot pass, such as a command that is not in the image, fails at once.",
                    ),
                    "FailureAction": {
                        "type": "string", "enum": ["rollback", "pause", "continue"], "default": "rollback",
                        "description": "What to do after too many failures.",
                    },
                    "MaxFailureRatio": {
                        "type": "number", "minimum": 0, "maximum": 1, "default": 0,
                        "description": "The share of the replacements that may fail.",
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
                "description": "How many exited containers to keep per slot, for docker logs.",
            }),
        ),
    ];
    fields.map(|(name, schema)| (name.to_owned(), schema)).into_iter().collect()
}
