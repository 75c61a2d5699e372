//! What stands in the answers: from JSON to our own nouns.

use std::time::Duration;

use bollard::models::{ContainerInspectResponse, ContainerSummary};
use bytes::BytesMut;
use futures_util::stream::{self, BoxStream, StreamExt};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::Value;

use crate::clock::Time;
use crate::engine::{EngineError, Hint, Info, Kind, NewContainer, Node};
use crate::model::{
    Container, ContainerId, Detail, Health, LABEL_CLUSTER, LABEL_MANAGER, LABEL_OBJECT, ManagerId, Marks,
    ObjectName, Sight, Signal, State,
};

/// The label by which a classic Swarm manager takes constraints.
const SWARM_CONSTRAINTS: &str = "com.docker.swarm.constraints";
/// One event with many labels is far smaller; what is longer is not an event.
const EVENT_MAX_BYTES: usize = 1024 * 1024;

/// The words of an error answer: `{"message": …}` from an engine, plain text from a Swarm manager.
pub(super) fn words(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Message {
        message: String,
    }
    match serde_json::from_slice::<Message>(body) {
        Ok(Message { message }) => message,
        Err(_) => String::from_utf8_lossy(body).trim().to_owned(),
    }
}

/// The id in a create's answer. A classic Swarm manager leaves `Warnings` out.
pub(super) fn created_id(body: &[u8]) -> Option<ContainerId> {
    #[derive(Deserialize)]
    struct Created {
        #[serde(rename = "Id")]
        id: String,
    }
    let Created { id } = serde_json::from_slice(body).ok()?;
    (!id.is_empty()).then(|| id.as_str().into())
}

/// The body of a create: what was submitted, with our labels.
pub(super) fn create_body(new: &NewContainer<'_>, swarm: bool) -> Result<Vec<u8>, serde_json::Error> {
    let mut body = new.template.body.clone();
    let labels = body.labels.get_or_insert_default();
    labels.extend(new.marks.labels(new.cluster).map(|(name, value)| (name.to_owned(), value)));
    labels.insert(LABEL_MANAGER.to_owned(), new.manager.to_string());
    if swarm {
        let mut constraints: Vec<&str> = new.constraints().iter().map(|c| c.0.as_str()).collect();
        // Without it the manager asks a registry for the image's platforms before each create.
        if !constraints.iter().any(|c| c.starts_with("ostype")) {
            constraints.push("ostype==linux");
        }
        labels.insert(SWARM_CONSTRAINTS.to_owned(), serde_json::to_string(&constraints)?);
    }
    serde_json::to_vec(&body)
}

/// Who answers, from `/info`.
pub(super) fn read_info(body: &[u8], api: String) -> Result<Info, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        #[serde(default, rename = "ID")]
        id: String,
        server_version: String,
        #[serde(default)]
        system_status: Option<Vec<Vec<String>>>,
    }
    let answer: Answer =
        serde_json::from_slice(body).map_err(|e| format!("its /info cannot be read: {e}"))?;
    let kind = match answer.server_version.starts_with("swarm/") {
        true => Kind::ClassicSwarm,
        false => Kind::Docker,
    };
    let nodes = read_nodes(&answer.system_status.unwrap_or_default());
    Ok(Info {
        kind,
        id: answer.id,
        version: answer.server_version,
        api,
        nodes,
        own_volumes: Default::default(),
    })
}

/// A Swarm manager's table: a line a node, indented by one space, then its properties after `└`.
fn read_nodes(table: &[Vec<String>]) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for row in table {
        let [name, value] = row.as_slice() else { continue };
        if let Some(property) = name.trim_start().strip_prefix('└') {
            let Some(node) = nodes.last_mut() else { continue };
            match property.trim() {
                "Status" => node.status.clone_from(value),
                "Error" if !value.is_empty() && value != "(none)" => node.error = Some(value.clone()),
                _ => {}
            }
        } else if name.starts_with(' ') {
            // The manager calls a node that it has not reached yet "(unknown)".
            let name = Some(name.trim()).filter(|name| *name != "(unknown)").unwrap_or_default();
            nodes.push(Node {
                name: name.to_owned(),
                address: value.clone(),
                status: String::new(),
                error: None,
            });
        }
    }
    nodes
}

