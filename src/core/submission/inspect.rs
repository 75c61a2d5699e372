//! Turns the output of `docker inspect` into an object that asks for such a container.
//!
//! An inspect mixes what was asked for with what the engine, the image and the command line added. Only the former is kept: the
//! fields of `Config` and `HostConfig` that have an effect, and the networks' settings. Values that the engine filled in would
//! tie the object to that engine, and those that name this one container, such as its host name, do not apply to another.

use serde_json::{Map, Value};

/// Values of `HostConfig` that engines fill in by default; for fields without a value here, any value.
const FILLED_IN: &[(&str, &[&str])] = &[
    ("AutoRemove", &[]),
    ("CgroupnsMode", &[]),
    ("ContainerIDFile", &[]),
    ("MaskedPaths", &[]),
    ("ReadonlyPaths", &[]),
    ("Runtime", &["runc", "io.containerd.runc.v2"]),
    ("IpcMode", &["private", "shareable"]),
    ("NetworkMode", &["default", "bridge"]),
    ("ShmSize", &["67108864"]),
    ("ConsoleSize", &["[0,0]"]),
    // Gone from the API.
    ("KernelMemory", &[]),
];
/// Fields of `Config` that come from the command line: what the run was attached to.
const OF_THE_COMMAND_LINE: [&str; 3] = ["AttachStdin", "AttachStdout", "AttachStderr"];
/// Labels by which other programs, and this one, identify their containers.
const LABELS_OF_OWNERS: [&str; 3] =
    [crate::core::labels::LABEL_PREFIX, "com.docker.compose.", "com.docker.swarm."];
/// The length of the id that an engine uses as a container's host name.
const HOST_NAME_LENGTH: usize = 12;

/// The object, if this is the output of an inspect.
pub(super) fn object(fields: &Map<String, Value>) -> Option<Map<String, Value>> {
    let Value::Object(config) = fields.get("Config")? else { return None };
    let Value::Object(host) = fields.get("HostConfig")? else { return None };
    if is_managed(fields) {
        return None;
    }
    let id = fields.get("Id")?.as_str()?;
    let name = fields.get("Name")?.as_str()?.trim_start_matches('/');
    let short = id.get(..HOST_NAME_LENGTH).unwrap_or(id);

    let mut object = said(config, |field, value| {
        let of_this_one = field == "Hostname" && value == short;
        !of_this_one && !OF_THE_COMMAND_LINE.contains(&field)
    });
    if let Some(Value::Object(labels)) = object.get_mut("Labels") {
        labels.retain(|name, _| !LABELS_OF_OWNERS.iter().any(|prefix| name.starts_with(prefix)));
    }
    let twice = host.get("Memory").and_then(Value::as_i64).map(|memory| memory.saturating_mul(2));
    let host = said(host, |field, value| {
        let swap = field == "MemorySwap" && value.as_i64() == twice;
        let no_policy = field == "RestartPolicy" && value["Name"] == "no";
        !swap && !no_policy && !is_filled_in(field, value)
    });
    object.insert("HostConfig".to_owned(), host.into());
    let networks = networks(fields, [short, name]);
    if !networks.is_empty() {
        let config = Map::from_iter([("EndpointsConfig".to_owned(), Value::from(networks))]);
        object.insert("NetworkingConfig".to_owned(), config.into());
    }
    object.insert("Name".to_owned(), name.into());
    object.insert("Count".to_owned(), 1.into());
    Some(object)
}

/// Whether a manager created this container.
pub(super) fn is_managed(fields: &Map<String, Value>) -> bool {
    let labels = fields.get("Config").and_then(|config| config.get("Labels"));
    labels.is_some_and(|labels| labels.get(crate::core::labels::LABEL_OBJECT).is_some())
}

