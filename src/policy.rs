//! What a submitter may not ask for: whatever would make it root on a node.
//!
//! The host configuration is taken apart field by field, without a rest pattern: a field that a newer version
//! of Docker's model brings stops the build here until somebody has decided about it.

use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType, NetworkingConfig};

use crate::model::{Constraint, LABEL_PREFIX};

/// A field that is refused, and the rule that refuses it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is refused by the rule '{rule}': {why}")]
pub struct Refusal {
    /// The path of the field.
    pub field: String,
    /// The rule's name.
    pub rule: &'static str,
    /// What the rule protects.
    pub why: &'static str,
}

struct Rule {
    name: &'static str,
    why: &'static str,
}

const PRIVILEGED: Rule = Rule { name: "no-privileged", why: "a privileged container is root on its node" };
const CAPABILITIES: Rule = Rule {
    name: "no-added-capabilities",
    why: "added capabilities reach beyond the container; dropping is allowed",
};
const CONFINEMENT: Rule =
    Rule { name: "no-weaker-confinement", why: "it weakens what keeps the container apart from its node" };
const HOST_PATHS: Rule = Rule {
    name: "no-host-paths",
    why: "a path of the node would be open to the container; use a named volume or tmpfs",
};
const DEVICES: Rule = Rule { name: "no-devices", why: "devices of the node would be open to the container" };
const NAMESPACES: Rule = Rule {
    name: "no-shared-namespaces",
    why: "the container would share a namespace with its node or with another container",
};
const RUNTIME: Rule =
    Rule { name: "no-runtime-choice", why: "runtime, cgroup and kernel settings are the node's own" };
const LABELS: Rule =
    Rule { name: "no-reserved-labels", why: "labels with this prefix belong to Docker or to this manager" };
const SCHEDULER_ENV: Rule = Rule {
    name: "no-scheduler-env",
    why: "a classic Swarm manager takes such an entry for an order to itself; use Constraints",
};
const RESCHEDULE: Rule = Rule {
    name: "no-reschedule",
    why: "the Swarm manager would make containers this manager does not count",
};

fn refuse(field: impl Into<String>, rule: &Rule) -> Result<(), Refusal> {
    Err(Refusal { field: field.into(), rule: rule.name, why: rule.why })
}

/// Refuses where `given` is there and holds anything.
fn none_of<T>(field: &str, given: Option<&Vec<T>>, rule: &Rule) -> Result<(), Refusal> {
    if given.is_some_and(|items| !items.is_empty()) { refuse(field, rule) } else { Ok(()) }
}

fn unless(allowed: bool, field: &str, rule: &Rule) -> Result<(), Refusal> {
    if allowed { Ok(()) } else { refuse(field, rule) }
}

fn blank(text: Option<&String>) -> bool {
    text.is_none_or(String::is_empty)
}

/// Checks a create body and its constraints. The first refused field is reported.
pub fn check(body: &ContainerCreateBody, constraints: &[Constraint]) -> Result<(), Refusal> {
    for (i, entry) in body.env.iter().flatten().enumerate() {
        let lower = entry.to_ascii_lowercase();
        if lower.starts_with("reschedule:") {
            return refuse(format!("Env[{i}]"), &RESCHEDULE);
        }
        if lower.starts_with("constraint:") || lower.starts_with("affinity:") {
            return refuse(format!("Env[{i}]"), &SCHEDULER_ENV);
        }
    }
    labels("Labels", body.labels.iter().flatten().map(|(name, _)| name))?;
    for (i, constraint) in constraints.iter().enumerate() {
        if constraint.0.starts_with("reschedule") {
            return refuse(format!("Constraints[{i}]"), &RESCHEDULE);
        }
    }
    // `Volumes` makes anonymous volumes, which is fine, unless a path of the node is smuggled in with a colon,
    // as `docker run -v` writes it.
    for volume in body.volumes.iter().flatten() {
        unless(!volume.contains(':'), "Volumes", &HOST_PATHS)?;
    }
    if let Some(NetworkingConfig { endpoints_config: Some(endpoints) }) = &body.networking_config {
        for (network, endpoint) in endpoints {
            unless(!names_the_host(network), "NetworkingConfig.EndpointsConfig", &NAMESPACES)?;
            let options = endpoint.driver_opts.as_ref().is_none_or(|options| options.is_empty());
            unless(options, "NetworkingConfig.EndpointsConfig.DriverOpts", &RUNTIME)?;
        }
    }
    body.host_config.as_ref().map_or(Ok(()), host_config)
}

/// Whether a network is, or may be, that of the host. A Swarm manager also takes `node/host`, and every endpoint
/// takes a network's id, which does not tell what it stands for.
fn names_the_host(network: &str) -> bool {
    let name = network.rsplit('/').next().unwrap_or_default();
    let may_be_an_id = name.len() >= 12 && name.bytes().all(|b| b.is_ascii_hexdigit());
    name.eq_ignore_ascii_case("host") || may_be_an_id
}

