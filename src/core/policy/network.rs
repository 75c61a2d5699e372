//! Networks that a container may join, and with which settings.

use super::rules::{NAMESPACES, RUNTIME, Violation, blank, none_of, unless};
use crate::core::docker_models::EndpointSettings;

/// Checks the settings of a network. The engine prefers `NetworkID` to the network's name, so it could name the host's.
pub(super) fn endpoint(settings: &EndpointSettings) -> Result<(), Violation> {
    let EndpointSettings {
        network_id,
        endpoint_id,
        links,
        driver_opts,
        // The container's own addresses and names on that network.
        ipam_config: _,
        mac_address: _,
        aliases: _,
        gw_priority: _,
        dns_names: _,
        // Reported by an inspect; the engine overwrites it.
        gateway: _,
        ip_address: _,
        ip_prefix_len: _,
        ipv6_gateway: _,
        global_ipv6_address: _,
        global_ipv6_prefix_len: _,
    } = settings;
    let field = |name: &str| format!("NetworkingConfig.EndpointsConfig.{name}");
    unless(blank(network_id.as_ref()), &field("NetworkID"), &NAMESPACES)?;
    unless(blank(endpoint_id.as_ref()), &field("EndpointID"), &NAMESPACES)?;
    none_of(&field("Links"), links.as_ref(), &NAMESPACES)?;
    unless(driver_opts.as_ref().is_none_or(|options| options.is_empty()), &field("DriverOpts"), &RUNTIME)
}

/// Whether a network is, or may be, that of the host. A Swarm manager also accepts `node/host`, and every endpoint accepts a
/// network's id, which does not reveal the network.
pub(super) fn names_the_host(network: &str) -> bool {
    let name = network.rsplit('/').next().unwrap_or_default();
    let may_be_an_id = name.len() >= 12 && name.bytes().all(|b| b.is_ascii_hexdigit());
    name.eq_ignore_ascii_case("host") || may_be_an_id
}