/// The fields that are `wanted` and have an effect.
fn said(fields: &Map<String, Value>, wanted: impl Fn(&str, &Value) -> bool) -> Map<String, Value> {
    let kept = fields.iter().filter(|(field, value)| !says_nothing(value) && wanted(field, value));
    kept.map(|(field, value)| (field.clone(), value.clone())).collect()
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

fn is_filled_in(field: &str, value: &Value) -> bool {
    let Some((_, values)) = FILLED_IN.iter().find(|(name, _)| *name == field) else { return false };
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    values.is_empty() || values.contains(&text.as_str())
}

/// The settings of each network that is not built in. Engines add the container's id and name as aliases.
fn networks(fields: &Map<String, Value>, own: [&str; 2]) -> Map<String, Value> {
    let networks = fields.get("NetworkSettings").and_then(|settings| settings.get("Networks")?.as_object());
    let mut asked = Map::new();
    for (network, endpoint) in networks.into_iter().flatten() {
        if matches!(network.as_str(), "bridge" | "host" | "none") {
            continue;
        }
        let mut kept = Map::new();
        for field in ["IPAMConfig", "DriverOpts"] {
            let value = endpoint.get(field).filter(|value| !says_nothing(value));
            kept.extend(value.map(|value| (field.to_owned(), value.clone())));
        }
        let aliases = endpoint.get("Aliases").and_then(Value::as_array).into_iter().flatten();
        let aliases: Vec<Value> = aliases
            .filter(|alias| alias.as_str().is_some_and(|alias| !own.contains(&alias)))
            .cloned()
            .collect();
        if !aliases.is_empty() {
            kept.insert("Aliases".to_owned(), aliases.into());
        }
        asked.insert(network.clone(), kept.into());
    }
    asked
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn inspected() -> Value {
        json!({
            "Id": "faf66c8a2ac4d1", "Name": "/web", "Created": "2026-01-01T00:00:00Z", "State": {"Status": "running"},
            "Image": "sha256:800119", "RestartCount": 0,
            "Config": {"Hostname": "faf66c8a2ac4", "AttachStdout": true, "Tty": false, "Env": ["A=1"], "Cmd": null,
                "Image": "nginx:1.9.6", "Labels": {"team": "shop", "com.docker.compose.project": "p"}},
            "HostConfig": {"Binds": ["data:/d"], "NetworkMode": "backend", "RestartPolicy": {"Name": "no"},
                "Memory": 67108864, "MemorySwap": 134217728, "CgroupnsMode": "host", "Runtime": "runc",
                "ShmSize": 67108864, "KernelMemory": 0, "ConsoleSize": [0, 0], "MaskedPaths": ["/proc/kcore"],
                "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}, "PidsLimit": null},
            "NetworkSettings": {"Ports": {}, "Networks": {"backend": {"IPAMConfig": {"IPv4Address": "10.1.0.9"},
                "Aliases": ["faf66c8a2ac4", "api"], "IPAddress": "10.1.0.9", "MacAddress": "02:42:0a:01:00:09"}}}
        })
    }

    #[test]
    fn requested_values_are_kept_and_those_that_the_engine_filled_in_are_not() {
        let object = object(inspected().as_object().unwrap()).unwrap();
        assert_eq!(
            Value::from(object.clone()),
            json!({
                "Name": "web", "Count": 1, "Image": "nginx:1.9.6", "Env": ["A=1"], "Labels": {"team": "shop"},
                "HostConfig": {"Binds": ["data:/d"], "NetworkMode": "backend", "Memory": 67108864,
                    "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}},
                "NetworkingConfig": {"EndpointsConfig": {"backend": {"IPAMConfig": {"IPv4Address": "10.1.0.9"},
                    "Aliases": ["api"]}}}
            })
        );
        assert!(crate::core::submission::submitted(&inspected()).is_ok());
        assert_eq!(crate::core::submission::inspect::object(&object), None, "an object is no inspect");
        let mut managed = inspected();
        managed["Config"]["Labels"][crate::core::labels::LABEL_OBJECT] = json!("web");
        let refused = crate::core::submission::submitted(&managed).unwrap_err().to_string();
        assert!(refused.contains("GET /objects/NAME"), "{refused}");
    }

    #[test]
    fn settings_that_give_root_are_kept_and_refused() {
        for (pointer, value) in [
            ("/HostConfig/Privileged", json!(true)),
            ("/HostConfig/Binds", json!(["/:/host"])),
            ("/HostConfig/PidMode", json!("host")),
            ("/HostConfig/NetworkMode", json!("host")),
            ("/HostConfig/Runtime", json!("kata")),
            ("/HostConfig/CapAdd", json!(["SYS_ADMIN"])),
        ] {
            let mut inspected = inspected();
            let (path, field) = pointer.rsplit_once('/').unwrap();
            inspected.pointer_mut(path).unwrap()[field] = value;
            let spec = crate::core::submission::submitted(&inspected).unwrap();
            assert!(crate::core::policy::authorize_spec(&spec).is_err(), "{pointer}");
        }
    }
}
