//! `?wait=`: an answer that comes when what was changed has settled.
//!
//! What runs here: a handler that looks, from time to time, at the same snapshots that the status is made from. It
//! is woken when one of them has changed and is not told what; so nothing can be missed, and a hundred of these
//! cost the workers nothing. An object has settled when it has converged and stays so, when it has failed for
//! certain, or when a later generation has taken its place; all else ends with the time that was given, or with
//! the daemon, and then the answer says how far it was.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until};
use utoipa::ToSchema;

use super::change::{Receipt, Shape};
use super::problem::Problem;
use super::{Api, reply};
use crate::clock::{self, Clock};
use crate::control::engine_state::EngineState;
use crate::control::progress::{Progress, Progresses};
use crate::core::condition::Phase;
use crate::core::evidence::Evidence;
use crate::core::name::ObjectName;
use crate::core::object::{Object, Objects};
use crate::core::transaction::Committed;
use crate::server::peer::Peer;

/// From one look to the next at least so long, and so much longer for each object that is looked at: a client that
/// waits for thousands of objects must not keep a thread busy.
const PAUSE: Duration = Duration::from_millis(20);
const PAUSE_AN_OBJECT: Duration = Duration::from_micros(50);

/// How it ended; the worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SettledAs)]
pub(super) enum Outcome {
    /// As wanted, for as long as `Update.Monitor` asks; a deleted object: nothing of it is left.
    Converged,
    /// Not yet.
    TimedOut,
    /// Not yet, and the daemon ends.
    Stopping,
    /// A later generation has an earlier spec again.
    RolledBack,
    /// It does not work, or something else is wanted by now.
    Failed,
}

/// What became of one object.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Settled {
    #[serde(flatten)]
    receipt: Receipt,
    /// How it ended.
    outcome: Outcome,
    /// One sentence, the engine's own words kept.
    reason: String,
}

/// Waits until all that was committed has settled, for `wait` at the most and no longer than the client's certificate is
/// valid, and answers.
pub(super) async fn until_settled(
    api: &Api,
    peer: &Peer,
    committed: &[Committed],
    wait: Duration,
    shape: Shape,
) -> Response {
    let begun = clock::monotonic();
    let now = || api.sources.clock.wall().system();
    // A moment later than the certificate's last one.
    let deadline = begun + wait.min(peer.validity_left(now()) + Duration::from_millis(1));
    let mut waiting: Vec<Waiting> = committed.iter().map(Waiting::new).collect();
    let mut view = View::new(api);
    loop {
        let left = view.refresh(&mut waiting);
        if left == 0 {
            break;
        }
        let pause = PAUSE + PAUSE_AN_OBJECT * u32::try_from(left).unwrap_or(u32::MAX);
        tokio::select! {
            biased;
            () = api.stop.cancelled() => {
                give_up(api, &mut waiting, Outcome::Stopping);
                break;
            }
            () = sleep_until(deadline) => {
                view.refresh(&mut waiting);
                give_up(api, &mut waiting, Outcome::TimedOut);
                break;
            }
            () = async { view.changed().await; sleep(pause).await } => {}
        }
    }
    let settled: Vec<Settled> = waiting.into_iter().filter_map(|one| one.settled).collect();
    match peer.expired(now()) {
        true => answer(
            &settled,
            begun.elapsed(),
            shape,
            Some("; then the client certificate expired: make a new one"),
        ),
        false => answer(&settled, wait, shape, None),
    }
}

/// One object that is waited for.
struct Waiting {
    /// As it was committed.
    object: Arc<Object>,
    receipt: Receipt,
    settled: Option<Settled>,
}

impl Waiting {
    fn new(committed: &Committed) -> Waiting {
        Waiting { object: committed.object.clone(), receipt: Receipt::of(committed), settled: None }
    }

    fn name(&self) -> &ObjectName {
        &self.object.spec.name
    }

    /// Whether a worker has looked at this very submit, and not only at an earlier one of the same.
    fn is_seen_by(&self, progress: &Progress) -> bool {
        progress.observed_generation == self.object.generation && progress.asked >= self.object.asked
    }

    fn settle(&mut self, outcome: Outcome, reason: String) {
        self.settled = Some(Settled { receipt: self.receipt.clone(), outcome, reason });
    }
}

/// The snapshots.
struct View {
    objects: watch::Receiver<Arc<Objects>>,
    progresses: watch::Receiver<Arc<Progresses>>,
    engine: watch::Receiver<Arc<EngineState>>,
    present: watch::Receiver<Arc<std::collections::BTreeSet<ObjectName>>>,
    clock: Clock,
}

