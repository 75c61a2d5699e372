//! Labels that a submitter may set.

use super::rules::{LABELS, Violation, refuse};
use crate::core::labels::LABEL_PREFIX;

pub(super) fn labels<'a>(field: &str, names: impl Iterator<Item = &'a String>) -> Result<(), Violation> {
    for name in names {
        let lower = name.to_ascii_lowercase();
        if lower.starts_with(LABEL_PREFIX) || lower.starts_with("com.docker.") {
            return refuse(format!("{field}.{name}"), &LABELS);
        }
    }
    Ok(())
}
