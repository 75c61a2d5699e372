//! `GET /objects` and `GET /objects/NAME/history`: objects as they were submitted.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa::openapi::Ref;

/// An object as it was submitted, with its generation. Its schema is written by hand in the OpenAPI document, as the
/// fields are Docker's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StoredObject {
    /// Increases with each changed spec.
    pub generation: u64,
    /// The spec.
    #[serde(flatten)]
    pub spec: SubmittedSpec,
}

/// A spec as it was submitted: all its fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SubmittedSpec(pub Map<String, Value>);

impl SubmittedSpec {
    /// The submitted JSON, which is an object.
    pub fn of(submitted: &Value) -> SubmittedSpec {
        SubmittedSpec(submitted.as_object().cloned().unwrap_or_default())
    }

    /// The name of the object.
    pub fn name(&self) -> &str {
        self.text("Name")
    }

    /// The image of its containers.
    pub fn image(&self) -> &str {
        self.text("Image")
    }

    /// The number of its containers.
    pub fn count(&self) -> u64 {
        self.0.get("Count").and_then(Value::as_u64).unwrap_or_default()
    }

    fn text(&self, field: &str) -> &str {
        self.0.get(field).and_then(Value::as_str).unwrap_or_default()
    }
}

/// The revisions of an object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct ObjectHistory {
    /// The name of the object.
    pub name: String,
    /// Its present generation.
    pub generation: u64,
    /// When it was deleted, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<String>,
    /// Newest first.
    pub revisions: Vec<Revision>,
}

/// A spec that an object has or had.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Revision {
    /// The generation that it made.
    pub generation: u64,
    /// When it was submitted, RFC 3339.
    pub at: String,
    /// Who submitted it: the subject of the certificate.
    #[serde(default)]
    #[schema(required)]
    pub by: String,
    /// The generation whose spec this is, after a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back_to: Option<u64>,
    /// The spec as it was submitted.
    #[schema(schema_with = submitted_spec)]
    pub object: SubmittedSpec,
}

fn submitted_spec() -> Ref {
    Ref::from_schema_name("Object")
}
