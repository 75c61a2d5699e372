//! `?wait=`: a response that comes when the change has settled.
//!
//! The handler checks the snapshots that the status is built from whenever one of them has changed; it does not know what
//! has changed, so that it misses nothing, and waits cost the workers nothing. An object has settled when it has converged
//! and stayed so, when it has failed for certain, or when a later generation has replaced it. Otherwise the wait ends with
//! the given time, or with the daemon, and the response says how far the object is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until};

use super::reply::{self, Shape};
use super::state::ApiState;
use crate::api::change::{AllSettled, Receipt, Settled, WaitOutcome};
use crate::api::problem::{Problem, ProblemKind};
use crate::clock::{self, Clock};
use crate::control::engine_state::EngineState;
use crate::control::progress::{Progress, Progresses};
use crate::core::condition::Phase;
use crate::core::evidence::Evidence;
use crate::core::name::ObjectName;
use crate::core::object::{Object, Objects};
use crate::core::transaction::Committed;
use crate::server::peer::Peer;

/// The shortest time between two checks, and how much longer it is for each object: a client that waits for thousands of
/// objects must not keep a thread busy.
const PAUSE: Duration = Duration::from_millis(20);
const PAUSE_PER_OBJECT: Duration = Duration::from_micros(50);

/// From the best outcome to the worst. For an array, the worst outcome sets the status code.
const SEVERITY: [WaitOutcome; 5] = [
    WaitOutcome::Converged,
    WaitOutcome::TimedOut,
    WaitOutcome::Stopping,
    WaitOutcome::RolledBack,
    WaitOutcome::Failed,
];

/// Waits until all committed changes have settled, for `wait` at most and no longer than the client's certificate is valid,
/// and responds.
pub(super) async fn until_settled(
    state: &ApiState,
    peer: &Peer,
    committed: &[Committed],
    wait: Duration,
    shape: Shape,
) -> Response {
    let begun = clock::monotonic();
    let now = || state.status.clock.wall().system();
    // Just after the certificate has expired.
    let deadline = begun + wait.min(peer.validity_left(now()) + Duration::from_millis(1));
    let mut waiting: Vec<Waiting> = committed.iter().map(Waiting::new).collect();
    let mut snapshots = Snapshots::new(state);
    loop {
        let left = snapshots.settle(&mut waiting);
        if left == 0 {
            break;
        }
        let pause = PAUSE + PAUSE_PER_OBJECT * u32::try_from(left).unwrap_or(u32::MAX);
        tokio::select! {
            biased;
            () = state.stop.cancelled() => {
                give_up(state, &mut waiting, WaitOutcome::Stopping);
                break;
            }
            () = sleep_until(deadline) => {
                snapshots.settle(&mut waiting);
                give_up(state, &mut waiting, WaitOutcome::TimedOut);
                break;
            }
            () = async { snapshots.changed().await; sleep(pause).await } => {}
        }
    }
    let settled: Vec<Settled> = waiting.into_iter().filter_map(|one| one.settled).collect();
    match peer.expired(now()) {
        true => respond(
            settled,
            begun.elapsed(),
            shape,
            Some("; then the client certificate expired: issue a new one"),
        ),
        false => respond(settled, wait, shape, None),
    }
}

/// An object that is waited for.
struct Waiting {
    /// As committed.
    object: Arc<Object>,
    receipt: Receipt,
    settled: Option<Settled>,
}

impl Waiting {
    fn new(committed: &Committed) -> Waiting {
        Waiting { object: committed.object.clone(), receipt: reply::receipt(committed), settled: None }
    }

    fn name(&self) -> &ObjectName {
        &self.object.spec.name
    }

    /// Whether a worker has seen this very submit, and not only an earlier one of the same spec.
    fn is_seen_by(&self, progress: &Progress) -> bool {
        progress.observed_generation == self.object.generation && progress.asked >= self.object.asked
    }

    fn settle(&mut self, outcome: WaitOutcome, reason: String) {
        self.settled = Some(Settled { receipt: self.receipt.clone(), outcome, reason });
    }
}

/// The snapshots that decide.
struct Snapshots {
    objects: watch::Receiver<Arc<Objects>>,
    progresses: watch::Receiver<Arc<Progresses>>,
    engine: watch::Receiver<Arc<EngineState>>,
    present: watch::Receiver<Arc<BTreeSet<ObjectName>>>,
    clock: Clock,
}

impl Snapshots {
    fn new(state: &ApiState) -> Snapshots {
        Snapshots {
            objects: state.status.objects.clone(),
            progresses: state.status.progresses.clone(),
            engine: state.cache.engine(),
            present: state.cache.present(),
            clock: state.status.clock,
        }
    }

    async fn changed(&mut self) {
        tokio::select! {
            _ = self.objects.changed() => {}
            _ = self.progresses.changed() => {}
            _ = self.engine.changed() => {}
            _ = self.present.changed() => {}
        }
    }

