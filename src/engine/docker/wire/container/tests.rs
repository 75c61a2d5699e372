use std::time::Duration;

use serde_json::{Value, json};

use super::inspected::STOP_TIMEOUT_MAX;
use super::{Entry, read_entry, read_inspected};
use crate::core::container::{Container, ContainerState, Health, Visibility};
use crate::core::labels::ContainerIdentity;
use crate::core::manager_id::ManagerId;
use crate::core::name::ObjectName;
use crate::core::sanitize::MESSAGE_MAX_BYTES;
use crate::core::spec::TemplateHash;

fn labels() -> Value {
    let identity = ContainerIdentity {
        object: ObjectName::parse("web").unwrap(),
        slot: 1,
        attempt: 2,
        template: TemplateHash::from_label("t"),
    };
    let mut labels: serde_json::Map<String, Value> =
        identity.labels("c").map(|(name, value)| (name.to_owned(), value.into())).into_iter().collect();
    labels.insert("foreign".to_owned(), json!({"is": ["of", "another", "type"]}));
    labels.into()
}

fn entry() -> Value {
    json!({"Id": "abc", "Names": ["/web.1.2"], "Labels": labels(), "State": "running", "Status": "Up 2 seconds",
           "Image": "a:1", "Created": 7})
}

fn with(mut value: Value, field: &str, new: Value) -> Value {
    value[field] = new;
    value
}

fn read(value: &Value) -> Entry {
    read_entry("c", false, value.to_string().as_bytes())
}

fn ours(value: &Value) -> Container {
    match read(value) {
        Entry::Ours(container) => *container,
        other => panic!("{value}: {other:?}"),
    }
}

#[test]
fn a_container_with_a_malformed_manager_label_is_not_ours() {
    let entry = |manager: &str| {
        with(
            entry(),
            "Labels",
            with(labels(), "io.github.swarm-cluster-state-manager.manager", json!(manager)),
        )
    };
    let id = ManagerId::of_bits(7);
    assert_eq!(ours(&entry(id.as_str())).manager, Some(id));
    assert_eq!(read(&entry("malformed")), Entry::Foreign);
}

#[test]
fn names_lose_their_node_only_behind_a_swarm_manager() {
    let entry = |names: &[&str]| {
        let entry = with(entry(), "Names", json!(names));
        with(entry, "Status", json!("Up 2 seconds (health: starting)")).to_string()
    };
    let read = |swarm, names: &[&str]| match read_entry("c", swarm, entry(names).as_bytes()) {
        Entry::Ours(c) => Some((c.node, c.name, c.state, c.health)),
        _ => None,
    };
    let up = |node: Option<&str>| {
        Some((node.map(str::to_owned), "web.1.2".to_owned(), ContainerState::Running, Health::Starting))
    };
    assert_eq!(read(true, &["/node-1/web.1.2"]), up(Some("node-1")));
    assert_eq!(read(false, &["/other/alias", "/web.1.2"]), up(None));
    assert_eq!(read_entry("another", false, entry(&["/web.1.2"]).as_bytes()), Entry::Foreign);
}

#[test]
fn an_unknown_state_word_falls_back_to_the_status_and_then_to_an_inspect() {
    let state = |word: Value, status: Value| {
        let container = ours(&with(with(entry(), "State", word), "Status", status));
        (container.state, container.visibility)
    };
    for odd in [json!("hibernating"), json!(null), json!(7), json!({"a": 1}), json!("x".repeat(9999))] {
        assert_eq!(
            state(odd.clone(), json!("Up 2 seconds")),
            (ContainerState::Running, Visibility::Clear),
            "{odd}"
        );
        assert_eq!(
            state(odd.clone(), json!("Exited (1) now")),
            (ContainerState::Exited, Visibility::Clear),
            "{odd}"
        );
        assert_eq!(state(odd.clone(), json!("Hibernating")).1, Visibility::Disputed, "{odd}");
        assert_eq!(state(odd.clone(), json!(null)).1, Visibility::Disputed, "{odd}");
    }
    assert_eq!(state(json!("running"), json!(["?"])), (ContainerState::Running, Visibility::Clear));
}

#[test]
fn fields_of_other_types_do_not_affect_the_rest() {
    for (field, odd) in [
        ("Image", json!(null)),
        ("Image", json!([1])),
        ("Created", json!(-5)),
        ("Created", json!("7")),
        ("Created", json!({"deep": [[[[[[[[[[{}]]]]]]]]]]})),
        ("Ports", json!("nonsense")),
        ("Mounts", json!(17)),
        ("Unheard", json!(null)),
    ] {
        let container = ours(&with(entry(), field, odd.clone()));
        assert_eq!(container.state, ContainerState::Running, "{field} {odd}");
    }
    let huge = entry().to_string().replace("\"Created\":7", "\"Created\":1e999");
    let Entry::Ours(container) = read_entry("c", false, huge.as_bytes()) else { panic!("{huge}") };
    assert!(container.created.rfc3339().starts_with("9999-12-31"));
    let mut bytes = entry().to_string().replace("a:1", "a:@").into_bytes();
    bytes.iter_mut().filter(|b| **b == b'@').for_each(|b| *b = 0xff);
    assert!(matches!(read_entry("c", false, &bytes), Entry::Ours(c) if c.image == "a:\u{fffd}"));
    let labels = with(labels(), "io.github.swarm-cluster-state-manager.slot", json!(1));
    assert_eq!(ours(&with(entry(), "Labels", labels)).identity.slot, 1, "a number for a string");
}

