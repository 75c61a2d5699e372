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
        (r#""BlkioDeviceWriteIOps": [{"Path": "/x", "Rate": 1}]"#, "BlkioDeviceWriteIOps", "no-host-paths"),
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
        (r#""Mounts": [{"Type": "bind", "Source": "/", "Target": "/h"}]"#, "Mounts[0].Type", "no-host-paths"),
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
        let text = format!(r#"{{"Name": "x", "Image": "a", "Count": 1, "HostConfig": {{{host_config}}}}}"#);
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
