//! Resources that only one container can have at a time: a host port, an address in a network.
//!
//! A container with such a resource can run only once the container before it is gone, so its object is updated stop-first;
//! and while a departing container of ours still holds it, a new one waits instead of failing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::core::container::{Container, ContainerState};
use crate::core::object::Objects;
use crate::core::spec::{Template, TemplateHash};

/// Such a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Exclusive {
    /// A host port, or one of a range.
    HostPort {
        /// The field of the create body that asks for it.
        field: String,
        /// The address of the host; empty for all of them.
        ip: String,
        /// The first and the last of the range.
        ports: (u16, u16),
        /// `tcp`, `udp` or `sctp`.
        protocol: String,
    },
    /// An IP or MAC address in a network.
    Address {
        /// The field of the create body that asks for it.
        field: String,
        /// The network's name.
        network: String,
        /// The address.
        address: String,
    },
}

impl Exclusive {
    /// How many containers can have it at a time, each with its own port of the range.
    pub(crate) fn room(&self) -> u32 {
        match self {
            Exclusive::HostPort { ports: (first, last), .. } => u32::from(last.saturating_sub(*first)) + 1,
            Exclusive::Address { .. } => 1,
        }
    }

    /// The field of the create body that asks for it.
    pub(crate) fn field(&self) -> &str {
        match self {
            Exclusive::HostPort { field, .. } | Exclusive::Address { field, .. } => field,
        }
    }

    /// Whether a container that has `other` prevents another from having this. In a range, any other port will do.
    pub(crate) fn is_held_by(&self, other: &Exclusive) -> bool {
        match (self, other) {
            (
                Exclusive::HostPort { ip, ports, protocol, .. },
                Exclusive::HostPort { ip: other_ip, ports: other_ports, protocol: other_protocol, .. },
            ) => {
                let everywhere = |ip: &str| matches!(ip, "" | "0.0.0.0" | "::");
                ports.0 == ports.1
                    && ports == other_ports
                    && protocol == other_protocol
                    && (ip == other_ip || everywhere(ip) || everywhere(other_ip))
            }
            (
                Exclusive::Address { network, address, .. },
                Exclusive::Address { network: other_network, address: other, .. },
            ) => network == other_network && address == other,
            _ => false,
        }
    }
}

impl fmt::Display for Exclusive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exclusive::HostPort { ip, ports: (first, last), protocol, .. } => {
                let on = if ip.is_empty() { String::new() } else { format!(" on {ip}") };
                match first == last {
                    true => write!(f, "host port {first}/{protocol}{on}"),
                    false => write!(f, "host ports {first}-{last}/{protocol}{on}"),
                }
            }
            Exclusive::Address { network, address, .. } => {
                write!(f, "address {address} in network {network}")
            }
        }
    }
}

impl Template {
    /// The exclusive resources of a container of this template.
    pub(crate) fn exclusives(&self) -> Vec<Exclusive> {
        let mut all = Vec::new();
        let host = self.body.host_config.as_ref();
        for (port, bindings) in host.and_then(|host| host.port_bindings.as_ref()).into_iter().flatten() {
            let protocol = port.split_once('/').map_or("tcp", |(_, protocol)| protocol);
            for binding in bindings.iter().flatten() {
                let Some(ports) = binding.host_port.as_deref().and_then(port_range) else { continue };
                all.push(Exclusive::HostPort {
                    field: format!("HostConfig.PortBindings.{port}"),
                    ip: binding.host_ip.clone().unwrap_or_default(),
                    ports,
                    protocol: protocol.to_owned(),
                });
            }
        }
        let networks =
            self.body.networking_config.as_ref().and_then(|config| config.endpoints_config.as_ref());
        for (network, endpoint) in networks.into_iter().flatten() {
            let ipam = endpoint.ipam_config.as_ref();
            let addresses = [
                ("IPAMConfig.IPv4Address", ipam.and_then(|ipam| ipam.ipv4_address.as_ref())),
                ("IPAMConfig.IPv6Address", ipam.and_then(|ipam| ipam.ipv6_address.as_ref())),
                ("MacAddress", endpoint.mac_address.as_ref()),
            ];
            for (name, address) in addresses {
                if let Some(address) = address.filter(|address| !address.is_empty()) {
                    all.push(Exclusive::Address {
                        field: format!("NetworkingConfig.EndpointsConfig.{network}.{name}"),
                        network: network.clone(),
                        address: address.to_ascii_lowercase(),
                    });
                }
            }
        }
        // The maps are unordered.
        all.sort_by(|one, other| one.field().cmp(other.field()));
        all
    }
}

/// The ports of a `HostPort`: `8080` or `8080-8090`; `None` if the engine chooses.
fn port_range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    let (first, last) = (port(first)?, port(last)?);
    (first <= last).then_some((first, last))
}

/// What prevents containers of an object from being created for now, by template: a message that names a departing container
/// of another object that still has what they need.
pub(crate) type InTheWay = BTreeMap<TemplateHash, String>;

