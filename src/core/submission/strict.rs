//! Strict JSON: no duplicate fields, no unknown fields, and errors that name the field.
//!
//! Two passes. [`parse`] reads text into a [`Value`] and refuses a duplicate name in an object, with line and column. [`read`] then
//! deserializes the value while tracking the path, so that an error names `HostConfig.Memory`, the given and the allowed value;
//! for an unknown field it suggests the nearest field at that place.

use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{
    self, DeserializeSeed, Deserializer, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    Visitor,
};
use serde_json::{Map, Value};

/// A mistake in a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FieldError {
    /// The path from the top of the object, such as `HostConfig.Memory`; empty for the whole.
    pub field: String,
    /// The given and the allowed value.
    pub message: String,
}

impl FieldError {
    /// A mistake in this field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> FieldError {
        FieldError { field: field.into(), message: message.into() }
    }

    /// The same error, in the object at this index of an array.
    pub fn at_index(self, index: usize) -> FieldError {
        FieldError { field: path_in_array(index, &self.field), ..self }
    }

    /// The message after the path of its field, for output that has no place of its own for the path.
    pub fn with_field(&self) -> String {
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

/// The text without the UTF-8 byte order mark, which some editors write; `None` for UTF-16.
pub(crate) fn unmarked(text: &[u8]) -> Option<&[u8]> {
    let utf_16 = text.starts_with(b"\xFF\xFE") || text.starts_with(b"\xFE\xFF");
    (!utf_16).then(|| text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text))
}

fn in_utf_8(text: &[u8]) -> Result<&[u8], serde_json::Error> {
    let utf_16 = || de::Error::custom("the text is in UTF-16; allowed is UTF-8: save or convert it as that");
    unmarked(text).ok_or_else(utf_16)
}

/// Parses JSON text. Errors carry line and column.
pub fn parse(text: &[u8]) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(in_utf_8(text)?);
    let value = Unique.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Parses JSON text and passes on its value; the items of an array one by one, so that they are never all in memory. An error of
/// `each` ends the parsing.
pub fn parse_each<E: From<serde_json::Error>>(
    text: &[u8],
    mut each: impl FnMut(Item) -> Result<(), E>,
) -> Result<(), E> {
    let (mut refused, mut only) = (None, None);
    let mut deserializer = serde_json::Deserializer::from_slice(in_utf_8(text)?);
    let read = deserializer.deserialize_any(Each(&mut |item| match item {
        // A value that is no array is passed on once it is certain that nothing follows it.
        Item::Only(value) => {
            only = Some(value);
            true
        }
        item => each(item).map_err(|error| refused = Some(error)).is_ok(),
    }));
    match refused {
        Some(error) => Err(error),
        None => {
            read.and_then(|()| deserializer.end())?;
            only.map_or(Ok(()), |value| each(Item::Only(value)))
        }
    }
}

/// What [`parse_each`] passes on.
#[derive(Debug)]
pub enum Item {
    /// The value of a text that is no array.
    Only(Value),
    /// The next item of an array.
    Next(Value),
    /// The end of the array.
    End,
}

/// Passes values on as they are parsed, until it is told to stop.
struct Each<'a>(&'a mut dyn FnMut(Item) -> bool);

impl Each<'_> {
    fn give<E: de::Error>(&mut self, item: Item) -> Result<(), E> {
        match (self.0)(item) {
            true => Ok(()),
            false => Err(E::custom("no more is wanted")),
        }
    }
}