fn labels<'a>(field: &str, names: impl Iterator<Item = &'a String>) -> Result<(), Refusal> {
    for name in names {
        let lower = name.to_ascii_lowercase();
        if lower.starts_with(LABEL_PREFIX) || lower.starts_with("com.docker.") {
            return refuse(format!("{field}.{name}"), &LABELS);
        }
    }
    Ok(())
}

fn host_config(config: &HostConfig) -> Result<(), Refusal> {
    let HostConfig {
        // Root on the node, one way or another.
        privileged,
        cap_add,
        security_opt,
        masked_paths,
        readonly_paths,
        binds,
        mounts,
        volume_driver,
        volumes_from,
        devices,
        device_cgroup_rules,
        device_requests,
        network_mode,
        pid_mode,
        ipc_mode,
        uts_mode,
        userns_mode,
        cgroupns_mode,
        cgroup,
        cgroup_parent,
        runtime,
        isolation,
        sysctls,
        annotations,
        links,
        log_config,
        storage_opt,
        container_id_file,
        ulimits: _,
        group_add: _,
        // Bounds on the container itself, and its own comfort.
        cpu_shares: _,
        memory: _,
        blkio_weight: _,
        cpu_period: _,
        cpu_quota: _,
        cpuset_cpus: _,
        cpuset_mems: _,
        memory_reservation: _,
        memory_swap: _,
        memory_swappiness: _,
        nano_cpus: _,
        init: _,
        pids_limit: _,
        cpu_count: _,
        cpu_percent: _,
        io_maximum_iops: _,
        io_maximum_bandwidth: _,
        port_bindings: _,
        restart_policy: _,
        auto_remove: _,
        console_size: _,
        cap_drop: _,
        dns: _,
        dns_options: _,
        dns_search: _,
        extra_hosts: _,
        publish_all_ports: _,
        readonly_rootfs: _,
        tmpfs: _,
        shm_size: _,
        blkio_device_write_iops: _,
        blkio_device_read_iops: _,
        blkio_device_write_bps: _,
        blkio_device_read_bps: _,
        blkio_weight_device: _,
        cpu_realtime_runtime: _,
        cpu_realtime_period: _,
        oom_kill_disable: _,
        oom_score_adj: _,
    } = config;

    unless(*privileged != Some(true), "HostConfig.Privileged", &PRIVILEGED)?;
    none_of("HostConfig.CapAdd", cap_add.as_ref(), &CAPABILITIES)?;
    for option in security_opt.iter().flatten() {
        let strengthens = matches!(
            option.as_str(),
            "no-new-privileges" | "no-new-privileges:true" | "no-new-privileges=true"
        );
        unless(strengthens, "HostConfig.SecurityOpt", &CONFINEMENT)?;
    }
    // Any list given here replaces the engine's own, so that even an empty one weakens it.
    unless(masked_paths.is_none(), "HostConfig.MaskedPaths", &CONFINEMENT)?;
    unless(readonly_paths.is_none(), "HostConfig.ReadonlyPaths", &CONFINEMENT)?;

    for bind in binds.iter().flatten() {
        let source = bind.split(':').next().unwrap_or_default();
        let named_volume =
            bind.contains(':') && !source.is_empty() && !source.contains(['/', '\\', '~', '.']);
        unless(named_volume, "HostConfig.Binds", &HOST_PATHS)?;
    }
    for (i, mount) in mounts.iter().flatten().enumerate() {
        self::mount(&format!("HostConfig.Mounts[{i}]"), mount)?;
    }
    unless(
        matches!(volume_driver.as_deref(), None | Some("" | "local")),
        "HostConfig.VolumeDriver",
        &HOST_PATHS,
    )?;
    none_of("HostConfig.VolumesFrom", volumes_from.as_ref(), &HOST_PATHS)?;
    unless(blank(container_id_file.as_ref()), "HostConfig.ContainerIDFile", &HOST_PATHS)?;

    none_of("HostConfig.Devices", devices.as_ref(), &DEVICES)?;
    none_of("HostConfig.DeviceCgroupRules", device_cgroup_rules.as_ref(), &DEVICES)?;
    none_of("HostConfig.DeviceRequests", device_requests.as_ref(), &DEVICES)?;

    let joins = |mode: Option<&String>| {
        mode.is_some_and(|m| names_the_host(m) || m.starts_with("container:") || m.starts_with("ns:"))
    };
    unless(!joins(network_mode.as_ref()), "HostConfig.NetworkMode", &NAMESPACES)?;
    unless(!joins(pid_mode.as_ref()), "HostConfig.PidMode", &NAMESPACES)?;
    unless(!joins(ipc_mode.as_ref()), "HostConfig.IpcMode", &NAMESPACES)?;
    unless(!joins(uts_mode.as_ref()), "HostConfig.UTSMode", &NAMESPACES)?;
    unless(!joins(userns_mode.as_ref()), "HostConfig.UsernsMode", &NAMESPACES)?;
    let host_cgroups = cgroupns_mode.is_some_and(|mode| mode.to_string() == "host");
    unless(!host_cgroups, "HostConfig.CgroupnsMode", &NAMESPACES)?;
    unless(blank(cgroup.as_ref()), "HostConfig.Cgroup", &NAMESPACES)?;

    unless(blank(cgroup_parent.as_ref()), "HostConfig.CgroupParent", &RUNTIME)?;
    unless(blank(runtime.as_ref()), "HostConfig.Runtime", &RUNTIME)?;
    let default_isolation = isolation.is_none_or(|i| matches!(i.to_string().as_str(), "" | "default"));
    unless(default_isolation, "HostConfig.Isolation", &RUNTIME)?;
    unless(sysctls.as_ref().is_none_or(|s| s.is_empty()), "HostConfig.Sysctls", &RUNTIME)?;
    unless(annotations.as_ref().is_none_or(|a| a.is_empty()), "HostConfig.Annotations", &RUNTIME)?;
    unless(
        storage_opt.as_ref().is_none_or(|s| s.keys().all(|k| k == "size")),
        "HostConfig.StorageOpt",
        &RUNTIME,
    )?;
    // A link hands the other container's environment over, passwords included.
    none_of("HostConfig.Links", links.as_ref(), &NAMESPACES)?;
    // Other drivers make the engine itself, as root, read files and connect where the submitter says.
    let driver = log_config.as_ref().and_then(|l| l.typ.as_deref()).unwrap_or_default();
    unless(
        matches!(driver, "" | "json-file" | "local" | "none" | "journald"),
        "HostConfig.LogConfig",
        &RUNTIME,
    )
}

