//! `/openapi.json`, and whether the daemon conforms to it. All tests check their answers against the document:
//! `support/documented.rs`.

use std::collections::BTreeSet;

use serde_json::Value;
use support::Daemon;
use support::documented::document;

#[test]
fn the_document_is_served_and_its_routes_exist() {
    let daemon = Daemon::simulated();
    let reply = daemon.client.get("/openapi.json");
    assert_eq!((reply.status, reply.content_type.as_str()), (200, "application/json"));
    assert_eq!(&reply.json(), document());

    let index = daemon.client.get("/").body;
    for (path, item) in document()["paths"].as_object().unwrap() {
        let methods: BTreeSet<String> = item.as_object().unwrap().keys().map(|m| m.to_uppercase()).collect();
        let mut url = path.replace("{name}", "missing");
        if path == "/events" {
            url += "?follow=false";
        }
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            // A body for POST, which need not be valid.
            let arguments = ["--request", method, "--data-binary", "{}"];
            let reply = daemon.client.request(&url, &arguments, b"");
            assert_eq!(reply.status == 405, !methods.contains(method), "{method} {url}: {reply:?}");
            let allow = reply.headers.iter().find_map(|line| line.strip_prefix("allow: "));
            if reply.status == 405 {
                let allow: BTreeSet<String> = allow.unwrap().split(", ").map(str::to_uppercase).collect();
                assert_eq!(allow, methods, "{url}");
            }
        }
        let shown = path.replace("{name}", "NAME");
        for method in methods {
            let lists = |line: &str| line.starts_with(&method) && line.split(' ').any(|word| word == shown);
            assert!(index.lines().any(lists), "{method} {shown} is not in the index:\n{index}");
        }
    }
}

/// An unknown parameter is refused, with the names of the known ones.
#[test]
fn the_documented_parameters_are_the_known_ones() {
    let daemon = Daemon::simulated();
    for (path, item) in document()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
            let documented: BTreeSet<&str> = parameters
                .iter()
                .filter(|p| p["in"] == "query")
                .map(|p| p["name"].as_str().unwrap())
                .collect();
            let url = format!("{}?qqqqqq=1", path.replace("{name}", "missing"));
            let method = method.to_uppercase();
            let reply = daemon.client.request(&url, &["--request", &method], b"");
            if reply.status != 400 {
                // These routes ignore parameters.
                assert!(documented.is_empty(), "{method} {url}: {reply:?}");
                continue;
            }
            let detail = reply.problem().0;
            let listed = detail.split("there are ").nth(1).and_then(|rest| rest.split(';').next());
            let known = listed.into_iter().flat_map(|names| names.split(", ")).filter(|name| *name != "none");
            let known: BTreeSet<&str> = known.collect();
            assert_eq!(known, documented, "{method} {url}: {detail}");
        }
    }
}

#[test]
fn the_document_has_no_secrets_and_no_local_paths() {
    let text = document().to_string();
    for word in ["BEGIN", "PRIVATE KEY", "password", "127.0.0.1", "/root", "/tmp"] {
        assert!(!text.contains(word), "{word}");
    }
    assert_eq!(
        document().pointer("/components/securitySchemes/certificate/type"),
        Some(&Value::from("mutualTLS"))
    );
}
