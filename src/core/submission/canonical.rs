//! The canonical form of an object, in which it is stored and hashed.

use serde_json::{Map, Value};

use crate::core::submission::fields::{GENERATION, NOT_IN_TEMPLATE};
use crate::core::submission::forms;

/// Sorts fields and drops nulls, so that two ways to write the same object are equal.
pub(super) fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().filter(|(_, v)| !v.is_null()).collect();
            entries.sort_by_key(|(name, _)| name.as_str());
            Value::Object(entries.into_iter().map(|(name, v)| (name.clone(), canonical(v))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(canonical).collect()),
        plain => plain.clone(),
    }
}

/// The part of a canonical object whose change needs a new container.
pub(super) fn template_part(canonical: &Value) -> Value {
    let fields = canonical.as_object().into_iter().flatten();
    fields
        .filter(|(name, _)| !NOT_IN_TEMPLATE.contains(&name.as_str()))
        .map(|(name, v)| (name.clone(), v.clone()))
        .collect::<Map<_, _>>()
        .into()
}

/// An object in its stored form, for comparing two objects field by field.
pub(crate) fn as_stored(object: &Value) -> Value {
    let mut canonical = canonical(&forms::plain(object));
    if let Value::Object(fields) = &mut canonical {
        fields.remove(GENERATION);
    }
    canonical
}
