//! The headings of `docs/troubleshooting.md` quote messages of the program.

use std::fs;
use std::path::Path;

use swarm_cluster_state_manager::api::problem::ProblemKind;

use super::root;

/// What stands for a varying part in a quoted message.
const PLACEHOLDER: &str = "...";
/// Headings of messages that other programs print.
const FOREIGN: &str = "curl: ";

/// The text of all source files, without tests and comments, with string continuations joined.
fn source() -> String {
    let mut text = String::new();
    let mut directories = vec![root().join("src")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if !is_test(&path) {
                let file = fs::read_to_string(&path).unwrap();
                let code = file.split("\n#[cfg(test)]\n").next().unwrap();
                text += &code
                    .lines()
                    .map(str::trim_start)
                    .filter(|line| !line.starts_with("//"))
                    .collect::<Vec<_>>()
                    .join("\n");
                text.push('\n');
            }
        }
    }
    text.replace("\\\n", "").replace("\\\"", "\"")
}

fn is_test(path: &Path) -> bool {
    let path = path.strip_prefix(root().join("src")).unwrap().with_extension("");
    path.iter().any(|part| part == "tests" || part == "scenarios")
}

/// The quoted messages: the code spans of the headings of level 3.
fn quoted(document: &str) -> Vec<&str> {
    let headings =
        document.lines().filter_map(|line| line.strip_prefix("### ")).filter(|it| !it.starts_with(FOREIGN));
    headings.flat_map(|heading| heading.split('`').skip(1).step_by(2)).collect()
}

/// Whether a line of the source contains the fixed parts of a message, in their order.
fn matches(line: &str, message: &str) -> bool {
    let mut parts = message.split(PLACEHOLDER).map(str::trim);
    let rest = parts.try_fold(line, |rest, part| rest.split_once(part).map(|(_, rest)| rest));
    rest.is_some()
}

#[test]
fn every_message_in_the_troubleshooting_guide_exists_in_the_source() {
    let source = source();
    let document = fs::read_to_string(root().join("docs/troubleshooting.md")).unwrap();
    let messages = quoted(&document);
    let lines: Vec<&str> = source.lines().filter(|line| line.contains('"')).collect();
    let unknown: Vec<&&str> =
        messages.iter().filter(|message| !lines.iter().any(|line| matches(line, message))).collect();
    assert!(unknown.is_empty(), "no message in src/ matches: {unknown:#?}");
    assert!(messages.len() >= 40, "only {} messages are explained", messages.len());
}

#[test]
fn every_kind_of_problem_is_in_the_troubleshooting_guide() {
    let document = fs::read_to_string(root().join("docs/troubleshooting.md")).unwrap();
    let explained = quoted(&document);
    let missing: Vec<&str> =
        ProblemKind::ALL.iter().map(|kind| kind.title()).filter(|title| !explained.contains(title)).collect();
    assert!(missing.is_empty(), "no heading quotes {missing:?}");
}
