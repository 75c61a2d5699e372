//! The flags of `docker run` and `docker create`, and what each means for an object.

use super::flag::{Action, Flag};
use super::{devices, mounts, networks, pairs, ports, security, settings};

use Action::{
    Call, Either, LeftOut, LeftOutSwitch, Nanoseconds, Nothing, Number, Pairs, Refused, Size, SizeOrNone,
    Switch, Text, Texts, True,
};

const fn flag(names: &'static [&'static str], action: Action) -> Flag {
    Flag { names, short: None, action }
}

const fn short(letter: char, names: &'static [&'static str], action: Action) -> Flag {
    Flag { names, short: Some(letter), action }
}

const ENGINE: &str = "the daemon's --swarm-manager selects the engine";
const TERMINAL: &str = "it concerns an attached client, and the manager's containers run detached";
const ID_FILE: &str = "an object has many containers over time; `status NAME` lists their ids";

/// Flags before the command.
pub(super) const GLOBAL: &[Flag] = &[
    short('H', &["host", "url"], LeftOut(ENGINE)),
    short('c', &["context", "connection"], LeftOut(ENGINE)),
    short('D', &["debug"], LeftOutSwitch("it concerns docker's client")),
    short('l', &["log-level"], LeftOut("it concerns docker's client")),
    short('r', &["remote"], LeftOutSwitch(ENGINE)),
    flag(&["config"], LeftOut("it concerns docker's client")),
    flag(&["tls"], LeftOutSwitch(ENGINE)),
    flag(&["tlsverify"], LeftOutSwitch(ENGINE)),
    flag(&["tlscacert"], LeftOut(ENGINE)),
    flag(&["tlscert"], LeftOut(ENGINE)),
    flag(&["tlskey"], LeftOut(ENGINE)),
];

