//! Containers, from a list and from an inspect: the few fields that are used, whatever else is there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::lenient::{Fields, Json};
use crate::core::container::{
    Container, ContainerId, ContainerState, Detail, HEALTH_OUTPUT_MAX_BYTES, Health, MAX_PORTS, Visibility,
};
use crate::core::labels::{ContainerIdentity, LABEL_CLUSTER, LABEL_PREFIX};
use crate::core::manager_id::ManagerId;
use crate::core::sanitize::{self, MESSAGE_MAX_BYTES, NAME_MAX_BYTES};
use crate::core::signal::Signal;
use crate::core::time::Time;

/// The most names of a container that are looked at: its own, and one for each link to it.
const NAMES_MAX: usize = 1_000;
/// The longest name with a node and links before it.
const PATH_MAX_BYTES: usize = 4 * NAME_MAX_BYTES;
/// The longest id: Docker's has 64 characters.
const ID_MAX_BYTES: usize = 128;
/// The last second of the year 9999: later ones cannot be written down.
const LAST_SECOND: u64 = 253_402_300_799;
/// The most entries of a health check's log that are looked at: Docker keeps five.
const HEALTH_LOG_MAX: usize = 32;
/// The longest stop that is believed: a day.
const STOP_TIMEOUT_MAX: u64 = 24 * 3600;

/// What an entry of a list is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Entry {
    /// A container of ours.
    Ours(Box<Container>),
    /// A container that is not ours.
    Foreign,
    /// It may be ours; the list does not tell enough. An inspect of the id or name, where there is one, can.
    Unclear(Option<String>),
}

/// Reads an entry of a list.
pub(super) fn read_entry(cluster: &str, swarm: bool, entry: &[u8]) -> Entry {
    let entry = String::from_utf8_lossy(entry);
    let wanted = |name: &str| {
        matches!(name, "Id" | "Names" | "Labels" | "State" | "Status" | "Image" | "ImageID" | "Created")
    };
    let Some(fields) = Json::new(&entry).fields(wanted) else { return Entry::Unclear(None) };
    let id = fields.get("Id").and_then(read_id);
    // Links add names with more segments; the shortest is the container's own. A Swarm manager puts the node
    // before it.
    let names = fields.get("Names").and_then(|names| names.elements(NAMES_MAX)).unwrap_or_default();
    let paths = names.into_iter().filter_map(|name| name.text(PATH_MAX_BYTES));
    let path = paths.min_by_key(|path| path.trim_start_matches('/').matches('/').count());
    let path = path.as_deref().map(|path| path.trim_start_matches('/')).unwrap_or_default();
    let (node, name) = match path.split_once('/') {
        Some((node, name)) if swarm => (Some(sanitize::name(node)), sanitize::name(name)),
        _ => (None, sanitize::name(path)),
    };
    let key = || match &id {
        Some(id) => Some(id.0.to_string()),
        None => Some(name.clone()).filter(|name| is_key(name)),
    };
    let Some(labels) = fields.get("Labels").and_then(read_labels) else { return Entry::Unclear(key()) };
    if labels.get(LABEL_CLUSTER).is_none_or(|found| found != cluster) {
        return Entry::Foreign;
    }
    let label = |name: &str| labels.get(name).map(String::as_str);
    let (Some(identity), Some(manager)) =
        (ContainerIdentity::read(cluster, label), ManagerId::read_label(label))
    else {
        // A container that is not wholly ours is not ours, if that is what its labels say.
        return if labels.values().any(String::is_empty) { Entry::Unclear(key()) } else { Entry::Foreign };
    };
    let (Some(id), false) = (&id, name.is_empty()) else { return Entry::Unclear(key()) };
    let status = fields.text("Status", NAME_MAX_BYTES).unwrap_or_default();
    let word = fields.text("State", NAME_MAX_BYTES).unwrap_or_default();
    let state = state_of(&word).or_else(|| said_state(&status));
    let visibility = match state {
        // An inspect has to tell.
        None if status != HOST_DOWN || !swarm => Visibility::Disputed,
        _ if swarm => read_sight(state, &status),
        _ => Visibility::Clear,
    };
    let created = fields.get("Created").and_then(Json::integer).unwrap_or_default();
    Entry::Ours(Box::new(Container {
        id: id.clone(),
        name,
        identity,
        manager,
        rival: false,
        node,
        state: state.unwrap_or(ContainerState::Created),
        health: read_health(&status),
        visibility,
        image: fields.text("Image", PATH_MAX_BYTES).unwrap_or_default(),
        image_id: image_id(&fields, "ImageID"),
        created: seconds(u64::try_from(created).unwrap_or_default()),
        detail: None,
        signalled: None,
    }))
}