/// A container from a list. `None` where it is not ours.
pub(super) fn read_summary(cluster: &str, swarm: bool, summary: ContainerSummary) -> Option<Container> {
    let labels = summary.labels.unwrap_or_default();
    let label = |name: &str| labels.get(name).map(String::as_str);
    let (marks, manager) = (Marks::read(cluster, label)?, ManagerId::read_label(label)?);
    // Links add names with more segments; the shortest is the container's own. A Swarm manager puts the node
    // before it.
    let names = summary.names.unwrap_or_default();
    let path = names.iter().map(|n| n.trim_start_matches('/')).min_by_key(|n| n.matches('/').count())?;
    let (node, name) = match path.split_once('/') {
        Some((node, name)) if swarm => (Some(node.to_owned()), name.to_owned()),
        _ => (None, path.to_owned()),
    };
    let status = summary.status.unwrap_or_default();
    let state = read_state(&summary.state.map(|s| s.to_string()).unwrap_or_default(), &status);
    Some(Container {
        id: summary.id.as_deref().filter(|id| !id.is_empty())?.into(),
        name,
        marks,
        manager,
        rival: false,
        node,
        state,
        health: read_health(&status),
        sight: if swarm { read_sight(state, &status) } else { Sight::Clear },
        image: summary.image.unwrap_or_default(),
        created: Time(
            u64::try_from(summary.created.unwrap_or_default()).unwrap_or_default().saturating_mul(1000),
        ),
        detail: None,
        signalled: None,
    })
}

/// The state's word; where it is missing or new, what the status sentence says.
fn read_state(word: &str, status: &str) -> State {
    match word {
        "created" => State::Created,
        "running" | "stopping" => State::Running,
        "paused" => State::Paused,
        "restarting" => State::Restarting,
        "exited" => State::Exited,
        "removing" => State::Removing,
        "dead" => State::Dead,
        _ if status.ends_with("(Paused)") => State::Paused,
        _ if status.starts_with("Up") => State::Running,
        _ if status.starts_with("Restarting") => State::Restarting,
        _ if status.starts_with("Exited") => State::Exited,
        _ if status.starts_with("Removal") => State::Removing,
        _ if status.starts_with("Dead") => State::Dead,
        _ => State::Created,
    }
}

/// A Swarm manager's `State` and `Status` come from two caches that can differ for a second, or for good; and of a
/// container on a lost node only the `Status` tells that.
fn read_sight(state: State, status: &str) -> Sight {
    if status == "Host Down" {
        return Sight::HostDown;
    }
    match read_state("", status) {
        // A sentence of a kind that is not known contradicts nothing.
        State::Created if status != "Created" => Sight::Clear,
        said if said == state => Sight::Clear,
        _ => Sight::Disputed,
    }
}

/// The verdict of the health check stands in brackets at the end of the status sentence.
fn read_health(status: &str) -> Health {
    if status.ends_with("(healthy)") {
        Health::Healthy
    } else if status.ends_with("(unhealthy)") {
        Health::Unhealthy
    } else if status.ends_with("(health: starting)") {
        Health::Starting
    } else {
        Health::None
    }
}