impl View {
    fn new(api: &Api) -> View {
        View {
            objects: api.sources.objects.clone(),
            progresses: api.sources.progresses.clone(),
            engine: api.cache.engine(),
            present: api.cache.present(),
            clock: api.sources.clock,
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

    /// Takes note of all that has settled. Returns how many have not.
    fn refresh(&mut self, waiting: &mut [Waiting]) -> usize {
        // The engine first: good news of it is published after the list that it speaks for.
        let evidence = self.engine.borrow_and_update().evidence(self.clock.offset());
        let present = self.present.borrow_and_update().clone();
        let objects = self.objects.borrow_and_update().clone();
        // Only looked at, not kept: whoever holds the board makes the workers copy it.
        let progresses = self.progresses.borrow_and_update();
        let mut left = 0;
        for one in waiting.iter_mut().filter(|one| one.settled.is_none()) {
            let progress = progresses.get(one.name());
            let later = objects.get(one.name()).filter(|now| now.generation > one.object.generation);
            if let Some(later) = later {
                let (outcome, reason) = superseded(one.object.generation, later);
                one.settle(outcome, reason);
            } else if one.object.deleted.is_some() {
                // Its worker stays on the board until nothing of it is left.
                if progress.is_none() && !present.contains(one.name()) && evidence == Evidence::Good {
                    one.settle(Outcome::Converged, "deleted, and nothing of it is left".to_owned());
                }
            } else if let Some(progress) = progress.filter(|progress| one.is_seen_by(progress)) {
                let condition = &progress.condition;
                if condition.phase == Phase::Converged && condition.proven {
                    one.settle(Outcome::Converged, condition.reason.clone());
                } else if condition.failing {
                    one.settle(Outcome::Failed, condition.reason.clone());
                }
            }
            left += usize::from(one.settled.is_none());
        }
        left
    }
}

/// What it means that there is a later generation.
fn superseded(generation: u64, later: &Object) -> (Outcome, String) {
    let Some(next) = later.revisions.iter().find(|revision| revision.generation > generation) else {
        return (Outcome::Failed, "it was deleted before it had converged".to_owned());
    };
    let by = match &*next.by {
        "" => String::new(),
        by => format!(", by {by}"),
    };
    match next.rolled_back_to {
        Some(to) => {
            let reason = format!(
                "generation {} has taken its place, with the spec of generation {to} again{by}",
                next.generation
            );
            (Outcome::RolledBack, reason)
        }
        None => {
            let reason =
                format!("generation {} has taken its place before it had converged{by}", next.generation);
            (Outcome::Failed, reason)
        }
    }
}

/// Says of what has not settled how far it is.
fn give_up(api: &Api, waiting: &mut [Waiting], outcome: Outcome) {
    for one in waiting.iter_mut().filter(|one| one.settled.is_none()) {
        let reason = match (api.sources.object(one.name()), api.sources.distrust()) {
            (Some(status), _) if status.phase == Phase::Converged => {
                let monitor = humantime::format_duration(one.object.spec.update.monitor);
                format!("{}, and not yet for the {monitor} that Update.Monitor asks", status.reason)
            }
            (Some(status), _) => status.reason,
            (None, Some(distrust)) => distrust,
            (None, None) => "nothing of it is left, and its last step is ending".to_owned(),
        };
        one.settle(outcome, reason);
    }
}

/// `expired` says that the client's certificate has ended meanwhile: who may not ask any more is not told that all is
/// well, either.
fn answer(settled: &[Settled], wait: Duration, shape: Shape, expired: Option<&str>) -> Response {
    let worst = settled.iter().map(|one| one.outcome).max().unwrap_or(Outcome::Converged);
    let (status, title) = match worst {
        _ if expired.is_some() => (StatusCode::FORBIDDEN, "Certificate expired"),
        Outcome::Converged => return reply::json(StatusCode::OK, reply::JSON, &said(settled, worst, shape)),
        Outcome::TimedOut => (StatusCode::GATEWAY_TIMEOUT, "Timed out"),
        Outcome::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "Stopping"),
        Outcome::RolledBack => (StatusCode::FAILED_DEPENDENCY, "Rolled back"),
        Outcome::Failed => (StatusCode::FAILED_DEPENDENCY, "Failed"),
    };
    let mut such = settled.iter().filter(|one| one.outcome == worst);
    let mut detail = such.next().map(|one| one.sentence(wait)).unwrap_or_default();
    match such.count() {
        0 => {}
        others => detail += &format!("; and so it is with {others} more of the {} objects", settled.len()),
    }
    detail += expired.unwrap_or_default();
    Problem::new(status, title, detail).with(said(settled, worst, shape)).into_response()
}

/// The same members whatever the outcome: those of the one object, or of an array the worst outcome and all objects.
fn said(settled: &[Settled], worst: Outcome, shape: Shape) -> Map<String, Value> {
    let members = match (shape, settled) {
        (Shape::One, [one]) => json!(one),
        _ => json!({ "Outcome": worst, "Objects": settled }),
    };
    if let Value::Object(members) = members { members } else { Map::new() }
}

impl Settled {
    fn sentence(&self, wait: Duration) -> String {
        let Settled { receipt: Receipt { name, generation, .. }, outcome, reason } = self;
        let within = humantime::format_duration(Duration::from_millis(
            wait.as_millis().try_into().unwrap_or(u64::MAX),
        ));
        match outcome {
            Outcome::Converged => format!("generation {generation} of '{name}' has converged: {reason}"),
            Outcome::TimedOut => {
                format!(
                    "generation {generation} of '{name}' was taken and has not converged within {within}: {reason}"
                )
            }
            Outcome::Stopping => format!(
                "generation {generation} of '{name}' was taken, and the daemon is stopping before it has converged ({reason}); \
                 it goes on with the next start: GET /status/{name} tells"
            ),
            Outcome::RolledBack => format!("generation {generation} of '{name}' was rolled back: {reason}"),
            Outcome::Failed => format!("generation {generation} of '{name}' has failed: {reason}"),
        }
    }
}
