//! The direction of dependencies: which module may import which, and that no two files import each other.
//!
//! Reads the source with a parser: every path that begins with `crate`, `super`, `self` or a child module is an import,
//! wherever it stands. A `mod` line and a `pub use` of a child are none. Code under `#[cfg(test)]` is left out, as tests may
//! use whatever they need.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree};

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

/// A module: the items that it re-exports from its children, and the paths that it names.
#[derive(Default)]
struct Module {
    reexports: BTreeMap<String, Vec<String>>,
    paths: BTreeSet<Vec<String>>,
}

/// What one module imports of another.
type Edges = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

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
    let told: Vec<String> = circles.iter().map(|circle| describe(circle, &edges)).collect();
    assert!(circles.is_empty(), "{} circles:\n{}", circles.len(), told.join("\n"));
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

/// The parser finds what it is there for.
#[test]
fn an_import_is_found_wherever_it_stands() {
    let source = r#"
        mod child;
        pub use child::Shown;
        use crate::core::{name::ObjectName, time as moment};
        fn f(x: super::sibling::Y) -> crate::store::Z {
            tracing::info!("{}", crate::engine::LIMIT);
            child::g()
        }
        #[cfg(test)]
        mod tests { use crate::app::App; }
    "#;
    let mut module = Module::default();
    read_module(
        &["http".to_owned(), "page".to_owned()],
        &syn::parse_file(source).unwrap().items,
        &mut module,
    );
    let found: Vec<String> = module.paths.iter().map(|path| path.join("::")).collect();
    for wanted in [
        "crate::core::name::ObjectName",
        "crate::core::time",
        "crate::http::sibling::Y",
        "crate::store::Z",
        "crate::engine::LIMIT",
        "crate::http::page::child::g",
    ] {
        assert!(found.iter().any(|path| path == wanted), "{wanted} is not in {found:?}");
    }
    assert!(!found.iter().any(|path| path.contains("app")), "{found:?}");
    assert_eq!(module.reexports["Shown"], ["http", "page", "child", "Shown"]);
}

fn join(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn is_within(name: &str, outer: &str) -> bool {
    name.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The rule of a module: that of its nearest ancestor which has one.
fn rule_of(name: &str) -> Option<(&'static str, &'static [&'static str])> {
    let rules = MAY_IMPORT.iter().filter(|(of, _)| is_within(name, of));
    rules.max_by_key(|(of, _)| of.len()).copied()
}

/// All modules of the crate, by path without `crate`.
struct Tree {
    modules: BTreeMap<String, Module>,
}

impl Tree {
    fn read() -> Tree {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut tree = Tree { modules: BTreeMap::new() };
        for file in ["lib.rs", "main.rs"] {
            tree.read_file(&root, &root.join(file), &[]);
        }
        assert!(tree.modules.len() > 100, "the source is not at {}", root.display());
        tree
    }

    fn read_file(&mut self, root: &Path, file: &Path, path: &[String]) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let items =
            syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display())).items;
        let mut module = Module::default();
        read_module(path, &items, &mut module);
        let name = match path {
            [] => file.file_stem().unwrap().to_string_lossy().into_owned(),
            path => path.join("::"),
        };
        self.modules.insert(name, module);
        for item in &items {
            let Item::Mod(child) = item else { continue };
            if child.content.is_some() || is_test(&child.attrs) {
                continue;
            }
            let path: Vec<String> = path.iter().cloned().chain([child.ident.to_string()]).collect();
            let file: PathBuf = root.join(path.join("/")).with_extension("rs");
            self.read_file(root, &file, &path);
        }
    }

    /// The module that a path leads to, through re-exports, and the name in it.
    fn resolve(&self, path: &[String]) -> Option<(String, String)> {
        let mut path = path.to_vec();
        for _ in 0..5 {
            let known = (1..=path.len()).rev().find(|n| self.modules.contains_key(&path[..*n].join("::")))?;
            let (module, rest) = (path[..known].join("::"), path[known..].to_vec());
            let Some(name) = rest.first() else { return Some((module, "self".to_owned())) };
            match self.modules[&module].reexports.get(name) {
                Some(target) => path = target.iter().cloned().chain(rest[1..].iter().cloned()).collect(),
                None => return Some((module, name.clone())),
            }
        }
        None
    }

    fn edges(&self) -> Edges {
        let mut edges = Edges::new();
        for (from, module) in &self.modules {
            // lib.rs only declares.
            if from == "lib" {
                continue;
            }
            for path in &module.paths {
                let [first, rest @ ..] = path.as_slice() else { continue };
                let inside = first == "crate" || (from == "main" && first == "swarm_cluster_state_manager");
                if !inside {
                    continue;
                }
                // The name of a module alone imports nothing; what is used of it is a path of its own.
                let found = self.resolve(rest).filter(|(to, name)| to != from && name != "self");
                if let Some((to, name)) = found {
                    edges.entry(from.clone()).or_default().entry(to).or_default().insert(name);
                }
            }
        }
        edges
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || (attribute.path().is_ident("cfg")
                && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string().contains("test")))
    })
}

