//! Errors as RFC 9457 documents: what was attempted, what is wrong, what is allowed.
//!
//! The one table from an error to a status code is here.

use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::reply;
use crate::core::name::ObjectName;
use crate::core::policy::Violation;
use crate::core::sanitize;
use crate::core::submission::SubmissionError;
use crate::core::submission::strict::FieldError;
use crate::core::submission::strict::did_you_mean;
use crate::core::transaction::Rejected;
use crate::server::fair_share::NoPermit;
use crate::server::peer::Peer;
use crate::store::StoreError;

/// The media type of errors.
pub(super) const PROBLEM: &str = "application/problem+json";

/// The most bytes of a problem's detail: the names of all fields of an object fit.
const DETAIL_MAX_BYTES: usize = 8 * 1024;

/// An error, RFC 9457.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Always `about:blank`: the title says it.
    #[serde(rename = "type")]
    kind: &'static str,
    /// What is wrong, in short.
    title: &'static str,
    /// The status code.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What was attempted, what is wrong with it, and what is allowed.
    detail: String,
    /// The field or parameter that is wrong, such as `HostConfig.Memory`.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// Further members, beside those of every problem.
    #[serde(flatten)]
    members: Option<Box<Map<String, Value>>>,
    #[serde(skip)]
    allow: Option<String>,
    /// Seconds.
    #[serde(skip)]
    retry_after: Option<u16>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Problem {
        Problem {
            kind: "about:blank",
            title,
            status: status.as_u16(),
            detail: sanitize::bounded(&detail.into(), DETAIL_MAX_BYTES),
            field: None,
            members: None,
            allow: None,
            retry_after: None,
        }
    }

    pub(crate) fn at(mut self, field: impl Into<String>) -> Problem {
        self.field = Some(sanitize::message(&field.into())).filter(|f| !f.is_empty());
        self
    }

    /// With the number of seconds after which to come back.
    pub(crate) fn retry_after(self, seconds: u16) -> Problem {
        Problem { retry_after: Some(seconds), ..self }
    }

    /// With further members, for programs.
    pub(crate) fn with(self, members: Map<String, Value>) -> Problem {
        Problem { members: Some(Box::new(members)), ..self }
    }

    pub(crate) fn wrong_method(method: &Method, path: &str, allowed: String) -> Problem {
        let detail = format!("{method} is not for {path}; allowed is {allowed}");
        Problem {
            allow: Some(allowed),
            ..Problem::new(StatusCode::METHOD_NOT_ALLOWED, "Wrong method", detail)
        }
    }

    pub(crate) fn no_such_path(path: &str, routes: &[String]) -> Problem {
        let hint = match did_you_mean(path, routes.iter().map(String::as_str)) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("there are {}", routes.join(", ")),
        };
        Problem::new(StatusCode::NOT_FOUND, "No such path", format!("there is nothing at {path}; {hint}"))
    }

    pub(crate) fn no_such_object<'a>(name: &str, known: impl Iterator<Item = &'a ObjectName>) -> Problem {
        let hint = match did_you_mean(name, known.map(ObjectName::as_str)) {
            Some(near) => format!("; did you mean '{near}'?"),
            None => "; GET /objects lists those there are".to_owned(),
        };
        Problem::new(StatusCode::NOT_FOUND, "No such object", format!("there is no object '{name}'{hint}"))
    }

    pub(crate) fn too_many_wait(why: NoPermit) -> Problem {
        let detail = format!(
            "of the requests that may wait or watch at a time {why}; nothing was done; come back as Retry-After says"
        );
        Problem {
            retry_after: Some(5),
            ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Too many wait", detail)
        }
    }

    pub(crate) fn expired(peer: &Peer) -> Problem {
        let detail = format!("the client certificate of {} has expired; make a new one", peer.subject);
        Problem::new(StatusCode::FORBIDDEN, "Certificate expired", detail)
    }

    pub(crate) fn health_only() -> Problem {
        let detail = "this is the daemon's own certificate, or one for its key, which may only ask /healthz and /readyz; use \
                      a client certificate, such as docker-machine's cert.pem and key.pem";
        Problem::new(StatusCode::FORBIDDEN, "Not a client's certificate", detail)
    }
}

impl From<SubmissionError> for Problem {
    fn from(error: SubmissionError) -> Problem {
        match error {
            SubmissionError::Syntax(e) => Problem::new(
                StatusCode::BAD_REQUEST,
                "Not valid JSON",
                format!("{e}; the body must be one JSON object, or an array of them"),
            ),
            SubmissionError::Field(error) => error.into(),
        }
    }
}

impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Problem {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "Bad field", error.with_field()).at(error.field)
    }
}

impl From<Violation> for Problem {
    fn from(violation: Violation) -> Problem {
        Problem::new(StatusCode::FORBIDDEN, "Refused by policy", violation.to_string()).at(violation.field)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        let (status, title) = match &error {
            StoreError::Rejected(rejected) => match rejected {
                Rejected::NotFound(_) => (StatusCode::NOT_FOUND, "No such object"),
                Rejected::Precondition { .. } => (StatusCode::PRECONDITION_FAILED, "Precondition failed"),
                Rejected::NoRevision { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "No such revision"),
                Rejected::Quarantined { .. } => (StatusCode::CONFLICT, "Object cannot be read"),
                Rejected::Full => (StatusCode::INSUFFICIENT_STORAGE, "Too many objects"),
                Rejected::TooLarge => (StatusCode::INSUFFICIENT_STORAGE, "State too large"),
            },
            StoreError::NoSpace(_) => (StatusCode::INSUFFICIENT_STORAGE, "Disk full"),
            StoreError::Unsettled(_) => (StatusCode::SERVICE_UNAVAILABLE, "State cannot be written"),
            StoreError::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "Stopping"),
        };
        Problem::new(status, title, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = reply::json(status, PROBLEM, &self);
        if let Some(allow) = self.allow.and_then(|allow| HeaderValue::try_from(allow).ok()) {
            response.headers_mut().insert(header::ALLOW, allow);
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_sent_is_repeated_escaped_and_bounded() {
        let sent = format!("a\n\u{1b}[2J\u{202e}{}", "x".repeat(1 << 20));
        let problem = Problem::no_such_path(&sent, &[]).at(sent.as_str());
        assert!(
            problem.detail.starts_with("there is nothing at a\\n\\u{1b}[2J\\u{202e}xx"),
            "{}",
            problem.detail
        );
        assert!(problem.detail.len() <= DETAIL_MAX_BYTES);
        let field = problem.field.unwrap_or_default();
        assert!(
            field.len() <= sanitize::MESSAGE_MAX_BYTES && field.chars().all(sanitize::harmless),
            "{field}"
        );
    }
}