fn seconds(since_epoch: u64) -> Time {
    Time(since_epoch.min(LAST_SECOND) * 1000)
}

pub(super) fn read_id(id: Json<'_>) -> Option<ContainerId> {
    let id = id.text(ID_MAX_BYTES)?;
    is_key(&id).then(|| id.as_str().into())
}

/// Whether a text can stand in the path of a request as an id or a name.
fn is_key(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.len() <= NAME_MAX_BYTES
        && text.bytes().all(plain)
}

/// The labels of ours, empty where a label is no text; `None` where there are no labels to look at.
fn read_labels(labels: Json<'_>) -> Option<BTreeMap<String, String>> {
    let labels = labels.fields(|name| name.starts_with(LABEL_PREFIX))?;
    let text = |value: Json<'_>| value.text(NAME_MAX_BYTES).unwrap_or_default();
    Some(labels.into_entries().map(|(name, value)| (name, text(value))).collect())
}

/// The state's word; `None` for one that is missing or new.
fn state_of(word: &str) -> Option<ContainerState> {
    Some(match word {
        "created" => ContainerState::Created,
        "running" | "stopping" => ContainerState::Running,
        "paused" => ContainerState::Paused,
        "restarting" => ContainerState::Restarting,
        "exited" => ContainerState::Exited,
        "removing" => ContainerState::Removing,
        "dead" => ContainerState::Dead,
        _ => return None,
    })
}

/// The state as the status sentence has it; `None` for an unknown one.
fn said_state(status: &str) -> Option<ContainerState> {
    Some(match status {
        _ if status.ends_with("(Paused)") => ContainerState::Paused,
        _ if status.starts_with("Up") => ContainerState::Running,
        _ if status.starts_with("Restarting") => ContainerState::Restarting,
        _ if status.starts_with("Exited") => ContainerState::Exited,
        _ if status.starts_with("Removal") => ContainerState::Removing,
        _ if status.starts_with("Dead") => ContainerState::Dead,
        "Created" => ContainerState::Created,
        _ => return None,
    })
}

/// A Swarm manager's status sentence for a container on a lost node.
const HOST_DOWN: &str = "Host Down";

