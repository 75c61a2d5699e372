//! The direction of dependencies: which module may import which, and that no two files import each other.

use std::collections::{BTreeMap, BTreeSet};

use self::imports::{Edges, Tree};

mod imports;

/// Which modules each module may import, from the bottom up. A child module with an entry of its own has its own rule.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("crash_points", &[]),
    ("clock", &["core"]),
    ("planner", &["core"]),
    ("connector", &[]),
    ("api", &["core"]),
    ("certificates", &["clock", "core::sanitize"]),
    ("telemetry", &["clock", "core"]),
    ("server", &["api::problem", "certificates", "clock", "core::sanitize", "telemetry"]),
    ("engine", &["certificates", "clock", "connector", "core", "telemetry"]),
    ("store", &["api::event", "clock", "core", "crash_points", "telemetry"]),
    ("control", &["api::event", "clock", "core", "crash_points", "engine", "planner", "store", "telemetry"]),
    ("status", &["api", "clock", "control", "core", "engine", "store"]),
    ("logs", &["clock", "control", "core", "engine", "status"]),
    ("telemetry::exposition", &["core", "server::fair_share", "status", "telemetry"]),
    (
        "http",
        &[
            "api",
            "certificates",
            "clock",
            "control",
            "core",
            "engine",
            "logs",
            "planner",
            "server",
            "status",
            "store",
            "telemetry",
            "telemetry::exposition",
        ],
    ),
    (
        "app",
        &[
            "api::event",
            "certificates",
            "clock",
            "connector",
            "control",
            "core",
            "engine",
            "http",
            "logs",
            "server",
            "status",
            "store",
            "telemetry",
            "telemetry::exposition",
        ],
    ),
    ("client", &["api", "certificates", "clock", "connector", "core"]),
    (
        "cli",
        &["api", "app", "certificates", "client", "clock", "connector", "core", "engine", "logs", "store"],
    ),
    ("main", &["cli"]),
];

/// Crates, and items of them, that the pure modules do not name: I/O, clocks, chance and the wire.
const IMPURE: &[&str] = &[
    "axum",
    "bollard_stubs",
    "fastrand",
    "http",
    "hyper",
    "rustls",
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "tokio",
    "tokio_util",
    "tracing",
    "utoipa",
    "std::collections::hash_map::RandomState",
    "std::hash::RandomState",
];
/// The one file that re-exports what the pure modules need of bollard-stubs: Docker's own models.
const DOCKER_MODELS: &str = "core::docker_models";
/// Conversions from the wall clock's type, which read no clock.
const MAY_NAME_SYSTEM_TIME: &str = "core::time";

#[test]
fn no_module_imports_one_above_it() {
    let tree = Tree::read();
    let mut wrong = Vec::new();
    for (from, imports) in tree.edges() {
        let (rule, allowed) = rule_of(&from).unwrap_or_else(|| panic!("{from} has no entry in MAY_IMPORT"));
        for (to, names) in imports {
            let (target, _) = rule_of(&to).unwrap_or_else(|| panic!("{to} has no entry in MAY_IMPORT"));
            let may = |name: &String| {
                let item = format!("{to}::{name}");
                allowed.iter().any(|one| is_within(&item, one) && is_within(one, target))
            };
            if rule != target && !names.iter().all(may) {
                wrong.push(format!("{from} imports {to} ({})", join(&names)));
            }
        }
    }
    assert!(wrong.is_empty(), "{} imports go the wrong way:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn no_two_files_import_each_other() {
    let edges = Tree::read().edges();
    let circles = circles(&edges);
    let descriptions: Vec<String> = circles.iter().map(|circle| describe(circle, &edges)).collect();
    assert!(circles.is_empty(), "{} circles:\n{}", circles.len(), descriptions.join("\n"));
}

#[test]
fn the_core_and_the_planner_are_pure() {
    let tree = Tree::read();
    let mut wrong = Vec::new();
    let mut models = BTreeSet::new();
    for (name, module) in
        tree.modules.iter().filter(|(name, _)| is_within(name, "core") || is_within(name, "planner"))
    {
        for path in &module.paths {
            let path = path.join("::");
            for impure in IMPURE.iter().filter(|impure| is_within(&path, impure)) {
                match *impure {
                    "bollard_stubs" => drop(models.insert(name.clone())),
                    "std::time::SystemTime" if name == MAY_NAME_SYSTEM_TIME && !path.ends_with("now") => {}
                    _ => wrong.push(format!("{name} names {path}")),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "not pure:\n{}", wrong.join("\n"));
    assert_eq!(join(&models), DOCKER_MODELS, "bollard is named here only");
}

fn is_within(name: &str, outer: &str) -> bool {
    name.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn join(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// The rule of a module: that of its nearest ancestor which has one.
fn rule_of(name: &str) -> Option<(&'static str, &'static [&'static str])> {
    let rules = MAY_IMPORT.iter().filter(|(of, _)| is_within(name, of));
    rules.max_by_key(|(of, _)| of.len()).copied()
}

/// The strongly connected sets of more than one file, by Tarjan's algorithm.
fn circles(edges: &Edges) -> Vec<BTreeSet<String>> {
    let reachable: BTreeMap<&String, BTreeSet<&String>> = edges
        .keys()
        .map(|from| {
            let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
            while let Some(one) = next.pop() {
                for to in edges.get(one).into_iter().flat_map(BTreeMap::keys) {
                    if seen.insert(to) {
                        next.push(to);
                    }
                }
            }
            (from, seen)
        })
        .collect();
    let mut found: Vec<BTreeSet<String>> = Vec::new();
    for (one, reached) in &reachable {
        if !reached.contains(one) || found.iter().any(|circle| circle.contains(*one)) {
            continue;
        }
        let back = reached.iter().filter(|other| reachable.get(**other).is_some_and(|set| set.contains(one)));
        found.push(back.map(|other| (*other).clone()).collect());
    }
    found
}

fn describe(circle: &BTreeSet<String>, edges: &Edges) -> String {
    let mut lines = vec![format!("circle of {} files:", circle.len())];
    for from in circle {
        for (to, names) in edges[from].iter().filter(|(to, _)| circle.contains(*to)) {
            lines.push(format!("  {from} -> {to}: {}", join(names)));
        }
    }
    lines.join("\n")
}
