//! What the names in a create body stand for at the endpoint, asked before each create.
//!
//! Engines and Swarm managers resolve names more generously than their documentation says: an unambiguous beginning of an
//! id is a name, too, and a volume's name says nothing of what is behind it. So a network must be there under exactly the
//! name that was given, and a volume that is there already must not show a path of its node.

use std::collections::BTreeSet;

use bollard_stubs::models::ContainerCreateBody;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::transport::TransportError;
use super::{DockerEngine, QUESTION, no_answer, wire};
use crate::core::labels::LABEL_CLUSTER;
use crate::core::outcome::{Outcome, Refusal, RefusalKind};
use crate::core::policy::{self, volumes};

/// Networks that every engine has, by names that are nobody else's.
const BUILT_IN: [&str; 3] = ["default", "bridge", "none"];
/// File systems that a volume of the driver `local` may be of: none of them shows a path or a device of the node.
const REMOTE_OR_MEMORY: [&str; 7] = ["", "tmpfs", "nfs", "nfs4", "cifs", "smb3", "ceph"];
/// How a container's command begins that runs this program.
const PROGRAM: &str = env!("CARGO_PKG_NAME");

/// A question that was not answered as it should be.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub(super) struct Unanswered {
    /// The status, where there was one.
    pub(super) status: Option<u16>,
    why: String,
}

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
struct Holder {
    #[serde(default)]
    command: Option<String>,
    #[serde(default)]
    labels: Option<std::collections::BTreeMap<String, String>>,
    #[serde(default)]
    mounts: Option<Vec<HolderMount>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HolderMount {
    #[serde(default)]
    name: Option<String>,
}

/// The last part of a name, before which a Swarm manager puts the node.
pub(super) fn without_node(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or_default()
}

fn refused(words: String) -> Outcome<()> {
    Outcome::Refused(Refusal { kind: RefusalKind::Impossible, words })
}

/// The networks that a create body names, those apart that every engine has.
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

/// Why a volume that is there may not be mounted by a submitter; nothing where it may.
fn unfit(volume: &Volume) -> Option<String> {
    if volume.driver != "local" {
        // What a plugin offers to the whole cluster is no path of one node.
        let everywhere = volume.scope.as_deref() == Some("global");
        return (!everywhere).then(|| format!("what its driver {} mounts is unknown", volume.driver));
    }
    let options = volume.options.as_ref()?;
    let option =
        |name: &str| options.get(name).map(|text| text.trim().to_ascii_lowercase()).unwrap_or_default();
    let rebinds = |flag: &str| matches!(flag.trim(), "bind" | "rbind" | "remount" | "move");
    if option("o").split(',').any(rebinds) {
        return Some("it is a bind mount of a path of the node by another name".to_owned());
    }
    if !REMOTE_OR_MEMORY.contains(&option("type").as_str())
        || (option("type").is_empty() && !option("device").is_empty())
    {
        return Some(format!("it is a device or a file system of the node (type {:?})", option("type")));
    }
    None
}

/// What a volume's name stands for.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    Absent,
    Fit,
    Unfit(String),
}

/// On a Swarm each node may have a volume of that name: the worst of them decides.
fn judge(volumes: &[Volume], wanted: &str) -> Standing {
    let named = |volume: &&Volume| without_node(&volume.name) == wanted;
    match volumes.iter().filter(named).find_map(unfit) {
        Some(why) => Standing::Unfit(why),
        None if volumes.iter().any(|volume| named(&volume)) => Standing::Fit,
        None => Standing::Absent,
    }
}

