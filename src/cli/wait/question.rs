//! A question about one object: has what was submitted come about?
//!
//! Asking is harmless. To wait for a generation its spec is submitted once more, on the condition that it still is the
//! object's generation (`If-Match`). That changes nothing, overwrites no newer submit, and does not undo a rollback; and
//! what has become of it, the daemon judges.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Method, StatusCode, header};
use serde_json::{Map, Value};
use tokio::time::sleep;

use super::Outcome;
use crate::api::change::{OneOrMany, Receipt, Settled, WaitOutcome};
use crate::api::object::{ObjectHistory, Revision};
use crate::api::status::ObjectStatus;
use crate::cli::progress::MONITOR;
use crate::client::{Ask, ClientError, Daemon};
use crate::core::submission::seconds_or_duration;

/// The shortest wait, which asks how things are now.
const GLANCE: Duration = Duration::from_millis(1);
/// How often it is asked whether something is gone.
const POLL: Duration = Duration::from_millis(500);
/// Says that a submit only goes on waiting: the daemon need not try anything at once for it.
const PREFER: HeaderName = HeaderName::from_static("prefer");
const CONTINUE_WAIT: &str = "continue-wait";

/// What is asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// The object's place among the receipts.
    pub(super) place: usize,
    pub(super) receipt: Receipt,
    /// As far as it is known.
    pub(super) spec: Option<Spec>,
    /// How long the daemon may wait before it answers; `None` asks how things are now.
    pub(super) wait: Option<Duration>,
    /// It is the first question, and comes right after the submit.
    pub(super) first: bool,
}

/// What was submitted of an object, for submitting it again.
#[derive(Debug, Clone)]
pub(super) struct Spec {
    generation: u64,
    body: Bytes,
    /// How long it has to stay converged.
    pub(super) monitor: Duration,
}

/// The answer.
#[derive(Debug)]
pub(super) enum Answered {
    /// To [`specs`].
    Specs(HashMap<String, Spec>),
    /// To [`ask`].
    One {
        place: usize,
        /// What was learned beside.
        spec: Option<Spec>,
        found: Result<Found, ClientError>,
    },
}

/// What one question has found.
#[derive(Debug)]
pub(super) enum Found {
    Settled(Outcome, String),
    /// What to ask for.
    Spec,
    /// Why not.
    NotYet(String),
}

/// The specs of all objects, in one question. Where it fails, each question asks for its own.
pub(super) async fn specs(daemon: &Daemon) -> Answered {
    let answer = daemon.ask(Ask::new(Method::GET, "/objects")).await;
    let all: Vec<Map<String, Value>> = answer.and_then(|answer| answer.json()).unwrap_or_default();
    Answered::Specs(
        all.into_iter()
            .filter_map(|spec| Some((spec.get("Name")?.as_str()?.to_owned(), Spec::of(spec)?)))
            .collect(),
    )
}

/// Asks about one object.
pub(super) async fn ask(daemon: &Daemon, mut asked: Asked) -> Answered {
    let found = match asked.receipt.deleted() {
        true => gone(daemon, &asked).await,
        false => reached(daemon, &mut asked).await,
    };
    Answered::One { place: asked.place, spec: asked.spec, found }
}

impl Spec {
    #[cfg(test)]
    pub(super) fn sample() -> Spec {
        Spec { generation: 2, body: Bytes::new(), monitor: MONITOR }
    }

    /// From what `GET /objects` says.
    fn of(mut object: Map<String, Value>) -> Option<Spec> {
        let generation = object.remove("Generation")?.as_u64()?;
        let monitor = monitor(&object);
        Some(Spec { generation, body: Value::Object(object).to_string().into(), monitor })
    }
}

/// How long an object has to stay converged, as it was submitted.
fn monitor(spec: &Map<String, Value>) -> Duration {
    let given = match spec.get("Update").and_then(|update| update.get("Monitor")) {
        Some(Value::String(text)) => seconds_or_duration(text),
        Some(number) => number.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        None => None,
    };
    given.unwrap_or(MONITOR)
}

