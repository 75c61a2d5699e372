//! Environment variables and labels, single ones and files.

use anyhow::ensure;
use serde_json::json;

use super::draft::{Draft, Pairs};

/// The prefix of a scheduling constraint for a classic Swarm manager; an object has `Constraints` instead.
const CONSTRAINT: &str = "constraint:";

pub(super) fn env(draft: &mut Draft<'_>, text: &str) -> anyhow::Result<()> {
    ensure!(
        !text.is_empty() && !text.starts_with('='),
        "expected NAME=VALUE, or NAME for its value in this environment"
    );
    let entry = match (text.contains('='), draft.input.variable(text)) {
        (true, _) => text.to_owned(),
        (false, Some(value)) => {
            draft.notes.push(format!("note: --env {text}: the value is from this command's environment"));
            format!("{text}={value}")
        }
        (false, None) => {
            draft.notes.push(format!(
                "note: --env {text}: not set in this environment; as with docker, the entry removes the image's variable"
            ));
            text.to_owned()
        }
    };
    draft.pairs.env.push(entry);
    Ok(())
}

pub(super) fn env_file(draft: &mut Draft<'_>, path: &str) -> anyhow::Result<()> {
    let text = draft.input.text(path)?;
    for (name, value) in lines(&text)? {
        match value {
            Some(value) => draft.pairs.env_files.push(format!("{name}={value}")),
            None => match draft.input.variable(name) {
                Some(value) => {
                    draft.notes.push(format!(
                        "note: --env-file {path}: the value of {name} is from this command's environment"
                    ));
                    draft.pairs.env_files.push(format!("{name}={value}"));
                }
                None => draft.notes.push(format!(
                    "note: --env-file {path}: {name} is left out, as with docker: it has no value and is not set in this environment"
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
    let text = draft.input.text(path)?;
    for (name, value) in lines(&text)? {
        draft.pairs.label_files.push(format!("{name}={}", value.unwrap_or_default()));
    }
    Ok(())
}

/// The lines of such a file, without empty lines and comments. Values are not unquoted.
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
        ensure!(!name.contains(char::is_whitespace), "line {number}: the name {name:?} contains whitespace");
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
                    "note: --env {entry} is a constraint for a Swarm manager and becomes an entry of Constraints"
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
