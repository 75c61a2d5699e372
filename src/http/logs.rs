//! `GET /objects/NAME/logs`: what the object's containers write.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use futures_util::StreamExt;

use super::problem::Problem;
use super::query::{Query, bad};
use super::stream::{End, Form};
use super::{Api, negotiate, objects, stream as answers};
use crate::core::name::ObjectName;
use crate::core::submission::strict::{did_you_mean, shown};
use crate::core::time::Time;
use crate::engine::logs::LogTime;
use crate::logs::{DEFAULT_TAIL, LogPermit, LogPermits, LogQuery, MAX_TAIL, Missing};
use crate::server::peer::Peer;

mod line;

pub(super) use line::{Line, Note};

/// The longest time back that a duration may say.
const LONGEST_BACK: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// What its containers write
///
/// The last lines of each container of the object that runs, in order of time; with follow also those to come, of
/// containers that come later, too.
#[utoipa::path(
    get,
    path = "/objects/{name}/logs",
    params(
        ("name" = String, Path, description = "The object's name."),
        ("tail" = Option<u32>, Query, maximum = 10000,
         description = "How many of the past lines of each container; 100 by default, and 10000 with since."),
        ("since" = Option<String>, Query,
         description = "None from before this: a duration such as 10m, or a time of RFC 3339."),
        ("follow" = Option<bool>, Query, description = "Goes on with the lines to come, until the object is gone."),
        ("previous" = Option<bool>, Query,
         description = "Of the containers that have ended and are kept, in place of those that run; with follow of both."),
        ("container" = Option<String>, Query,
         description = "Only of the container of this name, whether or not it runs."),
        ("timestamps" = Option<bool>, Query, description = "As text/plain: each line with its time."),
        ("Last-Event-ID" = Option<String>, Header, description = "The time of a line: what comes after it is shown."),
    ),
    responses(
        (
            status = 200,
            description = "A line each, as JSON, as server-sent events or as text/plain, as Accept asks for.",
            content(
                (ref("#/components/schemas/LogsLine") = "application/x-ndjson"),
                (String = "text/event-stream"),
                (String = "text/plain"),
            )
        ),
        (status = 400, description = "A query parameter or Last-Event-ID cannot be read, or the path."),
        (status = 404, description = "There is no such object, or no such container of it."),
        (status = 503, description = "Too many wait or watch already, or the daemon is busy or stopping."),
    )
)]
pub(super) async fn logs(
    State(api): State<Api>,
    name: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    Extension(peer): Extension<Arc<Peer>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let known = ["tail", "since", "follow", "previous", "container", "timestamps"];
    let query = Query::read(query.as_deref(), &known)?;
    let name = objects::named(name)?;
    let object = ObjectName::parse(&name).ok_or_else(|| objects::missing(&api, &name))?;
    let asked = read(&query, &headers, object, api.sources.clock.wall())?;
    let timestamps = query.flag("timestamps")?;
    api.logs.find(&asked).map_err(|missing| match missing {
        Missing::Object => objects::missing(&api, &name),
        Missing::Container(there) => no_such_container(&asked, &there),
    })?;
    let place = api.long_answer(&peer)?;
    // Where not even one container can be read, there is no stream; with some, it says which it leaves out.
    drop(api.log_readers.try_acquire(&peer.identity).map_err(Problem::too_many_wait)?);
    let places: LogPermits = {
        let (readers, identity) = (api.log_readers.clone(), peer.identity.clone());
        Arc::new(move || Some(Box::new(readers.try_acquire(&identity).ok()?) as LogPermit))
    };
    let form = match negotiate::prefers(&headers, "text/plain", "application/x-ndjson") {
        true => Form::Text,
        false => Form::asked_for(&headers),
    };
    let items = api.logs.read(asked, places).map(move |told| match form {
        Form::Text => line::text(&told, timestamps),
        Form::Lines | Form::ServerSentEvents => line::json(&told),
    });
    Ok(answers::answer_in(form, items, place, End::of(&peer, api.sources.clock)))
}

fn read(query: &Query, headers: &HeaderMap, object: ObjectName, now: Time) -> Result<LogQuery, Problem> {
    let since: Option<Since> = answers::since(headers, query)?;
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
    Ok(LogQuery {
        object,
        container: query.text("container").map(str::to_owned),
        tail: tail.unwrap_or(if since.is_some() { MAX_TAIL } else { DEFAULT_TAIL }),
        since: since.map(|since| since.at(now, headers.contains_key(answers::LAST_EVENT_ID))),
        follow: query.flag("follow")?,
        previous: query.flag("previous")?,
    })
}

/// From when on lines are wanted, as a client says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    Ago(Duration),
    At(LogTime),
}

impl Since {
    /// The earliest time. What has this time was seen already where the client only says what it had last.
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

fn no_such_container(asked: &LogQuery, there: &[String]) -> Problem {
    let LogQuery { object, container, .. } = asked;
    let name = container.as_deref().unwrap_or_default();
    let hint = match (did_you_mean(name, there.iter().map(String::as_str)), there) {
        (Some(near), _) => format!("did you mean '{near}'?"),
        (None, []) => "it has none".to_owned(),
        (None, _) => format!("GET /status/{object} lists those there are"),
    };
    let detail = format!("{object} has no container '{}'; {hint}", shown(name));
    Problem::new(StatusCode::NOT_FOUND, "No such container", detail).at("container")
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