impl DockerEngine {
    /// Whether all names in a create body stand for what a submitter may have. Not sent where the endpoint did not answer:
    /// nothing has been created then.
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
        let there: Vec<Network> = match self.fetch(&path, "its networks").await {
            Ok(there) => there,
            Err(error) => return Outcome::NotSent(error.to_string()),
        };
        let swarm = self.is_swarm();
        let exactly = |network: &&Network| {
            network.name == wanted
                || (swarm && !wanted.contains('/') && without_node(&network.name) == wanted)
        };
        let mut exact = there.iter().filter(exactly).peekable();
        if exact.peek().is_none() {
            let words = format!(
                "network {wanted} not found: no network of the endpoint has exactly this name; the beginning of an id is not \
                 taken for one"
            );
            // Somebody may create it yet.
            return Outcome::Refused(Refusal { kind: RefusalKind::Other, words });
        }
        match exact.any(|network| network.driver == "host" || without_node(&network.name) == "host") {
            true => refused(format!(
                "network {wanted} is the network of the host, which is not for submitted objects"
            )),
            false => Outcome::Done(()),
        }
    }

    async fn resolve_volume(&self, wanted: &str) -> Outcome<()> {
        let path = format!("/volumes?filters={}", filter("name", wanted));
        let there: Volumes = match self.fetch(&path, "its volumes").await {
            Ok(there) => there,
            Err(error) => return Outcome::NotSent(error.to_string()),
        };
        match judge(&there.volumes.unwrap_or_default(), wanted) {
            // The engine makes it, with its own driver.
            Standing::Absent => return Outcome::Done(()),
            Standing::Unfit(why) => {
                return refused(format!("volume {wanted} is not for submitted objects: {why}"));
            }
            Standing::Fit => {}
        }
        self.resolve_holders(wanted).await
    }

    /// A volume that a manager's own container mounts holds its state and its keys.
    async fn resolve_holders(&self, wanted: &str) -> Outcome<()> {
        let path = format!("/containers/json?all=1&filters={}", filter("volume", wanted));
        let holders: Vec<Holder> = match self.fetch(&path, "who mounts a volume").await {
            Ok(holders) => holders,
            Err(error) => return Outcome::NotSent(error.to_string()),
        };
        // A Swarm manager ignores the filter.
        let mounts_it = |holder: &&Holder| {
            let mut mounts = holder.mounts.iter().flatten();
            mounts.any(|mount| mount.name.as_deref().map(without_node) == Some(wanted))
        };
        // What somebody submitted does not become a manager by its command.
        let is_manager = |holder: &Holder| {
            let command = holder.command.as_deref().unwrap_or_default();
            let program = command.split_whitespace().next().unwrap_or_default();
            let managed = holder.labels.as_ref().is_some_and(|labels| labels.contains_key(LABEL_CLUSTER));
            without_node(program) == PROGRAM && !managed
        };
        match holders.iter().filter(mounts_it).any(is_manager) {
            true => refused(policy::manager_data(&format!("the volume {wanted}")).to_string()),
            false => Outcome::Done(()),
        }
    }

    /// Whether the id of a network that a container is attached to is that of a network of just this name.
    pub(super) async fn is_named(&self, id: &str, name: &str) -> Result<bool, Unanswered> {
        let path = format!("/networks/{}", encoded(id));
        let network: Network = self.fetch(&path, "a network").await?;
        Ok(without_node(&network.name) == without_node(name) && network.driver != "host")
    }

    /// Asks a question of our own and reads the answer leniently: only the fields that are used have to be there.
    pub(super) async fn fetch<T: DeserializeOwned>(&self, path: &str, what: &str) -> Result<T, Unanswered> {
        let unanswered = |status, why: String| Unanswered { status, why };
        let ask = self.ask(http::Method::GET, path, None);
        let (status, body) = match tokio::time::timeout(QUESTION, ask).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(TransportError::NeverSent(why) | TransportError::Broken(why))) => {
                return Err(unanswered(None, why));
            }
            Err(_) => {
                return Err(unanswered(None, format!("it was asked for {what}: {}", no_answer(QUESTION))));
            }
        };
        if status != 200 {
            let why = format!("it was asked for {what}: {status}: {}", wire::words(&body));
            return Err(unanswered(Some(status), why));
        }
        serde_json::from_slice(&body).map_err(|error| {
            let why = format!("it was asked for {what}, and the answer cannot be read: {error}");
            unanswered(Some(status), why)
        })
    }
}

/// A filter in a query.
fn filter(field: &str, value: &str) -> String {
    encoded(&serde_json::json!({ field: [value] }).to_string())
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
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
    fn a_volume_that_shows_a_path_of_the_node_is_unfit() {
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
    fn everyday_volumes_are_fit() {
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