/// A container from an inspect. `None` where it is not ours.
pub(super) fn read_inspected(cluster: &str, found: ContainerInspectResponse) -> Option<Container> {
    let detail = read_detail(&found);
    let config = found.config.unwrap_or_default();
    let labels = config.labels.unwrap_or_default();
    let label = |name: &str| labels.get(name).map(String::as_str);
    let (marks, manager) = (Marks::read(cluster, label)?, ManagerId::read_label(label)?);
    let state = found.state.unwrap_or_default();
    let health = state.health.and_then(|h| h.status).map(|s| s.to_string()).unwrap_or_default();
    let created = found.created.as_deref().and_then(|t| humantime::parse_rfc3339(t).ok());
    let since_epoch = created.and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok()).unwrap_or_default();
    Some(Container {
        id: found.id.as_deref().filter(|id| !id.is_empty())?.into(),
        name: found.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        marks,
        manager,
        rival: false,
        node: None,
        state: read_state(&state.status.map(|s| s.to_string()).unwrap_or_default(), ""),
        health: match health.as_str() {
            "healthy" => Health::Healthy,
            "unhealthy" => Health::Unhealthy,
            "starting" => Health::Starting,
            _ => Health::None,
        },
        sight: Sight::Clear,
        image: config.image.unwrap_or_default(),
        // In whole seconds, as a list has it.
        created: Time(since_epoch.as_secs() * 1000),
        detail: Some(detail),
        signalled: None,
    })
}

/// What the status page shows beyond the list.
fn read_detail(found: &ContainerInspectResponse) -> Detail {
    let Some(state) = &found.state else { return Detail::default() };
    let never = |time: &&String| !time.starts_with("0001-");
    // Between two runs the engine calls it running and restarting.
    let runs = state.running == Some(true) && state.restarting != Some(true);
    let ended = !runs && state.finished_at.as_ref().filter(never).is_some();
    let error = match (state.oom_killed, state.error.as_deref()) {
        (_, Some(words)) if !words.is_empty() => Some(words.to_owned()),
        (Some(true), _) => Some("out of memory".to_owned()),
        _ => None,
    };
    Detail {
        started_at: state.started_at.as_ref().filter(never).cloned(),
        exit_code: state.exit_code.filter(|_| ended),
        error,
        stop_timeout: found
            .config
            .as_ref()
            .and_then(|c| c.stop_timeout)
            .and_then(|s| u64::try_from(s).ok())
            .map(Duration::from_secs),
        stop_signal: found.config.as_ref().and_then(|c| Signal::parse(c.stop_signal.as_deref()?)),
        restarts: found.restart_count.and_then(|n| u64::try_from(n).ok()).unwrap_or_default(),
    }
}

/// The path of the event stream. A Swarm manager ignores the filters.
pub(super) fn events_path(cluster: &str) -> String {
    let filters =
        serde_json::json!({ "type": ["container"], "label": [format!("{LABEL_CLUSTER}={cluster}")] });
    let encoded: String = filters
        .to_string()
        .bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(b).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect();
    format!("/events?filters={encoded}")
}

/// Reads an event stream: JSON objects one after the other, with or without newlines between them.
pub(super) fn hints(body: Incoming, cluster: String) -> BoxStream<'static, Result<Hint, EngineError>> {
    let start = (body, BytesMut::new());
    let batches = stream::try_unfold(start, move |(mut body, mut buffer)| {
        let cluster = cluster.clone();
        async move {
            loop {
                let Some(frame) = body.frame().await else { return Ok(None) };
                let frame = frame.map_err(|e| EngineError(format!("its event stream broke off: {e}")))?;
                let Ok(data) = frame.into_data() else { continue };
                buffer.extend_from_slice(&data);
                let hints = take_hints(&mut buffer, &cluster)?;
                if !hints.is_empty() {
                    return Ok(Some((stream::iter(hints.into_iter().map(Ok)), (body, buffer))));
                }
            }
        }
    });
    futures_util::TryStreamExt::try_flatten(batches).boxed()
}

