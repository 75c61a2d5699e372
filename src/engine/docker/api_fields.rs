//! The API version that introduced each field.
//!
//! An engine silently drops fields that are newer than the API version spoken, so an object that uses one is refused before
//! the create. Fields that even the oldest version spoken has are not listed, nor are those that the policy forbids.

use serde_json::Value;

use super::api_version::ApiVersion;
use crate::core::spec::Template;

/// A field of the create body, and the first version with it. `[]` stands for each element of a list, `*` for each value of
/// an object.
const SINCE: &[(&[&str], ApiVersion)] = &[
    (&["HostConfig", "Mounts"], ApiVersion(1, 25)),
    (&["HostConfig", "AutoRemove"], ApiVersion(1, 25)),
    (&["HostConfig", "Init"], ApiVersion(1, 25)),
    (&["HostConfig", "NanoCpus"], ApiVersion(1, 25)),
    (&["HostConfig", "CpuCount"], ApiVersion(1, 25)),
    (&["HostConfig", "CpuRealtimePeriod"], ApiVersion(1, 25)),
    (&["HostConfig", "CpuRealtimeRuntime"], ApiVersion(1, 25)),
    (&["StopTimeout"], ApiVersion(1, 25)),
    (&["HostConfig", "DeviceCgroupRules"], ApiVersion(1, 28)),
    (&["HostConfig", "Mounts", "[]", "Consistency"], ApiVersion(1, 28)),
    (&["Healthcheck", "StartPeriod"], ApiVersion(1, 29)),
    (&["NetworkingConfig", "EndpointsConfig", "*", "DriverOpts"], ApiVersion(1, 32)),
    (&["HostConfig", "MaskedPaths"], ApiVersion(1, 38)),
    (&["HostConfig", "ReadonlyPaths"], ApiVersion(1, 38)),
    (&["HostConfig", "DeviceRequests"], ApiVersion(1, 40)),
    (&["HostConfig", "Mounts", "[]", "BindOptions", "NonRecursive"], ApiVersion(1, 40)),
    (&["HostConfig", "CgroupnsMode"], ApiVersion(1, 41)),
    (&["HostConfig", "ConsoleSize"], ApiVersion(1, 42)),
    (&["HostConfig", "Mounts", "[]", "BindOptions", "CreateMountpoint"], ApiVersion(1, 42)),
    (&["HostConfig", "Annotations"], ApiVersion(1, 43)),
    (&["Healthcheck", "StartInterval"], ApiVersion(1, 44)),
    (&["HostConfig", "Mounts", "[]", "BindOptions", "ReadOnlyNonRecursive"], ApiVersion(1, 44)),
    (&["HostConfig", "Mounts", "[]", "BindOptions", "ReadOnlyForceRecursive"], ApiVersion(1, 44)),
    (&["NetworkingConfig", "EndpointsConfig", "*", "MacAddress"], ApiVersion(1, 44)),
    (&["HostConfig", "Mounts", "[]", "VolumeOptions", "Subpath"], ApiVersion(1, 45)),
    (&["HostConfig", "Mounts", "[]", "TmpfsOptions", "Options"], ApiVersion(1, 46)),
    (&["HostConfig", "Mounts", "[]", "ImageOptions"], ApiVersion(1, 48)),
    (&["NetworkingConfig", "EndpointsConfig", "*", "GwPriority"], ApiVersion(1, 48)),
];

/// A value of an older field, and the first version with it.
const VALUES_SINCE: &[(&[&str], &str, ApiVersion)] = &[
    (&["HostConfig", "Mounts", "[]", "Type"], "cluster", ApiVersion(1, 42)),
    (&["HostConfig", "Mounts", "[]", "Type"], "image", ApiVersion(1, 48)),
];

/// More than one network at the create.
const SEVERAL_NETWORKS: ApiVersion = ApiVersion(1, 44);

/// The field of a template that an endpoint with this API version would drop, and why; `None` if it has all fields or speaks
/// no version.
pub(crate) fn too_new(template: &Template, api: &str) -> Option<(String, String)> {
    let spoken = ApiVersion::parse(api)?;
    let body = serde_json::to_value(&template.body).ok()?;
    let (field, since) = unknown(&body, spoken)?;
    Some((field, format!("the endpoint speaks API {spoken}, which does not have it; it needs {since}")))
}

