//! Recorded answers, filled in from the world.

use std::sync::LazyLock;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::names;
use super::request::Filters;
use super::world::{Container, Event, Life, World};

/// Answers recorded from Docker Engine 20.10.24, and from `swarm/1.2.9` in front of three of them.
pub(crate) struct Recorded {
    pub(crate) container: Value,
    pub(crate) inspect: Value,
    pub(crate) info: Value,
}

pub(crate) static DOCKER: LazyLock<Recorded> = LazyLock::new(|| Recorded {
    container: read(include_str!("recorded/docker-container.json")),
    inspect: read(include_str!("recorded/docker-inspect.json")),
    info: read(include_str!("recorded/docker-info.json")),
});

pub(crate) static SWARM: LazyLock<Recorded> = LazyLock::new(|| Recorded {
    container: read(include_str!("recorded/swarm-container.json")),
    inspect: read(include_str!("recorded/swarm-inspect.json")),
    info: read(include_str!("recorded/swarm-info.json")),
});

pub(crate) static DOCKER_VERSION: &str = include_str!("recorded/docker-version.json");
pub(crate) static DOCKER_IMAGE: &str = include_str!("recorded/docker-image.json");

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// An entry of a list. `name` has the form of the dialect.
pub(crate) fn entry(
    recorded: &Recorded,
    world: &World,
    container: &Container,
    name: &str,
    status: String,
) -> Value {
    let mut entry = recorded.container.clone();
    entry["Id"] = json!(container.id);
    entry["Names"] = json!([name]);
    entry["Image"] = json!(container.image);
    entry["Command"] = json!(container.command.join(" "));
    entry["Created"] = json!(world.time(container.created).0 / 1000);
    entry["Labels"] = json!(container.labels);
    entry["Mounts"] = names::mounts(container);
    entry["State"] = json!(container.listed_state(Instant::now()).word());
    entry["Status"] = json!(status);
    entry
}

/// The `Status` in a list.
pub(crate) fn status(container: &Container, now: Instant) -> String {
    let since = |moment: Option<Instant>| readable(now - moment.unwrap_or(now));
    match container.listed_status(now) {
        Life::Created => "Created".to_owned(),
        Life::Running => format!("Up {}", since(container.started)),
        Life::Exited(code) => format!("Exited ({code}) {} ago", since(container.ended)),
    }
}

/// A duration as Docker writes it.
fn readable(time: Duration) -> String {
    match time.as_secs() {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        seconds @ 2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".to_owned(),
        seconds => format!("{} minutes", seconds / 60),
    }
}

/// The answer to an inspect.
pub(crate) fn inspect(recorded: &Recorded, world: &World, node: usize, container: &Container) -> Value {
    const NEVER: &str = "0001-01-01T00:00:00Z";
    let at = |moment: Option<Instant>| moment.map_or(NEVER.to_owned(), |m| world.time(m).rfc3339());
    let running = container.life == Life::Running;
    let mut found = recorded.inspect.clone();
    found["Id"] = json!(container.id);
    found["Name"] = json!(format!("/{}", container.name));
    found["Created"] = json!(at(Some(container.created)));
    found["Config"]["Image"] = json!(container.image);
    found["Config"]["Labels"] = json!(container.labels);
    found["Config"]["Cmd"] = json!(container.command);
    let submitted = |part: &Value, fields: &[&str]| -> Vec<(String, Value)> {
        let all = part.as_object().cloned().unwrap_or_default().into_iter();
        all.filter(|(name, value)| !value.is_null() && (fields.is_empty() || fields.contains(&name.as_str())))
            .collect()
    };
    found["HostConfig"]["NetworkMode"] = json!("default");
    for (name, value) in submitted(&container.body["HostConfig"], &[]) {
        found["HostConfig"][name] = value;
    }
    for (name, value) in submitted(&container.body, &["Env", "User", "Entrypoint", "Healthcheck"]) {
        found["Config"][name] = value;
    }
    found["NetworkSettings"]["Networks"] = world.attached(node, container);
    found["Mounts"] = names::mounts(container);
    found["State"]["Status"] = json!(container.life.word());
    found["State"]["Running"] = json!(running);
    found["State"]["Pid"] = json!(if running { 6039 } else { 0 });
    found["State"]["ExitCode"] = json!(if let Life::Exited(code) = container.life { code } else { 0 });
    found["State"]["StartedAt"] = json!(at(container.started));
    found["State"]["FinishedAt"] = json!(at(container.ended));
    found
}

/// An event of a container, in the form of an engine.
pub(crate) fn event(event: &Event, container: &Container) -> Value {
    let mut attributes = container.labels.clone();
    attributes.insert("image".to_owned(), json!(container.image));
    attributes.insert("name".to_owned(), json!(container.name));
    if let ("die", Life::Exited(code)) = (event.action, container.life) {
        attributes.insert("exitCode".to_owned(), json!(code.to_string()));
    }
    if let Some(signal) = event.signal {
        attributes.insert("signal".to_owned(), json!(signal.to_string()));
    }
    json!({
        "status": event.action, "id": container.id, "from": container.image,
        "Type": "container", "Action": event.action,
        "Actor": {"ID": container.id, "Attributes": attributes},
        "scope": "local", "time": event.at.0 / 1000, "timeNano": event.at.0 * 1_000_000,
    })
}

/// Whether a container has the labels that a filter names.
pub(crate) fn has_labels(container: &Container, filters: &Filters) -> bool {
    filters.get("label").into_iter().flatten().all(|wanted| match wanted.split_once('=') {
        Some((name, value)) => container.labels.get(name).and_then(Value::as_str) == Some(value),
        None => container.labels.contains_key(wanted),
    })
}

/// Whether a container is in one of the states that a filter names.
pub(crate) fn has_status(container: &Container, filters: &Filters, now: Instant) -> bool {
    let state = container.listed_state(now).word();
    filters.get("status").is_none_or(|wanted| wanted.iter().any(|word| word == state))
}
