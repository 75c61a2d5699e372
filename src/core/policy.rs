//! What a submitter may not ask for: everything that would make it root on a node.
//!
//! Every struct of the create body is destructured without a rest pattern: a new field in Docker's model fails the build here
//! until it is decided. Names that only the endpoint can resolve (networks, volumes) are checked before each create, in
//! [`engine::docker`](crate::engine::docker).

use std::collections::BTreeSet;

use crate::core::docker_models::{
    ContainerCreateBody, EndpointSettings, HealthConfig, HostConfig, HostConfigLogConfig, Mount,
    MountBindOptions, MountTmpfsOptions, MountType, MountVolumeOptions, MountVolumeOptionsDriverConfig,
    NetworkingConfig,
};

use crate::core::image_reference;
use crate::core::labels::LABEL_PREFIX;
use crate::core::spec::{Constraint, Spec};
use crate::core::submission::Submission;
use crate::core::submission::strict::path_in_array;

mod log_options;
mod tmpfs;
pub(crate) mod volumes;

/// A refused field and the rule that refuses it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is refused by the rule '{rule}': {why}")]
pub struct Violation {
    /// The path of the field.
    pub field: String,
    /// The rule's name.
    pub rule: &'static str,
    /// What the rule protects.
    pub why: &'static str,
}

/// A rule, for messages.
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
const DEVICE_LIMITS: Rule = Rule {
    name: "no-host-paths",
    why: "it names a device by its path on the node, and the answer reveals whether that path exists",
};
const LOG_OPTIONS: Rule = Rule {
    name: "no-log-destinations",
    why: "the engine itself, as root, opens the files and connects to the addresses that logging options name; allowed \
          are the drivers json-file, local, journald and none, and the options that concern only their own log (a tag may name \
          fields such as {{.Name}})",
};
const TMPFS_OPTIONS: Rule = Rule {
    name: "no-mount-options",
    why: "other mount options act on what is mounted at the path already, such as the node's /sys; allowed are size, mode, uid, \
          gid, nr_inodes, nr_blocks, ro, rw and the options for exec, suid, dev, sync and access times",
};
const LABELS: Rule =
    Rule { name: "no-reserved-labels", why: "labels with this prefix belong to Docker or to this manager" };
const SCHEDULER_ENV: Rule = Rule {
    name: "no-scheduler-env",
    why: "a classic Swarm manager takes such an entry for an order to itself; use Constraints",
};
const MANAGER_DATA: Rule = Rule {
    name: "no-manager-data",
    why: "it holds the state and the keys of a manager; keep an object's data in a volume of its own",
};
const RESCHEDULE: Rule = Rule {
    name: "no-reschedule",
    why: "the Swarm manager would make containers this manager does not count",
};

fn refuse(field: impl Into<String>, rule: &Rule) -> Result<(), Violation> {
    Err(Violation { field: field.into(), rule: rule.name, why: rule.why })
}

/// Refuses a list that is present and not empty.
fn none_of<T>(field: &str, given: Option<&Vec<T>>, rule: &Rule) -> Result<(), Violation> {
    if given.is_some_and(|items| !items.is_empty()) { refuse(field, rule) } else { Ok(()) }
}

fn unless(allowed: bool, field: &str, rule: &Rule) -> Result<(), Violation> {
    if allowed { Ok(()) } else { refuse(field, rule) }
}

fn blank(text: Option<&String>) -> bool {
    text.is_none_or(String::is_empty)
}

/// Words that a classic Swarm manager takes as commands to its scheduler if an `Env` entry begins with one of them and a
/// colon. It compares exactly; here any case is refused, in case a manager reads it differently.
const SCHEDULER_WORDS: [&str; 4] = ["constraint", "affinity", "reschedule", "whitelist"];

impl Violation {
    /// The same violation, in the object at this index of a submitted array.
    pub fn at_index(self, index: usize) -> Violation {
        Violation { field: path_in_array(index, &self.field), ..self }
    }
}

/// Checks a whole submission. The first refused field is reported.
pub fn authorize(submission: &Submission) -> Result<(), Violation> {
    match submission {
        Submission::One(spec) => authorize_spec(spec),
        Submission::Many(specs) => specs
            .iter()
            .enumerate()
            .try_for_each(|(i, spec)| authorize_spec(spec).map_err(|violation| violation.at_index(i))),
    }
}

