//! Errors that name the field, the given and the allowed value.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use super::suggestion::did_you_mean;
use crate::core::sanitize::shown;

/// A mistake in a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FieldError {
    /// The path from the top of the object, such as `HostConfig.Memory`; empty for the whole.
    pub(crate) field: String,
    /// The given and the allowed value.
    pub(crate) message: String,
}

impl FieldError {
    /// A mistake in this field.
    pub(crate) fn new(field: impl Into<String>, message: impl Into<String>) -> FieldError {
        FieldError { field: field.into(), message: message.into() }
    }

    /// The same error, in the object at this index of an array.
    pub(crate) fn at_index(self, index: usize) -> FieldError {
        FieldError { field: path_in_array(index, &self.field), ..self }
    }

    /// The message after the path of its field, for output that has no place of its own for the path.
    pub(crate) fn with_field(&self) -> String {
        match self.field.as_str() {
            "" => self.message.clone(),
            field => format!("{field}: {}", self.message),
        }
    }
}

/// The path of a field of the object at this index of an array.
pub(crate) fn path_in_array(index: usize, field: &str) -> String {
    match field {
        "" => format!("[{index}]"),
        field if field.starts_with('[') => format!("[{index}]{field}"),
        field => format!("[{index}].{field}"),
    }
}

/// serde names Rust types; users expect JSON types.
fn given(unexpected: Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Unit | Unexpected::Option => "null".to_owned(),
        Unexpected::Bool(b) => b.to_string(),
        Unexpected::Unsigned(n) => n.to_string(),
        Unexpected::Signed(n) => n.to_string(),
        Unexpected::Float(n) => n.to_string(),
        Unexpected::Str(s) => format!("the string \"{}\"", shown(s)),
        Unexpected::Seq => "an array".to_owned(),
        Unexpected::Map => "an object".to_owned(),
        other => other.to_string(),
    }
}

fn allowed(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, not negative".to_owned(),
        "i8" | "i16" | "i32" | "i64" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "an array".to_owned(),
        "a map" => "an object".to_owned(),
        "unit" => "null or {}".to_owned(),
        t if t.starts_with("struct ") => "an object".to_owned(),
        _ => text,
    }
}

impl de::Error for FieldError {
    fn custom<T: fmt::Display>(message: T) -> FieldError {
        FieldError::new("", message.to_string())
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> FieldError {
        FieldError::new("", format!("given {}; allowed is {}", given(unexpected), allowed(expected)))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> FieldError {
        de::Error::invalid_type(unexpected, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> FieldError {
        let words: Vec<_> = expected.iter().filter(|w| !w.is_empty()).map(|w| format!("\"{w}\"")).collect();
        let hint = did_you_mean(variant, expected.iter().copied().filter(|w| !w.is_empty()))
            .map(|near| format!("; did you mean \"{near}\"?"))
            .unwrap_or_default();
        FieldError::new("", format!("given \"{}\"; allowed is {}{hint}", shown(variant), words.join(" or ")))
    }

    fn missing_field(field: &'static str) -> FieldError {
        FieldError::new(field, format!("the field '{field}' is missing"))
    }
}
