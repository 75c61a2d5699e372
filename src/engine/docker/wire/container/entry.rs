//! Containers from a list.

use super::fields::{PATH_MAX_BYTES, image_id, is_key, read_id, read_labels, seconds, state_of};
use crate::core::container::{Container, ContainerState, Health, Visibility};
use crate::core::labels::{ContainerIdentity, LABEL_CLUSTER};
use crate::core::manager_id::ManagerId;
use crate::core::sanitize::{self, NAME_MAX_BYTES};
use crate::engine::docker::wire::lenient::Json;

/// The most names of a container that are read: its own, and one per link to it.
const NAMES_MAX: usize = 1_000;

/// An entry of a list.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::engine::docker::wire) enum Entry {
    /// A container of ours.
    Ours(Box<Container>),
    /// A container that is not ours.
    Foreign,
    /// It may be ours; an inspect of the id or name, if there is one, decides.
    Unclear(Option<String>),
}

/// Reads an entry of a list.
pub(in crate::engine::docker::wire) fn read_entry(cluster: &str, swarm: bool, entry: &[u8]) -> Entry {
    let entry = String::from_utf8_lossy(entry);
    let wanted = |name: &str| {
        matches!(name, "Id" | "Names" | "Labels" | "State" | "Status" | "Image" | "ImageID" | "Created")
    };
    let Some(fields) = Json::new(&entry).fields(wanted) else { return Entry::Unclear(None) };
    let id = fields.get("Id").and_then(read_id);
    // Links add names with more segments; the shortest is the container's own. A Swarm manager puts the node before it.
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
        // Incomplete labels make it foreign, unless some of them cannot be read.
        return if labels.values().any(String::is_empty) { Entry::Unclear(key()) } else { Entry::Foreign };
    };
    let (Some(id), false) = (&id, name.is_empty()) else { return Entry::Unclear(key()) };
    let status = fields.text("Status", NAME_MAX_BYTES).unwrap_or_default();
    let word = fields.text("State", NAME_MAX_BYTES).unwrap_or_default();
    let state = state_of(&word).or_else(|| state_of_status(&status));
    let visibility = match state {
        // An inspect decides.
        None if status != HOST_DOWN || !swarm => Visibility::Disputed,
        _ if swarm => read_visibility(state, &status),
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

/// The state in a status sentence; `None` if it is unknown.
fn state_of_status(status: &str) -> Option<ContainerState> {
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

/// The status of a container on a lost node, from a Swarm manager.
const HOST_DOWN: &str = "Host Down";

/// A Swarm manager's `State` and `Status` come from two caches that can differ for a second, or for good. Only the `Status`
/// reveals a lost node.
fn read_visibility(state: Option<ContainerState>, status: &str) -> Visibility {
    match state_of_status(status) {
        _ if status == HOST_DOWN => Visibility::HostDown,
        // An unknown status contradicts nothing.
        None => Visibility::Clear,
        stated if stated == state => Visibility::Clear,
        _ => Visibility::Disputed,
    }
}

/// The health is in brackets at the end of the status.
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
