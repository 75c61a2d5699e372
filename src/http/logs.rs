//! `GET /objects/NAME/logs`: the output of the object's containers.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use futures_util::StreamExt;

use super::caller::Caller;
use super::objects::Named;
use super::query::{FromQuery, Parameters, Query, bad};
use super::state::ApiState;
use super::stream::{self, End, Format};
use super::{negotiate, problem};
use crate::api::problem::{Problem, ProblemKind};
use crate::core::access::Access;
use crate::core::name::ObjectName;
use crate::core::sanitize::shown;
use crate::core::submission::strict::did_you_mean;
use crate::core::time::Time;
use crate::engine::logs::LogTime;
use crate::logs::{DEFAULT_TAIL, LogPermit, LogPermits, LogQuery, MAX_TAIL, Missing};

mod line;

/// The longest duration that `since` may be.
const LONGEST_BACK: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The output of its containers
///
/// The last lines of each running container of the object, in order of time; with follow also new lines, and those of
/// new containers.
#[utoipa::path(
    get,
    path = "/objects/{name}/logs",
    params(
        ("name" = String, Path, description = "The object's name."),
        ("tail" = Option<u32>, Query, maximum = 10000,
         description = "The number of past lines of each container; 100 by default, and 10000 with since."),
        ("since" = Option<String>, Query,
         description = "Only lines after this: a duration such as 10m, or an RFC 3339 time."),
        ("follow" = Option<bool>, Query, description = "Continues with new lines until the object is gone."),
        ("previous" = Option<bool>, Query,
         description = "Of exited containers that are kept, instead of running ones; with follow of both."),
        ("container" = Option<String>, Query,
         description = "Only of the container of this name, running or not."),
        ("timestamps" = Option<bool>, Query, description = "As text/plain: the time before each line."),
        ("Last-Event-ID" = Option<String>, Header, description = "The time of a line: starts after it."),
    ),
    responses(
        (
            status = 200,
            description = "One line each: JSON, server-sent events or text/plain, as Accept asks for.",
            content(
                (ref("#/components/schemas/LogsLine") = "application/x-ndjson"),
                (String = "text/event-stream"),
                (String = "text/plain"),
            )
        ),
        (status = 400, description = "A query parameter or Last-Event-ID is not allowed, or the path is unreadable."),
        (status = 404, description = "There is no such object, or it has no such container."),
        (status = 503, description = "Too many long-running requests, or the daemon is busy or stopping."),
    )
)]
pub(super) async fn logs(
    State(state): State<ApiState>,
    caller: Caller,
    Parameters(parameters): Parameters<LogParameters>,
    Named(name): Named,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.authorize(Access::Read, Some(&name))?;
    let timestamps = parameters.timestamps;
    let asked = parameters.of(name, state.status.clock.wall());
    state.logs.find(&asked).map_err(|missing| match missing {
        Missing::Object => state.no_such_object(asked.object.as_str()),
        Missing::Container(existing) => no_such_container(&asked, &existing),
    })?;
    let permit = state.long_running_permit(&caller)?;
    let identity = caller.peer.identity.clone();
    // If not even one container can be read, the request is refused. Otherwise the stream says which it leaves out.
    drop(state.log_readers.try_acquire(&identity).map_err(problem::too_many_long_running)?);
    let permits: LogPermits = {
        let readers = state.log_readers.clone();
        Arc::new(move || Some(Box::new(readers.try_acquire(&identity).ok()?) as LogPermit))
    };
    let format = match negotiate::prefers(&headers, "text/plain", "application/x-ndjson") {
        true => Format::Text,
        false => Format::asked_for(&headers),
    };
    let items = state.logs.read(asked, permits).map(move |item| match format {
        Format::Text => line::text(&item, timestamps),
        Format::Lines | Format::ServerSentEvents => line::json(&item),
    });
    Ok(stream::response_as(format, items, permit, End::of(&caller.peer, state.status.clock)))
}

