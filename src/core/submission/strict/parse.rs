//! The first pass: from text to a [`Value`], without duplicate names.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

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
pub(crate) fn parse(text: &[u8]) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(in_utf_8(text)?);
    let value = Unique.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Parses JSON text and passes on its value; the items of an array one by one, so that they are never all in memory. An error of
/// `each` ends the parsing.
pub(crate) fn parse_each<E: From<serde_json::Error>>(
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
pub(crate) enum Item {
    /// The value of a text that is no array.
    Only(Value),
    /// The next item of an array.
    Next(Value),
    /// The end of the array.
    End,
}

/// Passes values on as they are parsed, until the function returns false.
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
