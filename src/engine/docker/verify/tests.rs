use serde_json::{Value, json};

use super::difference;

/// The inspect of a container without any settings, from an engine 20.10.
fn plain() -> Value {
    json!({
        "HostConfig": {
            "Binds": null, "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m"}}, "NetworkMode": "default",
            "PortBindings": null, "RestartPolicy": {"Name": "", "MaximumRetryCount": 0}, "AutoRemove": false,
            "VolumesFrom": null, "CapAdd": null, "CapDrop": null, "CgroupnsMode": "host", "IpcMode": "private",
            "Cgroup": "", "PidMode": "", "Privileged": false, "SecurityOpt": null, "UTSMode": "", "UsernsMode": "",
            "ShmSize": 67108864, "Runtime": "runc", "Isolation": "", "CgroupParent": "", "Devices": null,
            "MaskedPaths": ["/proc/kcore"], "ReadonlyPaths": ["/proc/sys"],
        },
        "Mounts": [],
        "Config": {"Image": "a", "Env": ["PATH=/bin"], "Cmd": ["/s"]},
        "NetworkSettings": {"Networks": {"bridge": {"NetworkID": ""}}},
    })
}

fn with(path: &str, value: Value) -> Value {
    let mut all = plain();
    *all.pointer_mut(path).unwrap_or_else(|| panic!("{path}")) = value;
    all
}

#[test]
fn defaults_do_not_differ() {
    let bare = json!({"Image": "a"});
    assert_eq!(difference(&bare, &plain()), Ok(()));
    for (path, value) in [
        ("/HostConfig/NetworkMode", json!("bridge")),
        ("/HostConfig/RestartPolicy/Name", json!("no")),
        ("/HostConfig/IpcMode", json!("shareable")),
        ("/HostConfig/CgroupnsMode", json!("private")),
        ("/HostConfig/CapAdd", json!([])),
        ("/HostConfig/Privileged", json!(null)),
        ("/HostConfig/MaskedPaths", json!(null)),
        ("/HostConfig/Runtime", json!("crun")),
        ("/HostConfig/Isolation", json!("default")),
        // An anonymous volume of the image.
        ("/Mounts", json!([{"Type": "volume", "Name": "0".repeat(64), "Destination": "/data", "RW": true}])),
        ("/NetworkSettings/Networks", json!({})),
    ] {
        assert_eq!(difference(&bare, &with(path, value.clone())), Ok(()), "{path} {value}");
    }
    let rich = json!({
        "Image": "a", "Cmd": ["/s"], "Env": ["A=1"], "Healthcheck": {"Test": ["CMD", "x"], "Interval": 0},
        "HostConfig": {
            "CapDrop": ["chown"], "SecurityOpt": ["no-new-privileges"], "Binds": ["data:/data/:ro"],
            "Mounts": [{"Type": "volume", "Source": "more", "Target": "/more", "ReadOnly": false}],
            "PortBindings": {"80": [{"HostPort": "8080"}]}, "NetworkMode": "node-1/db",
            "Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 2}], "RestartPolicy": {"Name": "always"},
        },
    });
    let mut made = plain();
    let config = &mut made["HostConfig"];
    config["CapDrop"] = json!(["CAP_CHOWN"]);
    config["SecurityOpt"] = json!(["no-new-privileges:true"]);
    config["Binds"] = json!(["data:/data/:ro"]);
    config["Mounts"] = json!([{"Type": "volume", "Source": "more", "Target": "/more"}]);
    config["PortBindings"] = json!({"80/tcp": [{"HostIp": "", "HostPort": "8080"}]});
    config["NetworkMode"] = json!("db");
    config["Ulimits"] =
        json!([{"Name": "core", "Soft": 0, "Hard": 0}, {"Name": "nofile", "Soft": 1, "Hard": 2}]);
    config["RestartPolicy"] = json!({"Name": "always", "MaximumRetryCount": 0});
    made["Mounts"] = json!([
        {"Type": "volume", "Name": "data", "Destination": "/data", "RW": false},
        {"Type": "volume", "Name": "more", "Destination": "/more", "RW": true},
    ]);
    made["NetworkSettings"]["Networks"] = json!({"db": {}});
    made["Config"]["Env"] = json!(["A=1", "PATH=/bin"]);
    made["Config"]["Healthcheck"] = json!({"Test": ["CMD", "x"]});
    assert_eq!(difference(&rich, &made), Ok(()));
}

