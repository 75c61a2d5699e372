//! This daemon's own data, and the container that it runs in.

use std::path::{Path, PathBuf};

/// The most that is read of a file in `/proc`; a few kilobytes are usual.
const PROC_MAX_BYTES: u64 = 1024 * 1024;

/// What submitted objects must not reach.
#[derive(Debug, Clone, Default)]
pub(crate) struct OwnData {
    /// Files and directories of this process: its data, certificates and keys.
    pub(crate) paths: Vec<PathBuf>,
    /// Ids or names that this process's container may have at the endpoint, the most certain first.
    pub(crate) containers: Vec<String>,
}

impl OwnData {
    /// These paths, and the container that this process runs in, as far as it can be found.
    pub(crate) fn of_this_process(paths: Vec<PathBuf>) -> OwnData {
        // Mounts have paths without links.
        let paths = paths.into_iter().map(|path| path.canonicalize().unwrap_or(path)).collect();
        let mounts = read("/proc/self/mountinfo");
        let mut containers = ids_in(&mounts, &read("/proc/self/cgroup"));
        if containers.is_empty() && Path::new("/.dockerenv").exists() {
            // By default the host name is the beginning of the id.
            containers
                .extend(Some(read("/proc/sys/kernel/hostname").trim().to_owned()).filter(|n| !n.is_empty()));
        }
        OwnData { paths, containers }
    }
}

fn read(path: &str) -> String {
    use std::io::Read;
    let mut text = String::new();
    // Without such a file there is no container.
    let file = std::fs::File::open(path);
    let _ = file.and_then(|file| file.take(PROC_MAX_BYTES).read_to_string(&mut text));
    text
}

/// The ids of containers whose files an engine mounted into this process's `/etc`, or whose control group it is in. A host
/// sees the mounts of all its containers, but not at these paths.
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
}
