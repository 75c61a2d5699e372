//! The bodies of the fuzz targets. Each takes bytes from outside and panics if a promise about them is broken; the first
//! promise is that nothing else panics.
//!
//! Compiled for `cargo fuzz` and for tests only. The targets in `fuzz/fuzz_targets` call these functions; the test below
//! replays the inputs in `fuzz/seeds` with every `cargo test`.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a broken promise has to stop the fuzzer")]

use crate::core::submission::{self, Submission};
use crate::core::time::Time;
use crate::store::backup;

pub use crate::cli::fuzz_command_line as command_line;
pub use crate::engine::docker::fuzzing::{events, inspect, list, logs};

/// The body of a submit. An accepted object is stored, and is the same when it is read back.
pub fn submit(body: &[u8]) {
    let specs = match submission::read(body) {
        Ok(Submission::One(spec)) => vec![*spec],
        Ok(Submission::Many(specs)) => specs,
        Err(error) => {
            assert!(!error.with_field().is_empty());
            return;
        }
    };
    for spec in specs {
        let stored = submission::object(&spec.submitted).unwrap();
        assert_eq!(stored, spec);
        assert_eq!(submission::as_stored(&spec.submitted), *spec.submitted);
        let short = submission::without_defaults(&spec.submitted);
        let meant = submission::object(&short).unwrap();
        assert!(submission::same_template(&meant.submitted, &spec.submitted), "{short}");
        assert_eq!((&meant.name, meant.count, &meant.update), (&spec.name, spec.count, &spec.update));
    }
}

/// A backup. What can be read is the same after it is written and read again. The input is tried as it is, and with the
/// correct digest, which no fuzzer finds.
pub fn backup(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    for text in [text.to_owned(), backup::with_digest(text)] {
        let Ok(found) = backup::read(&text) else { continue };
        let written = backup::write(&found.desired, found.identity.as_ref(), Time(0)).unwrap();
        let again = backup::read(&written).unwrap();
        assert_eq!(again.desired.objects, found.desired.objects);
        assert_eq!(again.desired.quarantined, found.desired.quarantined);
        assert_eq!(again.identity, found.identity);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    type Target = fn(&[u8]);

    const TARGETS: [(&str, Target); 7] = [
        ("backup", backup),
        ("command_line", command_line),
        ("engine_events", events),
        ("engine_inspect", inspect),
        ("engine_list", list),
        ("engine_logs", logs),
        ("submit", submit),
    ];

    #[test]
    fn seeds_of_the_fuzz_targets_break_no_promise() {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
        let names = |directory: &str| {
            let entries = fs::read_dir(fuzz.join(directory)).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
            names.sort();
            names
                .iter()
                .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let known = TARGETS.map(|(name, _)| name.to_owned());
        assert_eq!(names("fuzz_targets"), known);
        assert_eq!(names("seeds"), known);
        for (name, target) in TARGETS {
            let seeds: Vec<_> = fs::read_dir(fuzz.join("seeds").join(name)).unwrap().collect();
            assert!(!seeds.is_empty(), "{name} has no seeds");
            seeds.into_iter().for_each(|seed| target(&fs::read(seed.unwrap().path()).unwrap()));
        }
    }
}
