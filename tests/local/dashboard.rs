//! The Prometheus and Grafana files in `examples/`: their queries can be parsed, and select metrics that a daemon has.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use promql_parser::parser::{self, Expr, VectorSelector};
use promql_parser::util::{ExprVisitor, walk_expr};
use serde_json::Value;
use support::{Client, Daemon};

/// Labels that Prometheus adds.
const SCRAPED: [&str; 2] = ["job", "instance"];

fn example(name: &str) -> String {
    fs::read_to_string(format!("{}/examples/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// All series of a scrape: the labels that each metric has.
fn shown() -> BTreeMap<String, BTreeSet<String>> {
    let daemon = Daemon::simulated();
    daemon.connected();
    daemon.client.submit(&serde_json::json!({"Name": "web", "Image": "a", "Count": 1}));
    Client::without_certificate(&daemon.url, &daemon.certificates()).try_request("/", &[], b"").unwrap_err();
    let mut shown: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in daemon.client.get("/metrics").body.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels.split('"').step_by(2).map(|label| label.trim_matches([',', '=', '}']).to_owned());
        shown.entry(name.to_owned()).or_default().extend(labels.filter(|label| !label.is_empty()));
    }
    // Prometheus' own metric.
    shown.insert("up".to_owned(), BTreeSet::new());
    shown
}

#[derive(Default)]
struct Selectors(Vec<VectorSelector>);

impl ExprVisitor for Selectors {
    type Error = std::convert::Infallible;

    fn pre_visit(&mut self, expr: &Expr) -> Result<bool, Self::Error> {
        match expr {
            Expr::VectorSelector(selector) => self.0.push(selector.clone()),
            Expr::MatrixSelector(matrix) => self.0.push(matrix.vs.clone()),
            _ => {}
        }
        Ok(true)
    }
}

/// Checks that a query can be parsed, and that its metrics and labels exist.
fn check(query: &str, shown: &BTreeMap<String, BTreeSet<String>>) -> usize {
    let query = query.replace("$__rate_interval", "5m");
    let parsed = parser::parse(&query).unwrap_or_else(|error| panic!("{query}: {error}"));
    let mut selectors = Selectors::default();
    let Ok(_) = walk_expr(&mut selectors, &parsed);
    assert!(!selectors.0.is_empty(), "{query} selects nothing");
    for selector in &selectors.0 {
        let name = selector.name.as_deref().unwrap();
        let labels = shown.get(name).unwrap_or_else(|| panic!("{query}: a daemon has no {name}"));
        for matcher in &selector.matchers.matchers {
            let known = labels.contains(&matcher.name) || SCRAPED.contains(&matcher.name.as_str());
            assert!(known, "{query}: {name} has no label {}, only {labels:?}", matcher.name);
        }
    }
    selectors.0.len()
}

/// The values of all members of this name, at any depth.
fn all<'a>(value: &'a Value, name: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get(name).and_then(Value::as_str));
            fields.values().for_each(|value| all(value, name, found));
        }
        Value::Array(items) => items.iter().for_each(|value| all(value, name, found)),
        _ => {}
    }
}

#[test]
fn the_dashboard_and_the_alerts_query_existing_metrics() {
    let shown = shown();
    let dashboard: Value = serde_json::from_str(&example("grafana-dashboard.json")).unwrap();
    let mut queries = Vec::new();
    all(&dashboard, "expr", &mut queries);
    assert!(queries.len() > 30, "{}", queries.len());
    for query in &queries {
        check(query, &shown);
    }
    let alerts = example("alerts.yml");
    let rules: Vec<&str> =
        alerts.lines().filter_map(|line| line.trim_start().strip_prefix("expr: ")).collect();
    assert_eq!(rules.len(), alerts.matches("- alert: ").count());
    for query in rules {
        check(query, &shown);
    }
}

#[test]
fn the_panels_do_not_overlap() {
    let dashboard: Value = serde_json::from_str(&example("grafana-dashboard.json")).unwrap();
    let mut taken = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let at = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{panel}");
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{} overlaps another panel", panel["title"]);
            }
        }
    }
}
