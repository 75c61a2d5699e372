//! The volumes of the endpoint that hold this daemon's data: state, keys and certificates.
//!
//! The daemon may run in a container of the endpoint that it manages, or keep its data in a volume. An object that mounts
//! such a volume could read the key of the client CA. They are looked up once per connection and logged, as is a failed
//! lookup.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use tracing::{info, warn};

use super::docker_engine::DockerEngine;
use super::request::Unanswered;
use super::resolve::{Volumes, without_node};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    #[serde(default)]
    mounts: Option<Vec<Mount>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Mount {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    destination: String,
}

/// The path on the node of a path in a container; `None` if it is in the container's own file system.
fn on_the_node(mounts: &[Mount], path: &Path) -> Option<PathBuf> {
    let holds = |mount: &&Mount| path.starts_with(&mount.destination) && mount.source.is_some();
    let mount = mounts.iter().filter(holds).max_by_key(|mount| mount.destination.len())?;
    let within = path.strip_prefix(&mount.destination).ok()?;
    Some(Path::new(mount.source.as_deref()?).join(within))
}

impl DockerEngine {
    /// Finds the volumes that hold this daemon's data, once per engine.
    pub(super) async fn find_own_volumes(&self) {
        if self.own.paths.is_empty() || self.own_volumes.load().is_some() {
            return;
        }
        match self.look_up_own_volumes().await {
            Ok(volumes) => {
                if !volumes.is_empty() {
                    info!(
                        ?volumes,
                        "these volumes hold this daemon's data; submitted objects must not mount them"
                    );
                }
                self.own_volumes.store(Some(Arc::new(volumes)));
            }
            Err(error) => {
                warn!(%error, "unknown which volumes hold this daemon's data; retrying with the next connection");
            }
        }
    }

    async fn look_up_own_volumes(&self) -> Result<BTreeSet<String>, Unanswered> {
        let mut own: BTreeSet<String> = BTreeSet::new();
        let mut paths = self.own.paths.clone();
        let mut found = None;
        for id in &self.own.containers {
            match self.fetch::<Container>(&format!("/containers/{id}/json"), "its own container").await {
                Ok(container) => {
                    found = Some(container.mounts.unwrap_or_default());
                    break;
                }
                Err(error) if error.status == Some(404) => {}
                Err(error) => return Err(error),
            }
        }
        match &found {
            Some(mounts) => {
                let names =
                    mounts.iter().filter_map(|mount| mount.name.as_deref()).filter(|name| !name.is_empty());
                own.extend(names.map(|name| without_node(name).to_owned()));
                paths = paths.iter().filter_map(|path| on_the_node(mounts, path)).collect();
            }
            None if !self.own.containers.is_empty() => {
                warn!(
                    "this daemon runs in a container that the endpoint does not list, so it is unknown which volumes hold its \
                     data, and submits that mount them are not refused: keep the data in a bind mount"
                );
            }
            None => {}
        }
        let volumes: Volumes = self.fetch("/volumes", "its volumes").await?;
        for volume in volumes.volumes.unwrap_or_default() {
            let holds = |mountpoint: &&String| {
                !mountpoint.is_empty() && paths.iter().any(|path| path.starts_with(mountpoint.as_str()))
            };
            if volume.mountpoint.as_ref().filter(holds).is_some() {
                own.insert(without_node(&volume.name).to_owned());
            }
        }
        Ok(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_a_container_is_found_on_its_node() {
        let mount = |source: &str, destination: &str| Mount {
            name: None,
            source: Some(source.to_owned()),
            destination: destination.to_owned(),
        };
        let mounts = [mount("/srv/data", "/var/lib"), mount("/volumes/x/_data", "/var/lib/scsm")];
        let at = |path: &str| on_the_node(&mounts, Path::new(path));
        assert_eq!(at("/var/lib/scsm/certs/key.pem"), Some("/volumes/x/_data/certs/key.pem".into()));
        assert_eq!(at("/var/lib/other"), Some("/srv/data/other".into()));
        assert_eq!(at("/etc/ssl"), None);
    }
}
