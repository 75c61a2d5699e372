//! `convert`: turns a `docker run` command line into an object to submit. Contacts no daemon and no engine.
//!
//! The command line is parsed as docker does (`convert/command_line.rs`, with the flags in `convert/flags.rs`), and each flag
//! puts its part into a draft of the object (`convert/draft.rs`). No flag is dropped silently: it is converted, left out with
//! a note on standard error, or an error.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::Value;

use self::command_line::CommandLine;
use self::draft::Draft;
use self::finish::finish as finish_draft;
use self::local_input::{LocalInput, Process};
use super::arguments::{number, object_name};
use super::exit::{REFUSED, fail, finish};
use super::{output, yaml};
use crate::core::name::ObjectName;
use crate::core::spec::MAX_COUNT;
use crate::core::{policy, submission};

mod command_line;
mod csv;
mod devices;
mod draft;
mod finish;
mod flag;
mod flags;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod local_input;
mod mounts;
mod networks;
mod pairs;
mod ports;
mod security;
mod settings;
mod tree;
mod values;

/// Flags of `convert`.
#[derive(Debug, Args)]
pub(super) struct ConvertFlags {
    /// The name of the object. [default: the --name of the command line, else the last part of the image's name]
    #[arg(long, value_name = "NAME", value_parser = object_name)]
    name: Option<ObjectName>,
    /// The number of containers.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = number(0..=MAX_COUNT))]
    count: u32,
    /// The output format.
    #[arg(long, short, value_name = "FORMAT", default_value = "yaml")]
    output: DocumentFormat,
    /// The command line after `--`: `docker run ...` or `docker create ...`; podman works, too.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// The values of `--output`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DocumentFormat {
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
    let text = converted.written(flags.output);
    finish(text.and_then(|text| Ok(output::raw(text.as_bytes())?)), REFUSED)
}

/// An object, and notes about its conversion.
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
    input: &dyn LocalInput,
) -> anyhow::Result<Converted> {
    let CommandLine { options, image, arguments, notes } = CommandLine::read(words)?;
    let mut draft = Draft::new(input, notes);
    for given in &options {
        given.flag.apply(&mut draft, &given.value)?;
    }
    let (object, mut notes) = finish_draft(draft, name, count, &image, arguments)?;
    notes.extend(warnings(&object)?);
    Ok(Converted { object, notes })
}

/// Checks the object as the daemon would: an error if it is invalid, and a warning for each field that the policy refuses.
fn warnings(object: &Value) -> anyhow::Result<Vec<String>> {
    let mut notes = Vec::new();
    let mut rest = object.clone();
    let spec = loop {
        let spec = submission::submitted(&rest)
            .map_err(|error| anyhow::anyhow!("the daemon would reject the object: {}", error.with_field()))?;
        let Err(violation) = policy::authorize_spec(&spec) else { break spec };
        // Remove the field to find the next one.
        anyhow::ensure!(remove(&mut rest, &violation.field), "{violation}");
        notes.push(format!("warning: the daemon will refuse this: {violation}"));
    };
    if let Err(error) = submission::fits_one_host(&spec) {
        notes.push(format!("warning: this does not work on a single host: {}: {error}", error.field));
    }
    Ok(notes)
}

/// Removes the field at the start of a path such as `HostConfig.Mounts[0].Type`; false if there is none.
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
    fn written(&self, format: DocumentFormat) -> anyhow::Result<String> {
        Ok(match format {
            DocumentFormat::Yaml => yaml::documents(std::slice::from_ref(&self.object))?,
            DocumentFormat::Json => {
                format!("{}\n", serde_json::to_string_pretty(&yaml::Ordered(&self.object))?)
            }
        })
    }
}

#[cfg(test)]
mod tests;
