//! A difference between a request and the created container.

use serde_json::Value;

use crate::core::submission::strict::shown;

/// A field in which the created container differs from the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the created container differs from the request: {field} is {found}, requested was {wanted}; it is not started"
)]
pub(in crate::engine::docker) struct Difference {
    pub(super) field: String,
    pub(super) found: String,
    pub(super) wanted: String,
}

pub(super) fn differs(field: &str, found: &Value, wanted: &Value) -> Difference {
    let show = |value: &Value| match value {
        Value::Null => "nothing".to_owned(),
        value => shown(&value.to_string()),
    };
    Difference { field: field.to_owned(), found: show(found), wanted: show(wanted) }
}
