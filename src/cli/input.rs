//! The objects to submit: JSON or YAML files with one or more objects.
//!
//! YAML becomes JSON here, and nothing else is checked: the daemon validates objects. Ambiguous YAML is not guessed: `05`,
//! `1_000`, `on` and `yes` are strings, which the daemon rejects for numbers and booleans, and a duplicate key is an error.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use serde_json::Value;
use serde_saphyr::UserMessageFormatter;

use crate::client::ClientError;
use crate::core::submission::strict;

/// The largest file, in bytes. The daemon accepts 1 MiB of JSON; comments and layout are extra.
const FILE_MAX_BYTES: u64 = 16 << 20;

/// The most values that aliases may expand to: enough for thousands of objects with a shared base, but no bomb.
const ALIASED_MAX: usize = 100_000;

/// Objects in the given order.
#[derive(Debug)]
pub(super) struct Objects(Vec<Item>);

#[derive(Debug)]
struct Item {
    value: Value,
    /// The name of the file.
    file: String,
    /// Its number in the file, from 1; 0 if it is the only one.
    ordinal: usize,
}

impl Objects {
    /// Reads the files; one may be `-` for standard input. A file without objects is an error.
    pub(super) fn read(files: &[PathBuf]) -> anyhow::Result<Objects> {
        let mut all = Vec::new();
        for path in files {
            let (file, text) = text(path)?;
            let values = parse(path, &text).with_context(|| file.clone())?;
            ensure!(!values.is_empty(), "{file} contains no object");
            let only = values.len() == 1;
            let numbered = values.into_iter().enumerate();
            all.extend(numbered.map(|(i, value)| Item {
                value,
                file: file.clone(),
                ordinal: if only { 0 } else { i + 1 },
            }));
        }
        Ok(Objects(all))
    }

    /// The body of a submit: a single object, or an array; `array` forces an array.
    pub(super) fn body(&self, array: bool) -> Bytes {
        let values: Vec<&Value> = self.0.iter().map(|item| &item.value).collect();
        let body = match values.as_slice() {
            [one] if !array => one.to_string(),
            many => serde_json::json!(many).to_string(),
        };
        body.into()
    }

    /// The object of this name.
    pub(super) fn named(&self, name: &str) -> Option<&Value> {
        self.0
            .iter()
            .map(|item| &item.value)
            .find(|value| value.get("Name").is_some_and(|given| given == name))
    }

    /// Whether one of them is conditional on a generation, so that it cannot be submitted twice.
    pub(super) fn are_conditional(&self) -> bool {
        self.0.iter().any(|item| item.value.get("Generation").is_some_and(|generation| !generation.is_null()))
    }

    /// Adds the file to an error that names a field.
    pub(super) fn locate(&self, error: anyhow::Error) -> anyhow::Error {
        let field = match error.downcast_ref() {
            // With a single object, the file is known without a field.
            Some(ClientError::Refused(problem)) if problem.status == 422 => {
                Some(problem.field.as_deref().unwrap_or_default())
            }
            Some(ClientError::Refused(problem)) => problem.field.as_deref(),
            _ => None,
        };
        match field.and_then(|field| self.place(field)) {
            Some(place) => anyhow::anyhow!("{error} ({place})"),
            None => error,
        }
    }

    /// The location of the object with a field such as `[3].Count`.
    fn place(&self, field: &str) -> Option<String> {
        let index = field.strip_prefix('[').and_then(|f| f.split_once(']')).and_then(|(i, _)| i.parse().ok());
        let item = self.0.get(index.unwrap_or(0)).filter(|_| index.is_some() || self.0.len() == 1)?;
        Some(match (item.ordinal, item.value.get("Name").and_then(Value::as_str)) {
            (0, _) => item.file.clone(),
            (n, Some(name)) => format!("{}, object {n}, \"{}\"", item.file, strict::shown(name)),
            (n, None) => format!("{}, object {n}", item.file),
        })
    }
}

/// The name of a file for messages, and its text.
fn text(path: &Path) -> anyhow::Result<(String, String)> {
    let mut bytes = Vec::new();
    let (file, read) = if path == Path::new("-") {
        ("standard input".to_owned(), io::stdin().lock().take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes))
    } else {
        let opened = File::open(path);
        (path.display().to_string(), opened.and_then(|f| f.take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes)))
    };
    read.with_context(|| format!("cannot read {file}"))?;
    ensure!(bytes.len() as u64 <= FILE_MAX_BYTES, "{file} is larger than {FILE_MAX_BYTES} bytes");
    let text = strict::unmarked(&bytes).with_context(|| format!("{file} is UTF-16: convert it to UTF-8"))?;
    let text = std::str::from_utf8(text).map_err(|_| anyhow::anyhow!("{file} is not UTF-8 text"))?;
    Ok((file, text.to_owned()))
}

