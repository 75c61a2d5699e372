//! An object's name.

use std::fmt;
use std::sync::Arc;

/// The longest name of an object, in bytes: it has to fit into a label of a host name.
pub(crate) const MAX_NAME_BYTES: usize = 63;

/// An object's name: `[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}`, Docker's own rule for names, bounded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName(Arc<str>);

impl ObjectName {
    /// The allowed form, for messages.
    pub(crate) const ALLOWED: &'static str =
        "1 to 63 characters of a-z, A-Z, 0-9, '_', '.' and '-', beginning with a letter or a digit";

    /// Parses a name; `None` if `text` is not one.
    pub fn parse(text: &str) -> Option<ObjectName> {
        let mut bytes = text.bytes();
        let first = bytes.next()?;
        let ok = first.is_ascii_alphanumeric()
            && text.len() <= MAX_NAME_BYTES
            && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        ok.then(|| ObjectName(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
