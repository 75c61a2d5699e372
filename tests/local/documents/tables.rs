//! Generated parts of the documents, each between `<!-- begin NAME -->` and `<!-- end NAME -->`.
//!
//! `SCSM_UPDATE_DOCUMENTS=1 cargo test --test local documents` regenerates them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use regex::Regex;
use serde_json::Value;
use support::daemon::program;
use support::process::{run, text};
use support::{Daemon, SOON, holds_within};

use super::{documents, root};

const UPDATE: &str = "SCSM_UPDATE_DOCUMENTS";

#[test]
fn generated_parts_of_the_documents_are_current() {
    let daemon = Daemon::simulated();
    let api = daemon.client.get("/openapi.json").json();
    let update = std::env::var_os(UPDATE).is_some();
    let region = Regex::new(r"(?s)<!-- begin ([a-z-]+) -->\n(.*?)<!-- end ([a-z-]+) -->").unwrap();
    let (mut outdated, mut seen) = (Vec::new(), BTreeSet::new());
    for document in documents() {
        let written = fs::read_to_string(&document).unwrap();
        let current = region.replace_all(&written, |found: &regex::Captures<'_>| {
            let name = &found[1];
            assert_eq!(name, &found[3], "{}", document.display());
            seen.insert(name.to_owned());
            let part = generate(name, &api, &daemon);
            format!(
                "<!-- begin {name} -->\n\n{}\n<!-- end {name} -->",
                part.trim_matches('\n').to_owned() + "\n"
            )
        });
        if current != written {
            if update {
                fs::write(&document, current.as_bytes()).unwrap();
            } else {
                outdated.push(document.strip_prefix(root()).unwrap().display().to_string());
            }
        }
    }
    assert!(
        outdated.is_empty(),
        "not current: {}\nTo update the documents: {UPDATE}=1 cargo test --test local documents",
        outdated.join(", ")
    );
    let all = [
        "commands",
        "connection-flags",
        "daemon-flags",
        "exit-codes",
        "metrics",
        "object",
        "parameters",
        "requests",
        "status-codes",
        "status-container",
        "status-engine",
        "status-node",
        "status-object",
    ];
    assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), all);
}

fn generate(name: &str, api: &Value, daemon: &Daemon) -> String {
    match name {
        "requests" => requests(api),
        "parameters" => parameters(api),
        "status-codes" => status_codes(api),
        "object" => object(api),
        "status-object" => fields(api, "ObjectStatus"),
        "status-container" => fields(api, "ContainerStatus"),
        "status-engine" => fields(api, "EngineStatus"),
        "status-node" => fields(api, "NodeStatus"),
        "metrics" => metrics(daemon),
        table => {
            let output = run(program().args(["reference", table]));
            assert!(output.status.success(), "{name}: {}", text(&output.stderr));
            text(&output.stdout)
        }
    }
}

/// Each operation: `METHOD /path`, and its declaration.
fn operations(api: &Value) -> impl Iterator<Item = (String, &Value)> {
    let paths = api["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, item)| {
        let path = path.replace("{name}", "NAME");
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), operation))
    })
}

/// One line, with the characters escaped that have a meaning in tables.
fn cell(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|").replace('<', "\\<")
}

fn requests(api: &Value) -> String {
    let mut table = "| request | what it does |\n|---|---|\n".to_owned();
    for (request, operation) in operations(api) {
        let summary = cell(&operation["summary"]);
        let more = cell(&operation["description"]);
        let summary = [summary.trim_end_matches('.'), more.as_str()].join(". ");
        writeln!(table, "| `{request}` | {}. |", summary.trim_end_matches(['.', ' '])).unwrap();
    }
    table
}

fn parameters(api: &Value) -> String {
    let mut table = "| parameter | of | meaning |\n|---|---|---|\n".to_owned();
    let mut rows: Vec<(String, String, Vec<String>)> = Vec::new();
    for (request, operation) in operations(api) {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            let name = match parameter["in"].as_str().unwrap() {
                "query" => format!("`?{name}=`"),
                "header" => format!("`{name}:`"),
                _ => continue,
            };
            let meaning = cell(&parameter["description"]);
            match rows.iter_mut().find(|row| row.0 == name && row.1 == meaning) {
                Some(row) => row.2.push(format!("`{request}`")),
                None => rows.push((name, meaning, vec![format!("`{request}`")])),
            }
        }
    }
    for (name, meaning, requests) in rows {
        writeln!(table, "| {name} | {} | {meaning} |", requests.join("<br>")).unwrap();
    }
    table
}

