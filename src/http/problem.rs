//! From errors to [`Problem`]s.

use axum::http::Method;

use crate::api::problem::{Problem, ProblemKind};
use crate::core::access::Denied;
use crate::core::name::ObjectName;
use crate::core::object::MAX_OBJECTS;
use crate::core::policy::Violation;
use crate::core::submission::SubmissionError;
use crate::core::submission::strict::{FieldError, did_you_mean};
use crate::core::transaction::Rejected;
use crate::server::fair_share::NoPermit;
use crate::server::peer::Peer;
use crate::store::StoreError;

pub(super) fn wrong_method(method: &Method, path: &str, allowed: String) -> Problem {
    let detail = format!("{method} is not allowed for {path}; allowed is {allowed}");
    Problem::new(ProblemKind::WrongMethod, detail).allow(allowed)
}

pub(super) fn no_such_path(path: &str, routes: &[String]) -> Problem {
    let hint = match did_you_mean(path, routes.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("there are {}", routes.join(", ")),
    };
    Problem::new(ProblemKind::NoSuchPath, format!("there is nothing at {path}; {hint}"))
}

pub(super) fn no_such_object<'a>(name: &str, known: impl Iterator<Item = &'a ObjectName>) -> Problem {
    let hint = match did_you_mean(name, known.map(ObjectName::as_str)) {
        Some(near) => format!("did you mean '{near}'?"),
        None => "GET /objects lists the objects".to_owned(),
    };
    Problem::new(ProblemKind::NoSuchObject, format!("there is no object '{name}'; {hint}"))
}

pub(super) fn too_many_long_running(why: NoPermit) -> Problem {
    let detail =
        format!("too many waits and streams: {why}; nothing was done; try again as Retry-After says");
    Problem::new(ProblemKind::TooManyLongRunning, detail).retry_after(5)
}

pub(super) fn expired(peer: &Peer) -> Problem {
    let detail = format!("the client certificate of {} has expired; issue a new one", peer.subject);
    Problem::new(ProblemKind::CertificateExpired, detail)
}

pub(super) fn denied(denied: Denied) -> Problem {
    let kind = match denied {
        Denied::NotAClient => ProblemKind::NotAClient,
    };
    Problem::new(kind, denied.to_string())
}

impl From<SubmissionError> for Problem {
    fn from(error: SubmissionError) -> Problem {
        match error {
            SubmissionError::Syntax(e) => Problem::new(
                ProblemKind::NotJson,
                format!("{e}; the body must be one JSON object, or an array of them"),
            ),
            SubmissionError::Field(error) => error.into(),
            SubmissionError::TooMany(MAX_OBJECTS) => {
                Problem::new(ProblemKind::BodyTooLarge, format!("{error}; nothing was done"))
            }
            SubmissionError::TooMany(_) => {
                let detail = format!("a dry run of several objects: {error}; only dry runs have this limit");
                Problem::new(ProblemKind::DryRunTooLarge, detail)
            }
        }
    }
}

impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Problem {
        Problem::new(ProblemKind::BadField, error.with_field()).at(error.field)
    }
}

impl From<Violation> for Problem {
    fn from(violation: Violation) -> Problem {
        Problem::new(ProblemKind::RefusedByPolicy, violation.to_string()).at(violation.field)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        let problem = Problem::new(kind(&error), error.to_string());
        match error {
            StoreError::Failing { retry, .. } => {
                problem.retry_after(u32::try_from(retry.as_secs()).unwrap_or(u32::MAX))
            }
            _ => problem,
        }
    }
}

fn kind(error: &StoreError) -> ProblemKind {
    match error {
        StoreError::Rejected(rejected) => match rejected {
            Rejected::NotFound(_) => ProblemKind::NoSuchObject,
            Rejected::Precondition { .. } => ProblemKind::PreconditionFailed,
            Rejected::NoRevision { .. } => ProblemKind::NoSuchRevision,
            Rejected::Quarantined { .. } => ProblemKind::ObjectUnreadable,
            Rejected::Full => ProblemKind::TooManyObjects,
            Rejected::TooLarge => ProblemKind::StateTooLarge,
        },
        StoreError::NoSpace(_) => ProblemKind::DiskFull,
        StoreError::Unsettled(_) => ProblemKind::StateNotWritable,
        StoreError::Failing { error, .. } => kind(error),
        StoreError::Stopping => ProblemKind::Stopping,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_failing_disk_is_answered_with_the_time_of_the_next_attempt() {
        let full = StoreError::NoSpace("No space left on device".to_owned());
        let failing = StoreError::Failing { error: Box::new(full), retry: Duration::from_secs(8) };
        let problem = Problem::from(failing);
        assert_eq!((problem.status, problem.retry_after), (507, Some(8)));
        assert!(
            problem.detail.contains("make room") && problem.detail.ends_with("again within 8s"),
            "{problem}"
        );
    }
}
