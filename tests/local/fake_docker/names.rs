//! Networks and volumes of the nodes, and the resolution of network names, which is as lenient as the real one.

use serde_json::{Map, Value, json};

use super::request::Filters;
use super::world::{Container, World};

/// A network of a node.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub(crate) node: usize,
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) driver: &'static str,
}

/// A volume of a node.
#[derive(Debug, Clone)]
pub(crate) struct Volume {
    pub(crate) node: usize,
    pub(crate) name: String,
    pub(crate) driver: &'static str,
    pub(crate) options: Value,
}

/// The built-in networks. Only the id of the first node's host network begins with a zero.
pub(super) fn built_in(nodes: usize, mut id: impl FnMut() -> String) -> Vec<Network> {
    let mut network = |node: usize, name: &str, driver: &'static str| {
        let first = if (node, name) == (0, "host") { '0' } else { 'e' };
        Network { node, name: name.to_owned(), id: format!("{first}{}", &id()[1..]), driver }
    };
    let of_node = |node| {
        [network(node, "bridge", "bridge"), network(node, "host", "host"), network(node, "none", "null")]
    };
    (0..nodes).flat_map(of_node).collect()
}

impl World {
    /// Creates a network on all nodes.
    pub(crate) fn add_network(&mut self, name: &str) {
        for node in 0..self.nodes.len() {
            let id = format!("e{}", &self.unique_id()[1..]);
            self.networks.push(Network { node, name: name.to_owned(), id, driver: "bridge" });
        }
    }

    /// How an engine resolves a key: a name, or a unique prefix of an id.
    fn network_of_node(&self, node: usize, key: &str) -> Option<&Network> {
        let there = || self.networks.iter().filter(move |network| network.node == node);
        there().find(|network| network.name == key || network.id == key).or_else(|| {
            let mut candidates = there().filter(|network| network.id.starts_with(key));
            candidates.next().filter(|_| candidates.next().is_none())
        })
    }

    /// How a Swarm manager resolves a key: an id or its first twelve digits, a name that only one node has, or a unique
    /// prefix of an id.
    pub(crate) fn network_of_swarm(&self, key: &str) -> Option<&Network> {
        if key.is_empty() {
            return None;
        }
        let one = |condition: &dyn Fn(&Network) -> bool| {
            let mut candidates = self.networks.iter().filter(|network| condition(network));
            (candidates.next(), candidates.next().is_some())
        };
        let full = |network: &Network| format!("{}/{}", self.nodes[network.node].name, network.name);
        if let (Some(network), _) = one(&|network| network.id == key || network.id[..12] == *key) {
            return Some(network);
        }
        match one(&|network| network.name == key || full(network) == key) {
            (Some(network), false) => return Some(network),
            (Some(_), true) => return None,
            (None, _) => {}
        }
        match one(&|network| network.id.starts_with(key)) {
            (Some(network), false) => Some(network),
            _ => None,
        }
    }

    /// `GET /networks`. A Swarm manager puts the node before the name.
    pub(crate) fn list_networks(&self, filters: &Filters, with_node: bool) -> Value {
        let wanted = |network: &&Network| {
            let names = filters.get("name");
            names.is_none_or(|names| names.iter().any(|name| network.name.contains(name.as_str())))
        };
        let by_key = filters.get("name").into_iter().flatten().filter(|_| with_node);
        let by_key = by_key.filter_map(|key| self.network_of_swarm(key));
        let listed = by_key.chain(self.networks.iter().filter(wanted));
        listed.map(|network| self.show_network(network, with_node)).collect()
    }

    /// `GET /networks/KEY`
    pub(crate) fn show_network_by(&self, key: &str) -> Option<Value> {
        let found = self.networks.iter().find(|network| network.id == key || network.name == key);
        found.map(|network| self.show_network(network, false))
    }

    fn show_network(&self, network: &Network, with_node: bool) -> Value {
        let name = match with_node {
            true => format!("{}/{}", self.nodes[network.node].name, network.name),
            false => network.name.clone(),
        };
        json!({"Name": name, "Id": network.id, "Driver": network.driver, "Scope": "local"})
    }

    /// `GET /volumes`. A Swarm manager puts the node before the name.
    pub(crate) fn list_volumes(&self, filters: &Filters, with_node: bool) -> Value {
        let wanted = |volume: &&Volume| {
            let names = filters.get("name");
            names.is_none_or(|names| names.iter().any(|name| volume.name.contains(name.as_str())))
        };
        let show = |volume: &Volume| {
            let name = match with_node {
                true => format!("{}/{}", self.nodes[volume.node].name, volume.name),
                false => volume.name.clone(),
            };
            json!({
                "Name": name, "Driver": volume.driver, "Options": volume.options, "Scope": "local",
                "Mountpoint": format!("/var/lib/docker/volumes/{}/_data", volume.name),
            })
        };
        json!({"Volumes": self.volumes.iter().filter(wanted).map(show).collect::<Value>(), "Warnings": null})
    }

    /// A container's networks in an inspect.
    pub(super) fn attached(&self, node: usize, container: &Container) -> Value {
        let config = &container.body["HostConfig"];
        let mode = config["NetworkMode"].as_str().unwrap_or("default");
        let mode = if matches!(mode, "" | "default") { "bridge" } else { mode };
        let found = self.network_of_node(node, mode);
        let id = found.filter(|_| container.started.is_some()).map_or("", |network| &network.id);
        let mut networks = Map::new();
        networks.insert(found.map_or(mode, |network| &network.name).to_owned(), json!({"NetworkID": id}));
        Value::Object(networks)
    }
}

/// A container's mounts in inspects and lists.
pub(super) fn mounts(container: &Container) -> Value {
    let config = &container.body["HostConfig"];
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
    };
    let binds = texts(&config["Binds"]).into_iter().filter_map(|bind| {
        let mut parts = bind.split(':');
        let (source, target) = (parts.next()?, parts.next()?);
        let read_only = parts.next() == Some("ro");
        Some(match source.starts_with('/') {
            true => json!({"Type": "bind", "Source": source, "Destination": target, "RW": !read_only}),
            false => json!({"Type": "volume", "Name": source, "Destination": target, "RW": !read_only, "Driver": "local"}),
        })
    });
    binds.collect()
}
