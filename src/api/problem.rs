//! Errors as RFC 9457 documents: what was attempted, what is wrong, and what is allowed.
//!
//! [`ProblemKind`] is the only table of errors: each has a title and a status code.

use std::borrow::Cow;
use std::fmt;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::core::sanitize;

/// The media type of errors.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// The most bytes of a problem's detail: the names of all fields of an object fit.
const DETAIL_MAX_BYTES: usize = 8 * 1024;

/// Declares the kinds of problems with their titles and status codes.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident: $status:ident $title:literal,)+) => {
        /// What is wrong with a request, or why it cannot be done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ProblemKind {
            $($(#[$doc])* $kind,)+
        }

        impl ProblemKind {
            /// Every kind.
            pub const ALL: &[ProblemKind] = &[$(ProblemKind::$kind),+];

            /// What is wrong, in a few words.
            pub fn title(self) -> &'static str {
                match self {
                    $(ProblemKind::$kind => $title,)+
                }
            }

            /// The status code of the response.
            pub(crate) fn status(self) -> StatusCode {
                match self {
                    $(ProblemKind::$kind => StatusCode::$status,)+
                }
            }
        }
    };
}

kinds! {
    /// Both lengths of a body are given.
    AmbiguousLength: BAD_REQUEST "Ambiguous length",
    /// A condition on one object, for an array.
    AmbiguousPrecondition: BAD_REQUEST "Ambiguous precondition",
    /// The head of a request cannot be read.
    BadHeader: BAD_REQUEST "Bad header",
    /// There is not one valid `Host`.
    BadHost: BAD_REQUEST "Bad Host",
    /// The value of a query parameter is not allowed.
    BadParameter: BAD_REQUEST "Bad parameter",
    /// The path cannot be read.
    BadPath: BAD_REQUEST "Bad path",
    /// `If-Match` or `If-None-Match` cannot be read.
    BadPrecondition: BAD_REQUEST "Bad precondition",
    /// The body ended early.
    BodyIncomplete: BAD_REQUEST "Body incomplete",
    /// The request must not have a body.
    BodyNotAllowed: BAD_REQUEST "Body not allowed",
    /// A header and a field of the body cannot both hold.
    ContradictingPreconditions: BAD_REQUEST "Contradicting preconditions",
    /// The body is percent-encoded.
    EncodedBody: BAD_REQUEST "Encoded body",
    /// The body is empty.
    NoBody: BAD_REQUEST "No body",
    /// The body is not JSON.
    NotJson: BAD_REQUEST "Not valid JSON",
    /// The query is too long.
    QueryTooLong: BAD_REQUEST "Query too long",
    /// There is no such query parameter.
    UnknownParameter: BAD_REQUEST "Unknown parameter",
    /// The client certificate has expired.
    CertificateExpired: FORBIDDEN "Certificate expired",
    /// The certificate is not one of a client.
    NotAClient: FORBIDDEN "Not a client's certificate",
    /// A web page of another origin has a browser send the request.
    OtherOrigin: FORBIDDEN "Request of another origin",
    /// The policy refuses the object.
    RefusedByPolicy: FORBIDDEN "Refused by policy",
    /// There is no such container.
    NoSuchContainer: NOT_FOUND "No such container",
    /// There is no such object.
    NoSuchObject: NOT_FOUND "No such object",
    /// There is no such path.
    NoSuchPath: NOT_FOUND "No such path",
    /// The path does not allow the method.
    WrongMethod: METHOD_NOT_ALLOWED "Wrong method",
    /// The body did not arrive in time.
    BodyTooSlow: REQUEST_TIMEOUT "Body too slow",
    /// The stored object cannot be read.
    ObjectUnreadable: CONFLICT "Object cannot be read",
    /// A condition of the request does not hold.
    PreconditionFailed: PRECONDITION_FAILED "Precondition failed",
    /// The body is too large.
    BodyTooLarge: PAYLOAD_TOO_LARGE "Body too large",
    /// The body is compressed.
    CompressedBody: UNSUPPORTED_MEDIA_TYPE "Compressed body",
    /// The body is a multipart form.
    MultipartBody: UNSUPPORTED_MEDIA_TYPE "Multipart body",
    /// The request is for a host that the certificate does not name.
    WrongHost: MISDIRECTED_REQUEST "Not a name of this daemon",
    /// A field of an object is not allowed.
    BadField: UNPROCESSABLE_ENTITY "Bad field",
    /// A dry run of too many containers.
    DryRunTooLarge: UNPROCESSABLE_ENTITY "Dry run too large",
    /// There is no such revision.
    NoSuchRevision: UNPROCESSABLE_ENTITY "No such revision",
    /// An object that was waited for has failed.
    Failed: FAILED_DEPENDENCY "Failed",
    /// An object that was waited for was rolled back.
    RolledBack: FAILED_DEPENDENCY "Rolled back",
    /// The client sends too many requests.
    TooManyRequests: TOO_MANY_REQUESTS "Too many requests",
    /// No backup can be made.
    BackupFailed: INTERNAL_SERVER_ERROR "Backup failed",
    /// A commit has panicked.
    CommitInterrupted: INTERNAL_SERVER_ERROR "Commit interrupted",
    /// The response cannot be written.
    NoAnswer: INTERNAL_SERVER_ERROR "No answer",
    /// The metrics cannot be written.
    NoMetrics: INTERNAL_SERVER_ERROR "No metrics",
    /// The work on a request has panicked.
    RequestFailed: INTERNAL_SERVER_ERROR "Request failed",
    /// The body is encoded for its transfer in a way that is not supported.
    TransferCoding: NOT_IMPLEMENTED "Unsupported transfer coding",
    /// A handler took too long.
    NoAnswerInTime: SERVICE_UNAVAILABLE "No answer in time",
    /// The daemon cannot serve yet, or not now.
    NotReady: SERVICE_UNAVAILABLE "Not ready",
    /// A loop of the daemon is stuck.
    Stalled: SERVICE_UNAVAILABLE "Stalled",
    /// The state cannot be written.
    StateNotWritable: SERVICE_UNAVAILABLE "State cannot be written",
    /// The daemon is stopping.
    Stopping: SERVICE_UNAVAILABLE "Stopping",
    /// Too many large requests at a time.
    TooManyLargeRequests: SERVICE_UNAVAILABLE "Too many large requests",
    /// Too much memory is in responses that clients have not read.
    TooManyUnread: SERVICE_UNAVAILABLE "Too many unread answers",
    /// Too many long-running requests at a time.
    TooManyLongRunning: SERVICE_UNAVAILABLE "Too many long-running requests",
    /// An object that was waited for has not settled in time.
    TimedOut: GATEWAY_TIMEOUT "Timed out",
    /// The disk is full.
    DiskFull: INSUFFICIENT_STORAGE "Disk full",
    /// The state is too large.
    StateTooLarge: INSUFFICIENT_STORAGE "State too large",
    /// There are too many objects.
    TooManyObjects: INSUFFICIENT_STORAGE "Too many objects",
}

