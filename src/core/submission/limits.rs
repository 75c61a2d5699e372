//! Limits on the lengths of texts, lists and maps in a submit.
//!
//! An engine repeats submitted text in its errors, and all of it is stored; so a name of a megabyte is refused up front. The limits
//! are far above real use. They apply to submits only: stored objects stay readable.

use serde_json::Value;

use crate::core::submission::strict::{FieldError, shown};

/// The most bytes of a text that a process gets: the kernel's limit for an argument or variable (`MAX_ARG_STRLEN`).
const LONG_MAX_BYTES: usize = 128 * 1024;
/// The most bytes of any other text, such as a path, a mode or an address: the kernel's `PATH_MAX`.
const SHORT_MAX_BYTES: usize = 4 * 1024;
/// The most bytes of a name within a map, such as a label's.
const NAME_MAX_BYTES: usize = 4 * 1024;
/// The most entries of a list or a map: a range of 10,000 published ports fits.
const ENTRIES_MAX: usize = 16 * 1024;

/// The fields with long texts, which a process or an operator reads.
const LONG: [&str; 6] = ["Env", "Cmd", "Entrypoint", "Shell", "Labels", "Healthcheck"];
/// The same within `HostConfig`: a seccomp profile is one text.
const LONG_IN_HOST_CONFIG: [&str; 2] = ["SecurityOpt", "Annotations"];

/// Refuses an object with a text that is too long, or a list or map with too many entries.
pub(super) fn check(object: &Value) -> Result<(), FieldError> {
    within(object, SHORT_MAX_BYTES, |name, value| match (name, value) {
        ("HostConfig", Value::Object(_)) => within(value, SHORT_MAX_BYTES, |name, value| {
            check_value(
                value,
                if LONG_IN_HOST_CONFIG.contains(&name) { LONG_MAX_BYTES } else { SHORT_MAX_BYTES },
            )
        }),
        _ => check_value(value, if LONG.contains(&name) { LONG_MAX_BYTES } else { SHORT_MAX_BYTES }),
    })
}

fn check_value(value: &Value, max: usize) -> Result<(), FieldError> {
    within(value, max, |_, value| check_value(value, max))
}

/// Checks a value, and its parts with `inner`.
fn within(
    value: &Value,
    max: usize,
    inner: impl Fn(&str, &Value) -> Result<(), FieldError>,
) -> Result<(), FieldError> {
    let too_many = |n: usize| {
        let message = format!("given {n} entries; allowed are {ENTRIES_MAX}");
        if n > ENTRIES_MAX { Err(FieldError::new("", message)) } else { Ok(()) }
    };
    match value {
        Value::String(text) if text.len() > max => {
            Err(FieldError::new("", format!("given {} bytes; allowed are {max}", text.len())))
        }
        Value::Array(items) => {
            too_many(items.len())?;
            items
                .iter()
                .enumerate()
                .try_for_each(|(i, item)| inner("", item).map_err(|error| inside(&format!("[{i}]"), error)))
        }
        Value::Object(map) => {
            too_many(map.len())?;
            map.iter().try_for_each(|(name, value)| {
                if name.len() > NAME_MAX_BYTES {
                    let message = format!("its name has {} bytes; allowed are {NAME_MAX_BYTES}", name.len());
                    return Err(FieldError::new(shown(name), message));
                }
                inner(name, value).map_err(|error| inside(&shown(name), error))
            })
        }
        _ => Ok(()),
    }
}

/// Prepends a step to the path of an error.
fn inside(step: &str, error: FieldError) -> FieldError {
    let field = match error.field.as_str() {
        "" => step.to_owned(),
        field if field.starts_with('[') => format!("{step}{field}"),
        field => format!("{step}.{field}"),
    };
    FieldError { field, ..error }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(object: &Value) -> (String, String) {
        let error = check(object).unwrap_err();
        (error.field, error.message)
    }

    #[test]
    fn a_text_that_is_too_long_is_named_with_its_path_and_the_limit() {
        let long = |n: usize| "x".repeat(n);
        let message = |given: usize, allowed: usize| format!("given {given} bytes; allowed are {allowed}");
        for (object, field, allowed) in [
            (json!({"HostConfig": {"NetworkMode": long(1 << 20)}}), "HostConfig.NetworkMode", 4096),
            (json!({"Hostname": long(1 << 20)}), "Hostname", 4096),
            (json!({"HostConfig": {"Binds": ["v:/a", long(1 << 20)]}}), "HostConfig.Binds[1]", 4096),
            (
                json!({"HostConfig": {"Mounts": [{"Source": long(1 << 20)}]}}),
                "HostConfig.Mounts[0].Source",
                4096,
            ),
            (json!({"Env": [long(1 << 20)]}), "Env[0]", 128 * 1024),
            (json!({"Labels": {"a": long(1 << 20)}}), "Labels.a", 128 * 1024),
            (json!({"Healthcheck": {"Test": ["CMD", long(1 << 20)]}}), "Healthcheck.Test[1]", 128 * 1024),
            (json!({"Constraints": [long(1 << 20)]}), "Constraints[0]", 4096),
            (json!({"Image": long(1 << 20)}), "Image", 4096),
        ] {
            assert_eq!(refused(&object), (field.to_owned(), message(1 << 20, allowed)));
        }
        let (field, message) = refused(&json!({"Labels": {long(1 << 20): "a"}}));
        assert!(field.len() < 100 && message.contains("allowed are 4096"), "{field}: {message}");
        let (field, message) = refused(&json!({"Cmd": vec!["x"; 20_000]}));
        assert_eq!((field.as_str(), message.as_str()), ("Cmd", "given 20000 entries; allowed are 16384"));
        let ports: serde_json::Map<_, _> = (0..20_000).map(|n| (format!("{n}/tcp"), json!({}))).collect();
        assert_eq!(refused(&json!({"ExposedPorts": ports})).0, "ExposedPorts");
    }

    #[test]
    fn real_objects_are_accepted() {
        let ports: serde_json::Map<_, _> = (0..10_001).map(|n| (format!("{n}/udp"), json!({}))).collect();
        let object = json!({
            "Name": "x", "Image": "a".repeat(512), "Count": 1, "ExposedPorts": ports,
            "Env": ["A=".to_owned() + &"x".repeat(128 * 1024 - 2)],
            "Labels": {"k".repeat(4096): "v".repeat(128 * 1024)},
            "HostConfig": {"SecurityOpt": ["seccomp=".to_owned() + &"x".repeat(100_000)], "Binds": ["v:".to_owned() + &"x".repeat(4000)]},
        });
        assert_eq!(check(&object), Ok(()));
    }
}
