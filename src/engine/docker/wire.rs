//! The wire format: from JSON to our own types.
//!
//! Answers are read leniently: only the fields in use are read, one by one, and a missing field or one of another type does
//! not affect the others. Texts are escaped and cut on the way in.

use bollard_stubs::models::ContainerCreateBody;
use serde::Deserialize;

use self::lenient::Json;
use crate::core::container::ContainerId;
use crate::core::labels::{LABEL_CLUSTER, LABEL_OBJECT};
use crate::core::manager_id::LABEL_MANAGER;
use crate::core::name::ObjectName;
use crate::engine::NewContainer;
use crate::engine::logs::LogRequest;

mod container;
mod events;
mod framing;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod info;
mod lenient;
mod list;
mod logs;
mod pull;

pub(super) use container::read_inspected;
pub(super) use events::events;
pub(super) use info::{read_info, read_version};
pub(super) use list::{List, ListError, ListReader};
pub(super) use logs::{Framing, LogReadError, LogReader};
pub(super) use pull::{PullError, PullProgress};

/// The label by which a classic Swarm manager takes constraints.
const SWARM_CONSTRAINTS: &str = "com.docker.swarm.constraints";

/// The message of an error answer: `{"message": …}` from an engine, plain text from a Swarm manager. It is not cut:
/// [`reply::read`](crate::engine::reply::read) evaluates all of it.
pub(super) fn error_message(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Message {
        message: String,
    }
    match serde_json::from_slice::<Message>(body) {
        Ok(Message { message }) => message,
        Err(_) => String::from_utf8_lossy(body).trim().to_owned(),
    }
}

/// Whether an answer is a JSON object.
pub(super) fn is_object(body: &[u8]) -> bool {
    Json::new(&String::from_utf8_lossy(body)).fields(|_| false).is_some()
}

/// The id in the answer to a create. A classic Swarm manager omits `Warnings`.
pub(super) fn created_id(body: &[u8]) -> Option<ContainerId> {
    #[derive(Deserialize)]
    struct Created {
        #[serde(rename = "Id")]
        id: String,
    }
    let Created { id } = serde_json::from_slice(body).ok()?;
    (!id.is_empty()).then(|| id.as_str().into())
}

/// The body of a create: the submitted spec, with our labels.
pub(super) fn create_body(new: &NewContainer<'_>, swarm: bool) -> Result<Vec<u8>, serde_json::Error> {
    let mut body = new.template.body.clone();
    expose_published_ports(&mut body);
    let labels = body.labels.get_or_insert_default();
    labels.extend(new.identity.labels(new.cluster).map(|(name, value)| (name.to_owned(), value)));
    labels.insert(LABEL_MANAGER.to_owned(), new.manager.to_string());
    if swarm {
        let mut constraints: Vec<&str> = new.constraints().iter().map(|c| c.0.as_str()).collect();
        // Otherwise the manager asks a registry for the platforms of the image before each create.
        if !constraints.iter().any(|c| c.starts_with("ostype")) {
            constraints.push("ostype==linux");
        }
        labels.insert(SWARM_CONSTRAINTS.to_owned(), serde_json::to_string(&constraints)?);
    }
    serde_json::to_vec(&body)
}

/// Engines publish only exposed ports, so this exposes published ports, as `docker run -p` does.
fn expose_published_ports(body: &mut ContainerCreateBody) {
    let bindings = body.host_config.as_ref().and_then(|host| host.port_bindings.as_ref());
    let whole = |port: &String| if port.contains('/') { port.clone() } else { format!("{port}/tcp") };
    let mut published: Vec<String> = bindings.into_iter().flatten().map(|(port, _)| whole(port)).collect();
    let exposed: Vec<String> = body.exposed_ports.iter().flatten().map(whole).collect();
    published.retain(|port| !exposed.contains(port));
    if !published.is_empty() {
        published.sort();
        body.exposed_ports.get_or_insert_default().extend(published);
    }
}

/// The path of the event stream. A Swarm manager ignores the filters.
pub(super) fn events_path(cluster: &str) -> String {
    let filters =
        serde_json::json!({ "type": ["container"], "label": [format!("{LABEL_CLUSTER}={cluster}")] });
    format!("/events?filters={}", encoded(&filters.to_string()))
}

/// The path of the list of all containers of a cluster, or of one object. An endpoint may ignore filters.
pub(super) fn list_path(cluster: &str, object: Option<&ObjectName>) -> String {
    let mut labels = vec![format!("{LABEL_CLUSTER}={cluster}")];
    labels.extend(object.map(|name| format!("{LABEL_OBJECT}={name}")));
    let filters = serde_json::json!({ "label": labels });
    // Without `all`, a Swarm manager omits the containers of lost nodes.
    format!("/containers/json?all=true&filters={}", encoded(&filters.to_string()))
}

/// The path of a pull.
pub(super) fn pull_path(name: &str, tag: &str) -> String {
    format!("/images/create?fromImage={}&tag={}", encoded(name), encoded(tag))
}

/// The path of a container's log, with timestamps: they order the lines of several containers.
pub(super) fn logs_path(id: &ContainerId, request: LogRequest) -> String {
    let LogRequest { tail, since, follow } = request;
    let tail = tail.map_or("all".to_owned(), |tail| tail.to_string());
    let since = since.map(|since| since.parts());
    let since = since.map(|(seconds, nanos)| format!("&since={seconds}.{nanos:09}")).unwrap_or_default();
    format!(
        "/containers/{}/logs?stdout=true&stderr=true&timestamps=true&follow={follow}&tail={tail}{since}",
        id.0
    )
}

/// Whether an inspected container has a terminal.
pub(super) fn has_terminal(inspected: &[u8]) -> bool {
    let inspected = String::from_utf8_lossy(inspected);
    let config = Json::new(&inspected).fields(|name| name == "Config");
    let tty = config.and_then(|fields| fields.get("Config")?.fields(|name| name == "Tty"));
    tty.and_then(|fields| fields.get("Tty")?.boolean()) == Some(true)
}

/// Encodes a text for a query.
pub(super) fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_ports_are_exposed_once() {
        let exposed = |body: serde_json::Value| {
            let mut body: ContainerCreateBody = serde_json::from_value(body).unwrap();
            expose_published_ports(&mut body);
            body.exposed_ports.map(|mut ports| {
                ports.sort();
                ports.join(" ")
            })
        };
        let bound = serde_json::json!({"80": [{"HostPort": "8080"}], "53/udp": null});
        let both = Some("53/udp 80/tcp".to_owned());
        assert_eq!(exposed(serde_json::json!({"HostConfig": {"PortBindings": bound}})), both);
        let given =
            serde_json::json!({"ExposedPorts": {"80/tcp": {}}, "HostConfig": {"PortBindings": bound}});
        assert_eq!(exposed(given), both);
        assert_eq!(exposed(serde_json::json!({})), None);
    }

    #[test]
    fn a_swarm_managers_create_answer_lacks_warnings() {
        assert_eq!(created_id(br#"{"Id":"33e1"}"#), Some("33e1".into()));
        assert_eq!(created_id(br#"{"Id":"33e1","Warnings":null}"#), Some("33e1".into()));
        assert_eq!(created_id(b"{}"), None);
    }

    #[test]
    fn errors_are_json_or_plain_text() {
        assert_eq!(error_message(br#"{"message":"No such image: x"}"#), "No such image: x");
        assert_eq!(error_message(b"No such container nope\n"), "No such container nope");
    }
}
