//! Compares a created container with the request before it is started.
//!
//! An endpoint may interpret a request differently than we do: it resolves names and ids, fills in defaults, and drops unknown
//! fields. A container that reaches further than its object requests, or lacks something that it requests, is not started.
//!
//! Both sides are compared as JSON: the create body as sent, and the answer to an inspect, in which new words of newer engines
//! must not be errors. What engines normalize is no difference: a default where nothing was requested, an empty list for
//! none, the two spellings of a capability. Limits that engines may adjust with a warning (memory, CPU and I/O on kernels
//! that lack them) are not compared.

use serde_json::Value;

use self::difference::Difference;
use self::host_config::HostConfig;
use self::json::{at, text};
use self::mounts::mounts;
use self::networks::networks;
use self::program::program;

mod difference;
mod host_config;
mod json;
mod mounts;
mod networks;
mod program;
#[cfg(test)]
mod tests;

/// A network that a container is attached to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attached {
    pub(super) name: String,
    pub(super) id: String,
}

/// The networks of an inspect that have an id; none until a container is first started.
pub(super) fn attached(found: &Value) -> Vec<Attached> {
    let networks = at(found, &["NetworkSettings", "Networks"]).as_object().into_iter().flatten();
    networks
        .map(|(name, settings)| Attached {
            name: name.clone(),
            id: text(at(settings, &["NetworkID"])).to_owned(),
        })
        .filter(|network| !network.id.is_empty())
        .collect()
}

/// Finds the first field in which `found`, an inspect, differs from `wanted`, a create body.
pub(super) fn difference(wanted: &Value, found: &Value) -> Result<(), Difference> {
    let host = HostConfig { wanted: at(wanted, &["HostConfig"]), found: at(found, &["HostConfig"]) };
    host.namespaces()?;
    host.privileges()?;
    host.settings()?;
    networks(wanted, found)?;
    mounts(wanted, found)?;
    program(wanted, at(found, &["Config"]))
}
