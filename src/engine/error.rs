//! The error of a question to the engine.

use crate::core::sanitize;

/// The error of a question to the engine. Its message is escaped and bounded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EngineError(pub(super) String);

impl EngineError {
    /// Escapes and bounds the message.
    pub fn new(message: impl AsRef<str>) -> EngineError {
        EngineError(sanitize::message(message.as_ref()))
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.0
    }
}
