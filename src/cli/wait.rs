//! Waiting until what was submitted has come about.
//!
//! This begins when the daemon has acknowledged a change, with its generation. So a connection that breaks, or a daemon
//! that is restarted, only means to ask again. Asking is harmless: to wait for a generation its spec is submitted
//! once more, on the condition that it still is the object's generation (`If-Match`). That changes nothing,
//! overwrites nobody's newer submit, and does not undo a rollback; and what has become of it, the daemon judges.
//! Objects are waited for one after the other, as the slowest of them decides anyhow.
//!
//! Beside it a watch shows what happens meanwhile; nothing depends on that.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use anyhow::Context;
use http::{Method, StatusCode, header};
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep};

use super::output;
use super::progress::{MONITOR, Progress};
use super::{FAILED, TIMED_OUT};
use crate::client::answers::{Change, History, Object, OneOrMany, Receipt, Revision};
use crate::client::{Ask, ClientError, Daemon};
use crate::model::submission::seconds_or_duration;

/// The longest that one question waits: less than the minute after which proxies call a connection idle, and a
/// daemon that is gone without a word is noticed soon after.
const SLICE: Duration = Duration::from_secs(30);
/// The shortest, which asks how things are now.
const GLANCE: Duration = Duration::from_millis(1);
/// How often it is looked whether something is gone.
const POLL: Duration = Duration::from_millis(500);
/// Before a watch that ended is begun anew.
const WATCH_AGAIN: Duration = Duration::from_secs(1);
/// How often the display is drawn at the most.
const PAINT: Duration = Duration::from_millis(100);

/// What has become of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    Converged,
    TimedOut,
    /// A later generation has an earlier spec again.
    RolledBack,
    /// It does not work, or something else is wanted by now.
    Failed,
}

impl Outcome {
    pub(super) fn word(self) -> &'static str {
        match self {
            Outcome::Converged => "converged",
            Outcome::TimedOut => "timed out",
            Outcome::RolledBack => "rolled back",
            Outcome::Failed => "failed",
        }
    }

    fn code(self) -> u8 {
        match self {
            Outcome::Converged => 0,
            Outcome::TimedOut => TIMED_OUT,
            Outcome::RolledBack | Outcome::Failed => FAILED,
        }
    }
}

/// What has become of one object, and why.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) name: String,
    pub(super) outcome: Outcome,
    pub(super) reason: String,
}

/// Waits until all of `receipts` are settled or `wait` is over, and says which: the exit code.
pub(super) async fn wait(daemon: &Daemon, receipts: &[Receipt], wait: Duration) -> anyhow::Result<u8> {
    let began = Instant::now();
    let progress = RefCell::new(Progress::new(receipts, wait));
    let waiter = Waiter { daemon, until: began + wait, progress: &progress };
    let all = tokio::select! {
        all = waiter.all(receipts) => all,
        never = waiter.watch(receipts) => match never {},
        never = waiter.paint() => match never {},
    };
    progress.borrow_mut().paint();
    let all = all?;
    Ok(conclude(&all, began.elapsed()))
}

/// The last line: the outcome, and the reason.
fn conclude(all: &[Settled], after: Duration) -> u8 {
    let after = after.as_secs_f64();
    let Some(worst) = all.iter().max_by_key(|one| one.outcome) else { return 0 };
    let converged = all.iter().filter(|one| one.outcome == Outcome::Converged).count();
    let Settled { name, outcome, reason } = worst;
    let word = outcome.word();
    match (converged, all.len()) {
        // Whoever reads no more still gets the exit code.
        (1, 1) => drop(output::line(format_args!("{word} after {after:.1} s: {name}: {reason}"))),
        (n, total) if n == total => {
            drop(output::line(format_args!("{word} after {after:.1} s: all {n} objects")))
        }
        (_, 1) => output::note(format_args!("error: {word} after {after:.1} s: {name}: {reason}")),
        (n, total) => output::note(format_args!(
            "error: {word} after {after:.1} s: {name}: {reason} ({n} of {total} objects converged)"
        )),
    }
    outcome.code()
}

struct Waiter<'a> {
    daemon: &'a Daemon,
    until: Instant,
    progress: &'a RefCell<Progress>,
}

/// What one question has found.
enum Found {
    Settled(Outcome, String),
    /// Why not.
    NotYet(String),
}

