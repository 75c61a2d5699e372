//! State directories written by an earlier version (`tests/upgrade`).

use std::fs;
use std::path::Path;

/// A copy of a state directory written by an earlier version.
pub fn earlier(kind: &str) -> tempfile::TempDir {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../upgrade/1ab854b").join(kind);
    let data = tempfile::tempdir().unwrap();
    for file in from.read_dir().unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), data.path().join(file.file_name())).unwrap();
    }
    data
}
