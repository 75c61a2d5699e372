//! Which parts of an object have no effect: stated defaults, and values that Docker treats as unset.
//!
//! Two texts with the same [`meaning`] ask for the same container. The label of a container holds a digest of the text; so a
//! submit with the same meaning keeps the stored text, and with it the digest.

use serde_json::{Map, Value};

/// A struct of Docker's model. A map with a user's own keys is not one: an empty value in it is a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Struct {
    Top,
    HostConfig,
    NetworkingConfig,
    Endpoint,
    Mount,
    RestartPolicy,
    Other,
}

/// What is in a field.
enum Inside {
    /// A value without parts that could be left out.
    Leaf,
    One(Struct),
    /// A list of structs.
    List(Struct),
    /// A map of structs.
    Map(Struct),
    /// A map of lists of structs.
    MapOfLists(Struct),
}

fn inside(at: Struct, field: &str) -> Inside {
    use Struct::{Endpoint, HostConfig, Mount, NetworkingConfig, Other, RestartPolicy, Top};
    match (at, field) {
        (Top, "HostConfig") => Inside::One(HostConfig),
        (Top, "NetworkingConfig") => Inside::One(NetworkingConfig),
        (Top, "Healthcheck") | (HostConfig, "LogConfig") | (Endpoint, "IPAMConfig") => Inside::One(Other),
        (HostConfig, "RestartPolicy") => Inside::One(RestartPolicy),
        (HostConfig, "Mounts") => Inside::List(Mount),
        (HostConfig, "PortBindings") => Inside::MapOfLists(Other),
        (NetworkingConfig, "EndpointsConfig") => Inside::Map(Endpoint),
        (Mount, "VolumeOptions") => Inside::One(Mount),
        (Mount, "DriverConfig" | "TmpfsOptions" | "BindOptions" | "ImageOptions") => Inside::One(Other),
        _ => Inside::Leaf,
    }
}

/// Fields in which an empty or zero value differs from none. All others are Go's plain values, or lists that the engine
/// fills from the image where they are empty: `Cmd: []`, `User: ""` and `Healthcheck: {"Test": []}` are the image's,
/// as without the field.
///
/// | field | empty or zero | without |
/// |---|---|---|
/// | `Entrypoint` | `[]`: none; `[""]`: none, and no `Cmd` of the image | the image's |
/// | `StopTimeout` | kill at once | the image's, or 10 s |
/// | `HostConfig.Init` | no init process | the engine's setting |
/// | `HostConfig.MemorySwappiness` | 0: swap as little as possible | the node's setting |
/// | `HostConfig.PidsLimit` | no limit | what the node sets for each container |
/// | `HostConfig.MaskedPaths`, `ReadonlyPaths` | none is protected | the engine's list |
fn distinct(at: Struct, field: &str) -> bool {
    match at {
        Struct::Top => matches!(field, "Entrypoint" | "StopTimeout"),
        Struct::HostConfig => {
            matches!(field, "Init" | "MemorySwappiness" | "PidsLimit" | "MaskedPaths" | "ReadonlyPaths")
        }
        _ => false,
    }
}

/// Words that stand for the default.
fn says_the_default(at: Struct, field: &str, word: &str) -> bool {
    matches!(
        (at, field, word),
        (Struct::HostConfig, "NetworkMode" | "Isolation", "default") | (Struct::RestartPolicy, "Name", "no")
    )
}

/// An object without the parts that have no effect.
pub(super) fn meaning(object: &Value) -> Value {
    of(Struct::Top, object)
}

fn of(at: Struct, value: &Value) -> Value {
    let Value::Object(fields) = value else { return value.clone() };
    let mut said = Map::new();
    for (name, value) in fields {
        let value = match (inside(at, name), value) {
            (Inside::One(next), value) => of(next, value),
            (Inside::List(next), value) => each(value, &|item| of(next, item)),
            (Inside::Map(next), value) => each(value, &|item| of(next, item)),
            (Inside::MapOfLists(next), value) => each(value, &|list| each(list, &|item| of(next, item))),
            (Inside::Leaf, value) => value.clone(),
        };
        let word = value.as_str().is_some_and(|word| says_the_default(at, name, word));
        if distinct(at, name) || !(word || is_empty(&value)) {
            said.insert(name.clone(), value);
        }
    }
    said.into()
}

fn each(value: &Value, of: &dyn Fn(&Value) -> Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(of).collect(),
        Value::Object(map) => {
            map.iter().map(|(name, item)| (name.clone(), of(item))).collect::<Map<_, _>>().into()
        }
        plain => plain.clone(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        // `ConsoleSize` is the one list of numbers.
        Value::Array(items) => items.iter().all(|item| item.as_f64() == Some(0.0)),
        Value::Object(map) => map.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stated_default_has_no_effect() {
        for more in [
            json!({"Constraints": [], "Tty": false, "Env": [], "Labels": {}, "HostConfig": {}}),
            json!({"Cmd": [], "User": "", "WorkingDir": "", "StopSignal": "", "Shell": [], "Volumes": {}}),
            json!({"Healthcheck": {"Test": [], "Interval": 0}, "NetworkingConfig": {"EndpointsConfig": {}}}),
            json!({"HostConfig": {"Privileged": false, "Memory": 0, "Binds": [], "NetworkMode": "default"}}),
            json!({"HostConfig": {"RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}, "ConsoleSize": [0, 0]}}),
            json!({"HostConfig": {"LogConfig": {"Type": "", "Config": {}}, "OomKillDisable": false}}),
        ] {
            assert_eq!(meaning(&more), json!({}), "{more}");
        }
        let mount = |more: Value| json!({"HostConfig": {"Mounts": [more]}});
        assert_eq!(
            meaning(&mount(
                json!({"Type": "volume", "Target": "/d", "ReadOnly": false, "VolumeOptions": {"DriverConfig": {}, "Labels": {}}})
            )),
            mount(json!({"Type": "volume", "Target": "/d"}))
        );
        assert_eq!(
            meaning(&json!({"HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "80"}]}}})),
            json!({"HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "80"}]}}})
        );
    }

    #[test]
    fn values_with_an_effect_are_kept() {
        for kept in [
            json!({"Entrypoint": []}),
            json!({"Entrypoint": [""]}),
            json!({"Cmd": [""]}),
            json!({"StopTimeout": 0}),
            json!({"Healthcheck": {"Test": ["NONE"]}}),
            json!({"Labels": {"a": ""}, "Env": ["A="], "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/d": {}}}),
            json!({"NetworkingConfig": {"EndpointsConfig": {"db": {}}}}),
            json!({"HostConfig": {"Init": false, "MemorySwappiness": 0, "PidsLimit": 0}}),
            json!({"HostConfig": {"MaskedPaths": [], "ReadonlyPaths": []}}),
            json!({"HostConfig": {"PortBindings": {"80/tcp": []}, "Tmpfs": {"/t": ""}, "Sysctls": {"a": ""}}}),
            json!({"HostConfig": {"Ulimits": [{"Name": "core", "Soft": 0, "Hard": 0}]}}),
            json!({"HostConfig": {"RestartPolicy": {"Name": "always"}, "NetworkMode": "none"}}),
        ] {
            assert_eq!(meaning(&kept), kept, "{kept}");
        }
    }
}
