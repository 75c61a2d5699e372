//! Objects as YAML, to edit and submit again.

use anyhow::Context;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

/// The fields that come first; the others follow in alphabetical order.
const FIRST: [&str; 4] = ["Name", "Image", "Count", "Generation"];

/// Objects as YAML documents.
pub(super) fn documents(objects: &[Value]) -> anyhow::Result<String> {
    // Long strings such as images with digests stay on one line.
    let options = || serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    let written = |object| serde_saphyr::to_string_with_options(&Ordered(object), options());
    let documents: Result<Vec<String>, _> = objects.iter().map(written).collect();
    Ok(documents.context("cannot serialize the object as YAML")?.join("---\n"))
}

/// An object whose main fields come first.
pub(super) struct Ordered<'a>(pub(super) &'a Value);

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Value::Object(fields) = self.0 else { return self.0.serialize(serializer) };
        let mut map = serializer.serialize_map(Some(fields.len()))?;
        for (name, value) in ordered(fields) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

fn ordered(fields: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    let first = FIRST.iter().filter_map(|name| fields.get_key_value(*name));
    first.chain(fields.iter().filter(|(name, _)| !FIRST.contains(&name.as_str())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::input;

    #[test]
    fn yaml_reads_back_as_the_same_object() {
        let words = [
            "",
            " ",
            "on",
            "yes",
            "No",
            "y",
            "null",
            "~",
            "05",
            "0x10",
            "1_000",
            "1e3",
            "12:30:45",
            "2024-01-01",
            "5",
            "-1",
            "true",
            "- a",
            "a: b",
            "a #b",
            "#a",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a",
            "{a",
            "[a",
            "'",
            "\"",
            "\\",
            "a\tb",
            "a\nb",
            "a\n",
            "\na",
            "a\r\nb",
            "\u{1b}[2J",
            "\u{85}",
            "\u{2028}",
            "\u{feff}a",
            "é",
            "a  ",
            "  a",
            "---",
            "...",
            "? a",
            "<<",
            "=",
            ".inf",
            ".nan",
            "|",
            ">",
        ];
        let long = "word ".repeat(100);
        let lines = format!("{}\n  indented\n\n", "x".repeat(200));
        let texts: Vec<&str> = words.iter().copied().chain([long.as_str(), lines.as_str()]).collect();
        let labels: Map<String, Value> = texts.iter().map(|text| ((*text).to_owned(), json!(text))).collect();
        let object = json!({
            "Name": "web", "Image": "nginx:1", "Count": 5, "Generation": 3, "Cmd": texts, "Labels": labels,
            "OpenStdin": true, "Env": [], "HostConfig": {"Memory": 67_108_864, "PortBindings": {"80/tcp": [{"HostPort": "80"}]}},
            "Update": {"MaxFailureRatio": 0.25}, "ExposedPorts": {"80/tcp": {}},
        });
        let text = documents(&[object.clone(), json!({"Name": "api"})]).unwrap();
        assert!(!text.contains(['\u{1b}', '\u{85}', '\u{2028}']), "no control characters: {text:?}");
        let read = input::yaml(&text).unwrap_or_else(|e| panic!("{e:#}\n{text}"));
        assert_eq!(read, [object, json!({"Name": "api"})], "{text}");
    }

    #[test]
    fn the_main_fields_are_first() {
        let object = json!({"Cmd": ["a"], "Count": 1, "Name": "web", "Image": "nginx", "Generation": 2});
        let text = documents(&[object]).unwrap();
        assert_eq!(text, "Name: web\nImage: nginx\nCount: 1\nGeneration: 2\nCmd:\n- a\n");
    }
}
