//! The error of a question to the engine.

use crate::core::sanitize;

/// The error of a question to the engine. Its message is escaped and bounded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EngineError {
    message: String,
    answered: bool,
}

impl EngineError {
    /// The engine has answered, and the answer is an error or cannot be used.
    pub fn new(message: impl AsRef<str>) -> EngineError {
        EngineError { message: sanitize::message(message.as_ref()), answered: true }
    }

    /// There is no answer, or no whole one.
    pub(crate) fn unanswered(message: impl AsRef<str>) -> EngineError {
        EngineError { answered: false, ..EngineError::new(message) }
    }

    /// The message.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Whether the engine has answered.
    pub(crate) fn answered(&self) -> bool {
        self.answered
    }
}
