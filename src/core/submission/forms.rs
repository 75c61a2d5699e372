//! Alternative forms in which Docker accepts values.

use serde_json::{Map, Value};

use crate::core::submission::inspect;

/// Fields that Docker accepts as a list or as one string, at the top level and in `HostConfig`.
const LISTS: [&str; 3] = ["Cmd", "Entrypoint", "Shell"];
const LISTS_IN_HOST_CONFIG: [&str; 2] = ["CapAdd", "CapDrop"];

/// The largest number up to which every whole number has a float of its own.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// Normalizes an object. A string becomes a list of that string, also an empty one: an `Entrypoint` of `""` is `[""]`, which
/// resets the image's. A number such as `3.0` or `1e3` becomes a whole number.
pub(super) fn plain(object: &Value) -> Value {
    let mut object = whole_numbers(object);
    if let Value::Object(fields) = &mut object {
        if let Some(inspected) = inspect::object(fields) {
            *fields = inspected;
        }
        lists(fields, &LISTS);
        if let Some(Value::Object(config)) = fields.get_mut("HostConfig") {
            lists(config, &LISTS_IN_HOST_CONFIG);
        }
    }
    object
}

fn lists(fields: &mut Map<String, Value>, names: &[&str]) {
    for (_, value) in fields.iter_mut().filter(|(name, _)| names.contains(&name.as_str())) {
        if value.is_string() {
            *value = Value::Array(vec![value.take()]);
        }
    }
}

fn whole_numbers(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => match number.as_f64() {
            Some(n) if n.fract() == 0.0 && n.abs() < WHOLE_MAX => {
                // Without a fraction and in this range, the text of a float is that of a whole number.
                format!("{n:.0}").parse::<i64>().map_or_else(|_| value.clone(), Value::from)
            }
            _ => value.clone(),
        },
        Value::Array(items) => items.iter().map(whole_numbers).collect(),
        Value::Object(map) => {
            map.iter().map(|(name, value)| (name.clone(), whole_numbers(value))).collect::<Map<_, _>>().into()
        }
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_string_is_a_list_where_docker_accepts_both() {
        let given =
            json!({"Cmd": "sleep 9", "Entrypoint": "", "HostConfig": {"CapDrop": "ALL"}, "Env": "A=1"});
        let plainly =
            json!({"Cmd": ["sleep 9"], "Entrypoint": [""], "HostConfig": {"CapDrop": ["ALL"]}, "Env": "A=1"});
        assert_eq!(plain(&given), plainly);
    }

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        let given: Value =
            serde_json::from_str(r#"[3.0, 67108864.0, 1e3, -0.0, -2.0, 3.5, 1e300, 7]"#).unwrap();
        assert_eq!(plain(&given), json!([3, 67_108_864, 1000, 0, -2, 3.5, 1e300, 7]));
    }
}