impl<'de> Visitor<'de> for Each<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Unique.expecting(f)
    }

    fn visit_bool<E: de::Error>(mut self, v: bool) -> Result<(), E> {
        self.give(Item::Only(v.into()))
    }

    fn visit_i64<E: de::Error>(mut self, v: i64) -> Result<(), E> {
        self.give(Item::Only(v.into()))
    }

    fn visit_u64<E: de::Error>(mut self, v: u64) -> Result<(), E> {
        self.give(Item::Only(v.into()))
    }

    fn visit_f64<E: de::Error>(mut self, v: f64) -> Result<(), E> {
        self.give(Item::Only(v.into()))
    }

    fn visit_str<E: de::Error>(mut self, v: &str) -> Result<(), E> {
        self.give(Item::Only(v.into()))
    }

    fn visit_unit<E: de::Error>(mut self) -> Result<(), E> {
        self.give(Item::Only(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while let Some(item) = seq.next_element_seed(Unique)? {
            self.give(Item::Next(item))?;
        }
        self.give(Item::End)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, entries: A) -> Result<(), A::Error> {
        let object = Unique.visit_map(entries)?;
        self.give(Item::Only(object))
    }
}

/// Deserializes `value` as a `T`. `aside` names top-level fields that are read elsewhere.
pub fn read<T: de::DeserializeOwned>(value: &Value, aside: &[&'static str]) -> Result<T, FieldError> {
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

/// The most characters of a given value that a message repeats.
const SHOWN_CHARS: usize = 64;

/// The part of a text that a message repeats.
pub(crate) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The nearest of `known` to `given`, if one is near enough.
pub fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A longer text is no typo, and the distance needs memory proportional to the product of the lengths.
    if given.len() > SHOWN_CHARS {
        return None;
    }
    let lower = given.to_lowercase();
    known
        .into_iter()
        .map(|k| (strsim::damerau_levenshtein(&lower, &k.to_lowercase()), k))
        .filter(|(distance, k)| *distance <= 1 + k.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, k)| k)
}

/// Builds a [`Value`], refusing duplicate names.
#[derive(Clone, Copy)]
struct Unique;

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::String(v.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(Unique)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(Unique)?;
            if map.contains_key(&name) {
                return Err(de::Error::custom(format_args!("field '{name}' is given twice")));
            }
            map.insert(name, value);
        }
        Ok(Value::Object(map))
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
                    .map(|(name, v)| (name.as_str(), self.child(v, name)));
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

impl<'de> IntoDeserializer<'de, FieldError> for Strict<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::docker_models::ContainerCreateBody;

    fn body(text: &str) -> Result<ContainerCreateBody, FieldError> {
        read(&parse(text.as_bytes()).unwrap(), &["Name", "Count"])
    }

    fn refused(text: &str, field: &str, words: &str) {
        let error = body(text).unwrap_err();
        assert_eq!(error.field, field, "{error}");
        assert!(error.message.contains(words), "{error}");
    }

    #[test]
    fn a_duplicate_is_named_with_line_and_column() {
        let error = parse(b"{\"Image\": \"a\",\n \"Image\": \"b\"}").unwrap_err();
        assert_eq!(
            (error.line(), error.to_string().contains("'Image' is given twice")),
            (2, true),
            "{error}"
        );
        assert!(parse(br#"{"HostConfig": {"Memory": 1, "Memory": 2}}"#).is_err());
        assert!(parse(br#"{"Image": "a"} {"#).is_err());
    }

    #[test]
    fn unknown_fields_are_named_at_any_depth_with_the_nearest_known_one() {
        refused(r#"{"Imgae": "a"}"#, "Imgae", "did you mean 'Image'?");
        refused(r#"{"image": "a"}"#, "image", "did you mean 'Image'?");
        refused(r#"{"Cuont": 1}"#, "Cuont", "did you mean 'Count'?");
        refused(r#"{"HostConfig": {"Memroy": 1}}"#, "HostConfig.Memroy", "did you mean 'Memory'?");
        refused(r#"{"Healthcheck": {"Zzzzzzzz": 1}}"#, "Healthcheck.Zzzzzzzz", "known here: Interval, ");
    }

    #[test]
    fn wrong_types_are_reported_as_json_types() {
        refused(r#"{"Env": "A=1"}"#, "Env", "given the string \"A=1\"; allowed is an array");
        refused(r#"{"Env": ["A=1", 2]}"#, "Env[1]", "given 2; allowed is a string");
        refused(r#"{"Tty": "yes"}"#, "Tty", "allowed is true or false");
        refused(
            r#"{"HostConfig": {"Memory": 1.5}}"#,
            "HostConfig.Memory",
            "given 1.5; allowed is a whole number",
        );
        refused(r#"{"HostConfig": []}"#, "HostConfig", "allowed is an object");
        refused(
            r#"{"HostConfig": {"RestartPolicy": {"Name": "alway"}}}"#,
            "HostConfig.RestartPolicy.Name",
            "did you mean \"always\"?",
        );
    }

    #[test]
    fn docker_objects_are_accepted() {
        let parsed = body(
            r#"{"Name": "x", "Image": "a", "ExposedPorts": {"80/tcp": {}}, "Tty": null, "Labels": {"k": "v"},
                "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}, "Memory": 1048576},
                "NetworkingConfig": {"EndpointsConfig": {"web": {"Aliases": ["x"]}}}}"#,
        )
        .unwrap();
        assert_eq!(parsed.exposed_ports, Some(vec!["80/tcp".to_owned()]));
        assert_eq!(parsed.host_config.unwrap().memory, Some(1_048_576));
    }
}