fn status_codes(api: &Value) -> String {
    let mut meanings: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (request, operation) in operations(api) {
        for (code, response) in operation["responses"].as_object().unwrap() {
            let meaning = cell(&response["description"]);
            let known = meanings.entry(code.clone()).or_default();
            // The answers of reads are in the table of requests.
            let is_read = request.starts_with("GET") && code == "200";
            if !is_read && !known.contains(&meaning) {
                known.push(meaning);
            }
        }
    }
    let mut table = "| code | meaning |\n|---|---|\n".to_owned();
    for (code, meanings) in meanings {
        writeln!(table, "| {code} | {} |", meanings.join("<br>")).unwrap();
    }
    table
}

/// The object's own fields; Docker's fields are only listed.
fn object(api: &Value) -> String {
    let schema = &api["components"]["schemas"]["Object"];
    let required: Vec<&str> =
        schema["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let mut table = "| field | type | default | meaning |\n|---|---|---|---|\n".to_owned();
    let mut dockers = Vec::new();
    for (name, field) in schema["properties"].as_object().unwrap() {
        if field["description"].as_str().unwrap().starts_with("Docker's ") {
            dockers.push(format!("`{name}`"));
            continue;
        }
        field_row(&mut table, name, field, required.contains(&name.as_str()));
        for (nested, field) in field["properties"].as_object().into_iter().flatten() {
            field_row(&mut table, &format!("{name}.{nested}"), field, false);
        }
    }
    format!("{table}\nDocker's fields: {}.\n", dockers.join(", "))
}

fn field_row(table: &mut String, name: &str, field: &Value, required: bool) {
    let types = match &field["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        one => one.as_str().unwrap_or_default().to_owned(),
    };
    let choices = field["enum"].as_array().map(|all| {
        all.iter().map(|one| format!("`{}`", one.as_str().unwrap())).collect::<Vec<_>>().join(", ")
    });
    let default = match &field["default"] {
        Value::Null if required => "required".to_owned(),
        Value::Null => String::new(),
        Value::String(text) => format!("`{text}`"),
        value => format!("`{value}`"),
    };
    let range = match (&field["minimum"], &field["maximum"]) {
        (Value::Number(least), Value::Number(most)) if most.as_u64() != Some(u32::MAX.into()) => {
            format!(", {least} to {most}")
        }
        _ => String::new(),
    };
    let types = choices.unwrap_or(types + &range);
    writeln!(table, "| `{name}` | {types} | {default} | {} |", cell(&field["description"])).unwrap();
}

/// The fields of an answer.
fn fields(api: &Value, schema: &str) -> String {
    let schemas = &api["components"]["schemas"];
    let properties = schemas[schema]["properties"].as_object();
    let properties = properties.unwrap_or_else(|| panic!("the API has no schema {schema}"));
    let mut table = "| field | meaning |\n|---|---|\n".to_owned();
    for (name, field) in properties {
        let named = field["$ref"].as_str().and_then(|path| path.rsplit('/').next());
        let choices = named.and_then(|named| schemas[named]["enum"].as_array());
        let choices = choices
            .map(|all| all.iter().map(|one| format!("`{}`", one.as_str().unwrap())).collect::<Vec<_>>());
        let choices = choices.map_or(String::new(), |all| format!(" One of {}.", all.join(", ")));
        writeln!(table, "| `{name}` | {}{choices} |", cell(&field["description"])).unwrap();
    }
    table
}

/// The metrics of a daemon that has an object and has refused a connection, so that all of them are present.
fn metrics(daemon: &Daemon) -> String {
    let accepted = daemon.client.post("/submit", br#"{"Name": "web", "Image": "web:1", "Count": 1}"#);
    assert!(accepted.status < 300, "{accepted:?}");
    let mut scrape = String::new();
    let complete = holds_within(SOON, || {
        plain_request(&daemon.url);
        scrape = daemon.client.get("/metrics").body;
        scrape.contains("scsm_connections_refused_total{")
            && scrape.contains("scsm_object_converged{object=\"web\"} 1")
    });
    complete.unwrap_or_else(|| panic!("{scrape}"));
    let label = Regex::new(r#"([a-z_]+)=""#).unwrap();
    let mut table = "| metric | type | labels | meaning |\n|---|---|---|---|\n".to_owned();
    let help = scrape.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' '));
    for (name, meaning) in help.filter(|(name, _)| name.starts_with("scsm_")) {
        let kind = scrape.lines().find_map(|line| line.strip_prefix(&format!("# TYPE {name} "))).unwrap();
        let series = scrape
            .lines()
            .find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ', '_'])));
        let labels = label.captures_iter(series.unwrap_or_default()).map(|found| format!("`{}`", &found[1]));
        let labels: Vec<String> = labels.filter(|label| label != "`le`").collect();
        let meaning = cell(&Value::from(meaning));
        writeln!(table, "| `{name}` | {kind} | {} | {meaning} |", labels.join(", ")).unwrap();
    }
    table
}

/// Plain HTTP on the HTTPS port, which is refused and counted.
fn plain_request(url: &str) {
    let mut stream = TcpStream::connect(url.trim_start_matches("https://")).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
}
