//! What docker's client reads besides its command line: environment variables and files.

use std::fs::File;
use std::io::Read;

use anyhow::{Context, ensure};

/// The largest file, in bytes; an object may have 1 MiB.
const FILE_MAX_BYTES: u64 = 1 << 20;

/// The environment of a command line.
pub(super) trait LocalInput {
    /// The value of an environment variable, which may be empty.
    fn variable(&self, name: &str) -> Option<String>;
    /// The text of a file.
    fn text(&self, path: &str) -> anyhow::Result<String>;
    /// The absolute path of one that begins with a dot.
    fn absolute(&self, path: &str) -> anyhow::Result<String>;
}

/// This process and its working directory.
pub(super) struct Process;

impl LocalInput for Process {
    fn variable(&self, name: &str) -> Option<String> {
        // The standard library does not accept other names.
        let possible = !name.is_empty() && !name.contains(['=', '\0']);
        possible.then(|| std::env::var_os(name)).flatten().map(|value| value.to_string_lossy().into_owned())
    }

    fn text(&self, path: &str) -> anyhow::Result<String> {
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes))
            .with_context(|| format!("cannot read {path}"))?;
        ensure!(bytes.len() as u64 <= FILE_MAX_BYTES, "{path} is larger than {FILE_MAX_BYTES} bytes");
        String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("{path} is not UTF-8 text"))
    }

    fn absolute(&self, path: &str) -> anyhow::Result<String> {
        let here = std::env::current_dir().context("the working directory is unknown")?;
        let mut steps: Vec<&str> = Vec::new();
        let whole = format!("{}/{path}", here.display());
        for step in whole.split('/') {
            match step {
                "" | "." => {}
                ".." => drop(steps.pop()),
                step => steps.push(step),
            }
        }
        Ok(format!("/{}", steps.join("/")))
    }
}
