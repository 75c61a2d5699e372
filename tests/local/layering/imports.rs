//! The imports of each module, read from the source with a parser.
//!
//! Every path that begins with `crate`, `super`, `self` or a child module is an import, wherever it stands. A `mod` line
//! and a `pub use` of a child are not. Code under `#[cfg(test)]` is left out, as tests may use whatever they need.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree};

/// A module: the items that it re-exports from its children, and the paths that it names.
#[derive(Default)]
pub(super) struct Module {
    reexports: BTreeMap<String, Vec<String>>,
    pub(super) paths: BTreeSet<Vec<String>>,
}

/// What one module imports of another.
pub(super) type Edges = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// All modules of the crate, by path without `crate`.
pub(super) struct Tree {
    pub(super) modules: BTreeMap<String, Module>,
}

impl Tree {
    pub(super) fn read() -> Tree {
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

    pub(super) fn edges(&self) -> Edges {
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
    /// Imported modules by their local name.
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
        // The tokens are not parsed: every sequence `name::name` counts as a path.
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