/// The parameters of `/objects/NAME/logs`.
pub(super) struct LogParameters {
    tail: u32,
    since: Option<Since>,
    /// `since` is a line that the client has.
    reconnects: bool,
    follow: bool,
    previous: bool,
    container: Option<String>,
    timestamps: bool,
}

impl FromQuery for LogParameters {
    const NAMES: &'static [&'static str] =
        &["tail", "since", "follow", "previous", "container", "timestamps"];

    fn from_query(query: &Query, headers: &HeaderMap) -> Result<LogParameters, Problem> {
        let since: Option<Since> = stream::since(headers, query)?;
        let tail: Option<u32> = query.number("tail")?;
        if let Some(tail) = tail.filter(|tail| *tail > MAX_TAIL) {
            return Err(bad("tail", &format!("given {tail}; allowed is up to {MAX_TAIL}")));
        }
        if query.text("container") == Some("") {
            return Err(bad(
                "container",
                "given without a name; allowed is the name of a container, such as web.1.1",
            ));
        }
        Ok(LogParameters {
            tail: tail.unwrap_or(if since.is_some() { MAX_TAIL } else { DEFAULT_TAIL }),
            since,
            reconnects: headers.contains_key(stream::LAST_EVENT_ID),
            follow: query.flag("follow")?,
            previous: query.flag("previous")?,
            container: query.text("container").map(str::to_owned),
            timestamps: query.flag("timestamps")?,
        })
    }
}

impl LogParameters {
    /// The lines of this object's containers that the client asks for.
    fn of(self, object: ObjectName, now: Time) -> LogQuery {
        let LogParameters { tail, since, reconnects, follow, previous, container, .. } = self;
        let since = since.map(|since| since.at(now, reconnects));
        LogQuery { object, container, tail, since, follow, previous }
    }
}

/// The value of `since`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    Ago(Duration),
    At(LogTime),
}

impl Since {
    /// The earliest time. A line of this very time is left out if the client has `seen` it.
    fn at(self, now: Time, seen: bool) -> LogTime {
        match self {
            Since::Ago(ago) => LogTime::from(now).earlier(ago),
            Since::At(at) => LogTime(at.0.saturating_add(u64::from(seen))),
        }
    }
}

impl std::str::FromStr for Since {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Since, Self::Err> {
        let ago = humantime::parse_duration(text).ok().filter(|ago| *ago <= LONGEST_BACK);
        ago.map(Since::Ago).or_else(|| LogTime::parse(text).map(Since::At)).ok_or(
            "allowed is a duration such as 10m or 1h30m, or a time such as 2026-11-26T16:00:00Z (with a zone; '+' is \
             written %2B)",
        )
    }
}

fn no_such_container(asked: &LogQuery, existing: &[String]) -> Problem {
    let LogQuery { object, container, .. } = asked;
    let name = container.as_deref().unwrap_or_default();
    let hint = match (did_you_mean(name, existing.iter().map(String::as_str)), existing) {
        (Some(near), _) => format!("did you mean '{near}'?"),
        (None, []) => "it has none".to_owned(),
        (None, _) => format!("GET /status/{object} lists its containers"),
    };
    let detail = format!("{object} has no container '{}'; {hint}", shown(name));
    Problem::new(ProblemKind::NoSuchContainer, detail).at("container")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_duration_or_a_time() {
        let now = Time(1_764_000_000_000);
        let at = |text: &str, seen| text.parse::<Since>().map(|since| since.at(now, seen).0);
        assert_eq!(at("10m", false), Ok(1_764_000_000_000_000_000 - 600_000_000_000));
        assert_eq!(at("1970-01-01T00:00:01Z", false), Ok(1_000_000_000));
        assert_eq!(at("1970-01-01T01:00:01+01:00", true), Ok(1_000_000_001));
        assert_eq!(at("90years", false), Ok(0));
        for bad in ["", "x", "10", "1764000000", "10 parsecs", "1000years", "2026-11-26", "-5m"] {
            assert!(at(bad, false).is_err(), "{bad}");
        }
    }
}
