//! `GET /objects/NAME/logs`: the output of containers.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::words::words;

words! {
    /// The stream that a container wrote a line to.
    pub(crate) enum LogStream {
        /// Standard output.
        Stdout = "stdout",
        /// Standard error.
        Stderr = "stderr",
    }
}

/// A line that a container wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct LogLine<'a> {
    /// The container.
    pub(crate) container: Cow<'a, str>,
    /// The stream that it wrote the line to. A container with a terminal has only standard output.
    pub(crate) stream: LogStream,
    /// The time, RFC 3339 in UTC with nanoseconds, by the clock of its node; absent if the engine does not report it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<String>,
    /// The line without its end: whatever the container wrote, except for bytes that are not UTF-8. A line longer than
    /// 16 KiB is cut; a mark at its end has the whole length in bytes.
    pub(crate) line: Cow<'a, str>,
}

words! {
    /// What a [`LogNote`] means.
    pub(crate) enum LogNoteKind {
        /// Something is missing in the stream.
        Note = "note",
        /// The last line of a stream: the object or the container is gone.
        Gone = "gone",
    }
}

/// A note about the stream itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct LogNote<'a> {
    /// `note`, or `gone` for the last line of a stream whose object or container is gone.
    pub(crate) kind: LogNoteKind,
    /// The container that it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) container: Option<Cow<'a, str>>,
    /// What is missing in the stream, and what to do about it.
    pub(crate) text: Cow<'a, str>,
}

/// A line of the stream. The end of a stream reads as a note, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum LogsLine<'a> {
    /// About the stream itself.
    Note(LogNote<'a>),
    /// What a container wrote.
    Line(LogLine<'a>),
}
