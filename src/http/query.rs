//! The part of a request after the `?`, read strictly.
//!
//! A parameter that is not understood could mean "do not really do it": so an unknown, doubled or ill-formed one is
//! refused, and nothing is done.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use axum::http::StatusCode;

use super::problem::Problem;
use crate::core::submission::seconds_or_duration;
use crate::core::submission::strict::{did_you_mean, shown};

/// The most bytes of a query: the longest that means anything has some hundred.
const QUERY_MAX_BYTES: usize = 4 * 1024;

/// The parameters of a request.
#[derive(Debug, Default)]
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads the parameters, of which only `known` may be there.
    pub(super) fn read(raw: Option<&str>, known: &[&'static str]) -> Result<Query, Problem> {
        if let Some(length) = raw.map(str::len).filter(|length| *length > QUERY_MAX_BYTES) {
            let detail =
                format!("the query has {length} bytes; allowed are {QUERY_MAX_BYTES}; nothing was done");
            return Err(Problem::new(StatusCode::BAD_REQUEST, "Query too long", detail));
        }
        let mut parameters = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(raw.unwrap_or_default().as_bytes()) {
            if !known.contains(&name.as_ref()) {
                let hint = match (did_you_mean(&name, known.iter().copied()), known) {
                    (Some(near), _) => format!("did you mean '{near}'?"),
                    (None, []) => "there are none".to_owned(),
                    (None, known) => format!("there are {}", known.join(", ")),
                };
                let detail =
                    format!("the parameter '{}' is not known here; {hint}; nothing was done", shown(&name));
                return Err(Problem::new(StatusCode::BAD_REQUEST, "Unknown parameter", detail));
            }
            if parameters.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(bad(&name, "given twice; allowed is once"));
            }
        }
        Ok(Query(parameters))
    }

    /// A switch: `?name` and `?name=true` are on.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.text(name) {
            None | Some("false" | "0") => Ok(false),
            Some("" | "true" | "1") => Ok(true),
            Some(other) => Err(bad(name, &format!("given {:?}; allowed are true and false", shown(other)))),
        }
    }

    /// A duration such as `60s`, more than nothing and up to `most`.
    pub(super) fn duration(&self, name: &str, most: Duration) -> Result<Option<Duration>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let parsed = seconds_or_duration(text);
        parsed.filter(|d| *d > Duration::ZERO && *d <= most).map(Some).ok_or_else(|| {
            let most = humantime::format_duration(most);
            let what =
                format!("given {:?}; allowed is a duration such as 60s or 2m, up to {most}", shown(text));
            bad(name, &what)
        })
    }

    /// A whole number.
    pub(super) fn number<N: FromStr>(&self, name: &str) -> Result<Option<N>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let wanted = || bad(name, &format!("given {:?}; allowed is a whole number", shown(text)));
        text.parse().map(Some).map_err(|_| wanted())
    }

    /// A text as it stands.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// A parameter that is known and says what cannot be.
pub(super) fn bad(name: &str, what: &str) -> Problem {
    let detail = format!("the parameter '{}': {what}; nothing was done", shown(name));
    Problem::new(StatusCode::BAD_REQUEST, "Bad parameter", detail).at(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_of_kilobytes_is_refused_before_it_is_looked_into() {
        let query = |length: usize| format!("prune={}", "x".repeat(length));
        assert!(Query::read(Some(&query(100)), &["prune"]).is_ok());
        assert!(Query::read(Some(&query(QUERY_MAX_BYTES)), &["prune"]).is_err());
    }
}
