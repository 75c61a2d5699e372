//! A question about one object: has the change converged?
//!
//! Asking is harmless. To wait for a generation, the client submits its spec again on the condition that the generation is
//! still current (`If-Match`). That changes nothing, overwrites no newer submit and does not undo a rollback, and the
//! daemon decides on the outcome.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Method, StatusCode, header};
use serde_json::{Map, Value};
use tokio::time::sleep;

use super::outcome::WaitOutcome;
use crate::api::change::{OneOrMany, Receipt, Settled};
use crate::api::object::{ObjectHistory, Revision};
use crate::api::status::ObjectStatus;
use crate::client::{Ask, ClientError, Daemon};
use crate::core::submission::seconds_or_duration;

/// `Update.Monitor` of an object that does not set it.
pub(in crate::cli) const MONITOR: Duration = Duration::from_secs(5);
/// The shortest wait, which asks for the present state.
const GLANCE: Duration = Duration::from_millis(1);
/// How often to ask whether a deleted object is gone.
const POLL: Duration = Duration::from_millis(500);
/// Marks a submit as a continued wait: the daemon need not retry anything immediately for it.
const PREFER: HeaderName = HeaderName::from_static("prefer");
const CONTINUE_WAIT: &str = "continue-wait";

/// A question.
#[derive(Debug, Clone)]
pub(super) struct Question {
    /// The object's index among the receipts.
    pub(super) place: usize,
    pub(super) receipt: Receipt,
    /// If known.
    pub(super) spec: Option<Spec>,
    /// How long the daemon may wait before it answers; `None` asks for the present state.
    pub(super) wait: Option<Duration>,
    /// This is the first question, right after the submit.
    pub(super) first: bool,
}

/// The spec of an object, for submitting it again.
#[derive(Debug, Clone)]
pub(super) struct Spec {
    generation: u64,
    body: Bytes,
    /// How long the object must stay converged.
    pub(super) monitor: Duration,
}

/// The answer to a question.
#[derive(Debug)]
pub(super) enum Answered {
    /// To [`specs`].
    Specs(HashMap<String, Spec>),
    /// To [`ask`].
    One {
        place: usize,
        /// The spec, if it was fetched.
        spec: Option<Spec>,
        found: Result<WaitProgress, ClientError>,
    },
}

/// What an answer says.
#[derive(Debug)]
pub(super) enum WaitProgress {
    Settled(WaitOutcome, String),
    /// The spec; ask again with it.
    Spec,
    /// The reason.
    NotYet(String),
}

/// Fetches the specs of all objects in one request. If it fails, each question fetches its own.
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
pub(super) async fn ask(daemon: &Daemon, mut question: Question) -> Answered {
    let found = match question.receipt.deleted() {
        true => gone(daemon, &question).await,
        false => reached(daemon, &mut question).await,
    };
    Answered::One { place: question.place, spec: question.spec, found }
}

impl Spec {
    #[cfg(test)]
    pub(super) fn sample() -> Spec {
        Spec { generation: 2, body: Bytes::new(), monitor: MONITOR }
    }

    /// Reads an object of `GET /objects`.
    fn of(mut object: Map<String, Value>) -> Option<Spec> {
        let generation = object.remove("Generation")?.as_u64()?;
        let monitor = monitor(&object);
        Some(Spec { generation, body: Value::Object(object).to_string().into(), monitor })
    }
}

/// How long an object must stay converged, as submitted.
fn monitor(spec: &Map<String, Value>) -> Duration {
    let given = match spec.get("Update").and_then(|update| update.get("Monitor")) {
        Some(Value::String(text)) => seconds_or_duration(text),
        Some(number) => number.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        None => None,
    };
    given.unwrap_or(MONITOR)
}