/// Takes the whole objects from the front of the buffer.
fn take_hints(buffer: &mut BytesMut, cluster: &str) -> Result<Vec<Hint>, EngineError> {
    let mut hints = Vec::new();
    let mut taken = 0;
    let mut objects = serde_json::Deserializer::from_slice(buffer).into_iter::<Value>();
    loop {
        match objects.next() {
            Some(Ok(event)) => {
                taken = objects.byte_offset();
                hints.extend(read_event(&event, cluster));
            }
            Some(Err(error)) if error.is_eof() => break,
            Some(Err(error)) => return Err(EngineError(format!("its event stream cannot be read: {error}"))),
            None => {
                taken = objects.byte_offset();
                break;
            }
        }
    }
    let _ = buffer.split_to(taken.min(buffer.len()));
    if buffer.len() > EVENT_MAX_BYTES {
        return Err(EngineError(format!("one event in its stream is longer than {EVENT_MAX_BYTES} bytes")));
    }
    Ok(hints)
}

fn read_event(event: &Value, cluster: &str) -> Option<Hint> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    // A Swarm manager's own events: an engine behind it came or went.
    if event.get("Type").and_then(text).as_deref() == Some("swarm") {
        return Some(Hint::Everything);
    }
    let action = event.get("Action").or(event.get("status")).and_then(text).unwrap_or_default();
    // Health checks are execs: they would wake us with each check of each container.
    let idle = ["exec_", "top", "attach", "detach", "resize", "copy", "archive", "export", "commit"];
    if idle.iter().any(|prefix| action.starts_with(prefix)) {
        return None;
    }
    let labels = event.get("Actor")?.get("Attributes")?;
    if labels.get(LABEL_CLUSTER)?.as_str()? != cluster {
        return None;
    }
    let object = ObjectName::parse(labels.get(LABEL_OBJECT)?.as_str()?)?;
    let id = event
        .get("Actor")
        .and_then(|actor| actor.get("ID"))
        .and_then(Value::as_str)
        .filter(|id| !id.is_empty());
    Some(match id {
        Some(id) if action == "die" => Hint::Ended(object, id.into()),
        Some(id) if action == "destroy" => Hint::Destroyed(object, id.into()),
        Some(id) if action == "kill" => {
            match labels.get("signal").and_then(Value::as_str).and_then(Signal::parse) {
                Some(signal) => Hint::Signalled(id.into(), signal),
                None => Hint::Object(object),
            }
        }
        _ => Hint::Object(object),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swarm_managers_create_answer_lacks_warnings() {
        assert_eq!(created_id(br#"{"Id":"33e1"}"#), Some("33e1".into()));
        assert_eq!(created_id(br#"{"Id":"33e1","Warnings":null}"#), Some("33e1".into()));
        assert_eq!(created_id(b"{}"), None);
    }

    #[test]
    fn a_container_with_a_malformed_manager_label_is_not_ours() {
        let marks = Marks {
            object: ObjectName::parse("web").unwrap(),
            slot: 1,
            attempt: 1,
            template: crate::model::TemplateHash::from_label("t"),
        };
        let read = |manager: Option<&str>| {
            let mut labels: std::collections::HashMap<String, String> =
                marks.labels("c").map(|(k, v)| (k.to_owned(), v)).into();
            labels.extend(manager.map(|id| (LABEL_MANAGER.to_owned(), id.to_owned())));
            let names = Some(vec!["/web.1.1".to_owned()]);
            let summary = ContainerSummary {
                id: Some("i".to_owned()),
                names,
                labels: Some(labels),
                ..Default::default()
            };
            read_summary("c", false, summary).map(|container| container.manager)
        };
        let id = ManagerId::random();
        assert_eq!(read(None), Some(None));
        assert_eq!(read(Some(id.as_str())), Some(Some(id.clone())));
        assert_eq!(read(Some("nobody")), None);
    }

    #[test]
    fn errors_are_json_or_plain_text() {
        assert_eq!(words(br#"{"message":"No such image: x"}"#), "No such image: x");
        assert_eq!(words(b"No such container nope\n"), "No such container nope");
    }

    #[test]
    fn a_swarm_managers_node_table_is_read() {
        let body = r#"{"ServerVersion": "swarm/1.2.9", "SystemStatus": [["Role", "primary"], ["Nodes", "2"],
            [" node-1", "10.99.0.11:2376"], ["  └ ID", "SI65"], ["  └ Status", "Unhealthy"], ["  └ Error", "refused"],
            [" node-2", "10.99.0.12:2376"], ["  └ Status", "Healthy"], ["  └ Error", "(none)"]]}"#;
        let info = read_info(body.as_bytes(), "1.40".to_owned()).unwrap();
        assert_eq!(info.kind, Kind::ClassicSwarm);
        let nodes: Vec<_> =
            info.nodes.iter().map(|n| (n.name.as_str(), n.status.as_str(), n.error.as_deref())).collect();
        assert_eq!(nodes, [("node-1", "Unhealthy", Some("refused")), ("node-2", "Healthy", None)]);
    }

    #[test]
    fn names_lose_their_node_only_behind_a_swarm_manager() {
        let summary = |names: &[&str]| ContainerSummary {
            id: Some("i".to_owned()),
            names: Some(names.iter().map(|n| (*n).to_owned()).collect()),
            labels: Some(
                Marks {
                    object: ObjectName::parse("web").unwrap(),
                    slot: 1,
                    attempt: 1,
                    template: crate::model::TemplateHash::from_label("t"),
                }
                .labels("c")
                .map(|(k, v)| (k.to_owned(), v))
                .into(),
            ),
            status: Some("Up 2 seconds (health: starting)".to_owned()),
            ..ContainerSummary::default()
        };
        let read = |swarm, names: &[&str]| {
            read_summary("c", swarm, summary(names)).map(|c| (c.node, c.name, c.state, c.health))
        };
        let up = |node: Option<&str>| {
            Some((node.map(str::to_owned), "web.1.1".to_owned(), State::Running, Health::Starting))
        };
        assert_eq!(read(true, &["/node-1/web.1.1"]), up(Some("node-1")));
        assert_eq!(read(false, &["/other/alias", "/web.1.1"]), up(None));
        assert_eq!(read_summary("another", false, summary(&["/web.1.1"])), None);
    }

    #[test]
    fn events_come_in_pieces_and_without_newlines() {
        let event = |object: &str, action: &str| {
            format!(
                r#"{{"Type":"container","Action":"{action}","Actor":{{"ID":"x","Attributes":{{"{LABEL_CLUSTER}":"c","{LABEL_OBJECT}":"{object}"}}}}}}"#
            )
        };
        let stream = format!(
            "{}{}\n{}{}",
            event("web", "die"),
            r#"{"Type":"swarm","Action":"engine_disconnect"}"#,
            event("web", "exec_start: sh"),
            event("db", "start")
        );
        let (first, second) = stream.split_at(stream.len() - 10);
        let mut buffer = BytesMut::from(first);
        let web = Hint::Ended(ObjectName::parse("web").unwrap(), "x".into());
        assert_eq!(take_hints(&mut buffer, "c").unwrap(), [web, Hint::Everything]);
        buffer.extend_from_slice(second.as_bytes());
        assert_eq!(take_hints(&mut buffer, "c").unwrap(), [Hint::Object(ObjectName::parse("db").unwrap())]);
        assert!(buffer.is_empty());
        assert_eq!(take_hints(&mut BytesMut::from(event("web", "die").as_str()), "other").unwrap(), []);
        let kill = event("web", "kill").replace("\"Attributes\":{", "\"Attributes\":{\"signal\":\"15\",");
        let mut kill = BytesMut::from(kill.as_str());
        assert_eq!(take_hints(&mut kill, "c").unwrap(), [Hint::Signalled("x".into(), Signal::TERM)]);
        assert!(take_hints(&mut BytesMut::from("nonsense"), "c").is_err());
    }
}
