//! `GET /objects` and `GET /objects/NAME/history`: objects as they were submitted.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa::openapi::Ref;

/// An object as it was submitted, with its generation. Its schema is written by hand in the OpenAPI document, as the
/// fields are Docker's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StoredObject {
    /// Increases with each changed spec.
    pub(crate) generation: u64,
    /// The spec.
    #[serde(flatten)]
    pub(crate) spec: SubmittedSpec,
}

/// A spec as it was submitted: all its fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct SubmittedSpec(pub(crate) Map<String, Value>);

impl SubmittedSpec {
    /// The submitted JSON, which is an object.
    pub(crate) fn of(submitted: &Value) -> SubmittedSpec {
        SubmittedSpec(submitted.as_object().cloned().unwrap_or_default())
    }

    /// The name of the object.
    pub(crate) fn name(&self) -> &str {
        self.text("Name")
    }

    /// The image of its containers.
    pub(crate) fn image(&self) -> &str {
        self.text("Image")
    }

    /// The number of its containers.
    pub(crate) fn count(&self) -> u64 {
        self.0.get("Count").and_then(Value::as_u64).unwrap_or_default()
    }

    fn text(&self, field: &str) -> &str {
        self.0.get(field).and_then(Value::as_str).unwrap_or_default()
    }
}

/// The revisions of an object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ObjectHistory {
    /// The name of the object.
    pub(crate) name: String,
    /// Its present generation.
    pub(crate) generation: u64,
    /// When it was deleted, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) deleted: Option<String>,
    /// Newest first.
    pub(crate) revisions: Vec<Revision>,
}

/// A spec that an object has or had.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Revision {
    /// The generation that it made.
    pub(crate) generation: u64,
    /// When it was submitted, RFC 3339.
    pub(crate) at: String,
    /// Who submitted it: the subject of the certificate.
    #[serde(default)]
    #[schema(required)]
    pub(crate) by: String,
    /// The generation whose spec this is, after a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rolled_back_to: Option<u64>,
    /// The spec as it was submitted.
    #[schema(schema_with = submitted_spec)]
    pub(crate) object: SubmittedSpec,
}

fn submitted_spec() -> Ref {
    Ref::from_schema_name("Object")
}
