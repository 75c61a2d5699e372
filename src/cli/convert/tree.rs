//! A JSON tree that grows where a value is set.

use serde_json::{Map, Value, json};

/// The value at a path, null if there was none. Values on the way become objects.
pub(super) fn at<'v>(root: &'v mut Value, path: &[&str]) -> &'v mut Value {
    path.iter().fold(root, |value, step| {
        if !value.is_object() {
            *value = Map::new().into();
        }
        match value {
            Value::Object(map) => map.entry(*step).or_insert(Value::Null),
            other => other,
        }
    })
}

/// Sets the value at a path.
pub(super) fn put(root: &mut Value, path: &[&str], value: impl Into<Value>) {
    *at(root, path) = value.into();
}

/// Adds an item to the list at a path.
pub(super) fn push(root: &mut Value, path: &[&str], item: impl Into<Value>) {
    match at(root, path) {
        Value::Array(items) => items.push(item.into()),
        other => *other = json!([item.into()]),
    }
}

/// The value of a field, unless it is null.
pub(super) fn field<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    value.get(name).filter(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_objects_on_the_path_are_created() {
        let mut tree = Value::Null;
        put(&mut tree, &["a", "b.c"], 1);
        push(&mut tree, &["a", "list"], "x");
        push(&mut tree, &["a", "list"], "y");
        assert_eq!(tree, json!({"a": {"b.c": 1, "list": ["x", "y"]}}));
        assert_eq!(field(&tree, "b"), None);
    }
}
