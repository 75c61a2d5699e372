//! Environment and labels: single ones, and files of them.

use anyhow::ensure;
use serde_json::json;

use super::draft::Draft;

/// What was given, in docker's order: first all files, then the single ones.
#[derive(Default)]
pub(super) struct Pairs {
    env_files: Vec<String>,
    env: Vec<String>,
    label_files: Vec<String>,
    labels: Vec<String>,
}

/// What a classic Swarm manager takes for an order to its scheduler, and what is `Constraints` here.
const CONSTRAINT: &str = "constraint:";

pub(super) fn env(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    ensure!(
        !text.is_empty() && !text.starts_with('='),
        "expected NAME=VALUE, or NAME for the value that it has here"
    );
    let entry = match (text.contains('='), draft.around.variable(text)) {
        (true, _) => text.to_owned(),
        (false, Some(value)) => {
            draft.notes.push(format!(
                "note: --env {text}: its value was taken from the environment of this command"
            ));
            format!("{text}={value}")
        }
        (false, None) => {
            draft.notes.push(format!(
                "note: --env {text}: it is not set here; as with docker, the entry without a value removes the image's own"
            ));
            text.to_owned()
        }
    };
    draft.pairs.env.push(entry);
    Ok(())
}

pub(super) fn env_file(draft: &mut Draft<'_>, path: &str) -> anyhow::Result<()> {
    let text = draft.around.text(path)?;
    for (name, value) in lines(&text)? {
        match value {
            Some(value) => draft.pairs.env_files.push(format!("{name}={value}")),
            None => match draft.around.variable(name) {
                Some(value) => {
                    draft.notes.push(format!(
                        "note: --env-file {path}: the value of {name} was taken from the environment of this command"
                    ));
                    draft.pairs.env_files.push(format!("{name}={value}"));
                }
                None => draft.notes.push(format!(
                    "note: --env-file {path}: {name} is left out, as with docker: it has no value, and is not set here"
                )),
            },
        }
    }
    Ok(())
}

pub(super) fn label(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    ensure!(!text.is_empty() && !text.starts_with('='), "expected NAME=VALUE or NAME");
    draft.pairs.labels.push(text.to_owned());
    Ok(())
}

pub(super) fn label_file(draft: &mut Draft<'_>, path: &str) -> anyhow::Result<()> {
    let text = draft.around.text(path)?;
    for (name, value) in lines(&text)? {
        draft.pairs.label_files.push(format!("{name}={}", value.unwrap_or_default()));
    }
    Ok(())
}

/// The lines of such a file. Empty lines and those that begin with `#` are passed over; values are taken as they are.
fn lines(text: &str) -> anyhow::Result<Vec<(&str, Option<&str>)>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut pairs = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (line.trim_end(), None),
        };
        ensure!(!name.is_empty(), "line {number} has no name before the =");
        ensure!(!name.contains(char::is_whitespace), "line {number}: the name {name:?} contains white space");
        pairs.push((name, value));
    }
    Ok(pairs)
}

pub(super) fn finish(draft: &mut Draft<'_>) -> anyhow::Result<()> {
    let Pairs { env_files, env, label_files, labels } = std::mem::take(&mut draft.pairs);
    for entry in env_files.into_iter().chain(env) {
        match entry.strip_prefix(CONSTRAINT) {
            Some(constraint) => {
                draft.notes.push(format!(
                    "note: --env {entry} is an order to a Swarm manager: it is in Constraints"
                ));
                draft.add("Constraints", json!(constraint));
            }
            None => draft.add("Env", json!(entry)),
        }
    }
    for label in label_files.iter().chain(&labels) {
        let (name, value) = label.split_once('=').unwrap_or((label, ""));
        draft.entry("Labels", name, json!(value));
    }
    Ok(())
}
