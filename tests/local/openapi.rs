//! `/openapi.json`, and whether the daemon keeps to it. What it answers is held against the document by all tests:
//! see `support/documented.rs`.

use std::collections::BTreeSet;

use serde_json::Value;
use support::Daemon;
use support::documented::document;

#[test]
fn the_document_is_served_and_its_routes_are_there() {
    let daemon = Daemon::simulated();
    let reply = daemon.client.get("/openapi.json");
    assert_eq!((reply.status, reply.content_type.as_str()), (200, "application/json"));
    assert_eq!(&reply.json(), document());

    let index = daemon.client.get("/").body;
    for (path, item) in document()["paths"].as_object().unwrap() {
        let methods: BTreeSet<String> = item.as_object().unwrap().keys().map(|m| m.to_uppercase()).collect();
        let mut asked = path.replace("{name}", "nobody");
        if path == "/events" {
            asked += "?follow=false";
        }
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            // A body, for POST: what is wrong with it is another question.
            let arguments = ["--request", method, "--data-binary", "{}"];
            let reply = daemon.client.request(&asked, &arguments, b"");
            assert_eq!(reply.status == 405, !methods.contains(method), "{method} {asked}: {reply:?}");
            let allow = reply.headers.iter().find_map(|line| line.strip_prefix("allow: "));
            if reply.status == 405 {
                let allow: BTreeSet<String> = allow.unwrap().split(", ").map(str::to_uppercase).collect();
                assert_eq!(allow, methods, "{asked}");
            }
        }
        let shown = path.replace("{name}", "NAME");
        for method in methods {
            let told = |line: &str| line.starts_with(&method) && line.split(' ').any(|word| word == shown);
            assert!(index.lines().any(told), "{method} {shown} is not in the index:\n{index}");
        }
    }
}

/// A parameter that is not known is refused, with the names of those that are.
#[test]
fn the_documented_parameters_are_those_that_are_known() {
    let daemon = Daemon::simulated();
    for (path, item) in document()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
            let documented: BTreeSet<&str> = parameters
                .iter()
                .filter(|p| p["in"] == "query")
                .map(|p| p["name"].as_str().unwrap())
                .collect();
            let asked = format!("{}?qqqqqq=1", path.replace("{name}", "nobody"));
            let method = method.to_uppercase();
            let reply = daemon.client.request(&asked, &["--request", &method], b"");
            if reply.status != 400 {
                // Health checks and lists for people take whatever they are asked with.
                assert!(documented.is_empty(), "{method} {asked}: {reply:?}");
                continue;
            }
            let detail = reply.problem().0;
            let listed = detail.split("there are ").nth(1).and_then(|rest| rest.split(';').next());
            let known = listed.into_iter().flat_map(|names| names.split(", ")).filter(|name| *name != "none");
            let known: BTreeSet<&str> = known.collect();
            assert_eq!(known, documented, "{method} {asked}: {detail}");
        }
    }
}

#[test]
fn nothing_in_it_is_secret_or_of_one_machine() {
    let text = document().to_string();
    for word in ["BEGIN", "PRIVATE KEY", "password", "127.0.0.1", "/root", "/tmp"] {
        assert!(!text.contains(word), "{word}");
    }
    assert_eq!(
        document().pointer("/components/securitySchemes/certificate/type"),
        Some(&Value::from("mutualTLS"))
    );
}
