//! Since which version of the API a field exists.
//!
//! An engine drops fields that the version spoken does not know, without a word. So an object that uses one is refused
//! before the create. Fields that every version since the oldest one spoken knows are not listed, nor are those that no
//! submitter may use.

use serde_json::Value;

use super::Api;

/// A field of the create body, and the first version that knows it. `[]` stands for each element of a list, `*` for each
/// value of an object.
const SINCE: &[(&[&str], Api)] = &[
    (&["HostConfig", "Mounts"], Api(1, 25)),
    (&["HostConfig", "AutoRemove"], Api(1, 25)),
    (&["HostConfig", "Init"], Api(1, 25)),
    (&["HostConfig", "NanoCpus"], Api(1, 25)),
    (&["HostConfig", "CpuCount"], Api(1, 25)),
    (&["HostConfig", "CpuRealtimePeriod"], Api(1, 25)),
    (&["HostConfig", "CpuRealtimeRuntime"], Api(1, 25)),
    (&["StopTimeout"], Api(1, 25)),
    (&["HostConfig", "DeviceCgroupRules"], Api(1, 28)),
    (&["HostConfig", "Mounts", "[]", "Consistency"], Api(1, 28)),
    (&["Healthcheck", "StartPeriod"], Api(1, 29)),
    (&["NetworkingConfig", "EndpointsConfig", "*", "DriverOpts"], Api(1, 32)),
    (&["HostConfig", "MaskedPaths"], Api(1, 38)),
    (&["HostConfig", "ReadonlyPaths"], Api(1, 38)),
    (&["HostConfig", "DeviceRequests"], Api(1, 40)),
    (&["HostConfig", "Mounts", "[]", "BindOptions", "NonRecursive"], Api(1, 40)),
    (&["HostConfig", "CgroupnsMode"], Api(1, 41)),
    (&["HostConfig", "ConsoleSize"], Api(1, 42)),
    (&["HostConfig", "Mounts", "[]", "BindOptions", "CreateMountpoint"], Api(1, 42)),
    (&["HostConfig", "Annotations"], Api(1, 43)),
    (&["Healthcheck", "StartInterval"], Api(1, 44)),
    (&["HostConfig", "Mounts", "[]", "BindOptions", "ReadOnlyNonRecursive"], Api(1, 44)),
    (&["HostConfig", "Mounts", "[]", "BindOptions", "ReadOnlyForceRecursive"], Api(1, 44)),
    (&["NetworkingConfig", "EndpointsConfig", "*", "MacAddress"], Api(1, 44)),
    (&["HostConfig", "Mounts", "[]", "VolumeOptions", "Subpath"], Api(1, 45)),
    (&["HostConfig", "Mounts", "[]", "TmpfsOptions", "Options"], Api(1, 46)),
    (&["HostConfig", "Mounts", "[]", "ImageOptions"], Api(1, 48)),
    (&["NetworkingConfig", "EndpointsConfig", "*", "GwPriority"], Api(1, 48)),
];

/// A value that newer versions take where older ones take others, and the first version that knows it.
const VALUES_SINCE: &[(&[&str], &str, Api)] = &[
    (&["HostConfig", "Mounts", "[]", "Type"], "cluster", Api(1, 42)),
    (&["HostConfig", "Mounts", "[]", "Type"], "image", Api(1, 48)),
];

/// More than one network at the create.
const SEVERAL_NETWORKS: Api = Api(1, 44);

/// What of a create body the endpoint's version does not know, and the version that does.
pub(super) fn unknown(body: &Value, spoken: Api) -> Option<(String, Api)> {
    let newer = |since: &Api| *since > spoken;
    for (path, since) in SINCE.iter().filter(|(_, since)| newer(since)) {
        if let Some(field) = find(body, path, String::new(), &is_used) {
            return Some((field, *since));
        }
    }
    for (path, value, since) in VALUES_SINCE.iter().filter(|(_, _, since)| newer(since)) {
        if let Some(field) = find(body, path, String::new(), &|there| there == value) {
            return Some((format!("{field} {value:?}"), *since));
        }
    }
    let endpoints = body.get("NetworkingConfig").and_then(|config| config.get("EndpointsConfig"));
    let several = endpoints.and_then(Value::as_object).is_some_and(|networks| networks.len() > 1);
    (several && SEVERAL_NETWORKS > spoken)
        .then(|| ("more than one network in NetworkingConfig.EndpointsConfig".to_owned(), SEVERAL_NETWORKS))
}

/// A field that says nothing may as well be dropped.
fn is_used(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) => true,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => items.iter().any(is_used),
        Value::Object(fields) => !fields.is_empty(),
    }
}

/// The first place at which the path leads to a value that is so.
fn find(value: &Value, path: &[&str], name: String, so: &dyn Fn(&Value) -> bool) -> Option<String> {
    let Some((step, rest)) = path.split_first() else { return so(value).then_some(name) };
    match *step {
        "[]" => {
            let items = value.as_array()?.iter().enumerate();
            items.into_iter().find_map(|(i, item)| find(item, rest, format!("{name}[{i}]"), so))
        }
        "*" => {
            value.as_object()?.iter().find_map(|(key, item)| find(item, rest, format!("{name}.{key}"), so))
        }
        field => {
            let name = if name.is_empty() { field.to_owned() } else { format!("{name}.{field}") };
            find(value.get(field)?, rest, name, so)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_is_refused_up_to_the_version_before_the_one_that_brought_it() {
        let subpath =
            json!({"HostConfig": {"Mounts": [{"Type": "tmpfs"}, {"VolumeOptions": {"Subpath": "x"}}]}});
        for (body, since, field) in [
            (json!({"Healthcheck": {"StartInterval": 1}}), Api(1, 44), "Healthcheck.StartInterval"),
            (subpath, Api(1, 45), "HostConfig.Mounts[1].VolumeOptions.Subpath"),
            (json!({"StopTimeout": 3}), Api(1, 25), "StopTimeout"),
            (json!({"HostConfig": {"CgroupnsMode": "private"}}), Api(1, 41), "HostConfig.CgroupnsMode"),
            (
                json!({"HostConfig": {"Mounts": [{"Type": "image"}]}}),
                Api(1, 48),
                "HostConfig.Mounts[0].Type \"image\"",
            ),
            (
                json!({"NetworkingConfig": {"EndpointsConfig": {"a": {}, "b": {"MacAddress": "02:42:ac:11:00:02"}}}}),
                Api(1, 44),
                "NetworkingConfig.EndpointsConfig.b.MacAddress",
            ),
            (
                json!({"NetworkingConfig": {"EndpointsConfig": {"a": {}, "b": {}}}}),
                Api(1, 44),
                "more than one network in NetworkingConfig.EndpointsConfig",
            ),
        ] {
            let before = Api(since.0, since.1 - 1);
            assert_eq!(unknown(&body, before), Some((field.to_owned(), since)), "{body}");
            assert_eq!(unknown(&body, since), None, "{body}");
        }
    }

    #[test]
    fn a_field_that_says_nothing_is_no_matter() {
        for body in [
            json!({"Image": "a"}),
            json!({"Healthcheck": {"StartInterval": 0}}),
            json!({"HostConfig": {"Mounts": [], "Init": false, "ConsoleSize": [0, 0]}}),
            json!({"NetworkingConfig": {"EndpointsConfig": {"a": {}}}}),
        ] {
            assert_eq!(unknown(&body, Api(1, 24)), None, "{body}");
        }
    }
}
