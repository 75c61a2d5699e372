//! Two objects, compared field by field.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde_json::Value;
use similar::{Algorithm, DiffOp, capture_diff_slices_deadline};

use crate::clock;

/// The time limit for the shortest difference of two lists; after that, a longer one will do.
const LIST: Duration = Duration::from_secs(1);

/// One line of a difference.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    /// The value is new; otherwise it is the old one.
    pub(super) added: bool,
    /// The field, such as `HostConfig.Memory`.
    pub(super) field: String,
    /// The value.
    pub(super) value: Value,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", if self.added { '+' } else { '-' }, self.field, shown(&self.value))
    }
}

/// The differences between two values, either of which may be missing.
pub(super) fn lines(before: Option<&Value>, after: Option<&Value>) -> Vec<Line> {
    let mut lines = Vec::new();
    compare("", before, after, &mut lines);
    lines
}

fn compare(field: &str, before: Option<&Value>, after: Option<&Value>, lines: &mut Vec<Line>) {
    match (before, after) {
        (Some(before), Some(after)) if before == after => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for name in names {
                compare(&inside(field, name), before.get(name), after.get(name), lines);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => list(field, before, after, lines),
        (before, after) => {
            before.iter().for_each(|value| whole(false, field, value, lines));
            after.iter().for_each(|value| whole(true, field, value, lines));
        }
    }
}

/// Compares two lists element by element; the order counts.
fn list(field: &str, before: &[Value], after: &[Value], lines: &mut Vec<Line>) {
    let texts = |values: &[Value]| values.iter().map(Value::to_string).collect::<Vec<_>>();
    let mut line = |added, value: &Value| {
        lines.push(Line { added, field: field.to_owned(), value: value.clone() });
    };
    let deadline = Some(clock::monotonic().into_std() + LIST);
    for op in capture_diff_slices_deadline(Algorithm::Myers, &texts(before), &texts(after), deadline) {
        if matches!(op, DiffOp::Equal { .. }) {
            continue;
        }
        before.get(op.old_range()).into_iter().flatten().for_each(|value| line(false, value));
        after.get(op.new_range()).into_iter().flatten().for_each(|value| line(true, value));
    }
}

/// Adds all of a value.
fn whole(added: bool, field: &str, value: &Value, lines: &mut Vec<Line>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(name, value)| whole(added, &inside(field, name), value, lines));
        }
        Value::Array(items) if !items.is_empty() => {
            items
                .iter()
                .for_each(|item| lines.push(Line { added, field: field.to_owned(), value: item.clone() }));
        }
        value => lines.push(Line { added, field: field.to_owned(), value: value.clone() }),
    }
}

/// The path of a nested field. Names with special characters, such as those of labels and ports, stand in brackets.
fn inside(field: &str, name: &str) -> String {
    let plain =
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    match (field, plain) {
        ("", _) => name.to_owned(),
        (field, true) => format!("{field}.{name}"),
        (field, false) => format!("{field}[{name}]"),
    }
}

/// A value on one line: plain text without quotes, unless it is ambiguous.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        value => value.to_string(),
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.trim() == text
        && !text.starts_with(['"', '{', '['])
        && !text.chars().any(char::is_control)
        && serde_json::from_str::<Value>(text).is_err()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn differences(before: &Value, after: &Value) -> Vec<String> {
        lines(Some(before), Some(after)).iter().map(Line::to_string).collect()
    }

    #[test]
    fn a_changed_field_is_two_lines_and_an_added_one_is_one() {
        let before = json!({"Image": "nginx:1", "Count": 3, "HostConfig": {"Memory": 1}, "Tty": true});
        let after = json!({"Image": "nginx:2", "Count": 3, "HostConfig": {"Memory": 1, "Init": true}});
        let expected = ["+ HostConfig.Init: true", "- Image: nginx:1", "+ Image: nginx:2", "- Tty: true"];
        assert_eq!(differences(&before, &after), expected);
        assert!(differences(&before, &before).is_empty());
    }

    #[test]
    fn lists_are_compared_element_by_element_and_their_order_counts() {
        let env = |items: &[&str]| json!({"Env": items});
        assert_eq!(
            differences(&env(&["A=1", "B=2", "C=3"]), &env(&["A=1", "C=3", "D=4"])),
            ["- Env: B=2", "+ Env: D=4"]
        );
        assert_eq!(differences(&env(&["A=1", "B=2"]), &env(&["A=1", "B=3"])), ["- Env: B=2", "+ Env: B=3"]);
        let turned = differences(&json!({"Cmd": ["a", "b"]}), &json!({"Cmd": ["b", "a"]}));
        assert_eq!(turned.len(), 2, "{turned:?}");
        assert_eq!(differences(&json!({"Cmd": ["a"]}), &json!({"Cmd": []})), ["- Cmd: a"]);
    }

    #[test]
    fn ambiguous_texts_are_quoted() {
        let lines = differences(
            &json!({"Env": ["", "5", " a", "true", "a\nb", "[x", "null"]}),
            &json!({"Labels": {"a.b": "x", "plain": "y"}, "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "80"}]}}}),
        );
        for expected in [
            "- Env: \"\"",
            "- Env: \"5\"",
            "- Env: \" a\"",
            "- Env: \"true\"",
            "- Env: \"a\\nb\"",
            "- Env: \"[x\"",
            "- Env: \"null\"",
            "+ Labels[a.b]: x",
            "+ Labels.plain: y",
            "+ HostConfig.PortBindings[80/tcp]: {\"HostPort\":\"80\"}",
        ] {
            assert!(lines.iter().any(|line| line == expected), "{expected}: {lines:?}");
        }
    }

    #[test]
    fn all_of_a_new_object_is_added_and_all_of_a_deleted_one_is_removed() {
        let object = json!({"Name": "web", "Env": ["A=1", "B=2"], "HostConfig": {}, "Cmd": []});
        let added: Vec<String> = lines(None, Some(&object)).iter().map(Line::to_string).collect();
        assert_eq!(added, ["+ Cmd: []", "+ Env: A=1", "+ Env: B=2", "+ HostConfig: {}", "+ Name: web"]);
        assert!(lines(Some(&object), None).iter().all(|line| !line.added));
    }
}