fn mount(field: &str, mount: &Mount) -> Result<(), Refusal> {
    let kind_allowed = matches!(mount.typ, Some(MountType::VOLUME | MountType::TMPFS));
    unless(kind_allowed, &format!("{field}.Type"), &HOST_PATHS)?;
    unless(mount.bind_options.is_none(), &format!("{field}.BindOptions"), &HOST_PATHS)?;
    if let Some(options) = &mount.volume_options {
        // A local volume with `o=bind,device=/` is a bind mount by another name.
        unless(options.driver_config.is_none(), &format!("{field}.VolumeOptions.DriverConfig"), &HOST_PATHS)?;
        labels(
            &format!("{field}.VolumeOptions.Labels"),
            options.labels.iter().flatten().map(|(name, _)| name),
        )?;
    }
    let source = mount.source.as_deref().unwrap_or_default();
    unless(!source.contains(['/', '\\']), &format!("{field}.Source"), &HOST_PATHS)
}

#[cfg(test)]
mod tests {
    use crate::model::submission::{self, SubmissionError};

    fn submit(more: &str) -> Result<(), (String, &'static str)> {
        let text = format!(r#"{{"Name": "x", "Image": "a", "Count": 1, {more}}}"#);
        match submission::read(text.as_bytes()) {
            Ok(_) => Ok(()),
            Err(SubmissionError::Refused(r)) => Err((r.field, r.rule)),
            Err(other) => panic!("{more}: {other}"),
        }
    }

    #[test]
    fn what_would_make_a_submitter_root_is_refused_by_name() {
        for (host_config, field, rule) in [
            (r#""Privileged": true"#, "Privileged", "no-privileged"),
            (r#""CapAdd": ["SYS_ADMIN"]"#, "CapAdd", "no-added-capabilities"),
            (r#""SecurityOpt": ["seccomp=unconfined"]"#, "SecurityOpt", "no-weaker-confinement"),
            (r#""SecurityOpt": ["no-new-privileges:false"]"#, "SecurityOpt", "no-weaker-confinement"),
            (r#""MaskedPaths": []"#, "MaskedPaths", "no-weaker-confinement"),
            (r#""ReadonlyPaths": []"#, "ReadonlyPaths", "no-weaker-confinement"),
            (r#""Binds": ["/:/host"]"#, "Binds", "no-host-paths"),
            (r#""Binds": ["./x:/host"]"#, "Binds", "no-host-paths"),
            (r#""Binds": ["/data"]"#, "Binds", "no-host-paths"),
            (
                r#""Mounts": [{"Type": "bind", "Source": "/", "Target": "/h"}]"#,
                "Mounts[0].Type",
                "no-host-paths",
            ),
            (
                r#""Mounts": [{"Type": "npipe", "Source": "x", "Target": "/h"}]"#,
                "Mounts[0].Type",
                "no-host-paths",
            ),
            (r#""Mounts": [{"Source": "/", "Target": "/h"}]"#, "Mounts[0].Type", "no-host-paths"),
            (
                r#""Mounts": [{"Type": "volume", "Target": "/h", "VolumeOptions": {"DriverConfig": {"Name": "local",
                    "Options": {"type": "none", "o": "bind", "device": "/"}}}}]"#,
                "Mounts[0].VolumeOptions.DriverConfig",
                "no-host-paths",
            ),
            (r#""VolumeDriver": "evil""#, "VolumeDriver", "no-host-paths"),
            (r#""VolumesFrom": ["db"]"#, "VolumesFrom", "no-host-paths"),
            (r#""Devices": [{"PathOnHost": "/dev/sda"}]"#, "Devices", "no-devices"),
            (r#""DeviceCgroupRules": ["a *:* rwm"]"#, "DeviceCgroupRules", "no-devices"),
            (r#""DeviceRequests": [{"Count": -1}]"#, "DeviceRequests", "no-devices"),
            (r#""NetworkMode": "host""#, "NetworkMode", "no-shared-namespaces"),
            (r#""NetworkMode": "container:db""#, "NetworkMode", "no-shared-namespaces"),
            (r#""NetworkMode": "node-1/host""#, "NetworkMode", "no-shared-namespaces"),
            (r#""NetworkMode": "0123456789abcdef""#, "NetworkMode", "no-shared-namespaces"),
            (r#""Links": ["db:db"]"#, "Links", "no-shared-namespaces"),
            (r#""LogConfig": {"Type": "syslog"}"#, "LogConfig", "no-runtime-choice"),
            (r#""PidMode": "host""#, "PidMode", "no-shared-namespaces"),
            (r#""PidMode": "container:db""#, "PidMode", "no-shared-namespaces"),
            (r#""IpcMode": "host""#, "IpcMode", "no-shared-namespaces"),
            (r#""UTSMode": "host""#, "UTSMode", "no-shared-namespaces"),
            (r#""UsernsMode": "host""#, "UsernsMode", "no-shared-namespaces"),
            (r#""CgroupnsMode": "host""#, "CgroupnsMode", "no-shared-namespaces"),
            (r#""CgroupParent": "/""#, "CgroupParent", "no-runtime-choice"),
            (r#""Runtime": "evil""#, "Runtime", "no-runtime-choice"),
            (r#""Sysctls": {"kernel.x": "1"}"#, "Sysctls", "no-runtime-choice"),
        ] {
            let refused = submit(&format!(r#""HostConfig": {{{host_config}}}"#));
            assert_eq!(refused, Err((format!("HostConfig.{field}"), rule)), "{host_config}");
        }
        for (body, field, rule) in [
            (r#""Labels": {"com.docker.swarm.id": "x"}"#, "Labels.com.docker.swarm.id", "no-reserved-labels"),
            (
                r#""Labels": {"io.github.swarm-cluster-state-manager.slot": "1"}"#,
                "Labels.io.github.swarm-cluster-state-manager.slot",
                "no-reserved-labels",
            ),
            (r#""Env": ["A=1", "constraint:name==n1"]"#, "Env[1]", "no-scheduler-env"),
            (r#""Env": ["affinity:container==x"]"#, "Env[0]", "no-scheduler-env"),
            (r#""Env": ["reschedule:on-node-failure"]"#, "Env[0]", "no-reschedule"),
            (
                r#""NetworkingConfig": {"EndpointsConfig": {"host": {}}}"#,
                "NetworkingConfig.EndpointsConfig",
                "no-shared-namespaces",
            ),
        ] {
            assert_eq!(submit(body), Err((field.to_owned(), rule)), "{body}");
        }
    }

    #[test]
    fn everyday_settings_pass() {
        for host_config in [
            r#""Memory": 67108864, "NanoCpus": 500000000, "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}"#,
            r#""CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"], "ReadonlyRootfs": true, "Privileged": false"#,
            r#""Binds": ["data:/data", "data:/ro:ro"], "Tmpfs": {"/tmp": "size=1m"}"#,
            r#""Mounts": [{"Type": "volume", "Source": "data", "Target": "/d"}, {"Type": "tmpfs", "Target": "/t"}]"#,
            r#""NetworkMode": "backend", "IpcMode": "private", "PortBindings": {"80/tcp": [{"HostPort": "8080"}]}"#,
            r#""LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}}, "Devices": [], "CapAdd": null"#,
        ] {
            assert_eq!(submit(&format!(r#""HostConfig": {{{host_config}}}"#)), Ok(()), "{host_config}");
        }
    }
}