fn read_module(path: &[String], items: &[Item], module: &mut Module) {
    let children = items.iter().filter_map(|item| match item {
        Item::Mod(child) => Some(child.ident.to_string()),
        _ => None,
    });
    let mut reader =
        Reader { path: path.to_vec(), aliases: BTreeMap::new(), children: children.collect(), module };
    for item in items {
        if let Item::Use(one) = item
            && !is_test(&one.attrs)
        {
            reader.take_use(one, true);
        }
    }
    for item in items.iter().filter(|item| !matches!(item, Item::Use(_))) {
        reader.visit_item(item);
    }
}

struct Reader<'a> {
    path: Vec<String>,
    /// Modules that were imported under a name of their own.
    aliases: BTreeMap<String, Vec<String>>,
    children: BTreeSet<String>,
    module: &'a mut Module,
}

impl Reader<'_> {
    /// The path from the crate's root, or as it is for another crate's.
    fn absolute(&self, path: &[String]) -> Vec<String> {
        let own = || ["crate".to_owned()].into_iter().chain(self.path.iter().cloned());
        match path.first().map(String::as_str) {
            Some("self") => own().chain(path[1..].iter().cloned()).collect(),
            Some("super") => {
                let up = path.iter().take_while(|segment| *segment == "super").count();
                let kept = 1 + self.path.len().saturating_sub(up);
                own().take(kept).chain(path[up..].iter().cloned()).collect()
            }
            Some(first) if self.children.contains(first) => own().chain(path.iter().cloned()).collect(),
            Some(first) if self.aliases.contains_key(first) && path.len() > 1 => {
                self.aliases[first].iter().cloned().chain(path[1..].iter().cloned()).collect()
            }
            _ => path.to_vec(),
        }
    }

    fn take(&mut self, path: &[String]) {
        let path = self.absolute(path);
        self.module.paths.insert(path);
    }

    fn take_use(&mut self, item: &syn::ItemUse, at_top: bool) {
        let mut leaves = Vec::new();
        flatten(&item.tree, &mut Vec::new(), &mut leaves);
        let shown = !matches!(item.vis, syn::Visibility::Inherited);
        for (path, name) in leaves {
            let own_child =
                path.first().is_some_and(|first| self.children.contains(first) || first == "self");
            let target = self.absolute(&path);
            if shown && own_child && at_top {
                self.module.reexports.insert(name, target[1..].to_vec());
                continue;
            }
            if at_top && target.len() > 1 {
                self.aliases.insert(name, target.clone());
            }
            self.module.paths.insert(target);
        }
    }
}

fn flatten(tree: &UseTree, before: &mut Vec<String>, leaves: &mut Vec<(Vec<String>, String)>) {
    let with = |name: String| before.iter().cloned().chain([name]).collect::<Vec<_>>();
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            flatten(&path.tree, before, leaves);
            before.pop();
        }
        UseTree::Name(name) if name.ident == "self" => {
            leaves.push((before.clone(), before.last().cloned().unwrap_or_default()));
        }
        UseTree::Name(name) => leaves.push((with(name.ident.to_string()), name.ident.to_string())),
        UseTree::Rename(rename) => leaves.push((with(rename.ident.to_string()), rename.rename.to_string())),
        UseTree::Glob(_) => leaves.push((with("*".to_owned()), "*".to_owned())),
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, before, leaves)),
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Struct(item) => &item.attrs,
            Item::Enum(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Const(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.take_use(item, false);
    }

    /// `pub(super)` imports nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.take(&segments);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, one: &'ast syn::Macro) {
        visit::visit_macro(self, one);
        // What is inside is no syntax tree: every run of `name::name` in it is taken for a path.
        let text = one.tokens.to_string();
        let mut run: Vec<String> = Vec::new();
        let mut joined = false;
        for token in text.split(' ').flat_map(|token| token.split_inclusive("::")).flat_map(|token| {
            match token.strip_suffix("::") {
                Some(name) => vec![name, "::"],
                None => vec![token],
            }
        }) {
            let name: String = token.chars().filter(|c| c.is_alphanumeric() || *c == '_').collect();
            match token {
                "" => {}
                "::" => joined = true,
                _ if joined && !name.is_empty() => {
                    run.push(name);
                    joined = false;
                }
                _ => {
                    if run.len() > 1 {
                        self.take(&run);
                    }
                    run = vec![name];
                    joined = false;
                }
            }
        }
        if run.len() > 1 {
            self.take(&run);
        }
    }
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
