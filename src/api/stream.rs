//! The last line of a stream.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::words::words;

words! {
    /// The kind of [`StreamEnd`].
    pub(crate) enum StreamEndKind {
        /// The only one.
        End = "end",
    }
}

/// The last line of a stream that the daemon ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StreamEnd {
    /// Always `end`.
    pub(crate) kind: StreamEndKind,
    /// Why the stream ends.
    pub(crate) text: String,
}
