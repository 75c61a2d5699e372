//! Changing what is wanted: the one way on which a submit, a deletion and a rollback go.
//!
//! What is to change, each handler says itself. How it is to be done is the same for all of them: only on paper
//! (`?dry_run`), or really; answered at once, or when it has settled (`?wait=60s`); under a condition (`If-Match`).
//! [`change`] does it and writes the answer. The only commit of all requests is in here, with its audit line.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::FromRequestParts;
use axum::extract::rejection::ExtensionRejection;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use tracing::info;
use utoipa::ToSchema;

use super::problem::Problem;
use super::query::Query;
use super::{Api, objects, plan, reply, wait};
use crate::core::object::MAX_OBJECTS;
use crate::core::transaction::{Committed, Effect, Precondition, Rejected, Transaction};
use crate::server::connection::AnswerDeadline;
use crate::server::fair_share::Permit;
use crate::server::peer::Peer;
use crate::store::StoreError;

/// The longest `?wait=`: a rollout that takes longer is better asked about than waited for on one connection.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// The preference of a client that submits the same again only to wait further: a wait longer than one request. Without
/// it a submit, also of the same, is a wish to try at once.
const CONTINUE_WAIT: &str = "continue-wait";

/// What a request that changes something brings along beside its path and its body.
pub(super) struct Caller {
    pub(super) peer: Arc<Peer>,
    deadline: AnswerDeadline,
    query: Option<String>,
    headers: HeaderMap,
}

impl FromRequestParts<Api> for Caller {
    type Rejection = ExtensionRejection;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Caller, ExtensionRejection> {
        let Extension(peer) = Extension::from_request_parts(parts, api).await?;
        let Extension(deadline) = Extension::from_request_parts(parts, api).await?;
        let query = parts.uri.query().map(str::to_owned);
        Ok(Caller { peer, deadline, query, headers: parts.headers.clone() })
    }
}

/// How a change is to be made.
pub(super) struct Manner {
    /// All parameters, for those that only one kind of change has.
    pub(super) query: Query,
    /// What must hold.
    pub(super) precondition: Precondition,
    wait: Option<Duration>,
    /// A client goes on with a wait: what is submitted was submitted already.
    quiet: bool,
    /// Nothing is to be done.
    pub(super) dry_run: bool,
}

impl Caller {
    /// Reads how the change is to be made. Beside the parameters that all changes have there may be `more`.
    pub(super) fn manner(&self, more: &[&'static str]) -> Result<Manner, Problem> {
        let known: Vec<&'static str> = ["wait", "dry_run"].iter().chain(more).copied().collect();
        let query = Query::read(self.query.as_deref(), &known)?;
        Ok(Manner {
            precondition: precondition(&self.headers)?,
            wait: query.duration("wait", LONGEST_WAIT)?,
            quiet: prefers(&self.headers, CONTINUE_WAIT),
            dry_run: query.flag("dry_run")?,
            query,
        })
    }
}

impl Manner {
    /// How many objects an array may hold.
    pub(super) fn most_objects(&self) -> usize {
        if self.dry_run { plan::DRY_RUN_OBJECTS } else { MAX_OBJECTS }
    }
}

/// Whether the answer is about one object, or a list of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    One,
    Many,
}

impl Shape {
    /// What was said of each object, as one answer.
    pub(super) fn answer<T: Serialize>(self, status: StatusCode, said: &[T]) -> Response {
        match (self, said) {
            (Shape::One, [one]) => reply::json(status, reply::JSON, one),
            _ => reply::json(status, reply::JSON, &said),
        }
    }
}

/// What a change did to one object.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Receipt {
    /// The object's name.
    pub(super) name: String,
    /// The generation that it has now.
    pub(super) generation: u64,
    /// `created`, `updated`, `unchanged` or `deleted`.
    pub(super) result: &'static str,
    /// The generation whose spec it has again.
    #[serde(skip_serializing_if = "Option::is_none")]
    rolled_back_to: Option<u64>,
}

impl Receipt {
    pub(super) fn of(committed: &Committed) -> Receipt {
        Receipt {
            name: committed.object.spec.name.to_string(),
            generation: committed.object.generation,
            result: committed.effect.word(),
            rolled_back_to: committed.rolled_back_to(),
        }
    }
}

/// Makes a change in the manner that was asked for, and answers. A `permit` for an expensive request is held until it
/// is committed.
pub(super) async fn change(
    api: &Api,
    caller: &Caller,
    manner: &Manner,
    transaction: Transaction,
    shape: Shape,
    permit: Option<Permit>,
) -> Result<Response, Problem> {
    let by = caller.peer.subject.as_str().into();
    let (precondition, quiet) = (manner.precondition, manner.quiet);
    let transaction = Transaction { precondition, quiet, by, ..transaction };
    if manner.dry_run {
        let _permit = match permit {
            Some(permit) => permit,
            None => api.expensive.permit(&caller.peer).await?,
        };
        return plan::dry_run(api, &transaction).await;
    }
    // Whoever cannot be kept waiting is told so before anything is done.
    let _place = manner.wait.map(|_| api.long_answer(&caller.peer)).transpose()?;
    let committed = commit(api, &caller.peer, transaction).await?;
    drop(permit);
    let answer = match manner.wait {
        None => {
            let receipts: Vec<Receipt> = committed.iter().map(Receipt::of).collect();
            let created = committed.iter().any(|one| one.effect == Effect::Created);
            shape.answer(if created { StatusCode::CREATED } else { StatusCode::OK }, &receipts)
        }
        Some(wait) => {
            caller.deadline.allow(wait);
            wait::until_settled(api, &caller.peer, &committed, wait, shape).await
        }
    };
    Ok(match (shape, committed.as_slice()) {
        (Shape::One, [one]) => reply::tagged(answer, one.object.generation),
        _ => answer,
    })
}

/// Commits, and says who did what: before anybody is answered, and whether or not somebody still waits for that.
async fn commit(api: &Api, peer: &Arc<Peer>, transaction: Transaction) -> Result<Vec<Committed>, Problem> {
    let (store, peer) = (api.store.clone(), peer.clone());
    // A task of its own: a client that leaves takes its handler with it, but not the line of the log.
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
        Ok(result) => result.map_err(|error| refused(api, error)),
        Err(died) => {
            let detail = format!("the commit died: {died}; GET /objects shows what was taken");
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "Commit died", detail))
        }
    }
}

/// Why a transaction was not taken, for the client.
pub(super) fn refused(api: &Api, error: StoreError) -> Problem {
    match error {
        StoreError::Rejected(Rejected::NotFound(name)) => objects::missing(api, name.as_str()),
        other => other.into(),
    }
}

/// Whether `Prefer` names a preference of this kind (RFC 7240).
fn prefers(headers: &HeaderMap, preference: &str) -> bool {
    let all = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(preference))
}

/// Reads `If-Match` and `If-None-Match`.
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
                Problem::new(StatusCode::BAD_REQUEST, "Bad precondition", detail)
            })
        }
        _ => {
            let detail = "allowed is If-Match: \"GENERATION\", If-Match: * or If-None-Match: *, one of them";
            Err(Problem::new(StatusCode::BAD_REQUEST, "Bad precondition", detail))
        }
    }
}
