//! Resolves the names in a create body at the endpoint before each create.
//!
//! Engines and Swarm managers resolve names more generously than documented: an unambiguous prefix of an id counts as a name,
//! and a volume may hide a bind mount. So a network must exist under exactly the given name, and an existing volume must not
//! expose a path of its node.

use std::collections::BTreeSet;

use bollard_stubs::models::ContainerCreateBody;
use serde::Deserialize;

use super::docker_engine::DockerEngine;
use super::request::Unanswered;
use super::wire;
use crate::core::labels::LABEL_CLUSTER;
use crate::core::outcome::{Outcome, RefusalKind};
use crate::core::policy::{self, volumes};

/// Networks that every engine has, with reserved names.
const BUILT_IN: [&str; 3] = ["default", "bridge", "none"];
/// File systems that a volume of the driver `local` may use: none exposes a path or a device of the node.
const REMOTE_OR_MEMORY: [&str; 7] = ["", "tmpfs", "nfs", "nfs4", "cifs", "smb3", "ceph"];
/// The command of a container that runs this program.
const PROGRAM: &str = env!("CARGO_PKG_NAME");

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Network {
    #[serde(default)]
    name: String,
    #[serde(default)]
    driver: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Volume {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    driver: String,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    pub(super) mountpoint: Option<String>,
    #[serde(default)]
    options: Option<std::collections::BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Volumes {
    #[serde(default)]
    pub(super) volumes: Option<Vec<Volume>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VolumeUser {
    #[serde(default)]
    command: Option<String>,
    #[serde(default)]
    labels: Option<std::collections::BTreeMap<String, String>>,
    #[serde(default)]
    mounts: Option<Vec<UserMount>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UserMount {
    #[serde(default)]
    name: Option<String>,
}

/// A name without the node that a Swarm manager puts before it.
pub(super) fn without_node(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or_default()
}

fn refused(message: String) -> Outcome<()> {
    Outcome::refused(RefusalKind::Impossible, message)
}

/// The networks in a create body, without the built-in ones.
fn networks(body: &ContainerCreateBody) -> BTreeSet<&str> {
    let mode = body.host_config.as_ref().and_then(|config| config.network_mode.as_deref());
    let endpoints = body.networking_config.as_ref().and_then(|config| config.endpoints_config.as_ref());
    let endpoints = endpoints.into_iter().flatten().map(|(name, _)| name.as_str());
    mode.into_iter()
        .filter(|mode| !mode.is_empty())
        .chain(endpoints)
        .filter(|name| !BUILT_IN.contains(name))
        .collect()
}

/// Why a submitted object must not mount an existing volume; `None` if it may.
fn unfit(volume: &Volume) -> Option<String> {
    if volume.driver != "local" {
        // A volume that a plugin offers to the whole cluster is no path of one node.
        let everywhere = volume.scope.as_deref() == Some("global");
        return (!everywhere).then(|| format!("it is unknown what its driver {} mounts", volume.driver));
    }
    let options = volume.options.as_ref()?;
    let option =
        |name: &str| options.get(name).map(|text| text.trim().to_ascii_lowercase()).unwrap_or_default();
    let rebinds = |flag: &str| matches!(flag.trim(), "bind" | "rbind" | "remount" | "move");
    if option("o").split(',').any(rebinds) {
        return Some("it is a bind mount of a path of the node".to_owned());
    }
    if !REMOTE_OR_MEMORY.contains(&option("type").as_str())
        || (option("type").is_empty() && !option("device").is_empty())
    {
        return Some(format!("it is a device or a file system of the node (type {:?})", option("type")));
    }
    None
}

/// Whether a submitted object may mount a volume.
#[derive(Debug, PartialEq, Eq)]
enum VolumeFitness {
    Absent,
    Fit,
    Unfit(String),
}

/// On a Swarm each node may have a volume of that name: one that is unfit decides.
fn judge(volumes: &[Volume], wanted: &str) -> VolumeFitness {
    let named = |volume: &&Volume| without_node(&volume.name) == wanted;
    match volumes.iter().filter(named).find_map(unfit) {
        Some(why) => VolumeFitness::Unfit(why),
        None if volumes.iter().any(|volume| named(&volume)) => VolumeFitness::Fit,
        None => VolumeFitness::Absent,
    }
}

impl DockerEngine {
    /// Checks that a submitted object may use everything that the create body names. If the endpoint does not answer, the
    /// outcome is `NotSent`: nothing has been created.
    pub(super) async fn resolve(&self, body: &ContainerCreateBody) -> Outcome<()> {
        for network in networks(body) {
            match self.resolve_network(network).await {
                Outcome::Done(()) => {}
                other => return other,
            }
        }
        for volume in volumes::named(body) {
            match self.resolve_volume(volume).await {
                Outcome::Done(()) => {}
                other => return other,
            }
        }
        match policy::check_volumes(body, &self.own_volumes()) {
            Ok(()) => Outcome::Done(()),
            Err(refusal) => refused(refusal.to_string()),
        }
    }

    async fn resolve_network(&self, wanted: &str) -> Outcome<()> {
        let path = format!("/networks?filters={}", filter("name", wanted));
        let networks: Vec<Network> = match self.fetch(&path, "its networks").await {
            Ok(networks) => networks,
            Err(error) => return Outcome::NotSent(error.to_string()),
        };
        let swarm = self.is_swarm();
        let exactly = |network: &&Network| {
            network.name == wanted
                || (swarm && !wanted.contains('/') && without_node(&network.name) == wanted)
        };
        let mut exact = networks.iter().filter(exactly).peekable();
        if exact.peek().is_none() {
            // It may be created later.
            return Outcome::refused(
                RefusalKind::Other,
                format!(
                    "network {wanted} not found: no network has exactly this name; a prefix of an id is not accepted"
                ),
            );
        }
        match exact.any(|network| network.driver == "host" || without_node(&network.name) == "host") {
            true => refused(format!(
                "network {wanted} is the host network, which is not allowed for submitted objects"
            )),
            false => Outcome::Done(()),
        }
    }

    async fn resolve_volume(&self, wanted: &str) -> Outcome<()> {
        let path = format!("/volumes?filters={}", filter("name", wanted));
        let volumes: Volumes = match self.fetch(&path, "its volumes").await {
            Ok(volumes) => volumes,
            Err(error) => return Outcome::NotSent(error.to_string()),
        };
        match judge(&volumes.volumes.unwrap_or_default(), wanted) {
            // The engine creates it with its default driver.
            VolumeFitness::Absent => return Outcome::Done(()),
            VolumeFitness::Unfit(why) => {
                return refused(format!("volume {wanted} is not allowed for submitted objects: {why}"));
            }
            VolumeFitness::Fit => {}
        }
        self.check_users(wanted).await
    }

    /// Refuses a volume that the container of a manager mounts: it holds the manager's state and keys.
    async fn check_users(&self, wanted: &str) -> Outcome<()> {
        let path = format!("/containers/json?all=1&filters={}", filter("volume", wanted));
        let users: Vec<VolumeUser> = match self.fetch(&path, "the users of a volume").await {
            Ok(users) => users,
            Err(error) => return Outcome::NotSent(error.to_string()),
        };
        // A Swarm manager ignores the filter.
        let mounts_it = |user: &&VolumeUser| {
            let mut mounts = user.mounts.iter().flatten();
            mounts.any(|mount| mount.name.as_deref().map(without_node) == Some(wanted))
        };
        // A submitted object does not become a manager by its command.
        let is_manager = |user: &VolumeUser| {
            let command = user.command.as_deref().unwrap_or_default();
            let program = command.split_whitespace().next().unwrap_or_default();
            let managed = user.labels.as_ref().is_some_and(|labels| labels.contains_key(LABEL_CLUSTER));
            without_node(program) == PROGRAM && !managed
        };
        match users.iter().filter(mounts_it).any(is_manager) {
            true => refused(policy::manager_data(&format!("the volume {wanted}")).to_string()),
            false => Outcome::Done(()),
        }
    }

    /// Whether this network id belongs to a network of exactly this name.
    pub(super) async fn is_named(&self, id: &str, name: &str) -> Result<bool, Unanswered> {
        let path = format!("/networks/{}", wire::encoded(id));
        let network: Network = self.fetch(&path, "a network").await?;
        Ok(without_node(&network.name) == without_node(name) && network.driver != "host")
    }
}

/// A filter in a query.
fn filter(field: &str, value: &str) -> String {
    wire::encoded(&serde_json::json!({ field: [value] }).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(driver: &str, options: &[(&str, &str)]) -> Volume {
        Volume {
            name: "v".to_owned(),
            driver: driver.to_owned(),
            scope: Some("local".to_owned()),
            mountpoint: None,
            options: Some(options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()),
        }
    }

    #[test]
    fn a_volume_that_exposes_a_path_of_the_node_is_unfit() {
        for options in [
            &[("type", "none"), ("o", "bind"), ("device", "/etc")][..],
            &[("type", "none"), ("o", "rw,rbind"), ("device", "/")],
            &[("type", "tmpfs"), ("o", "Bind"), ("device", "/etc")],
            &[("type", "ext4"), ("device", "/dev/sda1")],
            &[("type", "overlay"), ("o", "lowerdir=/etc,upperdir=/x,workdir=/y"), ("device", "overlay")],
            &[("device", "/dev/sda1")],
        ] {
            assert!(unfit(&volume("local", options)).is_some(), "{options:?}");
        }
        assert!(unfit(&volume("local-persist", &[])).is_some());
    }

    #[test]
    fn ordinary_volumes_are_fit() {
        for options in [
            &[][..],
            &[("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=100m,uid=1000")],
            &[("type", "nfs"), ("o", "addr=192.0.2.1,rw"), ("device", ":/export")],
            &[("type", "cifs"), ("device", "//server/share"), ("o", "username=x")],
            &[("size", "1g")],
        ] {
            assert_eq!(unfit(&volume("local", options)), None, "{options:?}");
        }
        let everywhere = Volume { scope: Some("global".to_owned()), ..volume("rexray", &[]) };
        assert_eq!(unfit(&everywhere), None);
        assert_eq!(unfit(&Volume { options: None, ..volume("local", &[]) }), None);
    }
}
