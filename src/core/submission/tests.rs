//! Accepted and refused submissions.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::core::spec::{Order, Spec};

fn one(text: &str) -> Result<Spec, SubmissionError> {
    match read(text.as_bytes())? {
        Submission::One(spec) => Ok(*spec),
        Submission::Many(_) => panic!("an array"),
    }
}

fn field(text: &str) -> (String, String) {
    match read(text.as_bytes()).unwrap_err() {
        SubmissionError::Field(e) => (e.field, e.message),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_prototypes_object_is_accepted() {
    let spec = one(r#"{"Name": "nginx", "Image": "nginx:1.9.6", "Count": 5}"#).unwrap();
    assert_eq!((spec.name.as_str(), spec.count, spec.template.image.as_str()), ("nginx", 5, "nginx:1.9.6"));
    assert_eq!(spec.update.monitor, Duration::from_secs(5));
    assert_eq!(spec.history, 1);
}

#[test]
fn counts_out_of_range_name_the_given_and_the_allowed_values() {
    for given in ["-1", "1.5", "\"5\"", "10001", "true", "1e5"] {
        let (field, message) = field(&format!(r#"{{"Name": "x", "Image": "a", "Count": {given}}}"#));
        assert_eq!(field, "Count");
        assert!(message.contains("from 0 to 10000"), "{message}");
    }
    assert!(one(r#"{"Name": "x", "Image": "a", "Count": 10000}"#).is_ok());
}

#[test]
fn dockers_other_forms_are_accepted_and_normalised() {
    let spec = one(
        r#"{"Name": "x", "Image": "a", "Count": 3.0, "Cmd": "sleep 9", "Entrypoint": "", "Update": {"Monitor": 5, "Delay": "7"},
            "HostConfig": {"Memory": 67108864.0, "CapDrop": "ALL", "LogConfig": {}}}"#,
    )
    .unwrap();
    assert_eq!(
        (spec.count, spec.update.monitor, spec.update.delay.as_secs()),
        (3, Duration::from_secs(5), 7)
    );
    assert_eq!(spec.template.body.entrypoint, Some(vec![String::new()]));
    let plain = one(
        r#"{"Name": "x", "Image": "a", "Count": 3, "Cmd": ["sleep 9"], "Entrypoint": [""], "HostConfig": {"Memory": 67108864, "CapDrop": ["ALL"], "LogConfig": {}}}"#,
    );
    assert_eq!(spec.template.hash, plain.unwrap().template.hash);
    assert_eq!(field(r#"{"Name": "x", "Image": "a", "Count": 3.5}"#).0, "Count");
    let bad = field(r#"{"Name": "x", "Image": "a", "Count": 3, "Update": {"Monitor": true}}"#);
    assert_eq!(bad.0, "Update.Monitor");
}

#[test]
fn files_of_other_systems_are_recognized() {
    for (text, expected) in [
        (r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {}}"#, "a Kubernetes manifest"),
        (r#"{"version": "3", "services": {"web": {"image": "a"}}}"#, "a compose file"),
        (r#"[{"Id": "abc", "State": {}, "Config": {}, "Image": "sha256:1"}]"#, "docker inspect"),
        (r#"{"Name": "/web", "Count": 1, "Config": {"Image": "a"}, "HostConfig": {}}"#, "docker inspect"),
        (r#"{"Name": "web", "Phase": "converged", "ObservedGeneration": 1}"#, "GET /objects/NAME"),
    ] {
        let (_, message) = field(text);
        assert!(message.contains(expected) && !message.contains("known here"), "{message}");
    }
}

#[test]
fn a_byte_order_mark_is_skipped_and_utf_16_is_named() {
    let text = r#"{"Name": "x", "Image": "a", "Count": 1}"#;
    assert!(one(&format!("\u{feff}{text}")).is_ok());
    let wide: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(read(&wide).unwrap_err().to_string().contains("UTF-16"));
    assert!(strict::parse(&wide).unwrap_err().to_string().contains("UTF-16"));
}

#[test]
fn missing_and_invalid_fields_are_named() {
    assert_eq!(field(r#"{"Image": "a", "Count": 1}"#).0, "Name");
    assert_eq!(field(r#"{"Name": "x", "Count": 1}"#).0, "Image");
    assert_eq!(field(r#"{"Name": "x", "Image": "a"}"#).0, "Count");
    assert_eq!(field(r#"{"Name": "x y", "Image": "a", "Count": 1}"#).0, "Name");
    for image in ["", "a b", "a?b", "a//b", "../a", "a/./b", "/a", "a/"] {
        let text = format!(r#"{{"Name": "x", "Image": "{image}", "Count": 1}}"#);
        assert_eq!(field(&text).0, "Image", "{image}");
    }
    assert_eq!(field(r#"{"Name": "x", "Image": "a", "Count": 1, "Pull": "sometimes"}"#).0, "Pull");
    assert_eq!(
        field(r#"{"Name": "x", "Image": "a", "Count": 1, "Update": {"Delay": "soon"}}"#).0,
        "Update.Delay"
    );
    assert_eq!(
        field(r#"{"Name": "x", "Image": "a", "Count": 1, "Update": {"Dealy": "1s"}}"#).0,
        "Update.Dealy"
    );
    assert_eq!(
        field(r#"{"Name": "x", "Image": "a", "Count": 1, "Constraints": ["n3"]}"#).0,
        "Constraints[0]"
    );
    assert_eq!(field(r#"[{"Name": "x", "Image": "a", "Count": -1}]"#).0, "[0].Count");
    assert_eq!(
        field(r#"[{"Name": "x", "Image": "a", "Count": 1}, {"Name": "x", "Image": "a", "Count": 1}]"#).0,
        "[1].Name"
    );
}

#[test]
fn an_array_has_at_most_so_many_objects() {
    let objects: Vec<_> =
        (0..3).map(|n| json!({"Name": format!("x{n}"), "Image": "a", "Count": 1})).collect();
    let body = Value::from(objects).to_string();
    assert!(read_at_most(body.as_bytes(), 3).is_ok());
    let error = read_at_most(body.as_bytes(), 2).unwrap_err();
    assert!(matches!(error, SubmissionError::TooMany(2)), "{error}");
    assert!(error.to_string().contains("allowed are up to 2: submit in several parts"), "{error}");
}

#[test]
fn a_stored_object_stays_readable_even_if_a_submit_of_it_is_refused() {
    for (refused, field) in [
        (r#"{"Name": "x", "Count": 1, "Image": "hub.example.com/MyOrg/app:1"}"#, "Image"),
        (r#"{"Name": "x", "Count": 1, "Image": "a", "Env": ["whitelist:node==n1"]}"#, "Env[0]"),
        (
            r#"{"Name": "x", "Count": 1, "Image": "a", "HostConfig": {"BlkioDeviceReadBps": [{"Path": "/dev/sda", "Rate": 1}]}}"#,
            "HostConfig.BlkioDeviceReadBps",
        ),
        (r#"{"Name": "x", "Count": 1, "Image": "a", "Env": ["=A"], "StopSignal": "SIGFOO"}"#, "Env[0]"),
    ] {
        let value = strict::parse(refused.as_bytes()).unwrap();
        assert!(object(&value).is_ok(), "{refused}");
        let named = match submitted(&value) {
            Ok(spec) => crate::core::policy::authorize_spec(&spec).unwrap_err().field,
            Err(SubmissionError::Field(error)) => error.field,
            Err(error) => panic!("{error}"),
        };
        assert_eq!(named, field);
    }
}

#[test]
fn fail_after_is_ten_seconds_unless_the_object_says_otherwise() {
    let fail_after = |update: &str| {
        let text = format!(r#"{{"Name": "x", "Image": "a", "Count": 1, "Update": {update}}}"#);
        one(&text).map(|spec| spec.update.fail_after)
    };
    assert_eq!(fail_after("null").unwrap(), Duration::from_secs(10));
    assert_eq!(fail_after("{}").unwrap(), Duration::from_secs(10));
    assert_eq!(fail_after(r#"{"FailAfter": "0s"}"#).unwrap(), Duration::ZERO);
    assert_eq!(fail_after(r#"{"FailAfter": "1m"}"#).unwrap(), Duration::from_secs(60));
    let bad = r#"{"Name": "x", "Image": "a", "Count": 1, "Update": {"FailAfter": "soon"}}"#;
    assert_eq!(field(bad).0, "Update.FailAfter");
}

#[test]
fn the_hash_covers_what_needs_a_new_container_and_nothing_else() {
    let base = one(r#"{"Name": "x", "Image": "a", "Count": 1, "Env": ["A=1"]}"#).unwrap().template.hash;
    for same in [
        r#"{"Env": ["A=1"], "Count": 7, "Image": "a", "Name": "y", "Tty": null}"#,
        r#"{"Name": "x", "Image": "a", "Count": 1, "Env": ["A=1"], "History": 3, "Update": {"Delay": "1s", "FailAfter": "0s"}}"#,
        r#"{"Name": "x", "Image": "a", "Count": 1, "Env": ["A=1"], "OnNodeLost": "hold", "Pull": "always"}"#,
    ] {
        assert_eq!(one(same).unwrap().template.hash, base, "{same}");
    }
    for other in [
        r#"{"Name": "x", "Image": "b", "Count": 1, "Env": ["A=1"]}"#,
        r#"{"Name": "x", "Image": "a", "Count": 1, "Env": ["A=2"]}"#,
        r#"{"Name": "x", "Image": "a", "Count": 1, "Env": ["A=1"], "Constraints": ["name==n3"]}"#,
    ] {
        assert_ne!(one(other).unwrap().template.hash, base, "{other}");
    }
    // The label of existing containers: a change of the hash would restart all of them.
    assert_eq!(base.as_str(), "2967df1cf41fb942af6c8a2b5febd171");
}

#[test]
fn a_text_that_is_too_long_is_refused_in_a_submit_and_stays_readable_in_the_store() {
    let mode = "x".repeat(1 << 20);
    let text =
        format!(r#"{{"Name": "x", "Image": "a", "Count": 1, "HostConfig": {{"NetworkMode": "{mode}"}}}}"#);
    assert_eq!(field(&text).0, "HostConfig.NetworkMode");
    assert_eq!(field(&format!("[{text}]")).0, "[0].HostConfig.NetworkMode");
    assert!(object(&serde_json::from_str(&text).unwrap()).is_ok());
}

#[test]
fn a_generation_is_a_precondition_and_not_part_of_the_spec() {
    let with = |generation: &str| {
        let text = format!(r#"{{"Name": "x", "Image": "a", "Count": 1, "Generation": {generation}}}"#);
        read_at_most(text.as_bytes(), 1)
    };
    let plain = one(r#"{"Name": "x", "Image": "a", "Count": 1}"#).unwrap();
    for (given, generation) in [("3", Some(3)), ("0", Some(0)), ("3.0", Some(3)), ("null", None)] {
        let (Submission::One(spec), generations) = with(given).unwrap() else { panic!("an array") };
        assert_eq!(generations.get(&plain.name).copied(), generation, "{given}");
        assert_eq!(*spec, plain, "{given}");
    }
    for bad in ["-1", "1.5", "\"3\"", "true", "[3]"] {
        let error = with(bad).unwrap_err();
        assert!(matches!(error, SubmissionError::Field(e) if e.field == "Generation"), "{bad}");
    }
    let array = r#"[{"Name": "x", "Image": "a", "Count": 1, "Generation": "new"}]"#;
    assert_eq!(field(array).0, "[0].Generation");
}

#[test]
fn an_object_without_defaults_has_only_fields_with_an_effect() {
    let text = |more: &str| {
        serde_json::from_str::<Value>(&format!(r#"{{"Name": "x", "Image": "a", "Count": 1{more}}}"#)).unwrap()
    };
    let plain = text("");
    for default in [
        r#", "Env": [], "Tty": false, "HostConfig": {}, "Generation": 7"#,
        r#", "Update": {"Parallelism": 1, "Monitor": 5, "Order": "start-first"}, "History": 1"#,
        r#", "OnNodeLost": "replace", "Pull": "missing", "Constraints": [], "Cmd": null"#,
    ] {
        assert_eq!(without_defaults(&text(default)), plain, "{default}");
    }
    for (more, field, value) in [
        (r#", "Update": {"Monitor": "1m30s", "Delay": 0}"#, "Update", json!({"Monitor": "1m 30s"})),
        (r#", "Update": {"Order": "stop-first"}"#, "Update", json!({"Order": "stop-first"})),
        (r#", "OnNodeLost": "hold""#, "OnNodeLost", json!("hold")),
        (r#", "History": 0"#, "History", json!(0)),
        (r#", "Cmd": "a""#, "Cmd", json!(["a"])),
        (r#", "NotKnownYet": 1"#, "NotKnownYet", json!(1)),
    ] {
        let mut expected = plain.clone();
        expected[field] = value;
        assert_eq!(without_defaults(&text(more)), expected, "{more}");
    }
}

#[test]
fn an_exclusive_resource_makes_the_update_stop_first() {
    for fixed in [
        r#""HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "80"}]}}"#,
        r#""NetworkingConfig": {"EndpointsConfig": {"n": {"IPAMConfig": {"IPv4Address": "172.30.0.9"}}}}"#,
        r#""NetworkingConfig": {"EndpointsConfig": {"n": {"IPAMConfig": {"IPv6Address": "2001:db8::9"}}}}"#,
        r#""NetworkingConfig": {"EndpointsConfig": {"n": {"MacAddress": "02:42:ac:11:00:09"}}}"#,
    ] {
        let spec = one(&format!(r#"{{"Name": "x", "Image": "a", "Count": 1, {fixed}}}"#));
        assert_eq!(spec.unwrap().update.order, Order::StopFirst, "{fixed}");
    }
}

#[test]
fn more_containers_than_an_address_allows_are_refused_and_stay_readable_in_the_store() {
    let text = |count: u32, more: &str| {
        format!(
            r#"{{"Name": "x", "Image": "a", "Count": {count}{more}, "NetworkingConfig": {{"EndpointsConfig":
                {{"n": {{"IPAMConfig": {{"IPv4Address": "172.30.0.9"}}}}}}}}}}"#
        )
    };
    let (name, message) = field(&text(2, ""));
    assert_eq!(name, "NetworkingConfig.EndpointsConfig.n.IPAMConfig.IPv4Address");
    assert!(message.contains("address 172.30.0.9 in network n with Count 2"), "{message}");
    let (name, _) = field(&text(1, r#", "Update": {"Order": "start-first"}"#));
    assert_eq!(name, "Update.Order");
    assert!(one(&text(1, "")).is_ok() && one(&text(0, "")).is_ok());
    assert!(object(&serde_json::from_str(&text(2, "")).unwrap()).is_ok());
}

#[test]
fn a_health_check_has_a_kind_that_engines_support() {
    let test = |test: &str| {
        one(&format!(r#"{{"Name": "x", "Image": "a", "Count": 1, "Healthcheck": {{"Test": {test}}}}}"#))
    };
    for good in ["[]", r#"["NONE"]"#, r#"["CMD", "/check"]"#, r#"["CMD-SHELL", "curl x"]"#] {
        assert!(test(good).is_ok(), "{good}");
    }
    assert!(test(r#"["curl", "x"]"#).unwrap_err().to_string().contains("CMD-SHELL"));
}

#[test]
fn each_host_port_is_published_once() {
    let fits = |count: u32, port: &str, more: &str| {
        let text = format!(
            r#"{{"Name": "x", "Image": "a", "Count": {count}{more},
                "HostConfig": {{"PortBindings": {{"80/tcp": [{{"HostPort": "{port}"}}]}}}}}}"#
        );
        fits_one_host(&one(&text).unwrap()).map_err(|e| e.field)
    };
    assert_eq!(fits(1, "80", ""), Ok(()));
    assert_eq!(fits(2, "80", "").unwrap_err(), "HostConfig.PortBindings.80/tcp");
    assert_eq!((fits(2, "", ""), fits(11, "80-90", "")), (Ok(()), Ok(())));
    assert!(fits(12, "80-90", "").is_err());
    let start_first = r#", "Update": {"Order": "start-first"}"#;
    assert_eq!(fits(1, "80", start_first).unwrap_err(), "Update.Order");
    assert_eq!(fits(5, "80-90", start_first), Ok(()));
}
