//! The object that a command line describes, while its flags are read.

use serde_json::{Value, json};

use super::local_input::LocalInput;
use super::tree;

/// An incomplete object.
pub(super) struct Draft<'a> {
    pub(super) input: &'a dyn LocalInput,
    /// Messages about the conversion.
    pub(super) notes: Vec<String>,
    pub(super) networks: Networks,
    pub(super) pairs: Pairs,
    pub(super) body: Value,
    pub(super) name: Option<String>,
    pub(super) no_healthcheck: bool,
    pub(super) remove: bool,
}

impl<'a> Draft<'a> {
    pub(super) fn new(input: &'a dyn LocalInput, notes: Vec<String>) -> Draft<'a> {
        Draft {
            input,
            notes,
            networks: Networks::default(),
            pairs: Pairs::default(),
            body: json!({}),
            name: None,
            no_healthcheck: false,
            remove: false,
        }
    }

    /// Sets a field.
    pub(super) fn set(&mut self, path: &str, value: Value) {
        *self.at(path) = value;
    }

    /// Sets a string; an empty one unsets the field.
    pub(super) fn set_text(&mut self, path: &str, text: &str) {
        if text.is_empty() { self.unset(path) } else { self.set(path, json!(text)) }
    }

    /// Adds an item to a list.
    pub(super) fn add(&mut self, path: &str, item: Value) {
        match self.at(path) {
            Value::Array(items) => items.push(item),
            other => *other = json!([item]),
        }
    }

    /// Sets an entry of a map; its name may contain dots.
    pub(super) fn entry(&mut self, path: &str, name: &str, value: Value) {
        match self.at(path) {
            Value::Object(map) => drop(map.insert(name.to_owned(), value)),
            other => *other = json!({ name: value }),
        }
    }

    pub(super) fn get(&self, path: &str) -> Option<&Value> {
        self.body.pointer(&format!("/{}", path.replace('.', "/"))).filter(|value| !value.is_null())
    }

    /// An entry of a map.
    pub(super) fn get_entry(&self, path: &str, name: &str) -> Option<&Value> {
        self.get(path)?.get(name)
    }

    pub(super) fn unset(&mut self, path: &str) {
        self.set(path, Value::Null);
    }

    fn at(&mut self, path: &str) -> &mut Value {
        tree::at(&mut self.body, &path.split('.').collect::<Vec<_>>())
    }
}

/// Networks as given. Flags such as `--ip` concern the first one.
#[derive(Default)]
pub(super) struct Networks {
    pub(super) attachments: Vec<Attachment>,
    pub(super) first: Value,
}

/// A network and the settings of its endpoint.
pub(super) struct Attachment {
    pub(super) network: String,
    pub(super) endpoint: Value,
}

/// Environment variables and labels as given, in docker's order: all files first.
#[derive(Default)]
pub(super) struct Pairs {
    pub(super) env_files: Vec<String>,
    pub(super) env: Vec<String>,
    pub(super) label_files: Vec<String>,
    pub(super) labels: Vec<String>,
}
