//! Checks every answer against the OpenAPI document. An undocumented answer fails the test that received it, whatever that
//! test is about.
//!
//! Three kinds of answers need no documentation: 404 for an unknown path, 405 for a method that a path does not accept, and
//! the answer to plain HTTP on the HTTPS port.

use std::sync::OnceLock;

use serde_json::Value;

use super::process::text;
use super::{Daemon, Reply};

/// The document that a daemon serves at `/openapi.json`, fetched once per test process.
pub fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        let output = Daemon::simulated().client.curl("/openapi.json", &[], b"");
        let answer = text(&output.stdout);
        let (document, status) = answer.rsplit_once('\n').expect("curl writes the status last");
        assert_eq!(status, "200", "{}", text(&output.stderr));
        serde_json::from_str(document).expect("the document is JSON")
    })
}

/// The documented path that matches `path`, and its documentation.
fn item(path: &str) -> Option<(&'static String, &'static Value)> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let fits = |template: &str| {
        let (mut parts, mut given) = (template.split('/'), path.split('/'));
        let same = parts
            .by_ref()
            .zip(given.by_ref())
            .all(|(part, given)| part == given || (part.starts_with('{') && !given.is_empty()));
        same && template.split('/').count() == path.split('/').count()
    };
    document()["paths"].as_object()?.iter().find(|(template, _)| fits(template))
}

/// The method that curl uses with these arguments.
pub fn method<'a>(arguments: &[&'a str]) -> &'a str {
    let named = arguments.iter().position(|a| matches!(*a, "--request" | "-X"));
    let named = named.and_then(|i| arguments.get(i + 1)).copied();
    let implied = if arguments.iter().any(|a| a.starts_with("--data") || *a == "-d") {
        "POST"
    } else if arguments.iter().any(|a| matches!(*a, "--head" | "-I")) {
        "HEAD"
    } else {
        "GET"
    };
    named.unwrap_or(implied)
}

/// Panics if the document has no such answer.
#[track_caller]
pub fn check(method: &str, path: &str, reply: &Reply) {
    let what = format!("{method} {path} answered {} {:?}", reply.status, reply.content_type);
    let general = matches!(reply.status, 403 | 429 | 503);
    let Some((template, item)) = item(path) else {
        assert!(general || reply.status == 404, "{what}, but no path of /openapi.json matches: {reply:?}");
        return;
    };
    // A HEAD is answered like a GET, without the body.
    let documented = if method == "HEAD" { "get".to_owned() } else { method.to_ascii_lowercase() };
    let Some(operation) = item.get(&documented) else {
        let refused = general || reply.status == 405;
        assert!(refused, "{what}, but {template} has no {method} in /openapi.json: {reply:?}");
        return;
    };
    let Some(response) = operation["responses"].get(reply.status.to_string()) else {
        panic!("{what}, but {template} has no such status in /openapi.json: {reply:?}");
    };
    let kind = reply.content_type.split(';').next().unwrap_or_default().trim();
    let kinds = response["content"].as_object();
    let documented = kinds.map_or(kind.is_empty(), |kinds| kinds.contains_key(kind));
    assert!(documented, "{what}, but /openapi.json documents {kinds:?} there: {reply:?}");
}
