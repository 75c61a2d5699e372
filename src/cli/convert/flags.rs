//! The flags of `docker run` and `docker create`, and what each means for an object.

use super::draft::Draft;
use super::{devices, mounts, networks, pairs, ports, security, settings};

/// A flag.
#[derive(Debug)]
pub(super) struct Flag {
    /// Its name, and other names that docker takes for it.
    pub(super) names: &'static [&'static str],
    pub(super) short: Option<char>,
    pub(super) does: Does,
}

/// Puts a value into the draft.
type Take = fn(&mut Draft<'_>, &str) -> anyhow::Result<()>;

/// What a flag does. Paths are those of the create body, with points.
#[derive(Debug)]
pub(super) enum Does {
    /// Sets a text.
    Text(&'static str),
    /// Adds a text to a list.
    Texts(&'static str),
    /// Sets a whole number.
    Number(&'static str),
    /// Sets a size in bytes.
    Size(&'static str),
    /// The same; -1 stands for no limit.
    SizeOrNone(&'static str),
    /// Sets a duration in nanoseconds.
    Nanoseconds(&'static str),
    /// A switch that sets a truth value where it is true.
    True(&'static str),
    /// A switch that sets a truth value, whichever it is.
    Either(&'static str),
    /// Adds `KEY=VALUE`, or `KEY` with an empty value, to a map.
    Pairs(&'static str),
    /// Something else, with a value.
    By(Take),
    /// Something else, as a switch.
    Switch(fn(&mut Draft<'_>, bool)),
    /// A switch that says what is so in any case.
    Nothing,
    /// It has no place in an object, for this reason.
    LeftOut(&'static str),
    /// The same of a switch.
    LeftOutSwitch(&'static str),
    /// It cannot be had, for this reason.
    Refused(&'static str),
}

use Does::{
    By, Either, LeftOut, LeftOutSwitch, Nanoseconds, Nothing, Number, Pairs, Refused, Size, SizeOrNone,
    Switch, Text, Texts, True,
};

const fn flag(names: &'static [&'static str], does: Does) -> Flag {
    Flag { names, short: None, does }
}

const fn short(letter: char, names: &'static [&'static str], does: Does) -> Flag {
    Flag { names, short: Some(letter), does }
}

const ENGINE: &str = "the daemon's --swarm-manager says which engine it is";
const TERMINAL: &str = "it concerns a client that is attached, and the manager's containers run detached";
const ID_FILE: &str = "there are many containers, one after the other; `status NAME` lists their ids";

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
    flag(&["name"], By(settings::name)),
    flag(&["entrypoint"], By(settings::entrypoint)),
    short('e', &["env"], By(pairs::env)),
    flag(&["env-file"], By(pairs::env_file)),
    short('u', &["user"], Text("User")),
    short('w', &["workdir"], Text("WorkingDir")),
    short('h', &["hostname"], Text("Hostname")),
    flag(&["domainname"], Text("Domainname")),
    short('l', &["label"], By(pairs::label)),
    flag(&["label-file"], By(pairs::label_file)),
    flag(&["annotation"], Pairs("HostConfig.Annotations")),
    short('t', &["tty"], True("Tty")),
    short('i', &["interactive"], True("OpenStdin")),
    flag(&["init"], Either("HostConfig.Init")),
    flag(&["stop-signal"], Text("StopSignal")),
    flag(&["stop-timeout"], Number("StopTimeout")),
    flag(&["restart"], By(settings::restart)),
    flag(&["pull"], By(settings::pull)),
    flag(&["group-add"], Texts("HostConfig.GroupAdd")),
    // Health.
    flag(&["health-cmd"], By(settings::health_command)),
    flag(&["health-interval"], Nanoseconds("Healthcheck.Interval")),
    flag(&["health-timeout"], Nanoseconds("Healthcheck.Timeout")),
    flag(&["health-start-period"], Nanoseconds("Healthcheck.StartPeriod")),
    flag(&["health-start-interval"], Nanoseconds("Healthcheck.StartInterval")),
    flag(&["health-retries"], By(settings::health_retries)),
    flag(&["no-healthcheck"], Switch(settings::no_healthcheck)),
    // Ports and networks.
    short('p', &["publish"], By(ports::publish)),
    short('P', &["publish-all"], True("HostConfig.PublishAllPorts")),
    flag(&["expose"], By(ports::expose)),
    flag(&["network", "net"], By(networks::network)),
    flag(&["network-alias", "net-alias"], By(networks::alias)),
    flag(&["ip"], By(networks::ip)),
    flag(&["ip6"], By(networks::ip6)),
    flag(&["link-local-ip"], By(networks::link_local_ip)),
    flag(&["mac-address"], By(networks::mac_address)),
    flag(&["dns"], By(networks::dns)),
    flag(&["dns-search"], Texts("HostConfig.DnsSearch")),
    flag(&["dns-option", "dns-opt"], Texts("HostConfig.DnsOptions")),
    flag(&["add-host"], By(networks::add_host)),
    flag(
        &["link"],
        Refused(
            "a link hands the environment of another container over, passwords included, and names one container that the \
             next replacement removes. Put both on a network (`docker network create`), with --network, and find the other \
             one by its --network-alias",
        ),
    ),
    // Files.
    short('v', &["volume"], By(mounts::volume)),
    flag(&["mount"], By(mounts::mount)),
    flag(&["tmpfs"], By(mounts::tmpfs)),
    flag(&["volume-driver"], Text("HostConfig.VolumeDriver")),
    flag(&["volumes-from"], Texts("HostConfig.VolumesFrom")),
    flag(&["read-only"], True("HostConfig.ReadonlyRootfs")),
    flag(&["shm-size"], Size("HostConfig.ShmSize")),
    flag(&["storage-opt"], By(security::storage_option)),
    // Limits.
    short('m', &["memory"], Size("HostConfig.Memory")),
    flag(&["memory-reservation"], Size("HostConfig.MemoryReservation")),
    flag(&["memory-swap"], SizeOrNone("HostConfig.MemorySwap")),
    flag(&["memory-swappiness"], By(settings::swappiness)),
    flag(&["kernel-memory"], LeftOut("Docker has given this limit up, and newer engines ignore it")),
    flag(&["cpus"], By(settings::cpus)),
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
    flag(&["ulimit"], By(devices::ulimit)),
    flag(&["blkio-weight"], Number("HostConfig.BlkioWeight")),
    flag(&["blkio-weight-device"], By(devices::weight)),
    flag(&["device-read-bps"], By(devices::read_bps)),
    flag(&["device-write-bps"], By(devices::write_bps)),
    flag(&["device-read-iops"], By(devices::read_iops)),
    flag(&["device-write-iops"], By(devices::write_iops)),
    flag(&["oom-kill-disable"], True("HostConfig.OomKillDisable")),
    flag(&["oom-score-adj"], Number("HostConfig.OomScoreAdj")),
    // Privileges.
    flag(&["privileged"], True("HostConfig.Privileged")),
    flag(&["cap-add"], By(security::add_capability)),
    flag(&["cap-drop"], By(security::drop_capability)),
    flag(&["security-opt"], By(security::option)),
    flag(&["device"], By(devices::device)),
    flag(&["device-cgroup-rule"], Texts("HostConfig.DeviceCgroupRules")),
    flag(&["gpus"], By(devices::gpus)),
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
        Refused("a container that reaches the engine's API is root on its node, and the daemon refuses that"),
    ),
    // Logs.
    flag(&["log-driver"], Text("HostConfig.LogConfig.Type")),
    flag(&["log-opt"], Pairs("HostConfig.LogConfig.Config")),
    // Without a place in an object.
    short('d', &["detach"], Nothing),
    flag(&["rm"], Switch(settings::remove)),
    short('a', &["attach"], LeftOut(TERMINAL)),
    flag(&["detach-keys"], LeftOut(TERMINAL)),
    flag(&["sig-proxy"], LeftOutSwitch(TERMINAL)),
    flag(&["cidfile"], LeftOut(ID_FILE)),
    flag(&["pidfile"], LeftOut(ID_FILE)),
    flag(
        &["platform"],
        LeftOut(
            "the manager does not choose one; the engine takes its own. Behind a Swarm manager, use Constraints",
        ),
    ),
    short('q', &["quiet"], LeftOutSwitch("it concerns docker's own output")),
    flag(
        &["disable-content-trust"],
        LeftOutSwitch("it concerns docker's client; an image can be pinned by its digest (NAME@sha256:...)"),
    ),
    flag(&["replace"], LeftOutSwitch("a submit replaces what the object was before")),
];

/// Whether `docker create` lacks the flag.
pub(super) fn of_run_only(flag: &Flag) -> bool {
    ["detach", "detach-keys", "sig-proxy"].contains(&flag.name())
}
