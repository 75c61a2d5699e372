//! `POST /submit`: one object, or an array taken as one transaction, whatever the `Content-Type` says: curl's
//! `-d` says that it is a form.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use tracing::info;

use super::connection::BodyError;
use super::peer::Peer;
use super::problem::Problem;
use super::query::Query;
use super::{Api, BODY_MAX_BYTES, reply};
use crate::model::submission::{self, Submission};
use crate::store::{Change, Committed, Effect, Precondition, Transaction};

/// What a submit did to one object.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Receipt {
    name: String,
    generation: u64,
    result: &'static str,
}

impl Receipt {
    pub(super) fn of(committed: &Committed) -> Receipt {
        Receipt {
            name: committed.object.spec.name.to_string(),
            generation: committed.object.generation,
            result: committed.effect.word(),
        }
    }
}

pub(super) async fn submit(
    State(api): State<Api>,
    Extension(peer): Extension<Arc<Peer>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    Query::read(query.as_deref(), &[])?;
    let body = body.map_err(|rejection| unreadable(&rejection))?;
    if body.is_empty() {
        let detail = "the body is empty; send an object, such as -d '{\"Name\": \"nginx\", \"Image\": \"nginx:1.9.6\", \"Count\": 5}'";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "No body", detail));
    }
    let (specs, single) = match submission::read(&body)? {
        Submission::One(spec) => (vec![spec], true),
        Submission::Many(specs) => (specs.into_iter().map(Box::new).collect::<Vec<_>>(), false),
    };
    let precondition = precondition(&headers)?;
    if !single && precondition != Precondition::None {
        let detail = "If-Match and If-None-Match speak of one object; this is an array";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "Ambiguous precondition", detail));
    }
    let changes = specs.into_iter().map(Change::Put).collect();
    let by = peer.subject.as_str().into();
    let committed = api.store.commit(Transaction { changes, precondition, prune: None, by }).await?;
    for one in &committed {
        info!(by = %peer.subject, fingerprint = %peer.fingerprint, object = %one.object.spec.name,
              generation = one.object.generation, count = one.object.spec.count, image = %one.object.spec.template.image,
              result = Receipt::of(one).result, "submitted");
    }
    let created = committed.iter().any(|c| c.effect == Effect::Created);
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let receipts: Vec<Receipt> = committed.iter().map(Receipt::of).collect();
    match (single, receipts.as_slice()) {
        (true, [receipt]) => {
            Ok(reply::tagged(reply::json(status, "application/json", receipt), receipt.generation))
        }
        _ => Ok(reply::json(status, "application/json", &receipts)),
    }
}

fn unreadable(rejection: &BytesRejection) -> Problem {
    let (status, title, detail) = if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let detail = format!("the body is longer than {BODY_MAX_BYTES} bytes; submit in several parts");
        (StatusCode::PAYLOAD_TOO_LARGE, "Body too large", detail)
    } else if BodyError::is_too_slow(rejection) {
        (
            StatusCode::REQUEST_TIMEOUT,
            "Body too slow",
            format!("the body did not arrive in time: {rejection}"),
        )
    } else {
        (StatusCode::BAD_REQUEST, "Body incomplete", format!("the body did not arrive whole: {rejection}"))
    };
    Problem::new(status, title, detail)
}

/// Reads `If-Match` and `If-None-Match`.
pub(super) fn precondition(headers: &HeaderMap) -> Result<Precondition, Problem> {
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
