//! Compares a container with what was asked for, before it is started.
//!
//! An endpoint may read a request otherwise than we do: it resolves names and ids, fills in defaults, and drops fields that
//! it does not know. Whatever the way, a container whose effective configuration reaches further than its object asked for,
//! or lacks what that asked for, is not started.
//!
//! Both sides are compared as JSON: the create body as it was sent, and an inspect's answer, in which words of newer
//! engines must not be errors. What engines normalise is allowed for: a default where nothing was asked for, an empty list
//! for none, the two spellings of a capability. What engines may adjust with a warning only (memory, CPU and I/O limits on
//! kernels that lack them) is not compared.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::core::policy::volumes;
use crate::core::submission::strict::shown;

/// A field in which a container is not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the container that the engine created is not what was asked for: {field} is {found} where {wanted} was asked for; it is not started"
)]
pub(super) struct Difference {
    field: String,
    found: String,
    wanted: String,
}

/// A network that a container is attached to, as an inspect says: its name and its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attached {
    pub(super) name: String,
    pub(super) id: String,
}

/// The networks of an inspect that have an id. It is empty until a container is first started.
pub(super) fn attached(found: &Value) -> Vec<Attached> {
    let networks = at(found, &["NetworkSettings", "Networks"]).as_object().into_iter().flatten();
    networks
        .map(|(name, settings)| Attached {
            name: name.clone(),
            id: text(at(settings, &["NetworkID"])).to_owned(),
        })
        .filter(|network| !network.id.is_empty())
        .collect()
}

/// Finds the first field in which `found`, an inspect, is not as `wanted`, a create body.
pub(super) fn difference(wanted: &Value, found: &Value) -> Result<(), Difference> {
    let comparison = Comparison { wanted: at(wanted, &["HostConfig"]), found: at(found, &["HostConfig"]) };
    comparison.namespaces()?;
    comparison.privileges()?;
    comparison.settings()?;
    networks(wanted, found)?;
    mounts(wanted, found)?;
    program(wanted, at(found, &["Config"]))
}

struct Comparison<'a> {
    wanted: &'a Value,
    found: &'a Value,
}

