//! `convert`: what a `docker run` command line asks for, as an object to submit. It asks no daemon and no engine.
//!
//! The command line is read as docker reads it (`convert/command_line.rs`, with the flags in `convert/flags.rs`), and each
//! flag puts its part into a draft of the object (`convert/draft.rs`). Nothing is dropped without a word: a flag is
//! converted, or left out with its reason on standard error, or an error.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::Value;

use self::command_line::CommandLine;
use self::draft::Draft;
use self::surroundings::{Process, Surroundings};
use super::output::{self, OutputError};
use super::{REFUSED, fail, object_name, yaml};
use crate::core::name::ObjectName;
use crate::core::spec::MAX_COUNT;
use crate::core::{policy, submission};

mod command_line;
mod csv;
mod devices;
mod draft;
mod flags;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod mounts;
mod networks;
mod pairs;
mod ports;
mod security;
mod settings;
mod surroundings;
mod tree;
mod values;

/// Flags of `convert`.
#[derive(Debug, Args)]
pub(super) struct ConvertFlags {
    /// What to call the object. [default: the command's own --name, else the last part of the image's name]
    #[arg(long, value_name = "NAME", value_parser = object_name)]
    name: Option<ObjectName>,
    /// How many containers to run.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(..=i64::from(MAX_COUNT)))]
    count: u32,
    /// How to write the object.
    #[arg(long, short, value_name = "FORMAT", default_value = "yaml")]
    output: Format,
    /// The command, after `--`: `docker run ...`, `docker create ...`, or the same of podman.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// A way to write an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Yaml,
    Json,
}

pub(super) fn run(flags: &ConvertFlags) -> ExitCode {
    let name = flags.name.as_ref().map(ObjectName::as_str);
    let converted = match convert(&flags.command, name, flags.count, &Process) {
        Ok(converted) => converted,
        Err(error) => return fail(REFUSED, &format!("{error:#}")),
    };
    converted.notes.iter().for_each(output::note);
    let written = converted.written(flags.output).and_then(|text| Ok(output::raw(text.as_bytes())?));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if matches!(error.downcast_ref(), Some(OutputError::Closed)) => ExitCode::SUCCESS,
        Err(error) => fail(REFUSED, &format!("{error:#}")),
    }
}

/// An object, and what to say about how it came to be.
#[derive(Debug)]
struct Converted {
    object: Value,
    notes: Vec<String>,
}

/// Converts a command line.
fn convert(
    words: &[String],
    name: Option<&str>,
    count: u32,
    around: &dyn Surroundings,
) -> anyhow::Result<Converted> {
    let CommandLine { options, image, arguments, notes } = CommandLine::read(words)?;
    let mut draft = Draft::new(around, notes);
    for option in &options {
        draft.take(option)?;
    }
    let (object, mut notes) = draft.finish(name, count, &image, arguments)?;
    notes.extend(judged(&object)?);
    Ok(Converted { object, notes })
}

/// What the daemon would say of the object: an error where it cannot read it, and a warning for each field that its
/// policy refuses.
fn judged(object: &Value) -> anyhow::Result<Vec<String>> {
    let mut notes = Vec::new();
    let mut rest = object.clone();
    let spec = loop {
        let spec = submission::submitted(&rest).map_err(|error| {
            anyhow::anyhow!("the daemon would not take the object: {}", error.with_field())
        })?;
        let Err(violation) = policy::authorize_spec(&spec) else { break spec };
        // The next one shows when this one is gone.
        anyhow::ensure!(remove(&mut rest, &violation.field), "{violation}");
        notes.push(format!("warning: the daemon will refuse this: {violation}"));
    };
    if let Err(error) = submission::fits_one_host(&spec) {
        notes.push(format!("warning: on a single host this cannot be: {}: {error}", error.field));
    }
    Ok(notes)
}

/// Removes the field that a path such as `HostConfig.Mounts[0].Type` begins with; false where there is none.
fn remove(object: &mut Value, path: &str) -> bool {
    let mut steps = path.split(['.', '[']);
    let first = steps.next().unwrap_or_default();
    let fields = object.as_object_mut();
    match (fields, first, steps.next()) {
        (Some(fields), "HostConfig" | "NetworkingConfig", Some(second)) => {
            let inner = fields.get_mut(first).and_then(Value::as_object_mut);
            inner.is_some_and(|inner| inner.remove(second).is_some())
        }
        (Some(fields), first, _) => fields.remove(first).is_some(),
        (None, ..) => false,
    }
}

impl Converted {
    fn written(&self, format: Format) -> anyhow::Result<String> {
        Ok(match format {
            Format::Yaml => yaml::documents(std::slice::from_ref(&self.object))?,
            Format::Json => format!("{}\n", serde_json::to_string_pretty(&yaml::Ordered(&self.object))?),
        })
    }
}

#[cfg(test)]
#[path = "convert/tests.rs"]
mod tests;