/// Flags of the command.
pub(super) const FLAGS: &[Flag] = &[
    // What runs.
    flag(&["name"], Call(settings::name)),
    flag(&["entrypoint"], Call(settings::entrypoint)),
    short('e', &["env"], Call(pairs::env)),
    flag(&["env-file"], Call(pairs::env_file)),
    short('u', &["user"], Text("User")),
    short('w', &["workdir"], Text("WorkingDir")),
    short('h', &["hostname"], Text("Hostname")),
    flag(&["domainname"], Text("Domainname")),
    short('l', &["label"], Call(pairs::label)),
    flag(&["label-file"], Call(pairs::label_file)),
    flag(&["annotation"], Pairs("HostConfig.Annotations")),
    short('t', &["tty"], True("Tty")),
    short('i', &["interactive"], True("OpenStdin")),
    flag(&["init"], Either("HostConfig.Init")),
    flag(&["stop-signal"], Text("StopSignal")),
    flag(&["stop-timeout"], Number("StopTimeout")),
    flag(&["restart"], Call(settings::restart)),
    flag(&["pull"], Call(settings::pull)),
    flag(&["group-add"], Texts("HostConfig.GroupAdd")),
    // Health.
    flag(&["health-cmd"], Call(settings::health_command)),
    flag(&["health-interval"], Nanoseconds("Healthcheck.Interval")),
    flag(&["health-timeout"], Nanoseconds("Healthcheck.Timeout")),
    flag(&["health-start-period"], Nanoseconds("Healthcheck.StartPeriod")),
    flag(&["health-start-interval"], Nanoseconds("Healthcheck.StartInterval")),
    flag(&["health-retries"], Call(settings::health_retries)),
    flag(&["no-healthcheck"], Switch(settings::no_healthcheck)),
    // Ports and networks.
    short('p', &["publish"], Call(ports::publish)),
    short('P', &["publish-all"], True("HostConfig.PublishAllPorts")),
    flag(&["expose"], Call(ports::expose)),
    flag(&["network", "net"], Call(networks::network)),
    flag(&["network-alias", "net-alias"], Call(networks::alias)),
    flag(&["ip"], Call(networks::ip)),
    flag(&["ip6"], Call(networks::ip6)),
    flag(&["link-local-ip"], Call(networks::link_local_ip)),
    flag(&["mac-address"], Call(networks::mac_address)),
    flag(&["dns"], Call(networks::dns)),
    flag(&["dns-search"], Texts("HostConfig.DnsSearch")),
    flag(&["dns-option", "dns-opt"], Texts("HostConfig.DnsOptions")),
    flag(&["add-host"], Call(networks::add_host)),
    flag(
        &["link"],
        Refused(
            "a link exposes the environment of another container, passwords included, and names a container that the next \
             replacement removes. Attach both to a network (`docker network create`) with --network, and reach the other one \
             by its --network-alias",
        ),
    ),
    // Files.
    short('v', &["volume"], Call(mounts::volume)),
    flag(&["mount"], Call(mounts::mount)),
    flag(&["tmpfs"], Call(mounts::tmpfs)),
    flag(&["volume-driver"], Text("HostConfig.VolumeDriver")),
    flag(&["volumes-from"], Texts("HostConfig.VolumesFrom")),
    flag(&["read-only"], True("HostConfig.ReadonlyRootfs")),
    flag(&["shm-size"], Size("HostConfig.ShmSize")),
    flag(&["storage-opt"], Call(security::storage_option)),
    // Limits.
    short('m', &["memory"], Size("HostConfig.Memory")),
    flag(&["memory-reservation"], Size("HostConfig.MemoryReservation")),
    flag(&["memory-swap"], SizeOrNone("HostConfig.MemorySwap")),
    flag(&["memory-swappiness"], Call(settings::swappiness)),
    flag(&["kernel-memory"], LeftOut("Docker dropped this limit, and newer engines ignore it")),
    flag(&["cpus"], Call(settings::cpus)),
    short('c', &["cpu-shares"], Number("HostConfig.CpuShares")),
    flag(&["cpu-period"], Number("HostConfig.CpuPeriod")),
    flag(&["cpu-quota"], Number("HostConfig.CpuQuota")),
    flag(&["cpu-rt-period"], Number("HostConfig.CpuRealtimePeriod")),
    flag(&["cpu-rt-runtime"], Number("HostConfig.CpuRealtimeRuntime")),
    flag(&["cpu-count"], Number("HostConfig.CpuCount")),
    flag(&["cpu-percent"], Number("HostConfig.CpuPercent")),
    flag(&["cpuset-cpus"], Text("HostConfig.CpusetCpus")),
    flag(&["cpuset-mems"], Text("HostConfig.CpusetMems")),
    flag(&["pids-limit"], Number("HostConfig.PidsLimit")),
    flag(&["ulimit"], Call(devices::ulimit)),
    flag(&["blkio-weight"], Number("HostConfig.BlkioWeight")),
    flag(&["blkio-weight-device"], Call(devices::weight)),
    flag(&["device-read-bps"], Call(devices::read_bps)),
    flag(&["device-write-bps"], Call(devices::write_bps)),
    flag(&["device-read-iops"], Call(devices::read_iops)),
    flag(&["device-write-iops"], Call(devices::write_iops)),
    flag(&["oom-kill-disable"], True("HostConfig.OomKillDisable")),
    flag(&["oom-score-adj"], Number("HostConfig.OomScoreAdj")),
    // Privileges.
    flag(&["privileged"], True("HostConfig.Privileged")),
    flag(&["cap-add"], Call(security::add_capability)),
    flag(&["cap-drop"], Call(security::drop_capability)),
    flag(&["security-opt"], Call(security::option)),
    flag(&["device"], Call(devices::device)),
    flag(&["device-cgroup-rule"], Texts("HostConfig.DeviceCgroupRules")),
    flag(&["gpus"], Call(devices::gpus)),
    flag(&["sysctl"], Pairs("HostConfig.Sysctls")),
    flag(&["ipc"], Text("HostConfig.IpcMode")),
    flag(&["pid"], Text("HostConfig.PidMode")),
    flag(&["uts"], Text("HostConfig.UTSMode")),
    flag(&["userns"], Text("HostConfig.UsernsMode")),
    flag(&["cgroupns"], Text("HostConfig.CgroupnsMode")),
    flag(&["cgroup-parent"], Text("HostConfig.CgroupParent")),
    flag(&["runtime"], Text("HostConfig.Runtime")),
    flag(&["isolation"], Text("HostConfig.Isolation")),
    flag(
        &["use-api-socket"],
        Refused("a container with access to the engine's API is root on its node, so the daemon refuses it"),
    ),
    // Logs.
    flag(&["log-driver"], Text("HostConfig.LogConfig.Type")),
    flag(&["log-opt"], Pairs("HostConfig.LogConfig.Config")),
    // Without an equivalent in an object.
    short('d', &["detach"], Nothing),
    flag(&["rm"], Switch(settings::remove)),
    short('a', &["attach"], LeftOut(TERMINAL)),
    flag(&["detach-keys"], LeftOut(TERMINAL)),
    flag(&["sig-proxy"], LeftOutSwitch(TERMINAL)),
    flag(&["cidfile"], LeftOut(ID_FILE)),
    flag(&["pidfile"], LeftOut(ID_FILE)),
    flag(&["platform"], LeftOut("the engine uses its own platform. Behind a Swarm manager, use Constraints")),
    short('q', &["quiet"], LeftOutSwitch("it concerns docker's own output")),
    flag(
        &["disable-content-trust"],
        LeftOutSwitch("it concerns docker's client; pin an image by its digest instead (NAME@sha256:...)"),
    ),
    flag(&["replace"], LeftOutSwitch("a submit replaces the earlier object")),
];

/// Whether `docker create` lacks the flag.
pub(super) fn is_run_only(flag: &Flag) -> bool {
    ["detach", "detach-keys", "sig-proxy"].contains(&flag.name())
}
