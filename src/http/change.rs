//! Changes of the desired state: the only path for a submit, a deletion and a rollback.
//!
//! Each handler says what is to change. How it is done is the same for all: as a dry run (`?dry_run`) or for real;
//! answered at once, or when the change has settled (`?wait=60s`); under a condition (`If-Match`). [`change`] authorizes,
//! commits and responds. It has the only commit of all requests, with its audit line in the log.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tracing::info;

use super::caller::Caller;
use super::plan::{self, DRY_RUN_OBJECTS};
use super::query::{FromQuery, Query};
use super::reply::{self, Shape};
use super::state::ApiState;
use super::wait;
use crate::api::change::Receipt;
use crate::api::problem::{Problem, ProblemKind};
use crate::core::access::Access;
use crate::core::object::MAX_OBJECTS;
use crate::core::transaction::{Committed, Effect, Precondition, Transaction};
use crate::server::connection::AnswerDeadline;
use crate::server::fair_share::Permit;
use crate::server::peer::Peer;

/// The longest `?wait=`. A client that waits longer asks again.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// The preference of a client that submits the same spec again only to go on waiting. Without it a repeated submit asks
/// to retry at once.
const CONTINUE_WAIT: &str = "continue-wait";

/// The parameters that all changes have.
const NAMES: [&str; 2] = ["wait", "dry_run"];

/// A request for a change, without its path and body; `P` are the parameters that only this kind of change has.
pub(super) struct ChangeRequest<P> {
    pub(super) options: ChangeOptions,
    pub(super) parameters: P,
}

/// How a change is to be made, and by whom.
pub(super) struct ChangeOptions {
    pub(super) caller: Caller,
    deadline: AnswerDeadline,
    pub(super) precondition: Precondition,
    wait: Option<Duration>,
    /// The client goes on waiting for a spec that it has submitted before.
    continues_wait: bool,
    pub(super) dry_run: bool,
}

impl<S: Send + Sync, P: FromQuery> FromRequestParts<S> for ChangeRequest<P> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<ChangeRequest<P>, Response> {
        let caller = Caller::from_request_parts(parts, state).await.map_err(IntoResponse::into_response)?;
        let deadline = Extension::<AnswerDeadline>::from_request_parts(parts, state).await;
        let Extension(deadline) = deadline.map_err(IntoResponse::into_response)?;
        ChangeRequest::parse(caller, deadline, parts).map_err(IntoResponse::into_response)
    }
}

impl<P: FromQuery> ChangeRequest<P> {
    fn parse(caller: Caller, deadline: AnswerDeadline, parts: &Parts) -> Result<ChangeRequest<P>, Problem> {
        let names: Vec<&'static str> = NAMES.iter().chain(P::NAMES).copied().collect();
        let query = Query::parse(parts.uri.query(), &names)?;
        let options = ChangeOptions {
            caller,
            deadline,
            precondition: precondition(&parts.headers)?,
            wait: query.duration("wait", LONGEST_WAIT)?,
            continues_wait: prefers(&parts.headers, CONTINUE_WAIT),
            dry_run: query.flag("dry_run")?,
        };
        Ok(ChangeRequest { options, parameters: P::from_query(&query, &parts.headers)? })
    }
}

impl ChangeOptions {
    /// The most objects that an array may have.
    pub(super) fn max_objects(&self) -> usize {
        if self.dry_run { DRY_RUN_OBJECTS } else { MAX_OBJECTS }
    }
}

/// Makes a change and responds. The `permit` of an expensive request is held until the commit.
pub(super) async fn change(
    state: &ApiState,
    options: &ChangeOptions,
    transaction: Transaction,
    shape: Shape,
    permit: Option<Permit>,
) -> Result<Response, Problem> {
    let ChangeOptions { caller, deadline, precondition, wait, continues_wait, dry_run } = options;
    for change in &transaction.changes {
        caller.authorize(Access::Change, Some(change.name()))?;
    }
    let transaction = Transaction {
        precondition: *precondition,
        quiet: *continues_wait,
        by: caller.peer.subject.as_str().into(),
        ..transaction
    };
    if *dry_run {
        let _permit = match permit {
            Some(permit) => permit,
            None => state.expensive.permit(caller).await?,
        };
        return plan::dry_run(state, &transaction).await;
    }
    // A client that cannot wait is refused before anything is done.
    let _waiting = wait.map(|_| state.long_running_permit(caller)).transpose()?;
    let committed = commit(state, &caller.peer, transaction).await?;
    drop(permit);
    let response = match wait {
        None => {
            let receipts: Vec<Receipt> = committed.iter().map(reply::receipt).collect();
            let created = committed.iter().any(|one| one.effect == Effect::Created);
            shape.response(if created { StatusCode::CREATED } else { StatusCode::OK }, &receipts)
        }
        Some(wait) => {
            deadline.allow(*wait);
            wait::until_settled(state, &caller.peer, &committed, *wait, shape).await
        }
    };
    Ok(match (shape, committed.as_slice()) {
        (Shape::One, [one]) => reply::tagged(response, one.object.generation),
        _ => response,
    })
}

/// Commits, and logs who did what before the response, even if the client has left.
async fn commit(
    state: &ApiState,
    peer: &Arc<Peer>,
    transaction: Transaction,
) -> Result<Vec<Committed>, Problem> {
    let (store, peer) = (state.store.clone(), peer.clone());
    // In a task of its own: when a client leaves, its handler is dropped, and the log line must not be.
    let committing = tokio::spawn(async move {
        let committed = store.commit(transaction).await?;
        for one in &committed {
            let object = &one.object;
            info!(by = %peer.subject, fingerprint = %peer.fingerprint, object = %object.spec.name,
                  generation = object.generation, count = object.wanted(), image = %object.spec.template.image,
                  rolled_back_to = one.rolled_back_to(), result = one.effect.word(), "submitted");
        }
        Ok(committed)
    });
    match committing.await {
        Ok(result) => result.map_err(|error| state.refused(error)),
        Err(panic) => {
            let detail = format!("the commit panicked: {panic}; GET /objects shows what was committed");
            Err(Problem::new(ProblemKind::CommitInterrupted, detail))
        }
    }
}

/// Whether `Prefer` names this preference (RFC 7240).
fn prefers(headers: &HeaderMap, preference: &str) -> bool {
    let all = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(preference))
}

/// Parses `If-Match` and `If-None-Match`.
fn precondition(headers: &HeaderMap) -> Result<Precondition, Problem> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default().trim());
    match (text(header::IF_MATCH), text(header::IF_NONE_MATCH)) {
        (None, None) => Ok(Precondition::None),
        (Some("*"), None) => Ok(Precondition::Exists),
        (None, Some("*")) => Ok(Precondition::Absent),
        (Some(tag), None) => {
            let generation =
                tag.strip_prefix('"').and_then(|t| t.strip_suffix('"')).and_then(|t| t.parse().ok());
            generation.map(Precondition::Generation).ok_or_else(|| {
                let detail =
                    format!("If-Match: given {tag}; allowed is a generation in quotes, such as \"3\", or *");
                Problem::new(ProblemKind::BadPrecondition, detail)
            })
        }
        _ => {
            let detail = "allowed is one of If-Match: \"GENERATION\", If-Match: * and If-None-Match: *";
            Err(Problem::new(ProblemKind::BadPrecondition, detail))
        }
    }
}