impl Comparison<'_> {
    fn differs(&self, field: &str) -> Result<(), Difference> {
        Err(differs(&format!("HostConfig.{field}"), at(self.found, &[field]), at(self.wanted, &[field])))
    }

    /// Where nothing was asked for, one of `defaults` is as good as nothing.
    fn text(&self, field: &str, defaults: &[&str]) -> Result<(), Difference> {
        let (wanted, found) = (text(at(self.wanted, &[field])), text(at(self.found, &[field])));
        match found == wanted || (wanted.is_empty() && defaults.contains(&found)) {
            true => Ok(()),
            false => self.differs(field),
        }
    }

    fn flag(&self, field: &str) -> Result<(), Difference> {
        let flag = |value: &Value| value.as_bool().unwrap_or_default();
        match flag(at(self.wanted, &[field])) == flag(at(self.found, &[field])) {
            true => Ok(()),
            false => self.differs(field),
        }
    }

    /// Null, an empty list and an empty object are one.
    fn whole(&self, field: &str) -> Result<(), Difference> {
        let (wanted, found) = (at(self.wanted, &[field]), at(self.found, &[field]));
        match wanted == found || (is_empty(wanted) && is_empty(found)) {
            true => Ok(()),
            false => self.differs(field),
        }
    }

    fn set(&self, field: &str, normal: fn(&str) -> String) -> Result<(), Difference> {
        let set = |value| texts(value).map(normal).collect::<BTreeSet<String>>();
        match set(at(self.wanted, &[field])) == set(at(self.found, &[field])) {
            true => Ok(()),
            false => self.differs(field),
        }
    }

    fn namespaces(&self) -> Result<(), Difference> {
        self.text("PidMode", &[])?;
        self.text("IpcMode", &["private", "shareable"])?;
        self.text("UTSMode", &[])?;
        self.text("UsernsMode", &[])?;
        // The engine's default depends on the version of its cgroups.
        self.text("CgroupnsMode", &["private", "host"])?;
        self.text("Cgroup", &[])?;
        self.text("CgroupParent", &[])?;
        self.text("Isolation", &["default"])
    }

    fn privileges(&self) -> Result<(), Difference> {
        self.flag("Privileged")?;
        self.set("CapAdd", capability)?;
        self.set("CapDrop", capability)?;
        self.set("SecurityOpt", security_option)?;
        for field in [
            "Devices",
            "DeviceCgroupRules",
            "DeviceRequests",
            "VolumesFrom",
            "Links",
            "Sysctls",
            "Annotations",
        ] {
            self.whole(field)?;
        }
        for field in ["MaskedPaths", "ReadonlyPaths"] {
            // An engine whose API has no such field says nothing; one that masks nothing says so by an empty list.
            let found = at(self.found, &[field]);
            if found.as_array().is_some_and(Vec::is_empty) && is_null(at(self.wanted, &[field])) {
                return Err(differs(&format!("HostConfig.{field}"), found, &Value::from("the engine's own")));
            }
        }
        Ok(())
    }

    fn settings(&self) -> Result<(), Difference> {
        self.flag("PublishAllPorts")?;
        self.flag("ReadonlyRootfs")?;
        self.flag("AutoRemove")?;
        // Where none was asked for it is the engine's default, by whatever name.
        if !text(at(self.wanted, &["Runtime"])).is_empty() {
            self.text("Runtime", &[])?;
        }
        if ports(at(self.wanted, &["PortBindings"])) != ports(at(self.found, &["PortBindings"])) {
            return self.differs("PortBindings");
        }
        let policy = |value: &Value| {
            let name = text(at(value, &["RestartPolicy", "Name"]));
            let retries = at(value, &["RestartPolicy", "MaximumRetryCount"]).as_i64().unwrap_or_default();
            let name = if name.is_empty() { "no" } else { name };
            (name.to_owned(), if name == "on-failure" { retries } else { 0 })
        };
        if policy(self.wanted) != policy(self.found) {
            return self.differs("RestartPolicy");
        }
        let driver = text(at(self.wanted, &["LogConfig", "Type"]));
        let options = at(self.wanted, &["LogConfig", "Config"]).as_object().into_iter().flatten();
        let logs = at(self.found, &["LogConfig", "Config"]);
        let mut options = options.map(|(name, value)| at(logs, &[name.as_str()]) == value);
        if (!driver.is_empty() && driver != text(at(self.found, &["LogConfig", "Type"])))
            || options.any(|as_wanted| !as_wanted)
        {
            return self.differs("LogConfig");
        }
        // The engine adds its own default limits.
        let limit = |value: &Value| ["Name", "Soft", "Hard"].map(|field| at(value, &[field]).clone());
        let found: Vec<_> = items(at(self.found, &["Ulimits"])).map(limit).collect();
        if items(at(self.wanted, &["Ulimits"])).map(limit).any(|wanted| !found.contains(&wanted)) {
            return self.differs("Ulimits");
        }
        Ok(())
    }
}

/// The networks that a container is, or will be, attached to.
fn networks(wanted: &Value, found: &Value) -> Result<(), Difference> {
    let asked = at(wanted, &["HostConfig", "NetworkMode"]);
    let mode = own_name(text(asked));
    let made = at(found, &["HostConfig", "NetworkMode"]);
    let endpoints: BTreeSet<&str> = at(wanted, &["NetworkingConfig", "EndpointsConfig"])
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| own_name(name))
        .collect();
    const DEFAULT: [&str; 4] = ["", "default", "bridge", "nat"];
    let is_default = DEFAULT.contains(&mode);
    let as_asked = |name: &str| {
        name == mode
            || (is_default && DEFAULT.contains(&name))
            || (!name.is_empty() && endpoints.contains(name))
    };
    let host = |name: &str| name.eq_ignore_ascii_case("host");
    if host(text(made)) || !as_asked(text(made)) {
        return Err(differs("HostConfig.NetworkMode", made, asked));
    }
    let attached = at(found, &["NetworkSettings", "Networks"]);
    for (name, _) in attached.as_object().into_iter().flatten() {
        if host(name) || !as_asked(name) {
            let names = Value::from(name.as_str());
            return Err(differs("the network", &names, asked));
        }
    }
    Ok(())
}

