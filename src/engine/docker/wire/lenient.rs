//! Reads single fields from JSON whose other parts may have any content.
//!
//! Engines of all versions, and proxies in front of them, answer with fields, words and types that this program does not know.
//! A value is only located ([`RawValue`] skips it without recursion) and then read field by field; a field of another type
//! counts as missing.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::core::sanitize;

/// One value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Json<'a>(&'a str);

impl<'a> Json<'a> {
    /// Treats a text as one value, without parsing it.
    pub(super) fn new(text: &'a str) -> Json<'a> {
        Json(text.trim())
    }

    /// The fields with wanted names, in order; `None` if this is no object. Of a duplicate field the last one counts, see
    /// [`Fields::get`].
    pub(super) fn fields(self, wanted: impl Fn(&str) -> bool) -> Option<Fields<'a>> {
        if !self.0.starts_with('{') {
            return None;
        }
        let mut deserializer = serde_json::Deserializer::from_str(self.0);
        let fields = deserializer.deserialize_map(Wanted(wanted)).ok()?;
        deserializer.end().ok()?;
        Some(Fields(fields))
    }

    /// The elements, at most one more than `max`; `None` if this is no array.
    pub(super) fn elements(self, max: usize) -> Option<Vec<Json<'a>>> {
        if !self.0.starts_with('[') {
            return None;
        }
        let mut deserializer = serde_json::Deserializer::from_str(self.0);
        deserializer.deserialize_seq(Elements(max)).ok()
    }

    /// A string, or a number as written: escaped, and cut to `max` bytes.
    pub(super) fn text(self, max: usize) -> Option<String> {
        match self.0.bytes().next()? {
            b'"' => self.string().map(|text| sanitize::bounded(&text, max)),
            b'-' | b'0'..=b'9' => Some(sanitize::bounded(self.0, max)),
            _ => None,
        }
    }

    /// A string, unchanged.
    fn string(self) -> Option<String> {
        // As bytes: a lone surrogate must not be an error.
        serde_json::Deserializer::from_str(self.0).deserialize_bytes(Lossy).ok()
    }

    /// An integer, also as a string. A value out of range saturates.
    pub(super) fn integer(self) -> Option<i64> {
        let text = self.text(sanitize::NAME_MAX_BYTES)?;
        let rounded = || text.parse::<f64>().ok().filter(|number| !number.is_nan());
        // The conversion saturates.
        text.parse().ok().or_else(|| rounded().map(|number| number as i64))
    }

    /// A boolean, also as a string.
    pub(super) fn boolean(self) -> Option<bool> {
        match self.0.trim_matches('"') {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }
}

/// Some fields of an object.
#[derive(Debug)]
pub(super) struct Fields<'a>(Vec<(String, Json<'a>)>);

impl<'a> Fields<'a> {
    /// The value of a field.
    pub(super) fn get(&self, name: &str) -> Option<Json<'a>> {
        self.0.iter().rev().find(|(found, _)| found == name).map(|(_, value)| *value)
    }

    /// The text of a field, see [`Json::text`].
    pub(super) fn text(&self, name: &str, max: usize) -> Option<String> {
        self.get(name)?.text(max)
    }

    /// The string of a field, unchanged and of any length.
    pub(super) fn string(&self, name: &str) -> Option<String> {
        self.get(name)?.string()
    }

    /// All of them.
    pub(super) fn into_entries(self) -> impl Iterator<Item = (String, Json<'a>)> {
        self.0.into_iter()
    }
}

/// A string in which invalid UTF-8 is replaced.
struct Lossy;

impl<'de> Visitor<'de> for Lossy {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<String, E> {
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }
}

impl<'de> DeserializeSeed<'de> for Lossy {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

struct Wanted<F>(F);

impl<'de, F: Fn(&str) -> bool> Visitor<'de> for Wanted<F> {
    type Value = Vec<(String, Json<'de>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(name) = map.next_key_seed(Lossy)? {
            if (self.0)(&name) {
                let value: &'de RawValue = map.next_value()?;
                fields.push((name, Json::new(value.get())));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(fields)
    }
}

struct Elements(usize);

impl<'de> Visitor<'de> for Elements {
    type Value = Vec<Json<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while elements.len() <= self.0 {
            let Some(value) = seq.next_element::<&'de RawValue>()? else { return Ok(elements) };
            elements.push(Json::new(value.get()));
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(elements)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_another_type_counts_as_missing() {
        let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
        let text = format!(
            r#"{{"a": {deep}, "s": "x\u001b\n", "n": 7, "t": "7", "huge": 1e999, "lone": "\ud800", "nothing": null,
            "b": true, "minus": -1, "twice": 1, "twice": 2, "list": [1, "2", {{}}], "f": 2.0}}"#
        );
        let fields = Json::new(&text).fields(|name| name != "a").unwrap();
        assert_eq!(fields.text("s", 99).as_deref(), Some("x\\u{1b}\\n"));
        assert_eq!(fields.text("n", 99).as_deref(), Some("7"));
        let integer = |name| fields.get(name).and_then(Json::integer);
        assert_eq!((integer("n"), integer("t"), integer("f")), (Some(7), Some(7), Some(2)));
        assert_eq!((integer("huge"), integer("minus"), integer("s")), (Some(i64::MAX), Some(-1), None));
        assert_eq!(fields.text("lone", 99).map(|t| t.contains('\u{fffd}')), Some(true));
        assert_eq!(
            (fields.text("nothing", 9), fields.text("list", 9), fields.text("b", 9)),
            (None, None, None)
        );
        assert_eq!(fields.get("b").and_then(Json::boolean), Some(true));
        assert_eq!(integer("twice"), Some(2));
        let list = fields.get("list").unwrap();
        assert_eq!((list.elements(9).unwrap().len(), list.elements(1).unwrap().len()), (3, 2));
        assert!(list.fields(|_| true).is_none() && fields.get("n").unwrap().elements(9).is_none());
        for broken in ["{", "{\"a\": }", "{\"a\": 1} x", "", "nonsense"] {
            assert!(Json::new(broken).fields(|_| true).is_none(), "{broken}");
        }
    }
}
