//! The object that a command line asks for, while its flags are read.

use anyhow::{Context, bail, ensure};
use serde_json::{Map, Value, json};

use super::command_line::Given;
use super::flags::Does;
use super::networks::Networks;
use super::pairs::Pairs;
use super::surroundings::Surroundings;
use super::{tree, values};
use crate::core::name::ObjectName;

/// An object to be.
pub(super) struct Draft<'a> {
    pub(super) around: &'a dyn Surroundings,
    pub(super) notes: Vec<String>,
    pub(super) networks: Networks,
    pub(super) pairs: Pairs,
    body: Value,
    pub(super) name: Option<String>,
    pub(super) no_healthcheck: bool,
    pub(super) remove: bool,
}

impl<'a> Draft<'a> {
    pub(super) fn new(around: &'a dyn Surroundings, notes: Vec<String>) -> Draft<'a> {
        Draft {
            around,
            notes,
            networks: Networks::default(),
            pairs: Pairs::default(),
            body: json!({}),
            name: None,
            no_healthcheck: false,
            remove: false,
        }
    }

    /// Takes an option. An error names it.
    pub(super) fn take(&mut self, given: &Given) -> anyhow::Result<()> {
        let Given { flag, value } = given;
        self.apply(given).with_context(|| format!("--{} {value}", flag.name()))
    }

    fn apply(&mut self, Given { flag, value }: &Given) -> anyhow::Result<()> {
        match &flag.does {
            Does::Text(path) => self.set_text(path, value),
            Does::Texts(path) => self.add(path, json!(value)),
            Does::Number(path) => self.set(path, json!(values::integer(value)?)),
            Does::Size(path) => self.set(path, json!(values::size(value)?)),
            Does::SizeOrNone(path) => self.set(path, json!(values::size_or_none(value)?)),
            Does::Nanoseconds(path) => self.set(path, json!(values::nanoseconds(value)?)),
            Does::True(path) => match values::truth(value)? {
                true => self.set(path, json!(true)),
                false => self.unset(path),
            },
            Does::Either(path) => self.set(path, json!(values::truth(value)?)),
            Does::Pairs(path) => {
                let (key, value) = value.split_once('=').unwrap_or((value, ""));
                self.entry(path, key, json!(value));
            }
            Does::By(take) => take(self, value)?,
            Does::Switch(take) => take(self, values::truth(value)?),
            Does::Nothing => drop(values::truth(value)?),
            Does::LeftOut(_) | Does::LeftOutSwitch(_) => self.notes.extend(flag.left_out()),
            Does::Refused(why) => bail!("it cannot be converted: {why}"),
        }
        Ok(())
    }

    /// Sets a field.
    pub(super) fn set(&mut self, path: &str, value: Value) {
        *self.at(path) = value;
    }

    /// Sets a text; the empty one is none.
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

    /// Sets an entry of a map, whose name may hold points.
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

    /// The object, and what to say about it.
    pub(super) fn finish(
        mut self,
        name: Option<&str>,
        count: u32,
        image: &str,
        arguments: Vec<String>,
    ) -> anyhow::Result<(Value, Vec<String>)> {
        self.finish_health()?;
        if self.remove {
            ensure!(self.get("HostConfig.RestartPolicy").is_none(), "--restart and --rm exclude each other");
            self.notes.push(
                "note: --rm is left out: the manager removes ended containers itself (\"History\": 0 keeps none for docker logs)"
                    .to_owned(),
            );
        }
        let driver_is_none = self.get("HostConfig.LogConfig.Type").is_some_and(|driver| driver == "none");
        let options = self.get("HostConfig.LogConfig.Config").is_some();
        ensure!(!(driver_is_none && options), "--log-opt: the log driver none has no options");
        super::pairs::finish(&mut self)?;
        super::networks::finish(&mut self)?;
        let name = self.object_name(name, image)?;
        if !arguments.is_empty() {
            self.set("Cmd", json!(arguments));
        }
        self.set("Name", json!(name));
        self.set("Count", json!(count));
        self.set("Image", json!(image));
        Ok((without_nulls(self.body), self.notes))
    }

    fn finish_health(&mut self) -> anyhow::Result<()> {
        let given = self.get("Healthcheck").and_then(Value::as_object);
        // What is zero is what the image says.
        let settings = given.into_iter().flatten().any(|(_, value)| !value.is_null() && *value != json!(0));
        if self.no_healthcheck {
            ensure!(!settings, "--no-healthcheck and the --health-... flags exclude each other");
            self.set("Healthcheck", json!({"Test": ["NONE"]}));
        } else if !settings {
            self.unset("Healthcheck");
        }
        Ok(())
    }

    /// The name that was asked for; else the container's, else the image's own.
    fn object_name(&mut self, asked: Option<&str>, image: &str) -> anyhow::Result<String> {
        let way_out = "give one with convert --name";
        if let Some(name) = asked {
            if let Some(other) = self.name.take().filter(|other| other != name) {
                self.notes.push(format!("note: --name {other} is left out: the object is called {name}"));
            }
            return Ok(name.to_owned());
        }
        if let Some(name) = self.name.take() {
            let allowed = ObjectName::ALLOWED;
            ensure!(
                ObjectName::parse(&name).is_some(),
                "--name {name}: an object's name is {allowed}; {way_out}"
            );
            return Ok(name);
        }
        let last = image.rsplit('/').next().unwrap_or_default();
        let name = last.split([':', '@']).next().unwrap_or_default();
        ensure!(
            ObjectName::parse(name).is_some(),
            "no name was given, and the image has none to take: {way_out}"
        );
        self.notes.push(format!(
            "note: the object is called {name}, as its image is; convert --name gives it another name"
        ));
        Ok(name.to_owned())
    }
}

/// Without what was set and then taken back.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(_, value)| !value.is_null());
            let kept = kept.map(|(name, value)| {
                let was_empty = value.as_object().is_some_and(Map::is_empty);
                (name, was_empty, without_nulls(value))
            });
            // An entry such as `80/tcp: {}` is meant to be empty.
            let kept = kept.filter(|(_, was_empty, value)| {
                *was_empty || value.as_object().is_none_or(|map| !map.is_empty())
            });
            Value::Object(kept.map(|(name, _, value)| (name, value)).collect())
        }
        other => other,
    }
}