/// A network's name without the node that a Swarm manager puts before it.
fn own_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or_default()
}

/// What is mounted, by the paths within the container.
fn mounts(wanted: &Value, found: &Value) -> Result<(), Difference> {
    let config = at(wanted, &["HostConfig"]);
    let there = at(found, &["HostConfig"]);
    let set = |value| texts(value).map(str::to_owned).collect::<BTreeSet<String>>();
    if set(at(config, &["Binds"])) != set(at(there, &["Binds"])) {
        return Err(differs("HostConfig.Binds", at(there, &["Binds"]), at(config, &["Binds"])));
    }
    let specs = |value| items(at(value, &["Mounts"])).collect::<Vec<_>>();
    let (asked, made) = (specs(config), specs(there));
    if asked.len() != made.len() {
        return Err(differs("HostConfig.Mounts", at(there, &["Mounts"]), at(config, &["Mounts"])));
    }
    for (i, (asked, made)) in asked.iter().zip(&made).enumerate() {
        let paths: [&[&str]; 6] = [
            &["Type"],
            &["Source"],
            &["Target"],
            &["ReadOnly"],
            &["VolumeOptions", "Subpath"],
            &["ImageOptions", "Subpath"],
        ];
        for path in paths {
            let (asked, made) = (at(asked, path), at(made, path));
            let nothing = |value: &Value| is_empty(value) || value == &Value::Bool(false) || value == "";
            if asked != made && !(nothing(asked) && nothing(made)) {
                return Err(differs(&format!("HostConfig.Mounts[{i}].{}", path.join(".")), made, asked));
            }
        }
    }

    // By target: the volume's name, and whether it is only read.
    let mut named: BTreeMap<String, (&str, bool)> = BTreeMap::new();
    for bind in texts(at(config, &["Binds"])) {
        if let Some((name, target)) = volumes::of_bind(bind) {
            let read_only = bind.split(':').nth(2).is_some_and(|mode| mode.split(',').any(|m| m == "ro"));
            named.insert(clean(target), (name, read_only));
        }
    }
    let mut images: BTreeSet<String> = BTreeSet::new();
    for mount in &asked {
        let name = text(at(mount, &["Source"]));
        if text(at(mount, &["Type"])) == "image" {
            images.insert(clean(text(at(mount, &["Target"]))));
        }
        if text(at(mount, &["Type"])) == "volume" && !name.is_empty() {
            let read_only = at(mount, &["ReadOnly"]).as_bool().unwrap_or_default();
            named.insert(clean(text(at(mount, &["Target"]))), (name, read_only));
        }
    }
    for mount in items(at(found, &["Mounts"])) {
        let target = clean(text(at(mount, &["Destination"])));
        let name = text(at(mount, &["Name"]));
        // Before API 1.25 there is no type.
        let kind = match text(at(mount, &["Type"])) {
            "" if name.is_empty() => "bind",
            "" => "volume",
            kind => kind,
        };
        let as_asked = match (kind, named.remove(&target)) {
            ("tmpfs", None) => true,
            // Which image, the spec that was compared above says.
            ("image", None) => images.remove(&target),
            ("volume", None) => is_anonymous(name),
            ("volume", Some((wanted, read_only))) => {
                let writable = at(mount, &["RW"]).as_bool().unwrap_or(true);
                name == wanted && !(read_only && writable)
            }
            _ => false,
        };
        if !as_asked {
            let there =
                format!("{kind} {}", if name.is_empty() { text(at(mount, &["Source"])) } else { name });
            return Err(Difference {
                field: format!("the mount at {}", shown(&target)),
                found: shown(&there),
                wanted: "another".to_owned(),
            });
        }
    }
    match named.into_iter().next() {
        None => Ok(()),
        Some((target, (name, _))) => Err(Difference {
            field: format!("the mount at {}", shown(&target)),
            found: "missing".to_owned(),
            wanted: format!("volume {}", shown(name)),
        }),
    }
}

