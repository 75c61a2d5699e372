//! `HostConfig`: most ways to become root on a node.

use super::mount::mount;
use super::network::names_the_host;
use super::rules::{
    CAPABILITIES, CONFINEMENT, DEVICE_LIMITS, DEVICES, HOST_PATHS, LOG_OPTIONS, NAMESPACES, PRIVILEGED,
    RUNTIME, TMPFS_OPTIONS, Violation, blank, none_of, unless,
};
use super::{log_options, tmpfs, volumes};
use crate::core::docker_models::{HostConfig, HostConfigLogConfig};

pub(super) fn host_config(config: &HostConfig) -> Result<(), Violation> {
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
