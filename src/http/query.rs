//! The query of a request, parsed strictly.
//!
//! An unknown parameter could mean "do not really do it". So one that is unknown, given twice or ill-formed is refused,
//! and nothing is done.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use crate::api::problem::{Problem, ProblemKind};
use crate::core::sanitize::shown;
use crate::core::submission::seconds_or_duration;
use crate::core::submission::strict::did_you_mean;

/// The most bytes of a query: the longest useful one has some hundred.
const QUERY_MAX_BYTES: usize = 4 * 1024;

/// What one kind of request has in its query.
pub(super) trait FromQuery: Sized {
    /// The names of all its parameters.
    const NAMES: &'static [&'static str];

    /// Parses the values. Some parameters can also be headers.
    fn from_query(query: &Query, headers: &HeaderMap) -> Result<Self, Problem>;
}

/// Extracts the parameters of a request.
pub(super) struct Parameters<T>(pub(super) T);

impl<S: Send + Sync, T: FromQuery> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Parameters<T>, Problem> {
        let query = Query::parse(parts.uri.query(), T::NAMES)?;
        T::from_query(&query, &parts.headers).map(Parameters)
    }
}

/// For requests without parameters.
pub(super) struct NoParameters;

impl FromQuery for NoParameters {
    const NAMES: &'static [&'static str] = &[];

    fn from_query(_: &Query, _: &HeaderMap) -> Result<NoParameters, Problem> {
        Ok(NoParameters)
    }
}

/// The parameters as text.
#[derive(Debug, Default)]
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    /// Parses a query that may only have parameters of these names.
    pub(super) fn parse(raw: Option<&str>, names: &[&'static str]) -> Result<Query, Problem> {
        if let Some(length) = raw.map(str::len).filter(|length| *length > QUERY_MAX_BYTES) {
            let detail =
                format!("the query has {length} bytes; allowed are {QUERY_MAX_BYTES}; nothing was done");
            return Err(Problem::new(ProblemKind::QueryTooLong, detail));
        }
        let mut parameters = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(raw.unwrap_or_default().as_bytes()) {
            if !names.contains(&name.as_ref()) {
                let hint = match (did_you_mean(&name, names.iter().copied()), names) {
                    (Some(near), _) => format!("did you mean '{near}'?"),
                    (None, []) => "there are none".to_owned(),
                    (None, names) => format!("there are {}", names.join(", ")),
                };
                let detail = format!("unknown parameter '{}'; {hint}; nothing was done", shown(&name));
                return Err(Problem::new(ProblemKind::UnknownParameter, detail));
            }
            if parameters.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(bad(&name, "given twice; allowed is once"));
            }
        }
        Ok(Query(parameters))
    }

    /// A switch: `?name` and `?name=true` turn it on.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.text(name) {
            None | Some("false" | "0") => Ok(false),
            Some("" | "true" | "1") => Ok(true),
            Some(other) => Err(bad(name, &format!("given {:?}; allowed are true and false", shown(other)))),
        }
    }

    /// A duration such as `60s`, longer than zero and up to `max`.
    pub(super) fn duration(&self, name: &str, max: Duration) -> Result<Option<Duration>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let parsed = seconds_or_duration(text);
        parsed.filter(|d| *d > Duration::ZERO && *d <= max).map(Some).ok_or_else(|| {
            let max = humantime::format_duration(max);
            let what =
                format!("given {:?}; allowed is a duration such as 60s or 2m, up to {max}", shown(text));
            bad(name, &what)
        })
    }

    /// A whole number.
    pub(super) fn number<N: FromStr>(&self, name: &str) -> Result<Option<N>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let refused = || bad(name, &format!("given {:?}; allowed is a whole number", shown(text)));
        text.parse().map(Some).map_err(|_| refused())
    }

    /// The text as given.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// The value of a known parameter is not allowed.
pub(super) fn bad(name: &str, what: &str) -> Problem {
    let detail = format!("the parameter '{}': {what}; nothing was done", shown(name));
    Problem::new(ProblemKind::BadParameter, detail).at(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_of_kilobytes_is_refused_before_it_is_parsed() {
        let query = |length: usize| format!("prune={}", "x".repeat(length));
        assert!(Query::parse(Some(&query(100)), &["prune"]).is_ok());
        assert!(Query::parse(Some(&query(QUERY_MAX_BYTES)), &["prune"]).is_err());
    }
}
