//! The conversion of command lines, for [`crate::fuzzing`].

#![allow(clippy::unwrap_used, reason = "a broken guarantee must stop the fuzzer")]

use std::path::Path;

use super::super::input;
use super::{DocumentFormat, LocalInput, convert};

/// An environment with one variable and one file, whatever their names.
struct Anywhere;

impl LocalInput for Anywhere {
    fn variable(&self, _: &str) -> Option<String> {
        Some("value".to_owned())
    }

    fn text(&self, _: &str) -> anyhow::Result<String> {
        Ok("A=1\nB\n".to_owned())
    }

    fn absolute(&self, path: &str) -> anyhow::Result<String> {
        Ok(format!("/{path}"))
    }
}

/// Converts the words after `docker run`, one per line. The object must read back the same in both formats; that the daemon
/// accepts it is part of the conversion.
pub fn command_line(words: &[u8]) {
    let Ok(words) = std::str::from_utf8(words) else { return };
    let words: Vec<String> = ["docker", "run"].into_iter().chain(words.lines()).map(str::to_owned).collect();
    let Ok(converted) = convert(&words, None, 1, &Anywhere) else { return };
    for (format, file) in [(DocumentFormat::Yaml, "object.yaml"), (DocumentFormat::Json, "object.json")] {
        let text = converted.written(format).unwrap();
        let read = input::parse(Path::new(file), &text).unwrap();
        assert_eq!(read, std::slice::from_ref(&converted.object), "{text}");
    }
}