/// Has the daemon wait for a generation. The first thing to find is the spec.
async fn reached(daemon: &Daemon, asked: &mut Asked) -> Result<Found, ClientError> {
    let Receipt { name, generation, .. } = &asked.receipt;
    let Some(spec) = &asked.spec else {
        let object = match daemon.ask(Ask::new(Method::GET, format!("/objects/{name}"))).await {
            Err(error) if error.is(StatusCode::NOT_FOUND) => return superseded(daemon, &asked.receipt).await,
            answer => answer?.json()?,
        };
        asked.spec = Spec::of(object);
        return match asked.spec {
            Some(_) => Ok(Found::Spec),
            None => superseded(daemon, &asked.receipt).await,
        };
    };
    if spec.generation != *generation {
        return superseded(daemon, &asked.receipt).await;
    }
    match daemon.ask(again(spec, asked.wait, asked.first)).await {
        Ok(answer) => {
            let settled = Vec::from(answer.json::<OneOrMany<Settled>>()?);
            let reason = settled.into_iter().next().map(|one| one.reason).unwrap_or_default();
            Ok(Found::Settled(Outcome::Converged, reason))
        }
        Err(error) if error.is(StatusCode::PRECONDITION_FAILED) => superseded(daemon, &asked.receipt).await,
        Err(ClientError::Refused(problem)) => {
            match (problem.member("Outcome").map(WaitOutcome::from), problem.member("Reason")) {
                (Some(WaitOutcome::TimedOut), Some(reason)) => Ok(Found::NotYet(reason.to_owned())),
                (Some(WaitOutcome::RolledBack), Some(reason)) => {
                    Ok(Found::Settled(Outcome::RolledBack, reason.to_owned()))
                }
                (Some(WaitOutcome::Failed), Some(reason)) => {
                    Ok(Found::Settled(Outcome::Failed, reason.to_owned()))
                }
                // Such as `stopping`.
                _ => Err(ClientError::Refused(problem)),
            }
        }
        Err(error) => Err(error),
    }
}

/// The same submit again, to wait for its outcome.
fn again(spec: &Spec, wait: Option<Duration>, first: bool) -> Ask {
    let ask = Ask::new(Method::POST, "/submit")
        .wait(wait.unwrap_or(GLANCE).max(GLANCE))
        .header(header::IF_MATCH, format!("\"{}\"", spec.generation))
        .body(spec.body.clone());
    match first {
        true => ask,
        false => ask.header(PREFER, CONTINUE_WAIT),
    }
}

/// Finds what has taken the place of a generation while nobody was looking.
async fn superseded(daemon: &Daemon, receipt: &Receipt) -> Result<Found, ClientError> {
    let history = Ask::new(Method::GET, format!("/objects/{}/history", receipt.name));
    let revisions = match daemon.ask(history).await {
        // Deleted so long ago that its tombstone is gone.
        Err(error) if error.is(StatusCode::NOT_FOUND) => Vec::new(),
        answer => answer?.json::<ObjectHistory>()?.revisions,
    };
    let next = revisions.iter().rfind(|revision| revision.generation > receipt.generation);
    Ok(match next {
        None => Found::Settled(Outcome::Failed, "it was deleted before it had converged".to_owned()),
        Some(Revision { generation, rolled_back_to: Some(to), .. }) => Found::Settled(
            Outcome::RolledBack,
            format!("generation {generation} has replaced it, with the spec of generation {to} again"),
        ),
        Some(Revision { generation, .. }) => Found::Settled(
            Outcome::Failed,
            format!("generation {generation} has replaced it before it had converged"),
        ),
    })
}

/// Asks whether anything is left of what was deleted.
async fn gone(daemon: &Daemon, asked: &Asked) -> Result<Found, ClientError> {
    let Receipt { name, generation, .. } = &asked.receipt;
    match status(daemon, name).await? {
        None => Ok(Found::Settled(Outcome::Converged, "nothing is left of it".to_owned())),
        Some(now) if now.generation > *generation => superseded(daemon, &asked.receipt).await,
        Some(now) => {
            // The daemon answers at once: this is the wait.
            sleep(asked.wait.unwrap_or_default().min(POLL)).await;
            Ok(Found::NotYet(now.reason))
        }
    }
}

/// The status of one object, unless nothing is left of it.
pub(in crate::cli) async fn status(daemon: &Daemon, name: &str) -> Result<Option<ObjectStatus>, ClientError> {
    match daemon.ask(Ask::new(Method::GET, format!("/status/{name}"))).await {
        Ok(answer) => answer.json().map(Some),
        Err(error) if error.is(StatusCode::NOT_FOUND) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(object: Value) -> Spec {
        Spec::of(object.as_object().unwrap().clone()).unwrap()
    }

    #[test]
    fn only_the_question_right_after_the_submit_is_no_continued_wait() {
        let spec = spec(json!({"Generation": 7, "Name": "web", "Image": "nginx", "Count": 1}));
        let first = format!("{:?}", again(&spec, Some(Duration::from_secs(30)), true));
        assert!(first.contains("wait=30s") && first.contains(r#""if-match", "\"7\"""#), "{first}");
        assert!(!first.contains("prefer") && !first.contains("Generation"), "{first}");
        let later = format!("{:?}", again(&spec, None, false));
        assert!(later.contains("wait=1ms") && later.contains(r#"("prefer", "continue-wait")"#), "{later}");
    }

    #[test]
    fn the_time_to_stay_converged_is_read_as_it_was_submitted() {
        for (given, read) in [
            (json!("10s"), 10_000),
            (json!("100ms"), 100),
            (json!("7"), 7_000),
            (json!(2.5), 2_500),
            (json!(null), 5_000),
            (json!([]), 5_000),
        ] {
            let spec = spec(json!({"Generation": 1, "Update": {"Monitor": given}}));
            assert_eq!(spec.monitor, Duration::from_millis(read), "{given}");
        }
        assert_eq!(spec(json!({"Generation": 1})).monitor, Duration::from_secs(5));
    }
}
