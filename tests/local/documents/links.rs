//! Links between documents, and the anchors that they name.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use super::{documents, root};

/// The lines outside code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.starts_with("```");
        fenced ^= fence;
        !fenced && !fence && !line.starts_with("    ")
    })
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let link = Regex::new(r"\[([^\]]*)\]\([^)]*\)").unwrap();
    let kept = link.replace_all(heading, "$1").to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The anchors of a document; a repeated heading gets a number, as on GitHub.
fn anchors(text: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let headings = prose(text).filter(|line| line.starts_with('#'));
    let headings = headings.filter_map(|line| line.trim_start_matches('#').strip_prefix(' '));
    let mut numbered = |heading: &str| {
        let anchor = anchor(heading.trim());
        let count = seen.entry(anchor.clone()).or_default();
        *count += 1;
        if *count == 1 { anchor } else { format!("{anchor}-{}", *count - 1) }
    };
    headings.map(&mut numbered).collect()
}

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading_that_exist() {
    let link = Regex::new(r"\]\(([^) ]+)\)").unwrap();
    let code = Regex::new(r"`[^`]*`").unwrap();
    let anchors: BTreeMap<PathBuf, Vec<String>> = documents()
        .into_iter()
        .map(|path| (path.clone(), anchors(&fs::read_to_string(path).unwrap())))
        .collect();
    let (mut broken, mut links) = (Vec::new(), 0);
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let text = prose(&text).map(|line| code.replace_all(line, "")).collect::<Vec<_>>().join("\n");
        for found in link.captures_iter(&text) {
            let target = &found[1];
            let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
            if target.contains("://") {
                continue;
            }
            links += 1;
            let path = match path {
                "" => document.clone(),
                path => document.parent().unwrap().join(path),
            };
            let file = path.canonicalize().ok();
            let heading = fragment.is_empty()
                || file
                    .as_ref()
                    .and_then(|path| anchors.get(path))
                    .is_some_and(|all| all.iter().any(|it| it == fragment));
            if file.is_none() || !heading {
                broken.push(format!("{}: {target}", document.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
    assert!(links > 50, "only {links} links were found");
}

#[test]
fn every_document_is_linked_from_the_readme() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let in_docs = |path: &Path| path.parent() == Some(&root().join("docs"));
    for document in documents().iter().filter(|path| in_docs(path)) {
        let name = document.strip_prefix(root()).unwrap().display().to_string();
        assert!(readme.contains(&format!("({name}")), "README.md does not link to {name}");
    }
}

#[test]
fn the_readme_is_short() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(
        readme.lines().count() <= 150,
        "README.md has {} lines; move details to docs/",
        readme.lines().count()
    );
}

#[test]
fn every_path_in_the_documents_exists() {
    let path = Regex::new(r"`((?:src|tests|docs|examples|fuzz|\.ci)/[A-Za-z0-9_./-]*)`").unwrap();
    let (mut missing, mut paths) = (Vec::new(), 0);
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for found in path.captures_iter(&text) {
            paths += 1;
            if !root().join(&found[1]).exists() {
                missing.push(format!("{}: {}", document.strip_prefix(root()).unwrap().display(), &found[1]));
            }
        }
    }
    assert!(missing.is_empty(), "no such files:\n{}", missing.join("\n"));
    assert!(paths > 10, "only {paths} paths were found");
}