#[test]
fn settings_that_reach_further_than_requested_are_named() {
    let bare = json!({"Image": "a"});
    for (path, value, field) in [
        ("/HostConfig/NetworkMode", json!("host"), "HostConfig.NetworkMode"),
        ("/HostConfig/NetworkMode", json!("container:db"), "HostConfig.NetworkMode"),
        ("/NetworkSettings/Networks", json!({"host": {}}), "the network"),
        ("/HostConfig/PidMode", json!("host"), "HostConfig.PidMode"),
        ("/HostConfig/IpcMode", json!("host"), "HostConfig.IpcMode"),
        ("/HostConfig/UTSMode", json!("host"), "HostConfig.UTSMode"),
        ("/HostConfig/UsernsMode", json!("host"), "HostConfig.UsernsMode"),
        ("/HostConfig/CgroupParent", json!("/"), "HostConfig.CgroupParent"),
        ("/HostConfig/Privileged", json!(true), "HostConfig.Privileged"),
        ("/HostConfig/CapAdd", json!(["CAP_SYS_ADMIN"]), "HostConfig.CapAdd"),
        ("/HostConfig/SecurityOpt", json!(["seccomp=unconfined"]), "HostConfig.SecurityOpt"),
        ("/HostConfig/Devices", json!([{"PathOnHost": "/dev/sda"}]), "HostConfig.Devices"),
        ("/HostConfig/VolumesFrom", json!(["db"]), "HostConfig.VolumesFrom"),
        ("/HostConfig/MaskedPaths", json!([]), "HostConfig.MaskedPaths"),
        ("/HostConfig/ReadonlyPaths", json!([]), "HostConfig.ReadonlyPaths"),
        ("/HostConfig/Binds", json!(["/:/h"]), "HostConfig.Binds"),
        ("/HostConfig/PortBindings", json!({"22/tcp": [{"HostPort": "22"}]}), "HostConfig.PortBindings"),
        ("/HostConfig/RestartPolicy", json!({"Name": "always"}), "HostConfig.RestartPolicy"),
        ("/Mounts", json!([{"Type": "bind", "Source": "/", "Destination": "/h"}]), "the mount at /h"),
        ("/Mounts", json!([{"Type": "volume", "Name": "db", "Destination": "/h"}]), "the mount at /h"),
        ("/Mounts", json!([{"Source": "/", "Destination": "/h"}]), "the mount at /h"),
        ("/Config/Image", json!("b"), "Image"),
    ] {
        let found = difference(&bare, &with(path, value.clone()));
        assert_eq!(found.unwrap_err().field, field, "{path} {value}");
    }
}

#[test]
fn dropped_fields_are_named() {
    for (wanted, field) in [
        (json!({"HostConfig": {"CapDrop": ["ALL"]}}), "HostConfig.CapDrop"),
        (json!({"HostConfig": {"CgroupnsMode": "private"}}), "HostConfig.CgroupnsMode"),
        (json!({"HostConfig": {"ReadonlyRootfs": true}}), "HostConfig.ReadonlyRootfs"),
        (json!({"HostConfig": {"NetworkMode": "db"}}), "HostConfig.NetworkMode"),
        (json!({"HostConfig": {"LogConfig": {"Type": "none"}}}), "HostConfig.LogConfig"),
        (json!({"HostConfig": {"LogConfig": {"Config": {"max-file": "2"}}}}), "HostConfig.LogConfig"),
        (
            json!({"HostConfig": {"Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 1}]}}),
            "HostConfig.Ulimits",
        ),
        (json!({"HostConfig": {"Mounts": [{"Type": "volume", "Target": "/x"}]}}), "HostConfig.Mounts"),
        (json!({"Healthcheck": {"StartInterval": 5}}), "Healthcheck.StartInterval"),
        (json!({"User": "nobody"}), "User"),
        (json!({"Env": ["A=1"]}), "Env"),
        (json!({"Cmd": ["x"]}), "Cmd"),
    ] {
        assert_eq!(difference(&wanted, &plain()).unwrap_err().field, field, "{wanted}");
    }
    let subpath = json!({"HostConfig": {"Mounts": [
        {"Type": "volume", "Source": "v1", "Target": "/x", "VolumeOptions": {"Subpath": "in"}}]}});
    let mut made = plain();
    made["HostConfig"]["Mounts"] = json!([{"Type": "volume", "Source": "v1", "Target": "/x"}]);
    assert_eq!(difference(&subpath, &made).unwrap_err().field, "HostConfig.Mounts[0].VolumeOptions.Subpath");
    let bind = json!({"HostConfig": {"Binds": ["v1:/x:ro"]}});
    let mut made = plain();
    made["HostConfig"]["Binds"] = json!(["v1:/x:ro"]);
    assert_eq!(difference(&bind, &made).unwrap_err().field, "the mount at /x");
    for mount in [
        json!({"Type": "volume", "Name": "v2", "Destination": "/x", "RW": false}),
        json!({"Type": "volume", "Name": "v1", "Destination": "/x", "RW": true}),
    ] {
        made["Mounts"] = json!([mount]);
        assert_eq!(difference(&bind, &made).unwrap_err().field, "the mount at /x");
    }
}

#[test]
fn secrets_are_not_repeated() {
    let wanted = json!({"Env": ["PASSWORD=hunter2"]});
    assert!(!difference(&wanted, &plain()).unwrap_err().to_string().contains("hunter2"));
}