/// The objects in a text. The file extension decides between JSON and YAML, else the first character.
pub(super) fn parse(path: &Path, text: &str) -> anyhow::Result<Vec<Value>> {
    let json = match path.extension().and_then(|e| e.to_str()) {
        Some("json") => true,
        Some("yaml" | "yml") => false,
        _ => text.trim_start().starts_with(['{', '[']),
    };
    let documents = match json {
        true => vec![strict::parse(text.as_bytes()).context("not valid JSON")?],
        false => yaml(text)?,
    };
    // A list counts as that many documents.
    Ok(documents
        .into_iter()
        .flat_map(|document| match document {
            Value::Array(items) => items,
            one => vec![one],
        })
        .collect())
}

/// The documents in a YAML text.
pub(super) fn yaml(text: &str) -> anyhow::Result<Vec<Value>> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: ALIASED_MAX },
        // Messages may end up in logs with more readers than the file.
        with_snippet: false,
    };
    match serde_saphyr::from_multiple_with_options(text, options) {
        Ok(documents) => Ok(documents),
        Err(error) => bail!("not valid YAML: {}", error.render_with_formatter(&UserMessageFormatter)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(name: &str, text: &str) -> Result<Value, String> {
        parse(Path::new(name), text).map(Value::from).map_err(|e| format!("{e:#}"))
    }

    #[test]
    fn yaml_becomes_the_intended_json() {
        for (yaml, json) in [
            (
                "Name: web\nCount: 5\nOpenStdin: true\nEnv: [A=1]",
                json!([{"Name": "web", "Count": 5, "OpenStdin": true, "Env": ["A=1"]}]),
            ),
            ("- Name: a\n- Name: b", json!([{"Name": "a"}, {"Name": "b"}])),
            (
                "---\nName: a\n---\n# nothing\n---\n- Name: b\n- Name: c\n",
                json!([{"Name": "a"}, {"Name": "b"}, {"Name": "c"}]),
            ),
            ("{Name: a, Count: 0x10}", json!([{"Name": "a", "Count": 16}])),
            (
                "a: -1\nb: 0.5\nc: null\nd: ~\ne: '5'\nf: 2024-01-01",
                json!([{"a": -1, "b": 0.5, "c": null, "d": null, "e": "5", "f": "2024-01-01"}]),
            ),
            ("Cmd: |\n  one\n  two\n", json!([{"Cmd": "one\ntwo\n"}])),
            // Anchors and merges, for shared fields.
            (
                "- &base {Image: web:1, Count: 2}\n- {<<: *base, Count: 3}",
                json!([{"Image": "web:1", "Count": 2}, {"Image": "web:1", "Count": 3}]),
            ),
            // Where versions of YAML differ, the value is a string.
            (
                "a: 05\nb: 1_000\nc: on\nd: No\ne: y\nf: 12:30:45",
                json!([{"a": "05", "b": "1_000", "c": "on", "d": "No", "e": "y", "f": "12:30:45"}]),
            ),
        ] {
            assert_eq!(read("-", yaml).or_else(|_| read("x.yaml", yaml)), Ok(json), "{yaml}");
        }
    }

    #[test]
    fn errors_have_a_line_and_a_column() {
        for (name, text, expected) in [
            (
                "x.yaml",
                "Name: web\nName: api\n",
                "not valid YAML: duplicate mapping key `Name` is not allowed here at line 2, column 1",
            ),
            ("x.yml", "a:\n  b: 1\n  b: 2\n", "line 3, column 3"),
            ("-", "Name: [1,\n", "line 1, column 7"),
            ("-", "a: .inf\n", "line 1, column 4"),
            ("-", "a: *unknown\n", "line 1, column 4"),
            (
                "x.json",
                "{\"Name\":\n \"web\" \"Image\": 1}",
                "not valid JSON: expected `,` or `}` at line 2 column 8",
            ),
            ("-", "{\"Name\": \"a\",\n \"Name\": \"b\"}", "field 'Name' is given twice at line 2"),
            ("-", "{\"Name\": \"a\"} {\"Name\": \"b\"}", "trailing characters"),
        ] {
            let error = read(name, text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains('\n'), "one line: {error}");
        }
    }

    #[test]
    fn aliases_cannot_fill_the_memory() {
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for i in 1..12 {
            let alias = format!("*a{},", i - 1).repeat(10);
            bomb.push_str(&format!("a{i}: &a{i} [{alias}]\n"));
        }
        assert!(read("x.yaml", &bomb).is_err());
    }

    #[test]
    fn a_refused_field_is_found_in_its_file() {
        let item = |value, ordinal| Item { value, file: "web.yaml".to_owned(), ordinal };
        let objects = Objects(vec![item(json!({"Name": "a"}), 1), item(json!({"Name": "b"}), 2)]);
        assert_eq!(objects.place("[1].Count").as_deref(), Some("web.yaml, object 2, \"b\""));
        assert_eq!(objects.place("[7].Count"), None);
        assert_eq!(objects.place("Count"), None, "ambiguous with two objects");
        let objects = Objects(vec![item(json!({"Name": "a"}), 0)]);
        assert_eq!(objects.place("Count").as_deref(), Some("web.yaml"));
    }
}
