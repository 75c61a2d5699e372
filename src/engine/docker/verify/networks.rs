//! Networks.

use std::collections::BTreeSet;

use serde_json::Value;

use super::difference::{Difference, differs};
use super::json::{at, text};
use crate::engine::docker::resolve::without_node;

/// Compares the networks that the container is, or will be, attached to.
pub(super) fn networks(wanted: &Value, found: &Value) -> Result<(), Difference> {
    let requested = at(wanted, &["HostConfig", "NetworkMode"]);
    let mode = without_node(text(requested));
    let made = at(found, &["HostConfig", "NetworkMode"]);
    let endpoints: BTreeSet<&str> = at(wanted, &["NetworkingConfig", "EndpointsConfig"])
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| without_node(name))
        .collect();
    const DEFAULT: [&str; 4] = ["", "default", "bridge", "nat"];
    let is_default = DEFAULT.contains(&mode);
    let as_requested = |name: &str| {
        name == mode
            || (is_default && DEFAULT.contains(&name))
            || (!name.is_empty() && endpoints.contains(name))
    };
    let host = |name: &str| name.eq_ignore_ascii_case("host");
    if host(text(made)) || !as_requested(text(made)) {
        return Err(differs("HostConfig.NetworkMode", made, requested));
    }
    let attached = at(found, &["NetworkSettings", "Networks"]);
    for (name, _) in attached.as_object().into_iter().flatten() {
        if host(name) || !as_requested(name) {
            let names = Value::from(name.as_str());
            return Err(differs("the network", &names, requested));
        }
    }
    Ok(())
}
