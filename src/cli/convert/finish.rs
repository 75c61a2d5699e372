//! Completes the object when all flags have been read.

use anyhow::ensure;
use serde_json::{Map, Value, json};

use super::draft::Draft;
use super::{networks, pairs};
use crate::core::name::ObjectName;

/// Returns the object and the notes.
pub(super) fn finish(
    mut draft: Draft<'_>,
    name: Option<&str>,
    count: u32,
    image: &str,
    arguments: Vec<String>,
) -> anyhow::Result<(Value, Vec<String>)> {
    finish_health(&mut draft)?;
    if draft.remove {
        ensure!(draft.get("HostConfig.RestartPolicy").is_none(), "--restart and --rm are mutually exclusive");
        draft.notes.push(
            "note: --rm is left out: the manager removes ended containers itself (\"History\": 0 keeps none for docker logs)"
                .to_owned(),
        );
    }
    let driver_is_none = draft.get("HostConfig.LogConfig.Type").is_some_and(|driver| driver == "none");
    let options = draft.get("HostConfig.LogConfig.Config").is_some();
    ensure!(!(driver_is_none && options), "--log-opt: the log driver none has no options");
    pairs::finish(&mut draft)?;
    networks::finish(&mut draft)?;
    let name = object_name(&mut draft, name, image)?;
    if !arguments.is_empty() {
        draft.set("Cmd", json!(arguments));
    }
    draft.set("Name", json!(name));
    draft.set("Count", json!(count));
    draft.set("Image", json!(image));
    Ok((without_nulls(draft.body), draft.notes))
}

fn finish_health(draft: &mut Draft<'_>) -> anyhow::Result<()> {
    let given = draft.get("Healthcheck").and_then(Value::as_object);
    // Zero means the setting of the image.
    let settings = given.into_iter().flatten().any(|(_, value)| !value.is_null() && *value != json!(0));
    if draft.no_healthcheck {
        ensure!(!settings, "--no-healthcheck and the --health-... flags are mutually exclusive");
        draft.set("Healthcheck", json!({"Test": ["NONE"]}));
    } else if !settings {
        draft.unset("Healthcheck");
    }
    Ok(())
}

/// The given name, else that of the container, else that of the image.
fn object_name(draft: &mut Draft<'_>, given: Option<&str>, image: &str) -> anyhow::Result<String> {
    let way_out = "set one with convert --name";
    if let Some(name) = given {
        if let Some(other) = draft.name.take().filter(|other| other != name) {
            draft.notes.push(format!("note: --name {other} is left out: the object is named {name}"));
        }
        return Ok(name.to_owned());
    }
    if let Some(name) = draft.name.take() {
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
        "the command line has no --name, and the image's name is no valid object name: {way_out}"
    );
    draft
        .notes
        .push(format!("note: the object is named {name}, after its image; convert --name sets another name"));
    Ok(name.to_owned())
}

/// Removes fields that were set and unset again.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(_, value)| !value.is_null());
            let kept = kept.map(|(name, value)| {
                let was_empty = value.as_object().is_some_and(Map::is_empty);
                (name, was_empty, without_nulls(value))
            });
            // Entries such as `80/tcp: {}` stay.
            let kept = kept.filter(|(_, was_empty, value)| {
                *was_empty || value.as_object().is_none_or(|map| !map.is_empty())
            });
            Value::Object(kept.map(|(name, _, value)| (name, value)).collect())
        }
        other => other,
    }
}
