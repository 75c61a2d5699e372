//! The documentation is current: generated tables match the program, links work, commands work, and every message that
//! `docs/troubleshooting.md` explains exists in the source.

mod commands;
mod links;
mod messages;
mod tables;

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Markdown files: of the root, `docs/` and `examples/`.
fn documents() -> Vec<PathBuf> {
    let in_directory = |directory: &str| {
        let entries = fs::read_dir(root().join(directory)).unwrap();
        entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|it| it == "md"))
    };
    let mut documents: Vec<PathBuf> = ["", "docs", "examples"].into_iter().flat_map(in_directory).collect();
    documents.sort();
    documents
}