/// An error, RFC 9457.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: the title says what is wrong.
    #[serde(rename = "type", default = "about_blank")]
    #[schema(required)]
    pub(crate) kind: Box<str>,
    /// What is wrong, in a few words.
    pub(crate) title: Cow<'static, str>,
    /// The status code.
    #[schema(minimum = 400, maximum = 599)]
    pub(crate) status: u16,
    /// What was attempted, what is wrong with it, and what is allowed.
    #[serde(default)]
    #[schema(required)]
    pub(crate) detail: String,
    /// The field or parameter that is wrong, such as `HostConfig.Memory`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) field: Option<Box<str>>,
    /// Further members, which only some problems have.
    #[serde(flatten)]
    pub(crate) members: Box<Map<String, Value>>,
    /// The header `Allow`.
    #[serde(skip)]
    pub(crate) allow: Option<Box<str>>,
    /// The header `Retry-After`, in seconds.
    #[serde(skip)]
    pub(crate) retry_after: Option<u32>,
}

fn about_blank() -> Box<str> {
    "about:blank".into()
}

impl Problem {
    /// A problem of this kind. What it repeats of a request is escaped and bounded.
    pub(crate) fn new(kind: ProblemKind, detail: impl Into<String>) -> Problem {
        Problem {
            kind: about_blank(),
            title: kind.title().into(),
            status: kind.status().as_u16(),
            detail: sanitize::bounded(&detail.into(), DETAIL_MAX_BYTES),
            field: None,
            members: Box::default(),
            allow: None,
            retry_after: None,
        }
    }