    /// Settles what has an outcome now. Returns the number of the others.
    fn settle(&mut self, waiting: &mut [Waiting]) -> usize {
        // The engine first: that it can be trusted is published after the list that it is about.
        let evidence = self.engine.borrow_and_update().evidence(self.clock.offset());
        let present = self.present.borrow_and_update().clone();
        let objects = self.objects.borrow_and_update().clone();
        // Borrowed, not cloned: a clone would make the workers copy it.
        let progresses = self.progresses.borrow_and_update();
        let mut left = 0;
        for one in waiting.iter_mut().filter(|one| one.settled.is_none()) {
            let progress = progresses.get(one.name());
            let later = objects.get(one.name()).filter(|now| now.generation > one.object.generation);
            if let Some(later) = later {
                let (outcome, reason) = superseded(one.object.generation, later);
                one.settle(outcome, reason);
            } else if one.object.deleted.is_some() {
                // Its worker reports progress until its containers are gone.
                if progress.is_none() && !present.contains(one.name()) && evidence == Evidence::Good {
                    one.settle(WaitOutcome::Converged, "deleted, and its containers are gone".to_owned());
                }
            } else if let Some(progress) = progress.filter(|progress| one.is_seen_by(progress)) {
                let condition = &progress.condition;
                if condition.phase == Phase::Converged && condition.proven {
                    one.settle(WaitOutcome::Converged, condition.reason.clone());
                } else if condition.failing {
                    one.settle(WaitOutcome::Failed, condition.reason.clone());
                }
            }
            left += usize::from(one.settled.is_none());
        }
        left
    }
}

/// The outcome of a generation that a later one has replaced.
fn superseded(generation: u64, later: &Object) -> (WaitOutcome, String) {
    let Some(next) = later.revisions.iter().find(|revision| revision.generation > generation) else {
        return (WaitOutcome::Failed, "it was deleted before it had converged".to_owned());
    };
    let by = match &*next.by {
        "" => String::new(),
        by => format!(", by {by}"),
    };
    match next.rolled_back_to {
        Some(to) => {
            let reason = format!(
                "generation {} has replaced it, with the spec of generation {to} again{by}",
                next.generation
            );
            (WaitOutcome::RolledBack, reason)
        }
        None => {
            let reason =
                format!("generation {} has replaced it before it had converged{by}", next.generation);
            (WaitOutcome::Failed, reason)
        }
    }
}

/// Settles the rest, with how far each object is.
fn give_up(state: &ApiState, waiting: &mut [Waiting], outcome: WaitOutcome) {
    for one in waiting.iter_mut().filter(|one| one.settled.is_none()) {
        let reason = match (state.status.object(one.name()), state.status.distrust()) {
            (Some(status), _) if status.phase == Phase::Converged.into() => {
                let monitor = humantime::format_duration(one.object.spec.update.monitor);
                format!("{}, but not yet for {monitor} (Update.Monitor)", status.reason)
            }
            (Some(status), _) => status.reason,
            (None, Some(distrust)) => distrust,
            (None, None) => "its containers are gone, and its last step is ending".to_owned(),
        };
        one.settle(outcome.clone(), reason);
    }
}

/// `expired`: the client's certificate has expired meanwhile, so that success is not reported either.
fn respond(settled: Vec<Settled>, wait: Duration, shape: Shape, expired: Option<&str>) -> Response {
    let severity = |outcome: &WaitOutcome| SEVERITY.iter().position(|one| one == outcome);
    let outcomes = settled.iter().map(|one| &one.outcome);
    let worst = outcomes.max_by_key(|outcome| severity(outcome)).cloned().unwrap_or(WaitOutcome::Converged);
    let kind = match worst {
        _ if expired.is_some() => ProblemKind::CertificateExpired,
        WaitOutcome::Converged => return reply::json(StatusCode::OK, &members(settled, worst, shape)),
        WaitOutcome::TimedOut => ProblemKind::TimedOut,
        WaitOutcome::Stopping => ProblemKind::Stopping,
        WaitOutcome::RolledBack => ProblemKind::RolledBack,
        WaitOutcome::Failed | WaitOutcome::Other(_) => ProblemKind::Failed,
    };
    let mut such = settled.iter().filter(|one| one.outcome == worst);
    let mut detail = such.next().map(|one| sentence(one, wait)).unwrap_or_default();
    match such.count() {
        0 => {}
        others => detail += &format!("; the same for {others} more of the {} objects", settled.len()),
    }
    detail += expired.unwrap_or_default();
    Problem::new(kind, detail).with(members(settled, worst, shape)).into_response()
}

/// The members of the response, the same for all outcomes: those of the one object, or for an array the worst outcome and
/// all objects.
fn members(settled: Vec<Settled>, worst: WaitOutcome, shape: Shape) -> Map<String, Value> {
    let members = match (shape, settled.as_slice()) {
        (Shape::One, [one]) => json!(one),
        _ => json!(AllSettled { outcome: worst, objects: settled }),
    };
    if let Value::Object(members) = members { members } else { Map::new() }
}

fn sentence(settled: &Settled, wait: Duration) -> String {
    let Settled { receipt: Receipt { name, generation, .. }, outcome, reason } = settled;
    let within =
        humantime::format_duration(Duration::from_millis(wait.as_millis().try_into().unwrap_or(u64::MAX)));
    match outcome {
        WaitOutcome::Converged => format!("generation {generation} of '{name}' has converged: {reason}"),
        WaitOutcome::TimedOut => {
            format!(
                "generation {generation} of '{name}' was committed and has not converged within {within}: {reason}"
            )
        }
        WaitOutcome::Stopping => format!(
            "generation {generation} of '{name}' was committed, and the daemon is stopping before it has converged \
             ({reason}); it continues after the next start: see GET /status/{name}"
        ),
        WaitOutcome::RolledBack => format!("generation {generation} of '{name}' was rolled back: {reason}"),
        WaitOutcome::Failed | WaitOutcome::Other(_) => {
            format!("generation {generation} of '{name}' has failed: {reason}")
        }
    }
}