impl Waiter<'_> {
    async fn all(&self, receipts: &[Receipt]) -> anyhow::Result<Vec<Settled>> {
        let mut all = Vec::new();
        for receipt in receipts {
            let Receipt { name, generation, .. } = receipt;
            let (outcome, reason) = self.settled(receipt).await.with_context(|| {
                format!("generation {generation} of {name} was taken; what has become of it is not known")
            })?;
            let settled = Settled { name: name.clone(), outcome, reason };
            self.progress.borrow_mut().settled(&settled);
            all.push(settled);
        }
        Ok(all)
    }

    async fn settled(&self, receipt: &Receipt) -> Result<(Outcome, String), ClientError> {
        loop {
            let found = match receipt.deleted() {
                true => self.gone(receipt).await,
                false => self.reached(receipt).await,
            };
            let (why, pause) = match found {
                Ok(Found::Settled(outcome, reason)) => return Ok((outcome, reason)),
                Ok(Found::NotYet(reason)) => (reason, Duration::ZERO),
                Err(error) => {
                    let Some(pause) = error.passes_after() else { return Err(error) };
                    let Receipt { name, generation, .. } = receipt;
                    let taken = format!("{error}; generation {generation} of {name} was taken before that");
                    self.progress
                        .borrow_mut()
                        .trouble(format!("{taken}; asking again until the wait is over"));
                    (taken, pause)
                }
            };
            let rest = self.rest();
            if rest.is_zero() {
                return Ok((Outcome::TimedOut, why));
            }
            sleep(pause.min(rest)).await;
        }
    }

    fn rest(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Has the daemon wait for a generation.
    async fn reached(&self, receipt: &Receipt) -> Result<Found, ClientError> {
        let Receipt { name, generation, .. } = receipt;
        let answer = match self.daemon.ask(Ask::new(Method::GET, format!("/objects/{name}"))).await {
            Err(error) if error.is(StatusCode::NOT_FOUND) => return self.superseded(receipt).await,
            answer => answer?,
        };
        let mut spec: Map<String, Value> = answer.json()?;
        if spec.remove("Generation").and_then(|g| g.as_u64()) != Some(*generation) {
            return self.superseded(receipt).await;
        }
        self.progress.borrow_mut().monitor(name, monitor(&spec));
        let again = Ask::new(Method::POST, "/submit")
            .wait(self.rest().clamp(GLANCE, SLICE))
            .header(header::IF_MATCH, format!("\"{generation}\""))
            .body(Value::Object(spec).to_string());
        match self.daemon.ask(again).await {
            Ok(answer) => {
                let receipts = Vec::from(answer.json::<OneOrMany<Receipt>>()?);
                let reason = receipts.into_iter().find_map(|r| r.reason).unwrap_or_default();
                Ok(Found::Settled(Outcome::Converged, reason))
            }
            Err(error) if error.is(StatusCode::PRECONDITION_FAILED) => self.superseded(receipt).await,
            Err(ClientError::Refused(problem)) => match (problem.outcome.as_deref(), &problem.reason) {
                (Some("timed_out"), Some(reason)) => Ok(Found::NotYet(reason.clone())),
                (Some("rolled_back"), Some(reason)) => {
                    Ok(Found::Settled(Outcome::RolledBack, reason.clone()))
                }
                (Some("failed"), Some(reason)) => Ok(Found::Settled(Outcome::Failed, reason.clone())),
                // Such as `stopping`.
                _ => Err(ClientError::Refused(problem)),
            },
            Err(error) => Err(error),
        }
    }

    /// Finds what has taken the place of a generation while nobody was looking.
    async fn superseded(&self, receipt: &Receipt) -> Result<Found, ClientError> {
        let history = Ask::new(Method::GET, format!("/objects/{}/history", receipt.name));
        let History { revisions, .. } = match self.daemon.ask(history).await {
            // Deleted so long ago that its tombstone is gone.
            Err(error) if error.is(StatusCode::NOT_FOUND) => History::default(),
            answer => answer?.json()?,
        };
        let next = revisions.iter().rfind(|revision| revision.generation > receipt.generation);
        Ok(match next {
            None => Found::Settled(Outcome::Failed, "it was deleted before it had converged".to_owned()),
            Some(Revision { generation, rolled_back_to: Some(to), .. }) => Found::Settled(
                Outcome::RolledBack,
                format!(
                    "generation {generation} has taken its place, with the spec of generation {to} again"
                ),
            ),
            Some(Revision { generation, .. }) => Found::Settled(
                Outcome::Failed,
                format!("generation {generation} has taken its place before it had converged"),
            ),
        })
    }

    /// Looks whether anything is left of what was deleted.
    async fn gone(&self, receipt: &Receipt) -> Result<Found, ClientError> {
        match self.status(&receipt.name).await? {
            None => Ok(Found::Settled(Outcome::Converged, "nothing is left of it".to_owned())),
            Some(now) if now.generation > receipt.generation => self.superseded(receipt).await,
            Some(now) => {
                sleep(POLL.min(self.rest())).await;
                Ok(Found::NotYet(now.reason))
            }
        }
    }

    async fn status(&self, name: &str) -> Result<Option<Object>, ClientError> {
        match self.daemon.ask(Ask::new(Method::GET, format!("/status/{name}"))).await {
            Ok(answer) => answer.json().map(Some),
            Err(error) if error.is(StatusCode::NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Draws the display from time to time, for ever.
    async fn paint(&self) -> Infallible {
        loop {
            sleep(PAINT).await;
            self.progress.borrow_mut().paint();
        }
    }

    /// Shows what happens, for ever. Trouble is left to the waiting beside it.
    async fn watch(&self, receipts: &[Receipt]) -> Infallible {
        let path = match receipts {
            [one] => format!("/status/{}", one.name),
            _ => "/status".to_owned(),
        };
        loop {
            match self.daemon.stream(Ask::new(Method::GET, path.as_str()).with("watch", "true")).await {
                Ok(mut lines) => {
                    while let Ok(Some(line)) = lines.next().await {
                        if let Ok(Change::Object { object }) = serde_json::from_str(&line) {
                            self.progress.borrow_mut().show(&object);
                        }
                    }
                }
                Err(error) if error.passes_after().is_none() => pending().await,
                Err(_) => {}
            }
            sleep(WATCH_AGAIN).await;
        }
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