    /// Names the field or parameter that is wrong.
    #[must_use]
    pub(crate) fn at(mut self, field: impl Into<String>) -> Problem {
        let field = sanitize::message(&field.into());
        self.field = (!field.is_empty()).then(|| field.into());
        self
    }

    /// Says after how many seconds to try again.
    #[must_use]
    pub(crate) fn retry_after(self, seconds: u32) -> Problem {
        Problem { retry_after: Some(seconds), ..self }
    }

    /// Names the methods that the path allows.
    #[must_use]
    pub(crate) fn allow(self, methods: String) -> Problem {
        Problem { allow: Some(methods.into()), ..self }
    }

    /// Adds members for programs.
    #[must_use]
    pub(crate) fn with(self, members: Map<String, Value>) -> Problem {
        Problem { members: Box::new(members), ..self }
    }

    /// The text of a further member.
    pub(crate) fn member(&self, name: &str) -> Option<&str> {
        self.members.get(name).and_then(Value::as_str)
    }
}

/// Safe for a terminal.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", sanitize::escape(&self.title), sanitize::escape(&self.detail))?;
        match &self.field {
            Some(field) if !self.detail.contains(&**field) => {
                write!(f, " (in {})", sanitize::escape(field))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_clients_input_is_escaped_and_bounded_in_a_problem() {
        let sent = format!("a\n\u{1b}[2J\u{202e}{}", "x".repeat(1 << 20));
        let problem = Problem::new(ProblemKind::NoSuchPath, sent.as_str()).at(sent.as_str());
        assert!(problem.detail.starts_with("a\\n\\u{1b}[2J\\u{202e}xx"), "{}", problem.detail);
        assert!(problem.detail.len() <= DETAIL_MAX_BYTES);
        let field = problem.field.unwrap_or_default();
        assert!(
            field.len() <= sanitize::MESSAGE_MAX_BYTES && field.chars().all(sanitize::harmless),
            "{field}"
        );
    }

    #[test]
    fn every_kind_has_its_own_title_and_the_status_of_an_error() {
        let titles: BTreeSet<&str> = ProblemKind::ALL.iter().map(|kind| kind.title()).collect();
        assert_eq!(titles.len(), ProblemKind::ALL.len());
        for kind in ProblemKind::ALL {
            assert!(kind.status().is_client_error() || kind.status().is_server_error(), "{kind:?}");
        }
    }

    #[test]
    fn a_client_reads_known_and_unknown_problems() {
        let members = serde_json::json!({"Outcome": "failed", "New": [1]});
        let written = Problem::new(ProblemKind::Failed, "x").at("Image");
        let written = written.with(members.as_object().unwrap().clone());
        let read: Problem = serde_json::from_value(serde_json::to_value(&written).unwrap()).unwrap();
        assert_eq!(read, written);
        assert_eq!((read.member("Outcome"), read.member("New")), (Some("failed"), None));
        let short: Problem = serde_json::from_str(r#"{"title": "No", "status": 599}"#).unwrap();
        assert_eq!(short.to_string(), "No: ");
    }
}
