use std::collections::BTreeSet;

use super::*;
use crate::core::submission::OWN;

fn document() -> Value {
    serde_json::from_slice(&Document::new(&crate::http::router::routes().into_openapi()).json()).unwrap()
}

fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, op)| (path.clone(), method.clone(), op))
        })
        .collect()
}

#[test]
fn the_router_has_the_paths_of_the_document_and_no_others() {
    let (router, _) = crate::http::router::routes().split_for_parts();
    // A router does not list its routes, but its debug output contains them.
    let printed = format!("{router:?}");
    let routed: BTreeSet<&str> =
        printed.split('"').filter(|text| text.starts_with('/') && !text.contains('*')).collect();
    let document = document();
    let documented: BTreeSet<&str> =
        document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    assert!(documented.len() > 8, "{documented:?}");
    assert_eq!(routed, documented);
}

#[test]
fn every_operation_has_a_summary_and_responses() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let what = format!("{method} {path}");
        assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{what}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{what}: doubled id");
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{what}");
        for always in ["403", "429", "503"] {
            assert!(responses.contains_key(always), "{what}: {always}");
        }
        for (status, response) in responses {
            assert!(!response["description"].as_str().unwrap().is_empty(), "{what}: {status}");
            let content = response["content"].as_object().unwrap();
            assert_eq!(content.contains_key(MEDIA_TYPE), status.starts_with(['4', '5']), "{what}: {status}");
        }
        let named = path.matches('{').count();
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        assert_eq!(parameters.iter().filter(|p| p["in"] == "path").count(), named, "{what}");
    }
}

#[test]
fn every_reference_resolves_and_nothing_is_null() {
    fn walk(document: &Value, at: &Value, seen: &mut usize) {
        match at {
            Value::Object(fields) => {
                if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                    *seen += 1;
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
                }
                fields.values().for_each(|value| walk(document, value, seen));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(document, value, seen)),
            other => assert!(*other != "null" && !other.is_null()),
        }
    }
    let mut seen = 0;
    let document = document();
    walk(&document, &document, &mut seen);
    assert!(seen > 40, "{seen}");
}

#[test]
fn an_object_has_its_own_fields_and_dockers() {
    let document = document();
    let fields = document["components"]["schemas"]["Object"]["properties"].as_object().unwrap();
    for own in OWN {
        assert!(fields[own]["type"].is_string(), "{own} is described");
    }
    for dockers in ["Env", "Cmd", "HostConfig", "NetworkingConfig", "Healthcheck", "StopTimeout"] {
        assert!(fields[dockers]["description"].is_string(), "{dockers}");
    }
    // Every documented field is accepted.
    let unknown = fields.keys().find(|field| {
        let text = json!({"Name": "x", "Image": "a", "Count": 1, field.as_str(): null});
        crate::core::submission::object(&text).is_err_and(|error| error.to_string().contains("not known"))
    });
    assert_eq!(unknown, None);
}