/// The field of a create body that this version does not have, and the first version that has it.
fn unknown(body: &Value, spoken: ApiVersion) -> Option<(String, ApiVersion)> {
    let newer = |since: &ApiVersion| *since > spoken;
    for (path, since) in SINCE.iter().filter(|(_, since)| newer(since)) {
        if let Some(field) = find(body, path, String::new(), &is_used) {
            return Some((field, *since));
        }
    }
    for (path, value, since) in VALUES_SINCE.iter().filter(|(_, _, since)| newer(since)) {
        if let Some(field) = find(body, path, String::new(), &|given| given == value) {
            return Some((format!("{field} {value:?}"), *since));
        }
    }
    let endpoints = body.get("NetworkingConfig").and_then(|config| config.get("EndpointsConfig"));
    let several = endpoints.and_then(Value::as_object).is_some_and(|networks| networks.len() > 1);
    (several && SEVERAL_NETWORKS > spoken)
        .then(|| ("more than one network in NetworkingConfig.EndpointsConfig".to_owned(), SEVERAL_NETWORKS))
}

/// A field with an empty value may be dropped.
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

/// The first field on the path whose value matches.
fn find(value: &Value, path: &[&str], name: String, matches: &dyn Fn(&Value) -> bool) -> Option<String> {
    let Some((step, rest)) = path.split_first() else { return matches(value).then_some(name) };
    match *step {
        "[]" => {
            let items = value.as_array()?.iter().enumerate();
            items.into_iter().find_map(|(i, item)| find(item, rest, format!("{name}[{i}]"), matches))
        }
        "*" => value
            .as_object()?
            .iter()
            .find_map(|(key, item)| find(item, rest, format!("{name}.{key}"), matches)),
        field => {
            let name = if name.is_empty() { field.to_owned() } else { format!("{name}.{field}") };
            find(value.get(field)?, rest, name, matches)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_is_refused_below_the_version_that_introduced_it() {
        let subpath =
            json!({"HostConfig": {"Mounts": [{"Type": "tmpfs"}, {"VolumeOptions": {"Subpath": "x"}}]}});
        for (body, since, field) in [
            (json!({"Healthcheck": {"StartInterval": 1}}), ApiVersion(1, 44), "Healthcheck.StartInterval"),
            (subpath, ApiVersion(1, 45), "HostConfig.Mounts[1].VolumeOptions.Subpath"),
            (json!({"StopTimeout": 3}), ApiVersion(1, 25), "StopTimeout"),
            (
                json!({"HostConfig": {"CgroupnsMode": "private"}}),
                ApiVersion(1, 41),
                "HostConfig.CgroupnsMode",
            ),
            (
                json!({"HostConfig": {"Mounts": [{"Type": "image"}]}}),
                ApiVersion(1, 48),
                "HostConfig.Mounts[0].Type \"image\"",
            ),
            (
                json!({"NetworkingConfig": {"EndpointsConfig": {"a": {}, "b": {"MacAddress": "02:42:ac:11:00:02"}}}}),
                ApiVersion(1, 44),
                "NetworkingConfig.EndpointsConfig.b.MacAddress",
            ),
            (
                json!({"NetworkingConfig": {"EndpointsConfig": {"a": {}, "b": {}}}}),
                ApiVersion(1, 44),
                "more than one network in NetworkingConfig.EndpointsConfig",
            ),
        ] {
            let before = ApiVersion(since.0, since.1 - 1);
            assert_eq!(unknown(&body, before), Some((field.to_owned(), since)), "{body}");
            assert_eq!(unknown(&body, since), None, "{body}");
        }
    }

    #[test]
    fn an_empty_field_is_accepted() {
        for body in [
            json!({"Image": "a"}),
            json!({"Healthcheck": {"StartInterval": 0}}),
            json!({"HostConfig": {"Mounts": [], "Init": false, "ConsoleSize": [0, 0]}}),
            json!({"NetworkingConfig": {"EndpointsConfig": {"a": {}}}}),
        ] {
            assert_eq!(unknown(&body, ApiVersion(1, 24)), None, "{body}");
        }
    }
}