/// Checks what a client asks for now: a submitted spec, or an earlier one to roll back to. Stored specs are never checked,
/// so that a change of the policy makes none of them unreadable.
pub fn authorize_spec(spec: &Spec) -> Result<(), Violation> {
    check(&spec.template.body, &spec.template.constraints)
}

/// Checks a create body and its constraints.
fn check(body: &ContainerCreateBody, constraints: &[Constraint]) -> Result<(), Violation> {
    let ContainerCreateBody {
        env,
        labels: own_labels,
        volumes,
        healthcheck,
        networking_config,
        host_config,
        // Text for the process and its streams, not resolved on the node.
        hostname: _,
        domainname: _,
        user: _,
        attach_stdin: _,
        attach_stdout: _,
        attach_stderr: _,
        exposed_ports: _,
        tty: _,
        open_stdin: _,
        stdin_once: _,
        cmd: _,
        args_escaped: _,
        working_dir: _,
        entrypoint: _,
        network_disabled: _,
        on_build: _,
        stop_signal: _,
        stop_timeout: _,
        shell: _,
        // Checked by the parser.
        image: _,
    } = body;
    for (i, entry) in env.iter().flatten().enumerate() {
        let Some((word, _)) = entry.split_once(':') else { continue };
        let word = word.trim().to_ascii_lowercase();
        if SCHEDULER_WORDS.contains(&word.as_str()) {
            let rule = if word == "reschedule" { &RESCHEDULE } else { &SCHEDULER_ENV };
            return refuse(format!("Env[{i}]"), rule);
        }
    }
    labels("Labels", own_labels.iter().flatten().map(|(name, _)| name))?;
    for (i, constraint) in constraints.iter().enumerate() {
        if constraint.0.starts_with("reschedule") {
            return refuse(format!("Constraints[{i}]"), &RESCHEDULE);
        }
    }
    // `Volumes` creates anonymous volumes, which is allowed, unless a colon smuggles in a path of the node, as in
    // `docker run -v`.
    for volume in volumes.iter().flatten() {
        unless(!volume.contains(':'), "Volumes", &HOST_PATHS)?;
    }
    if let Some(HealthConfig {
        // Runs in the container.
        test: _,
        interval: _,
        timeout: _,
        retries: _,
        start_period: _,
        start_interval: _,
    }) = healthcheck
    {}
    if let Some(NetworkingConfig { endpoints_config: Some(endpoints) }) = networking_config {
        for (network, settings) in endpoints {
            let unnamed = network.is_empty();
            unless(!unnamed && !names_the_host(network), "NetworkingConfig.EndpointsConfig", &NAMESPACES)?;
            endpoint(settings)?;
        }
    }
    host_config.as_ref().map_or(Ok(()), self::host_config)
}

/// Refuses mounts of volumes that hold this daemon's own data.
pub fn check_volumes(body: &ContainerCreateBody, own: &BTreeSet<String>) -> Result<(), Violation> {
    let Some(config) = &body.host_config else { return Ok(()) };
    for bind in config.binds.iter().flatten() {
        let name = volumes::of_bind(bind).map(|(name, _)| name);
        if name.is_some_and(|name| own.contains(name)) {
            return Err(manager_data("HostConfig.Binds"));
        }
    }
    for (i, mount) in config.mounts.iter().flatten().enumerate() {
        if mount.source.as_ref().is_some_and(|name| own.contains(name)) {
            return Err(manager_data(&format!("HostConfig.Mounts[{i}].Source")));
        }
    }
    Ok(())
}

/// The violation of a field that would expose a manager's own data.
pub(crate) fn manager_data(field: &str) -> Violation {
    Violation { field: field.to_owned(), rule: MANAGER_DATA.name, why: MANAGER_DATA.why }
}

