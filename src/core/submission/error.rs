//! Why a submission cannot be read.

use crate::core::submission::strict::FieldError;

/// Why a submission cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SubmissionError {
    /// The text is not JSON, or has a field twice.
    #[error("{0}")]
    Syntax(#[from] serde_json::Error),
    /// A field is unknown, ill-typed, out of range or missing.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// An array has more objects than this.
    #[error("given more than {0} objects; allowed are up to {0}: submit in several parts")]
    TooMany(usize),
}

impl SubmissionError {
    /// The message after the path of its field, for output that has no place of its own for the path.
    pub(crate) fn with_field(&self) -> String {
        match self {
            SubmissionError::Field(error) => error.with_field(),
            SubmissionError::Syntax(_) | SubmissionError::TooMany(_) => self.to_string(),
        }
    }
}