/// Has the daemon wait for a generation. The spec is fetched first.
async fn reached(daemon: &Daemon, question: &mut Question) -> Result<WaitProgress, ClientError> {
    let Receipt { name, generation, .. } = &question.receipt;
    let Some(spec) = &question.spec else {
        let object = match daemon.ask(Ask::new(Method::GET, format!("/objects/{name}"))).await {
            Err(error) if error.is(StatusCode::NOT_FOUND) => {
                return superseded(daemon, &question.receipt).await;
            }
            answer => answer?.json()?,
        };
        question.spec = Spec::of(object);
        return match question.spec {
            Some(_) => Ok(WaitProgress::Spec),
            None => superseded(daemon, &question.receipt).await,
        };
    };
    if spec.generation != *generation {
        return superseded(daemon, &question.receipt).await;
    }
    match daemon.ask(again(spec, question.wait, question.first)).await {
        Ok(answer) => {
            let settled = Vec::from(answer.json::<OneOrMany<Settled>>()?);
            let reason = settled.into_iter().next().map(|one| one.reason).unwrap_or_default();
            Ok(WaitProgress::Settled(WaitOutcome::Converged, reason))
        }
        Err(error) if error.is(StatusCode::PRECONDITION_FAILED) => {
            superseded(daemon, &question.receipt).await
        }
        Err(ClientError::Refused(problem)) => match (problem.member("Outcome"), problem.member("Reason")) {
            (Some("timed_out"), Some(reason)) => Ok(WaitProgress::NotYet(reason.to_owned())),
            (Some("rolled_back"), Some(reason)) => {
                Ok(WaitProgress::Settled(WaitOutcome::RolledBack, reason.to_owned()))
            }
            (Some("failed"), Some(reason)) => {
                Ok(WaitProgress::Settled(WaitOutcome::Failed, reason.to_owned()))
            }
            // Such as `stopping`.
            _ => Err(ClientError::Refused(problem)),
        },
        Err(error) => Err(error),
    }
}

/// Submits the same spec again, to wait for its outcome.
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

/// Finds out what replaced a generation in the meantime.
async fn superseded(daemon: &Daemon, receipt: &Receipt) -> Result<WaitProgress, ClientError> {
    let history = Ask::new(Method::GET, format!("/objects/{}/history", receipt.name));
    let revisions = match daemon.ask(history).await {
        // Deleted so long ago that its tombstone is gone.
        Err(error) if error.is(StatusCode::NOT_FOUND) => Vec::new(),
        answer => answer?.json::<ObjectHistory>()?.revisions,
    };
    let next = revisions.iter().rfind(|revision| revision.generation > receipt.generation);
    Ok(match next {
        None => WaitProgress::Settled(WaitOutcome::Failed, "it was deleted before it converged".to_owned()),
        Some(Revision { generation, rolled_back_to: Some(to), .. }) => WaitProgress::Settled(
            WaitOutcome::RolledBack,
            format!("generation {generation} replaced it and restored the spec of generation {to}"),
        ),
        Some(Revision { generation, .. }) => WaitProgress::Settled(
            WaitOutcome::Failed,
            format!("generation {generation} replaced it before it converged"),
        ),
    })
}

/// Asks whether anything is left of a deleted object.
async fn gone(daemon: &Daemon, question: &Question) -> Result<WaitProgress, ClientError> {
    let Receipt { name, generation, .. } = &question.receipt;
    match status(daemon, name).await? {
        None => Ok(WaitProgress::Settled(WaitOutcome::Converged, "nothing is left of it".to_owned())),
        Some(now) if now.generation > *generation => superseded(daemon, &question.receipt).await,
        Some(now) => {
            // The daemon answers immediately: this is the wait.
            sleep(question.wait.unwrap_or_default().min(POLL)).await;
            Ok(WaitProgress::NotYet(now.reason))
        }
    }
}

/// The status of one object; `None` if nothing is left of it.
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
    fn every_question_but_the_first_is_a_continued_wait() {
        let spec = spec(json!({"Generation": 7, "Name": "web", "Image": "nginx", "Count": 1}));
        let first = format!("{:?}", again(&spec, Some(Duration::from_secs(30)), true));
        assert!(first.contains("wait=30s") && first.contains(r#""if-match", "\"7\"""#), "{first}");
        assert!(!first.contains("prefer") && !first.contains("Generation"), "{first}");
        let later = format!("{:?}", again(&spec, None, false));
        assert!(later.contains("wait=1ms") && later.contains(r#"("prefer", "continue-wait")"#), "{later}");
    }

    #[test]
    fn update_monitor_is_read_as_submitted() {
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
