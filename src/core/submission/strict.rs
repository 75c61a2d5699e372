//! Strict JSON: no duplicate fields, no unknown fields, and errors that name the field.
//!
//! Two passes. [`parse()`] reads text into a [`Value`](serde_json::Value) and refuses a duplicate name in an object, with line and column. [`read()`] then
//! deserializes the value while tracking the path, so that an error names `HostConfig.Memory`, the given and the allowed value;
//! for an unknown field it suggests the nearest field at that place.

mod error;
mod parse;
mod read;
mod suggestion;

pub(crate) use error::FieldError;
pub(crate) use error::path_in_array;
pub(crate) use parse::unmarked;
pub(crate) use parse::{Item, parse, parse_each};
pub(crate) use read::fields;
pub(crate) use read::read;
pub(crate) use read::wrong_type;
pub(crate) use suggestion::did_you_mean;

pub(crate) use crate::core::sanitize::shown;

#[cfg(test)]
mod tests;