/// A Swarm manager's `ContainerState` and `Status` come from two caches that can differ for a second, or for good; and of a
/// container on a lost node only the `Status` tells that.
fn read_sight(state: Option<ContainerState>, status: &str) -> Visibility {
    match said_state(status) {
        _ if status == HOST_DOWN => Visibility::HostDown,
        // An unknown sentence contradicts nothing.
        None => Visibility::Clear,
        said if said == state => Visibility::Clear,
        _ => Visibility::Disputed,
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

/// A container from an inspect: `Ok(None)` where it is not ours; the error says why nothing can be told.
pub(in crate::engine::docker) fn read_inspected(
    cluster: &str,
    answer: &[u8],
) -> Result<Option<Container>, String> {
    let answer = String::from_utf8_lossy(answer);
    let wanted = |name: &str| {
        matches!(
            name,
            "Id" | "Name" | "Created" | "Image" | "Config" | "State" | "RestartCount" | "NetworkSettings"
        )
    };
    let unreadable = |what: &str| format!("its answer to an inspect cannot be read: {what}");
    let found = Json::new(&answer).fields(wanted).ok_or_else(|| unreadable("it is no object"))?;
    let wanted =
        |name: &str| matches!(name, "Labels" | "Image" | "StopTimeout" | "StopSignal" | "Healthcheck");
    let config = found.get("Config").and_then(|config| config.fields(wanted));
    let config = config.ok_or_else(|| unreadable("it has no Config"))?;
    let labels = config.get("Labels").and_then(read_labels).unwrap_or_default();
    let label = |name: &str| labels.get(name).map(String::as_str);
    let (Some(identity), Some(manager)) =
        (ContainerIdentity::read(cluster, label), ManagerId::read_label(label))
    else {
        return Ok(None);
    };
    let id = found.get("Id").and_then(read_id).ok_or_else(|| unreadable("it has no Id"))?;
    let state = found.get("State").and_then(|state| state.fields(|_| true));
    let status = state.as_ref().and_then(read_inspected_state);
    let check = state.as_ref().and_then(|state| state.get("Health")?.fields(|_| true));
    let health = check.as_ref().and_then(|check| check.text("Status", NAME_MAX_BYTES)).unwrap_or_default();
    let created = found.text("Created", NAME_MAX_BYTES);
    let created = created.and_then(|time| humantime::parse_rfc3339(&time).ok());
    let since_epoch = created.and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok()).unwrap_or_default();
    let stop_signal = config.text("StopSignal", NAME_MAX_BYTES).and_then(|signal| Signal::parse(&signal));
    let restarts = found.get("RestartCount").and_then(Json::integer).and_then(|n| u64::try_from(n).ok());
    let stop_timeout = config.get("StopTimeout").and_then(Json::integer).and_then(|s| u64::try_from(s).ok());
    let configured = config.get("Healthcheck").and_then(|check| check.fields(|name| name == "Interval"));
    let check_interval = configured.and_then(|check| u64::try_from(check.get("Interval")?.integer()?).ok());
    let network = found.get("NetworkSettings").and_then(|network| network.fields(|name| name == "Ports"));
    Ok(Some(Container {
        id,
        name: found.text("Name", PATH_MAX_BYTES).unwrap_or_default().trim_start_matches('/').to_owned(),
        identity,
        manager,
        rival: false,
        node: None,
        state: status.unwrap_or(ContainerState::Created),
        health: match health.as_str() {
            "healthy" => Health::Healthy,
            "unhealthy" => Health::Unhealthy,
            "starting" => Health::Starting,
            _ => Health::None,
        },
        visibility: if status.is_some() { Visibility::Clear } else { Visibility::Disputed },
        image: config.text("Image", PATH_MAX_BYTES).unwrap_or_default(),
        image_id: image_id(&found, "Image"),
        // In whole seconds, as a list has it.
        created: seconds(since_epoch.as_secs()),
        detail: Some(Arc::new(Detail {
            stop_timeout: stop_timeout.map(|s| Duration::from_secs(s.min(STOP_TIMEOUT_MAX))),
            stop_signal,
            check_interval: check_interval.filter(|nanos| *nanos > 0).map(Duration::from_nanos),
            restarts: restarts.unwrap_or_default(),
            health_output: check.filter(|_| health == "unhealthy").map(|check| last_output(&check)),
            ports: network.and_then(|network| network.get("Ports")).map(read_ports).unwrap_or_default(),
            ..state.as_ref().map(read_detail).unwrap_or_default()
        })),
        signalled: None,
    }))
}

/// The state's word; where that is missing or new, what the other fields come to.
fn read_inspected_state(state: &Fields<'_>) -> Option<ContainerState> {
    let is = |name: &str| state.get(name).and_then(Json::boolean);
    let word = state.text("Status", NAME_MAX_BYTES).unwrap_or_default();
    state_of(&word).or(match (is("Running")?, is("Paused"), is("Restarting"), is("Dead")) {
        (_, _, Some(true), _) => Some(ContainerState::Restarting),
        (true, Some(true), ..) => Some(ContainerState::Paused),
        (true, ..) => Some(ContainerState::Running),
        (false, _, _, Some(true)) => Some(ContainerState::Dead),
        (false, ..) if moment(state, "FinishedAt").is_some() => Some(ContainerState::Exited),
        (false, ..) => Some(ContainerState::Created),
    })
}

/// A moment that has been; Docker writes the year 1 for one that has not.
fn moment(state: &Fields<'_>, name: &str) -> Option<String> {
    state.text(name, NAME_MAX_BYTES).filter(|time| !time.is_empty() && !time.starts_with("0001-"))
}

/// An image's id, such as `sha256:…`.
fn image_id(fields: &Fields<'_>, name: &str) -> Option<Arc<str>> {
    fields.text(name, NAME_MAX_BYTES).filter(|id| !id.is_empty()).map(Into::into)
}

/// What a health check wrote last, in one line.
fn last_output(check: &Fields<'_>) -> String {
    let log = check.get("Log").and_then(|log| log.elements(HEALTH_LOG_MAX)).unwrap_or_default();
    let last = log.last().and_then(|entry| entry.fields(|name| name == "Output"));
    let output = last.and_then(|entry| entry.string("Output")).unwrap_or_default();
    sanitize::bounded(output.trim(), HEALTH_OUTPUT_MAX_BYTES)
}

/// Ports as `docker ps` writes them. A port that is published on all IPv4 and all IPv6 addresses is named once.
fn read_ports(ports: Json<'_>) -> Vec<String> {
    let Some(ports) = ports.fields(|_| true) else { return Vec::new() };
    let mut all = Vec::new();
    for (port, bindings) in ports.into_entries().take(MAX_PORTS) {
        let port = sanitize::name(&port);
        let before = all.len();
        for binding in bindings.elements(MAX_PORTS).unwrap_or_default() {
            let Some(binding) = binding.fields(|_| true) else { continue };
            let part = |name| binding.text(name, NAME_MAX_BYTES).unwrap_or_default();
            let (address, host_port) = (part("HostIp"), part("HostPort"));
            let address = if address.contains(':') { format!("[{address}]") } else { address };
            let anywhere = format!("0.0.0.0:{host_port}->{port}");
            if address != "[::]" || !all.contains(&anywhere) {
                all.push(format!("{address}:{host_port}->{port}"));
            }
        }
        if all.len() == before {
            all.push(port);
        }
    }
    all.truncate(MAX_PORTS);
    all
}

/// What the status page shows beyond the list.
fn read_detail(state: &Fields<'_>) -> Detail {
    let is = |name: &str| state.get(name).and_then(Json::boolean);
    // Between two runs the engine calls it running and restarting.
    let runs = is("Running") == Some(true) && is("Restarting") != Some(true);
    let ended = !runs && moment(state, "FinishedAt").is_some();
    let error = state.text("Error", MESSAGE_MAX_BYTES).filter(|error| !error.is_empty());
    Detail {
        started_at: moment(state, "StartedAt"),
        finished_at: moment(state, "FinishedAt").filter(|_| ended),
        exit_code: state.get("ExitCode").and_then(Json::integer).filter(|_| ended),
        error,
        oom_killed: is("OOMKilled") == Some(true),
        ..Detail::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::core::name::ObjectName;
    use crate::core::spec::TemplateHash;

    fn labels() -> Value {
        let identity = ContainerIdentity {
            object: ObjectName::parse("web").unwrap(),
            slot: 1,
            attempt: 2,
            template: TemplateHash::from_label("t"),
        };
        let mut labels: serde_json::Map<String, Value> =
            identity.labels("c").map(|(name, value)| (name.to_owned(), value.into())).into_iter().collect();
        labels.insert("foreign".to_owned(), json!({"is": ["of", "another", "type"]}));
        labels.into()
    }

    fn entry() -> Value {
        json!({"Id": "abc", "Names": ["/web.1.2"], "Labels": labels(), "State": "running", "Status": "Up 2 seconds",
               "Image": "a:1", "Created": 7})
    }

    fn with(mut value: Value, field: &str, new: Value) -> Value {
        value[field] = new;
        value
    }

    fn read(value: &Value) -> Entry {
        read_entry("c", false, value.to_string().as_bytes())
    }

    fn ours(value: &Value) -> Container {
        match read(value) {
            Entry::Ours(container) => *container,
            other => panic!("{value}: {other:?}"),
        }
    }

    #[test]
    fn a_container_with_a_malformed_manager_label_is_not_ours() {
        let entry = |manager: &str| {
            with(
                entry(),
                "Labels",
                with(labels(), "io.github.swarm-cluster-state-manager.manager", json!(manager)),
            )
        };
        let id = ManagerId::of_bits(7);
        assert_eq!(ours(&entry(id.as_str())).manager, Some(id));
        assert_eq!(read(&entry("nobody")), Entry::Foreign);
    }

    #[test]
    fn names_lose_their_node_only_behind_a_swarm_manager() {
        let entry = |names: &[&str]| {
            let entry = with(entry(), "Names", json!(names));
            with(entry, "Status", json!("Up 2 seconds (health: starting)")).to_string()
        };
        let read = |swarm, names: &[&str]| match read_entry("c", swarm, entry(names).as_bytes()) {
            Entry::Ours(c) => Some((c.node, c.name, c.state, c.health)),
            _ => None,
        };
        let up = |node: Option<&str>| {
            Some((node.map(str::to_owned), "web.1.2".to_owned(), ContainerState::Running, Health::Starting))
        };
        assert_eq!(read(true, &["/node-1/web.1.2"]), up(Some("node-1")));
        assert_eq!(read(false, &["/other/alias", "/web.1.2"]), up(None));
        assert_eq!(read_entry("another", false, entry(&["/web.1.2"]).as_bytes()), Entry::Foreign);
    }

    #[test]
    fn an_unknown_state_word_falls_back_to_the_status_and_then_to_an_inspect() {
        let state = |word: Value, status: Value| {
            let container = ours(&with(with(entry(), "State", word), "Status", status));
            (container.state, container.visibility)
        };
        for odd in [json!("hibernating"), json!(null), json!(7), json!({"a": 1}), json!("x".repeat(9999))] {
            assert_eq!(
                state(odd.clone(), json!("Up 2 seconds")),
                (ContainerState::Running, Visibility::Clear),
                "{odd}"
            );
            assert_eq!(
                state(odd.clone(), json!("Exited (1) now")),
                (ContainerState::Exited, Visibility::Clear),
                "{odd}"
            );
            assert_eq!(state(odd.clone(), json!("Hibernating")).1, Visibility::Disputed, "{odd}");
            assert_eq!(state(odd.clone(), json!(null)).1, Visibility::Disputed, "{odd}");
        }
        assert_eq!(state(json!("running"), json!(["?"])), (ContainerState::Running, Visibility::Clear));
    }

    #[test]
    fn fields_of_other_types_cost_nothing_else() {
        for (field, odd) in [
            ("Image", json!(null)),
            ("Image", json!([1])),
            ("Created", json!(-5)),
            ("Created", json!("7")),
            ("Created", json!({"deep": [[[[[[[[[[{}]]]]]]]]]]})),
            ("Ports", json!("nonsense")),
            ("Mounts", json!(17)),
            ("Unheard", json!(null)),
        ] {
            let container = ours(&with(entry(), field, odd.clone()));
            assert_eq!(container.state, ContainerState::Running, "{field} {odd}");
        }
        let huge = entry().to_string().replace("\"Created\":7", "\"Created\":1e999");
        let Entry::Ours(container) = read_entry("c", false, huge.as_bytes()) else { panic!("{huge}") };
        assert!(container.created.rfc3339().starts_with("9999-12-31"));
        let mut bytes = entry().to_string().replace("a:1", "a:@").into_bytes();
        bytes.iter_mut().filter(|b| **b == b'@').for_each(|b| *b = 0xff);
        assert!(matches!(read_entry("c", false, &bytes), Entry::Ours(c) if c.image == "a:\u{fffd}"));
        let labels = with(labels(), "io.github.swarm-cluster-state-manager.slot", json!(1));
        assert_eq!(ours(&with(entry(), "Labels", labels)).identity.slot, 1, "a number for a string");
    }

    #[test]
    fn what_may_be_ours_and_does_not_say_is_unclear_and_not_foreign() {
        let unclear = |key: Option<&str>| Entry::Unclear(key.map(str::to_owned));
        for (field, odd, wanted) in [
            ("Labels", json!(null), unclear(Some("abc"))),
            ("Labels", json!(["a=b"]), unclear(Some("abc"))),
            ("Id", json!(null), unclear(Some("web.1.2"))),
            ("Id", json!("../images/x"), unclear(Some("web.1.2"))),
            ("Id", json!(["a"]), unclear(Some("web.1.2"))),
            ("Names", json!(null), unclear(Some("abc"))),
            ("Names", json!([{}]), unclear(Some("abc"))),
        ] {
            assert_eq!(read(&with(entry(), field, odd.clone())), wanted, "{field} {odd}");
        }
        for nothing in [json!(null), json!(7), json!({}), json!([]), json!("x")] {
            assert_eq!(read(&nothing), unclear(None), "{nothing}");
        }
        assert_eq!(read(&with(entry(), "Labels", json!({}))), Entry::Foreign);
        let slot = |slot| {
            with(entry(), "Labels", with(labels(), "io.github.swarm-cluster-state-manager.slot", slot))
        };
        assert_eq!(read(&slot(json!("x"))), Entry::Foreign, "its labels say that it is not wholly ours");
        assert_eq!(read(&slot(json!([1]))), unclear(Some("abc")));
    }

    fn inspected(state: Value) -> Container {
        let answer = json!({"Id": "abc", "Name": "/web.1.2", "Created": "2026-01-02T03:04:05.6Z",
            "Config": {"Labels": labels(), "Image": "a:1", "StopTimeout": "99999999999"}, "State": state,
            "Mounts": "nonsense", "HostConfig": 7});
        read_inspected("c", answer.to_string().as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn an_inspect_with_an_unknown_state_word_is_read_from_its_other_fields() {
        let odd = |more: Value| {
            let mut state = json!({"Status": "hibernating", "Health": "?", "ExitCode": "x", "Error": null});
            state.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let container = inspected(state);
            (container.state, container.visibility)
        };
        let clear = |state| (state, Visibility::Clear);
        assert_eq!(odd(json!({"Running": true})), clear(ContainerState::Running));
        assert_eq!(odd(json!({"Running": true, "Paused": true})), clear(ContainerState::Paused));
        assert_eq!(odd(json!({"Running": true, "Restarting": true})), clear(ContainerState::Restarting));
        assert_eq!(odd(json!({"Running": false, "Dead": true})), clear(ContainerState::Dead));
        assert_eq!(
            odd(json!({"Running": false, "FinishedAt": "2026-01-01T00:00:00Z"})),
            clear(ContainerState::Exited)
        );
        assert_eq!(
            odd(json!({"Running": false, "FinishedAt": "0001-01-01T00:00:00Z"})),
            clear(ContainerState::Created)
        );
        assert_eq!(odd(json!({})).1, Visibility::Disputed);
        assert_eq!(inspected(json!("?")).visibility, Visibility::Disputed);
    }

    #[test]
    fn an_engines_error_is_escaped_and_bounded() {
        let error = format!("OCI\n2026 ERROR \u{1b}[31m{}", "x".repeat(1 << 20));
        let container =
            inspected(json!({"Status": "exited", "ExitCode": 127, "Error": error, "Running": false,
            "FinishedAt": "2026-01-01T00:00:00Z"}));
        let detail = container.detail.unwrap();
        let error = detail.error.clone().unwrap();
        assert!(
            error.starts_with("OCI\\n2026 ERROR \\u{1b}[31mxx") && error.len() <= MESSAGE_MAX_BYTES,
            "{error}"
        );
        assert_eq!(detail.exit_code, Some(127));
        assert_eq!(detail.stop_timeout, Some(Duration::from_secs(STOP_TIMEOUT_MAX)));
    }

    #[test]
    fn an_inspect_that_is_none_is_said_and_not_taken_for_foreign() {
        for odd in ["<html>", "null", "{}", r#"{"Config": null}"#, r#"{"Config": []}"#, "{\"Config\": {}"] {
            assert!(read_inspected("c", odd.as_bytes()).is_err(), "{odd}");
        }
        assert_eq!(read_inspected("c", br#"{"Id": "x", "Config": {"Labels": null}}"#), Ok(None));
    }
}
