//! The files with objects.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;

use super::input::Objects;

/// Arguments with files.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(super) struct Files {
    /// JSON or YAML with one or more objects (an array, or several YAML documents). `-` is standard input; a directory means
    /// its *.json, *.yaml and *.yml files. All files together are one transaction.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Same as FILE. Repeatable.
    #[arg(long, short = 'f', value_name = "FILE")]
    filename: Vec<PathBuf>,
}

impl Files {
    /// Reads all of them.
    pub(super) fn read(&self) -> anyhow::Result<Objects> {
        let mut files = Vec::new();
        for path in self.files.iter().chain(&self.filename) {
            match path.is_dir() {
                true => files.extend(inside(path)?),
                false => files.push(path.clone()),
            }
        }
        let standard = files.iter().filter(|path| path.as_os_str() == "-").count();
        ensure!(standard < 2, "standard input is given {standard} times, but can be read only once");
        Objects::read(&files)
    }
}

/// The files of a directory, by name, without subdirectories.
fn inside(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let cannot = || format!("cannot read {}", directory.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        let meant = path.extension().is_some_and(|e| e == "json" || e == "yaml" || e == "yml");
        if meant && path.is_file() {
            files.push(path);
        }
    }
    ensure!(!files.is_empty(), "{} contains no *.json, *.yaml or *.yml file", directory.display());
    files.sort();
    Ok(files)
}
