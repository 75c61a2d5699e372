//! Which volumes of the endpoint hold this daemon's own data: its state, its keys and its certificates.
//!
//! The daemon may run in a container of the endpoint that it manages, or keep its data in a directory that is a volume's.
//! Whoever may mount such a volume can read the key of the client CA. What is found is found once a connection, and said
//! in the log; so is what cannot be found.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use tracing::{info, warn};

use super::DockerEngine;
use super::resolve::{Unanswered, Volumes, without_node};

/// What `/proc` says of a process is a few kilobytes; more is not read.
const PROC_MAX_BYTES: u64 = 1024 * 1024;

/// What is to be kept from submitted objects.
#[derive(Debug, Clone, Default)]
pub struct OwnData {
    /// Files and directories of this process: its data, certificates and keys.
    pub paths: Vec<PathBuf>,
    /// Ids or names that this process's own container may have at the endpoint, the surest first.
    pub containers: Vec<String>,
}

impl OwnData {
    /// These paths, and what this process can find out of the container that it runs in.
    pub fn of_this_process(paths: Vec<PathBuf>) -> OwnData {
        // As mounts know them: without links.
        let paths = paths.into_iter().map(|path| path.canonicalize().unwrap_or(path)).collect();
        let mounts = read("/proc/self/mountinfo");
        let mut containers = ids_in(&mounts, &read("/proc/self/cgroup"));
        if containers.is_empty() && Path::new("/.dockerenv").exists() {
            // By default an engine makes the beginning of the id the host name.
            containers
                .extend(Some(read("/proc/sys/kernel/hostname").trim().to_owned()).filter(|n| !n.is_empty()));
        }
        OwnData { paths, containers }
    }
}

fn read(path: &str) -> String {
    use std::io::Read;
    let mut text = String::new();
    // Where there is no such file there is no container that it could tell of.
    let file = std::fs::File::open(path);
    let _ = file.and_then(|file| file.take(PROC_MAX_BYTES).read_to_string(&mut text));
    text
}

/// The ids of containers whose files an engine mounted into this process's own `/etc`, or whose control group it is in.
/// A host sees the mounts of all its containers, but not at these places.
fn ids_in(mountinfo: &str, cgroup: &str) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    let mut add = |path: &str| {
        let is_id = |part: &&str| part.len() == 64 && part.bytes().all(|b| b.is_ascii_hexdigit());
        // `docker-ID.scope` under systemd.
        let mut parts = path.split(['/', '-', '.']);
        if let Some(id) = parts.find(is_id)
            && !ids.iter().any(|known| known == id)
        {
            ids.push(id.to_owned());
        }
    };
    for line in mountinfo.lines() {
        let mut fields = line.split(' ').skip(3);
        if let (Some(root), Some("/etc/hostname" | "/etc/hosts" | "/etc/resolv.conf")) =
            (fields.next(), fields.next())
        {
            add(root);
        }
    }
    cgroup.lines().for_each(add);
    ids
}

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

/// Where on its node a path of a container is; `None` where it is in the container's own file system.
fn on_the_node(mounts: &[Mount], path: &Path) -> Option<PathBuf> {
    let holds = |mount: &&Mount| path.starts_with(&mount.destination) && mount.source.is_some();
    let mount = mounts.iter().filter(holds).max_by_key(|mount| mount.destination.len())?;
    let within = path.strip_prefix(&mount.destination).ok()?;
    Some(Path::new(mount.source.as_deref()?).join(within))
}

impl DockerEngine {
    /// The names of volumes that no submitted object may mount.
    pub(super) fn own_volumes(&self) -> Arc<BTreeSet<String>> {
        self.own_volumes.load().as_ref().map_or_else(Arc::default, Arc::clone)
    }

    /// Finds the volumes that hold this daemon's own data, unless they have been found already.
    pub(super) async fn find_own_volumes(&self) {
        if self.own.paths.is_empty() || self.own_volumes.load().is_some() {
            return;
        }
        match self.look_for_own_volumes().await {
            Ok(volumes) => {
                if !volumes.is_empty() {
                    info!(
                        ?volumes,
                        "these volumes hold this daemon's own data; no submitted object may mount them"
                    );
                }
                self.own_volumes.store(Some(Arc::new(volumes)));
            }
            Err(error) => {
                warn!(%error, "which volumes hold this daemon's own data is unknown; the next connection looks again");
            }
        }
    }

    async fn look_for_own_volumes(&self) -> Result<BTreeSet<String>, Unanswered> {
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
                    "this daemon runs in a container that the endpoint does not list, so the volumes that hold its data \
                     are unknown and submits that mount them are not refused: keep its data in a bind mount"
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
    fn a_process_in_a_container_finds_the_containers_id() {
        let id = "ab".repeat(32);
        let other = "cd".repeat(32);
        let mounts = format!(
            "1 2 0:3 / / rw - overlay overlay rw\n\
             5 1 8:1 /var/lib/docker/containers/{id}/resolv.conf /etc/resolv.conf rw - ext4 /dev/sda1 rw\n\
             6 1 8:1 /var/lib/docker/containers/{id}/hostname /etc/hostname rw - ext4 /dev/sda1 rw"
        );
        let expected = [id.clone()];
        assert_eq!(ids_in(&mounts, "0::/\n"), expected);
        assert_eq!(ids_in("", &format!("12:pids:/docker/{id}\n11:cpu:/docker/{id}\n")), expected);
        assert_eq!(ids_in("", &format!("0::/system.slice/docker-{id}.scope\n")), expected);
        // A host sees its containers' mounts, but is in none of them.
        let host = format!("7 1 0:9 / /var/lib/docker/containers/{other}/mounts/shm rw - tmpfs shm rw");
        assert_eq!(ids_in(&host, "0::/system.slice/scsm.service"), Vec::<String>::new());
    }

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
