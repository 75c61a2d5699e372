//! A question to the engine that was not answered.

use crate::core::sanitize;

/// A question to the engine that was not answered. Its message is escaped and bounded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EngineError(pub(super) String);

impl EngineError {
    /// An error with this message, escaped and bounded.
    pub fn new(message: impl AsRef<str>) -> EngineError {
        EngineError(sanitize::message(message.as_ref()))
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.0
    }
}