/// Whether a volume's name is one that an engine makes up.
fn is_anonymous(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit())
}

/// A path as engines clean it: without `.`, `..` and empty segments.
fn clean(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    format!("/{}", segments.join("/"))
}

/// What runs, as whom. Values are not repeated: there may be secrets among them.
fn program(wanted: &Value, found: &Value) -> Result<(), Difference> {
    let differs = |field: &str| {
        Err(Difference {
            field: field.to_owned(),
            found: "another value".to_owned(),
            wanted: "the object's".to_owned(),
        })
    };
    for field in ["Image", "User"] {
        let asked = text(at(wanted, &[field]));
        if !asked.is_empty() && asked != text(at(found, &[field])) {
            return differs(field);
        }
    }
    for field in ["Entrypoint", "Cmd"] {
        let asked: Vec<&str> = texts(at(wanted, &[field])).collect();
        // An empty entrypoint takes the image's away.
        let is_reset = asked.iter().all(|word| word.is_empty());
        if !is_reset && asked != texts(at(found, &[field])).collect::<Vec<_>>() {
            return differs(field);
        }
    }
    let env: BTreeSet<&str> = texts(at(found, &["Env"])).collect();
    if texts(at(wanted, &["Env"])).any(|entry| !env.contains(entry)) {
        return differs("Env");
    }
    let check = at(found, &["Healthcheck"]);
    for (field, asked) in at(wanted, &["Healthcheck"]).as_object().into_iter().flatten() {
        let is_nothing = is_empty(asked) || asked.as_i64() == Some(0);
        if !is_nothing && at(check, &[field.as_str()]) != asked {
            return differs(&format!("Healthcheck.{field}"));
        }
    }
    Ok(())
}

/// `SYS_ADMIN` and `CAP_SYS_ADMIN` are one.
fn capability(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    upper.strip_prefix("CAP_").unwrap_or(&upper).to_owned()
}

fn security_option(option: &str) -> String {
    match option {
        "no-new-privileges" | "no-new-privileges=true" => "no-new-privileges:true".to_owned(),
        other => other.to_owned(),
    }
}

/// Bindings by port and protocol. An address that was not asked for may be filled in as the one for all.
fn ports(bindings: &Value) -> BTreeMap<String, Vec<(String, String)>> {
    let entries = bindings.as_object().into_iter().flatten();
    let entries = entries.map(|(port, bindings)| {
        let port = if port.contains('/') { port.clone() } else { format!("{port}/tcp") };
        let mut bindings: Vec<_> = items(bindings)
            .map(|binding| {
                let address = text(at(binding, &["HostIp"]));
                let address = if address == "0.0.0.0" { "" } else { address };
                (address.to_owned(), text(at(binding, &["HostPort"])).to_owned())
            })
            .collect();
        bindings.sort();
        (port, bindings)
    });
    // A port without a binding publishes nothing.
    entries.filter(|(_, bindings)| !bindings.is_empty()).collect()
}

// ---- JSON

fn at<'a>(value: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().fold(value, |value, step| value.get(step).unwrap_or(&Value::Null))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    items(value).filter_map(Value::as_str)
}

fn is_null(value: &Value) -> bool {
    value.is_null()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn differs(field: &str, found: &Value, wanted: &Value) -> Difference {
    let say = |value: &Value| match value {
        Value::Null => "nothing".to_owned(),
        value => shown(&value.to_string()),
    };
    Difference { field: field.to_owned(), found: say(found), wanted: say(wanted) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What an engine 20.10 answers for a container that asked for nothing.
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
    fn what_an_engine_fills_in_is_no_difference() {
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
            (
                "/Mounts",
                json!([{"Type": "volume", "Name": "0".repeat(64), "Destination": "/data", "RW": true}]),
            ),
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
    fn what_reaches_further_than_was_asked_for_is_named() {
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
    fn what_an_engine_dropped_is_named() {
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
        assert_eq!(
            difference(&subpath, &made).unwrap_err().field,
            "HostConfig.Mounts[0].VolumeOptions.Subpath"
        );
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
}