/// Finds what is in the way of `templates` among the containers of other objects on the same host.
pub(crate) fn in_the_way<'a>(
    templates: impl Iterator<Item = &'a Template>,
    objects: &Objects,
    others: &[Arc<Container>],
) -> InTheWay {
    let mut in_the_way = InTheWay::new();
    for template in templates {
        let needs = template.exclusives();
        if needs.is_empty() {
            continue;
        }
        let held = others.iter().filter(|container| is_stopping(container, objects)).find_map(|container| {
            let object = objects.get(&container.identity.object)?;
            let has = object.template(&container.identity.template)?.exclusives();
            let need = needs.iter().find(|need| has.iter().any(|has| need.is_held_by(has)))?;
            Some(format!("{} is stopping and still holds {need}", container.name))
        });
        in_the_way.extend(held.map(|message| (template.hash.clone(), message)));
    }
    in_the_way
}

/// Whether a container is running and its object no longer wants it.
fn is_stopping(container: &Container, objects: &Objects) -> bool {
    let runs = matches!(
        container.state,
        ContainerState::Running | ContainerState::Paused | ContainerState::Restarting
    );
    runs && !container.rival
        && objects.get(&container.identity.object).is_some_and(|object| {
            container.identity.slot > object.wanted()
                || container.identity.template != object.spec.template.hash
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::core::object::Object;
    use crate::core::spec::Spec;
    use crate::core::submission;

    fn spec(name: &str, more: serde_json::Value) -> Spec {
        let mut object = json!({"Name": name, "Image": "a", "Count": 1});
        object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        submission::object(&object).unwrap()
    }

    fn port(host_port: &str) -> serde_json::Value {
        json!({"HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": host_port}]}}})
    }

    fn address(address: &str) -> serde_json::Value {
        json!({"NetworkingConfig": {"EndpointsConfig": {"net": {"IPAMConfig": {"IPv4Address": address}}}}})
    }

    fn described(more: serde_json::Value) -> Vec<String> {
        spec("web", more).template.exclusives().iter().map(Exclusive::to_string).collect()
    }

    #[test]
    fn fixed_ports_and_addresses_are_exclusive_and_what_the_engine_chooses_is_not() {
        assert_eq!(described(port("8080")), ["host port 8080/tcp"]);
        assert_eq!(described(port("8080-8090")), ["host ports 8080-8090/tcp"]);
        assert_eq!(described(address("172.30.0.9")), ["address 172.30.0.9 in network net"]);
        for chosen in [port(""), port("0"), address(""), json!({})] {
            assert_eq!(described(chosen.clone()), [""; 0], "{chosen}");
        }
        let room = |text| spec("web", port(text)).template.exclusives()[0].room();
        assert_eq!((room("8080"), room("8080-8090")), (1, 11));
    }

    #[test]
    fn a_port_is_held_on_the_same_address_or_on_all_of_them() {
        let at = |ip: &str, port: &str, protocol: &str| {
            let key = format!("80/{protocol}");
            let body = json!({"HostConfig": {"PortBindings": {key: [{"HostIp": ip, "HostPort": port}]}}});
            spec("web", body).template.exclusives().remove(0)
        };
        let held = |one: &Exclusive, other: &Exclusive| one.is_held_by(other);
        assert!(held(&at("", "80", "tcp"), &at("127.0.0.1", "80", "tcp")));
        assert!(held(&at("127.0.0.1", "80", "tcp"), &at("0.0.0.0", "80", "tcp")));
        assert!(!held(&at("127.0.0.1", "80", "tcp"), &at("127.0.0.2", "80", "tcp")));
        assert!(!held(&at("", "80", "tcp"), &at("", "80", "udp")));
        assert!(!held(&at("", "80", "tcp"), &at("", "81", "tcp")));
        assert!(!held(&at("", "80-89", "tcp"), &at("", "80", "tcp")), "another port of the range is free");
    }

    #[test]
    fn only_a_container_that_its_object_no_longer_wants_is_waited_for() {
        let new = spec("new", port("8080"));
        let old = spec("old", port("8080"));
        let container =
            |state| Arc::new(Container { state, ..Container::sample("old.1.1", old.template.hash.as_str()) });
        let waits = |object: Object, state| {
            let objects = [(object.spec.name.clone(), Arc::new(object))].into();
            in_the_way([&new.template].into_iter(), &objects, &[container(state)]).into_values().next()
        };
        let wanted = Object::new(old.clone());
        let deleted = Object { deleted: Some(crate::core::time::Time(1)), ..wanted.clone() };
        let none = Object { spec: Spec { count: 0, ..old.clone() }, ..wanted.clone() };
        assert_eq!(waits(wanted, ContainerState::Running), None);
        let message = "old.1.1 is stopping and still holds host port 8080/tcp";
        assert_eq!(waits(deleted.clone(), ContainerState::Running).as_deref(), Some(message));
        assert_eq!(waits(none, ContainerState::Running).as_deref(), Some(message));
        assert_eq!(waits(deleted, ContainerState::Exited), None);
    }
}