#[test]
fn an_entry_that_may_be_ours_is_unclear_and_not_foreign() {
    let unclear = |key: Option<&str>| Entry::Unclear(key.map(str::to_owned));
    for (field, odd, wanted) in [
        ("Labels", json!(null), unclear(Some("abc"))),
        ("Labels", json!(["a=b"]), unclear(Some("abc"))),
        ("Id", json!(null), unclear(Some("web.1.2"))),
        ("Id", json!("../images/x"), unclear(Some("web.1.2"))),
        ("Id", json!(["a"]), unclear(Some("web.1.2"))),
        ("Names", json!(null), unclear(Some("abc"))),
        ("Names", json!([{}]), unclear(Some("abc"))),
    ] {
        assert_eq!(read(&with(entry(), field, odd.clone())), wanted, "{field} {odd}");
    }
    for nothing in [json!(null), json!(7), json!({}), json!([]), json!("x")] {
        assert_eq!(read(&nothing), unclear(None), "{nothing}");
    }
    assert_eq!(read(&with(entry(), "Labels", json!({}))), Entry::Foreign);
    let slot =
        |slot| with(entry(), "Labels", with(labels(), "io.github.swarm-cluster-state-manager.slot", slot));
    assert_eq!(read(&slot(json!("x"))), Entry::Foreign, "its labels are incomplete");
    assert_eq!(read(&slot(json!([1]))), unclear(Some("abc")));
}

fn inspected(state: Value) -> Container {
    let answer = json!({"Id": "abc", "Name": "/web.1.2", "Created": "2026-01-02T03:04:05.6Z",
        "Config": {"Labels": labels(), "Image": "a:1", "StopTimeout": "99999999999"}, "State": state,
        "Mounts": "nonsense", "HostConfig": 7});
    read_inspected("c", answer.to_string().as_bytes()).unwrap().unwrap()
}

#[test]
fn an_inspect_with_an_unknown_state_word_is_read_from_its_other_fields() {
    let odd = |more: Value| {
        let mut state = json!({"Status": "hibernating", "Health": "?", "ExitCode": "x", "Error": null});
        state.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let container = inspected(state);
        (container.state, container.visibility)
    };
    let clear = |state| (state, Visibility::Clear);
    assert_eq!(odd(json!({"Running": true})), clear(ContainerState::Running));
    assert_eq!(odd(json!({"Running": true, "Paused": true})), clear(ContainerState::Paused));
    assert_eq!(odd(json!({"Running": true, "Restarting": true})), clear(ContainerState::Restarting));
    assert_eq!(odd(json!({"Running": false, "Dead": true})), clear(ContainerState::Dead));
    assert_eq!(
        odd(json!({"Running": false, "FinishedAt": "2026-01-01T00:00:00Z"})),
        clear(ContainerState::Exited)
    );
    assert_eq!(
        odd(json!({"Running": false, "FinishedAt": "0001-01-01T00:00:00Z"})),
        clear(ContainerState::Created)
    );
    assert_eq!(odd(json!({})).1, Visibility::Disputed);
    assert_eq!(inspected(json!("?")).visibility, Visibility::Disputed);
}

#[test]
fn an_engines_error_is_escaped_and_bounded() {
    let error = format!("OCI\n2026 ERROR \u{1b}[31m{}", "x".repeat(1 << 20));
    let container = inspected(json!({"Status": "exited", "ExitCode": 127, "Error": error, "Running": false,
        "FinishedAt": "2026-01-01T00:00:00Z"}));
    let detail = container.detail.unwrap();
    let error = detail.error.clone().unwrap();
    assert!(
        error.starts_with("OCI\\n2026 ERROR \\u{1b}[31mxx") && error.len() <= MESSAGE_MAX_BYTES,
        "{error}"
    );
    assert_eq!(detail.exit_code, Some(127));
    assert_eq!(detail.stop_timeout, Some(Duration::from_secs(STOP_TIMEOUT_MAX)));
}

#[test]
fn an_unreadable_inspect_is_an_error_and_not_foreign() {
    for odd in ["<html>", "null", "{}", r#"{"Config": null}"#, r#"{"Config": []}"#, "{\"Config\": {}"] {
        assert!(read_inspected("c", odd.as_bytes()).is_err(), "{odd}");
    }
    assert_eq!(read_inspected("c", br#"{"Id": "x", "Config": {"Labels": null}}"#), Ok(None));
}
