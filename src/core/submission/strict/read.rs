//! The second pass: from a [`Value`] to a type, with the path of what is read.

use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{self, Deserializer, IntoDeserializer, Unexpected, Visitor};
use serde_json::Value;

use super::error::FieldError;
use super::suggestion::did_you_mean;
use crate::core::sanitize::shown;

/// Deserializes `value` as a `T`. `aside` names top-level fields that are read elsewhere.
pub(crate) fn read<T: de::DeserializeOwned>(value: &Value, aside: &[&'static str]) -> Result<T, FieldError> {
    T::deserialize(Strict { value, path: String::new(), aside })
}

/// The names of a struct's fields in JSON.
pub(crate) fn fields<T: de::DeserializeOwned>() -> &'static [&'static str] {
    let mut found: &'static [&'static str] = &[];
    // The deserializer has no data: it only records which fields the type asks for.
    let _ = T::deserialize(Asking(&mut found));
    found
}

/// Records the fields that are asked for, and has none of them.
struct Asking<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Asking<'_> {
    type Error = FieldError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, FieldError> {
        Err(FieldError::new("", "nothing is here"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// A value and the path to it.
struct Strict<'a> {
    value: &'a Value,
    path: String,
    aside: &'a [&'static str],
}

impl<'a> Strict<'a> {
    fn child(&self, value: &'a Value, step: &str) -> Strict<'a> {
        let path = match (self.path.as_str(), step.starts_with('[')) {
            ("", _) => step.to_owned(),
            (path, true) => format!("{path}{step}"),
            (path, false) => format!("{path}.{step}"),
        };
        Strict { value, path, aside: &[] }
    }

    fn at<T>(path: String, result: Result<T, FieldError>) -> Result<T, FieldError> {
        result.map_err(|e| if e.field.is_empty() { FieldError { field: path, ..e } } else { e })
    }

    fn visit<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        let path = self.path.clone();
        let result = match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(b) => visitor.visit_bool(*b),
            Value::Number(n) => match (n.as_u64(), n.as_i64(), n.as_f64()) {
                (Some(u), _, _) => visitor.visit_u64(u),
                (_, Some(i), _) => visitor.visit_i64(i),
                (_, _, Some(f)) => visitor.visit_f64(f),
                _ => Err(de::Error::custom(format_args!("{n} is not a number that can be used here"))),
            },
            Value::String(s) => visitor.visit_str(s),
            Value::Array(items) => {
                let items = items.iter().enumerate().map(|(i, v)| self.child(v, &format!("[{i}]")));
                visitor.visit_seq(SeqDeserializer::new(items))
            }
            Value::Object(map) => {
                let entries = map
                    .iter()
                    .filter(|(name, _)| !self.aside.contains(&name.as_str()))
                    .map(|(name, v)| (Key(name.as_str().into_deserializer()), self.child(v, name)));
                visitor.visit_map(MapDeserializer::new(entries))
            }
        };
        Strict::at(path, result)
    }
}

impl<'de> Deserializer<'de> for Strict<'_> {
    type Error = FieldError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        self.visit(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        let Value::Object(map) = self.value else {
            // A derived visitor would accept an array as a struct.
            return Strict::at(self.path, Err(de::Error::invalid_type(unexpected(self.value), &"an object")));
        };
        {
            let known = || fields.iter().chain(self.aside).copied();
            if let Some(stranger) = map.keys().find(|name| !known().any(|k| k == name.as_str())) {
                let hint = match did_you_mean(stranger, known()) {
                    Some(near) => format!("did you mean '{near}'?"),
                    None => {
                        let mut all: Vec<_> = known().collect();
                        all.sort_unstable();
                        format!("known here: {}", all.join(", "))
                    }
                };
                let named = shown(stranger);
                let place = self.child(&Value::Null, &named).path;
                return Err(FieldError::new(place, format!("there is no field '{named}'; {hint}")));
            }
        }
        self.visit(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        let path = self.path.clone();
        let result = match self.value {
            Value::String(s) => {
                let variant: StrDeserializer<'_, FieldError> = s.as_str().into_deserializer();
                visitor.visit_enum(variant)
            }
            other => Err(de::Error::invalid_type(unexpected(other), &"a string")),
        };
        Strict::at(path, result)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map identifier ignored_any
    }
}

/// The name of a map's entry.
struct Key<'a>(StrDeserializer<'a, FieldError>);

impl<'de> Deserializer<'de> for Key<'_> {
    type Error = FieldError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        self.0.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    /// The models have a map with such names where only an empty one is allowed.
    fn deserialize_unit<V: Visitor<'de>>(self, _: V) -> Result<V::Value, FieldError> {
        Err(FieldError::new("", "given an object with fields; allowed is {}"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, FieldError> for Key<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> IntoDeserializer<'de, FieldError> for Strict<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// The error of a value that has another type than this one.
pub(crate) fn wrong_type(value: &Value, allowed: &'static str) -> FieldError {
    de::Error::invalid_type(unexpected(value), &allowed)
}

fn unexpected(value: &Value) -> Unexpected<'_> {
    match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(b) => Unexpected::Bool(*b),
        Value::Number(n) => match (n.as_u64(), n.as_i64()) {
            (Some(u), _) => Unexpected::Unsigned(u),
            (_, Some(i)) => Unexpected::Signed(i),
            _ => Unexpected::Float(n.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(s) => Unexpected::Str(s),
        Value::Array(_) => Unexpected::Seq,
        Value::Object(_) => Unexpected::Map,
    }
}
