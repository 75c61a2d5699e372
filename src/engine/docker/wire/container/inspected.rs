//! Containers from an inspect.

use std::sync::Arc;
use std::time::Duration;

use super::fields::{PATH_MAX_BYTES, image_id, read_id, read_labels, seconds, state_of};
use crate::core::container::{
    Container, ContainerState, Detail, HEALTH_OUTPUT_MAX_BYTES, Health, MAX_PORTS, Visibility,
};
use crate::core::labels::ContainerIdentity;
use crate::core::manager_id::ManagerId;
use crate::core::sanitize::{self, MESSAGE_MAX_BYTES, NAME_MAX_BYTES};
use crate::core::signal::Signal;
use crate::engine::docker::wire::lenient::{Fields, Json};

/// The most entries of a health check's log that are read; Docker keeps five.
const HEALTH_LOG_MAX: usize = 32;
/// The longest stop timeout: a day.
pub(super) const STOP_TIMEOUT_MAX: u64 = 24 * 3600;

/// A container from an inspect; `Ok(None)` if it is not ours.
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
    let unreadable = |what: &str| format!("cannot read its answer to an inspect: {what}");
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
        health: health.parse().unwrap_or(Health::None),
        visibility: if status.is_some() { Visibility::Clear } else { Visibility::Disputed },
        image: config.text("Image", PATH_MAX_BYTES).unwrap_or_default(),
        image_id: image_id(&found, "Image"),
        // In whole seconds, as in a list.
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

/// The state from its word; if that is unknown, from the other fields.
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

/// A time in the past; Docker writes the year 1 for never.
fn moment(state: &Fields<'_>, name: &str) -> Option<String> {
    state.text(name, NAME_MAX_BYTES).filter(|time| !time.is_empty() && !time.starts_with("0001-"))
}

/// The last output of a health check, on one line.
fn last_output(check: &Fields<'_>) -> String {
    let log = check.get("Log").and_then(|log| log.elements(HEALTH_LOG_MAX)).unwrap_or_default();
    let last = log.last().and_then(|entry| entry.fields(|name| name == "Output"));
    let output = last.and_then(|entry| entry.string("Output")).unwrap_or_default();
    sanitize::bounded(output.trim(), HEALTH_OUTPUT_MAX_BYTES)
}

/// Ports as `docker ps` prints them. A port that is published on all IPv4 and all IPv6 addresses appears once.
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

/// Details for the status that a list does not have.
fn read_detail(state: &Fields<'_>) -> Detail {
    let is = |name: &str| state.get(name).and_then(Json::boolean);
    // Between two runs it is both running and restarting.
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