/// Checks the settings of a network. The engine prefers `NetworkID` to the network's name, so it could name the host's.
fn endpoint(settings: &EndpointSettings) -> Result<(), Violation> {
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
fn names_the_host(network: &str) -> bool {
    let name = network.rsplit('/').next().unwrap_or_default();
    let may_be_an_id = name.len() >= 12 && name.bytes().all(|b| b.is_ascii_hexdigit());
    name.eq_ignore_ascii_case("host") || may_be_an_id
}

fn labels<'a>(field: &str, names: impl Iterator<Item = &'a String>) -> Result<(), Violation> {
    for name in names {
        let lower = name.to_ascii_lowercase();
        if lower.starts_with(LABEL_PREFIX) || lower.starts_with("com.docker.") {
            return refuse(format!("{field}.{name}"), &LABELS);
        }
    }
    Ok(())
}

fn host_config(config: &HostConfig) -> Result<(), Violation> {
    let HostConfig {
        // Ways to become root on the node.
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
        blkio_device_write_iops,
        blkio_device_read_iops,
        blkio_device_write_bps,
        blkio_device_read_bps,
        blkio_weight_device,
        // Names of limits, and groups of the container's own /etc/group.
        ulimits: _,
        group_add: _,
        // Limits and settings of the container itself.
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
        tmpfs,
        shm_size: _,
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
    // Any list replaces the engine's own, so even an empty one weakens it.
    unless(masked_paths.is_none(), "HostConfig.MaskedPaths", &CONFINEMENT)?;
    unless(readonly_paths.is_none(), "HostConfig.ReadonlyPaths", &CONFINEMENT)?;

    for bind in binds.iter().flatten() {
        unless(volumes::of_bind(bind).is_some(), "HostConfig.Binds", &HOST_PATHS)?;
    }
    for (i, mount) in mounts.iter().flatten().enumerate() {
        self::mount(&format!("HostConfig.Mounts[{i}]"), mount)?;
    }
    for options in tmpfs.iter().flatten().map(|(_, options)| options) {
        unless(self::tmpfs::allowed(options), "HostConfig.Tmpfs", &TMPFS_OPTIONS)?;
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
    let limits = &DEVICE_LIMITS;
    none_of("HostConfig.BlkioDeviceReadBps", blkio_device_read_bps.as_ref(), limits)?;
    none_of("HostConfig.BlkioDeviceWriteBps", blkio_device_write_bps.as_ref(), limits)?;
    none_of("HostConfig.BlkioDeviceReadIOps", blkio_device_read_iops.as_ref(), limits)?;
    none_of("HostConfig.BlkioDeviceWriteIOps", blkio_device_write_iops.as_ref(), limits)?;
    none_of("HostConfig.BlkioWeightDevice", blkio_weight_device.as_ref(), limits)?;

    let joins = |mode: Option<&String>| {
        mode.is_some_and(|m| names_the_host(m) || m.starts_with("container:") || m.starts_with("ns:"))
    };
    unless(!joins(network_mode.as_ref()), "HostConfig.NetworkMode", &NAMESPACES)?;
    // Engines match these by prefix: only whole words for a private namespace pass.
    let own = |mode: Option<&String>, words: &[&str]| mode.is_none_or(|mode| words.contains(&mode.as_str()));
    unless(own(pid_mode.as_ref(), &["", "private"]), "HostConfig.PidMode", &NAMESPACES)?;
    unless(own(ipc_mode.as_ref(), &["", "none", "private", "shareable"]), "HostConfig.IpcMode", &NAMESPACES)?;
    unless(own(uts_mode.as_ref(), &["", "private"]), "HostConfig.UTSMode", &NAMESPACES)?;
    unless(own(userns_mode.as_ref(), &["", "private"]), "HostConfig.UsernsMode", &NAMESPACES)?;
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
    log_config.as_ref().map_or(Ok(()), self::log_config)
}

/// Drivers other than these, and options that name a destination, make the engine itself read files and connect where
/// the submitter says. Without a driver the engine's default one takes the options, whichever that is.
fn log_config(config: &HostConfigLogConfig) -> Result<(), Violation> {
    let HostConfigLogConfig { typ, config: options } = config;
    let driver = typ.as_deref().unwrap_or_default();
    unless(
        matches!(driver, "" | "json-file" | "local" | "none" | "journald"),
        "HostConfig.LogConfig.Type",
        &LOG_OPTIONS,
    )?;
    for (name, value) in options.iter().flatten() {
        let field = format!("HostConfig.LogConfig.Config.{name}");
        unless(log_options::allowed(name, value), &field, &LOG_OPTIONS)?;
    }
    Ok(())
}

fn mount(field: &str, mount: &Mount) -> Result<(), Violation> {
    let Mount {
        typ,
        source,
        bind_options,
        volume_options,
        image_options,
        tmpfs_options,
        // Within the container.
        target: _,
        read_only: _,
        consistency: _,
    } = mount;
    let known = matches!(typ, Some(MountType::VOLUME | MountType::TMPFS | MountType::IMAGE));
    unless(known, &format!("{field}.Type"), &HOST_PATHS)?;
    let empty = MountBindOptions::default();
    let nothing = bind_options.as_ref().is_none_or(|options| *options == empty);
    unless(nothing, &format!("{field}.BindOptions"), &HOST_PATHS)?;
    // Within the image; the engine keeps it from leaving it.
    let subpath = image_options.as_ref().and_then(|options| options.subpath.as_deref()).unwrap_or_default();
    let of_image = *typ == Some(MountType::IMAGE);
    unless(subpath.is_empty() || of_image, &format!("{field}.ImageOptions"), &HOST_PATHS)?;
    if let Some(MountVolumeOptions {
        driver_config,
        labels: volume_labels,
        // Within the volume; the engine keeps it from leaving it.
        subpath: _,
        no_copy: _,
    }) = volume_options
    {
        // A local volume with `o=bind,device=/` is a bind mount by another name.
        let empty = MountVolumeOptionsDriverConfig::default();
        unless(
            driver_config.as_ref().is_none_or(|c| *c == empty),
            &format!("{field}.VolumeOptions.DriverConfig"),
            &HOST_PATHS,
        )?;
        labels(
            &format!("{field}.VolumeOptions.Labels"),
            volume_labels.iter().flatten().map(|(name, _)| name),
        )?;
    }
    if let Some(MountTmpfsOptions { size_bytes: _, mode: _, options }) = tmpfs_options {
        let allowed = options.iter().flatten().all(|option| tmpfs::allowed(&option.join("=")));
        unless(allowed, &format!("{field}.TmpfsOptions.Options"), &TMPFS_OPTIONS)?;
    }
    let source = source.as_deref().unwrap_or_default();
    // An image holds nothing of the node, and a submitter may run it anyway.
    let harmless = match of_image {
        true => image_reference::problem(source).is_none(),
        false => source.is_empty() || volumes::is_a_name(source),
    };
    unless(harmless, &format!("{field}.Source"), &HOST_PATHS)
}

#[cfg(test)]
mod tests {
    use super::{authorize, authorize_spec};
    use crate::core::submission;
    use crate::core::submission::Submission;

    fn submit(more: &str) -> Result<(), (String, &'static str)> {
        let text = format!(r#"{{"Name": "x", "Image": "a", "Count": 1, {more}}}"#);
        let submission = submission::read(text.as_bytes()).unwrap_or_else(|error| panic!("{more}: {error}"));
        authorize(&submission).map_err(|violation| (violation.field, violation.rule))
    }

    #[test]
    fn settings_that_give_root_are_refused_by_name() {
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
            (r#""Binds": ["c:/:c:/h"]"#, "Binds", "no-host-paths"),
            (r#""Binds": ["C:\\x:/h"]"#, "Binds", "no-host-paths"),
            (r#""Binds": ["d:/d:rshared"]"#, "Binds", "no-host-paths"),
            (r#""Binds": ["\\\\.\\pipe\\x:/h"]"#, "Binds", "no-host-paths"),
            (
                r#""Mounts": [{"Type": "volume", "Source": "c:", "Target": "/h"}]"#,
                "Mounts[0].Source",
                "no-host-paths",
            ),
            (
                r#""Mounts": [{"Type": "volume", "Source": "c", "Target": "/h"}]"#,
                "Mounts[0].Source",
                "no-host-paths",
            ),
            (
                r#""Mounts": [{"Type": "volume", "Source": "..", "Target": "/h"}]"#,
                "Mounts[0].Source",
                "no-host-paths",
            ),
            (
                r#""Mounts": [{"Type": "volume", "Target": "/h", "ImageOptions": {"Subpath": "x"}}]"#,
                "Mounts[0].ImageOptions",
                "no-host-paths",
            ),
            (
                r#""BlkioDeviceReadBps": [{"Path": "/etc/shadow", "Rate": 1}]"#,
                "BlkioDeviceReadBps",
                "no-host-paths",
            ),
            (r#""BlkioDeviceWriteBps": [{"Path": "/x", "Rate": 1}]"#, "BlkioDeviceWriteBps", "no-host-paths"),
            (r#""BlkioDeviceReadIOps": [{"Path": "/x", "Rate": 1}]"#, "BlkioDeviceReadIOps", "no-host-paths"),
            (
                r#""BlkioDeviceWriteIOps": [{"Path": "/x", "Rate": 1}]"#,
                "BlkioDeviceWriteIOps",
                "no-host-paths",
            ),
            (r#""BlkioWeightDevice": [{"Path": "/x", "Weight": 10}]"#, "BlkioWeightDevice", "no-host-paths"),
            (
                r#""LogConfig": {"Config": {"syslog-address": "tcp://192.0.2.1:514"}}"#,
                "LogConfig.Config.syslog-address",
                "no-log-destinations",
            ),
            (
                r#""LogConfig": {"Config": {"syslog-tls-ca-cert": "/etc/shadow"}}"#,
                "LogConfig.Config.syslog-tls-ca-cert",
                "no-log-destinations",
            ),
            (
                r#""LogConfig": {"Type": "json-file", "Config": {"gelf-address": "udp://192.0.2.1:1"}}"#,
                "LogConfig.Config.gelf-address",
                "no-log-destinations",
            ),
            (
                r#""LogConfig": {"Type": "", "Config": {"mode": "non-blocking", "max-buffer-size": "8g"}}"#,
                "LogConfig.Config.max-buffer-size",
                "no-log-destinations",
            ),
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
                r#""Mounts": [{"Type": "image", "Source": "/etc", "Target": "/h"}]"#,
                "Mounts[0].Source",
                "no-host-paths",
            ),
            (
                r#""Mounts": [{"Type": "volume", "Target": "/h", "VolumeOptions": {"DriverConfig": {"Name": "local",
                    "Options": {"type": "none", "o": "bind", "device": "/"}}}}]"#,
                "Mounts[0].VolumeOptions.DriverConfig",
                "no-host-paths",
            ),
            (r#""Tmpfs": {"/sys/": "remount,rw"}"#, "Tmpfs", "no-mount-options"),
            (
                r#""Binds": ["data:/v:ro"], "Tmpfs": {"/tmp": "", "/v/": "rw,remount"}"#,
                "Tmpfs",
                "no-mount-options",
            ),
            (
                r#""Mounts": [{"Type": "tmpfs", "Target": "/sys/", "TmpfsOptions": {"Options": [["noexec"], ["remount"]]}}]"#,
                "Mounts[0].TmpfsOptions.Options",
                "no-mount-options",
            ),
            (
                r#""LogConfig": {"Type": "json-file", "Config": {"tag": "{{pad \"x\" 30000000 1}}"}}"#,
                "LogConfig.Config.tag",
                "no-log-destinations",
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
            (r#""NetworkMode": "HOST""#, "NetworkMode", "no-shared-namespaces"),
            (r#""LogConfig": {"Type": "syslog"}"#, "LogConfig.Type", "no-log-destinations"),
            (r#""LogConfig": {"Type": "JSON-FILE"}"#, "LogConfig.Type", "no-log-destinations"),
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
            (r#""Env": ["whitelist:node==n1"]"#, "Env[0]", "no-scheduler-env"),
            (r#""Env": ["WhiteList:node==n1,n2"]"#, "Env[0]", "no-scheduler-env"),
            (r#""Env": ["constraint:name=n1"]"#, "Env[0]", "no-scheduler-env"),
            (
                r#""NetworkingConfig": {"EndpointsConfig": {"db": {"NetworkID": "c8406cf6129c"}}}"#,
                "NetworkingConfig.EndpointsConfig.NetworkID",
                "no-shared-namespaces",
            ),
            (
                r#""NetworkingConfig": {"EndpointsConfig": {"db": {"Links": ["other:x"]}}}"#,
                "NetworkingConfig.EndpointsConfig.Links",
                "no-shared-namespaces",
            ),
            (
                r#""NetworkingConfig": {"EndpointsConfig": {"node-1/host": {}}}"#,
                "NetworkingConfig.EndpointsConfig",
                "no-shared-namespaces",
            ),
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
    fn a_volume_with_the_managers_data_is_refused_wherever_it_is_named() {
        let own = std::collections::BTreeSet::from(["scsm".to_owned()]);
        for (host_config, field) in [
            (r#""Binds": ["data:/x", "scsm:/y:ro"]"#, Some("HostConfig.Binds")),
            (
                r#""Mounts": [{"Type": "tmpfs", "Target": "/t"}, {"Type": "volume", "Source": "scsm", "Target": "/y"}]"#,
                Some("HostConfig.Mounts[1].Source"),
            ),
            (
                r#""Binds": ["data:/scsm"], "Mounts": [{"Type": "volume", "Source": "scsm2", "Target": "/y"}]"#,
                None,
            ),
        ] {
            let text =
                format!(r#"{{"Name": "x", "Image": "a", "Count": 1, "HostConfig": {{{host_config}}}}}"#);
            let Ok(submission::Submission::One(spec)) = submission::read(text.as_bytes()) else {
                panic!("{text}")
            };
            let refused = crate::core::policy::check_volumes(&spec.template.body, &own).err();
            let named = refused.as_ref().map(|refusal| (refusal.field.as_str(), refusal.rule));
            assert_eq!(named, field.map(|field| (field, "no-manager-data")), "{host_config}");
        }
    }

    #[test]
    fn a_violation_in_an_array_names_the_object() {
        let object = |name: &str, privileged: bool| {
            format!(
                r#"{{"Name": "{name}", "Image": "a", "Count": 1, "HostConfig": {{"Privileged": {privileged}}}}}"#
            )
        };
        let text = format!("[{}, {}]", object("a", false), object("b", true));
        let submission = submission::read(text.as_bytes()).unwrap();
        assert_eq!(authorize(&submission).unwrap_err().field, "[1].HostConfig.Privileged");
        let Submission::Many(specs) = submission else { panic!("one object") };
        assert_eq!(authorize_spec(&specs[1]).unwrap_err().field, "HostConfig.Privileged");
    }

    #[test]
    fn everyday_settings_pass() {
        for host_config in [
            r#""Memory": 67108864, "NanoCpus": 500000000, "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}"#,
            r#""CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"], "ReadonlyRootfs": true, "Privileged": false"#,
            r#""Binds": ["data:/data", "data:/ro:ro"], "Tmpfs": {"/tmp": "size=1m"}"#,
            r#""Mounts": [{"Type": "volume", "Source": "data", "Target": "/d"}, {"Type": "tmpfs", "Target": "/t"}]"#,
            r#""Binds": ["site.example.com_data:/data:ro"]"#,
            r#""Mounts": [{"Type": "volume", "Target": "/d", "BindOptions": {}, "ImageOptions": {}}]"#,
            r#""Mounts": [{"Type": "image", "Source": "tools:1", "Target": "/t", "ImageOptions": {"Subpath": "bin"}}]"#,
            r#""LogConfig": {"Config": {"max-size": "1m", "max-file": "3", "mode": "non-blocking", "max-buffer-size": "4m"}}"#,
            r#""LogConfig": {"Type": "journald", "Config": {"tag": "web", "labels": "a", "env": "B"}}"#,
            r#""Mounts": [{"Type": "volume", "Source": "data", "Target": "/d", "VolumeOptions": {"DriverConfig": {}}}]"#,
            r#""BlkioWeight": 300, "BlkioDeviceReadBps": []"#,
            r#""NetworkMode": "db""#,
            r#""NetworkMode": "backend", "IpcMode": "private", "PortBindings": {"80/tcp": [{"HostPort": "8080"}]}"#,
            r#""LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}}, "Devices": [], "CapAdd": null"#,
        ] {
            assert_eq!(submit(&format!(r#""HostConfig": {{{host_config}}}"#)), Ok(()), "{host_config}");
        }
    }
}
