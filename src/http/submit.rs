//! `POST /submit`: one object, or an array as one transaction. The `Content-Type` does not matter, as curl's `-d` sends
//! that of a form.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;

use super::change::{ChangeRequest, change};
use super::expensive::Expensive;
use super::openapi::{ChangeParameters, ChangeResponses};
use super::query::{FromQuery, Query, bad};
use super::reply::Shape;
use super::state::ApiState;
use crate::api::problem::{Problem, ProblemKind};
use crate::core::name::ObjectName;
use crate::core::sanitize::shown;
use crate::core::submission::Submission;
use crate::core::transaction::{Change, Precondition, Transaction};
use crate::server::connection::BodyError;

/// The most bytes of a request body: some thousand objects.
pub(super) const BODY_MAX_BYTES: usize = 1024 * 1024;

/// The parameters of a submit.
pub(super) struct SubmitParameters {
    prune: Option<String>,
}

impl FromQuery for SubmitParameters {
    const NAMES: &'static [&'static str] = &["prune"];

    fn from_query(query: &Query, _: &HeaderMap) -> Result<SubmitParameters, Problem> {
        Ok(SubmitParameters { prune: query.text("prune").map(prefix).transpose()? })
    }
}

/// Submits one object, or an array of objects as one transaction
///
/// The `Content-Type` does not matter: curl's `-d` sends that of a form.
#[utoipa::path(
    post,
    path = "/submit",
    params(
        ("prune" = Option<String>, Query,
         description = "Only with an array: objects with this name prefix that the array does not contain are deleted."),
        ("If-None-Match" = Option<String>, Header, pattern = "^\\*$",
         description = "The object must be new. Not for arrays."),
        ChangeParameters,
    ),
    request_body(
        description = "One object, or an array of them.",
        content(
            (ref("#/components/schemas/Submission") = "application/json"),
            (ref("#/components/schemas/Submission") = "application/x-www-form-urlencoded"),
        ),
    ),
    responses(
        (status = 201, description = "Committed, and at least one object is new. One receipt, or an array of them.",
         body = ref("#/components/schemas/Receipts"), content_type = "application/json",
         headers(("ETag" = String, description = "The object's generation, in quotes; not for arrays."))),
        (status = 403, description = "Refused by policy: the object asks for something that submitters may not have."),
        (status = 408, description = "The body did not arrive in time."),
        (status = 415, description = "The body is compressed, or a multipart form, as curl's -F sends it."),
        (status = 413, description = "The body is too large; submit fewer objects at a time."),
        ChangeResponses,
    )
)]
pub(super) async fn submit(
    State(state): State<ApiState>,
    ChangeRequest { options, parameters: SubmitParameters { prune } }: ChangeRequest<SubmitParameters>,
    request: Request,
) -> Result<Response, Problem> {
    not_compressed(request.headers())?;
    not_multipart(request.headers())?;
    // Before the body is read: in a flood, clients wait with their bodies unsent.
    let expensive = options.dry_run || Expensive::is_large(request.body());
    let permit = match expensive {
        true => Some(state.expensive.permit(&options.caller).await?),
        false => None,
    };
    let body = Bytes::from_request(request, &state).await.map_err(|rejection| unreadable(&rejection))?;
    if body.is_empty() {
        let detail = "the body is empty; send an object, such as -d '{\"Name\": \"nginx\", \"Image\": \"nginx:1.9.6\", \"Count\": 5}'";
        return Err(Problem::new(ProblemKind::NoBody, detail));
    }
    if [b"%7b".as_slice(), b"%5b"]
        .iter()
        .any(|b| body.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(b)))
    {
        let detail = "the body is percent-encoded JSON; send it unencoded, with curl's -d or --data-binary instead of \
                      --data-urlencode; nothing was done";
        return Err(Problem::new(ProblemKind::EncodedBody, detail));
    }
    let endpoint = state.cache.engine().borrow().info.clone();
    let (submission, generations) = state.expensive.parse(body, options.max_objects(), endpoint).await?;
    let (changes, shape) = match submission {
        Submission::One(spec) => (vec![Change::Put(spec)], Shape::One),
        Submission::Many(specs) => {
            (specs.into_iter().map(|spec| Change::Put(Box::new(spec))).collect(), Shape::Many)
        }
    };
    if shape == Shape::Many && options.precondition != Precondition::None {
        let detail = "If-Match and If-None-Match are about one object; this is an array";
        return Err(Problem::new(ProblemKind::AmbiguousPrecondition, detail));
    }
    if shape == Shape::One && prune.is_some() {
        return Err(bad(
            "prune",
            "it deletes what an array does not contain; this is one object: put it into [ ]",
        ));
    }
    for generation in generations.values() {
        agree(options.precondition, *generation)?;
    }
    let transaction = Transaction { prune, generations, ..Transaction::of(changes) };
    change(&state, &options, transaction, shape, permit).await
}

/// Refuses a header and a `Generation` in the body that cannot both hold.
fn agree(header: Precondition, generation: u64) -> Result<(), Problem> {
    if header.agrees_with(Precondition::submitted(generation)) {
        return Ok(());
    }
    let detail = format!(
        "the header {} and the object's Generation {generation} cannot both hold: leave one of them out; nothing was done",
        if header == Precondition::Absent { "If-None-Match" } else { "If-Match" },
    );
    Err(Problem::new(ProblemKind::ContradictingPreconditions, detail).at("Generation"))
}

/// Refuses a compressed body.
fn not_compressed(headers: &HeaderMap) -> Result<(), Problem> {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    let Some(coding) = codings.find(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) else {
        return Ok(());
    };
    let detail = format!(
        "Content-Encoding: given {:?}; allowed is none: send the body uncompressed, without this header; nothing was done",
        shown(&String::from_utf8_lossy(coding.as_bytes()))
    );
    Err(Problem::new(ProblemKind::CompressedBody, detail).at("Content-Encoding"))
}

/// Refuses a multipart form. Any other type is accepted, as curl's `-d` sends that of a form.
fn not_multipart(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !given.trim_start().to_ascii_lowercase().starts_with("multipart/") {
        return Ok(());
    }
    let detail = "Content-Type: given multipart; allowed is application/json: send the JSON itself as the body, with \
                  curl's -d @FILE instead of -F; nothing was done";
    Err(Problem::new(ProblemKind::MultipartBody, detail))
}

/// Parses a prefix of names, which is a name itself.
fn prefix(given: &str) -> Result<String, Problem> {
    match ObjectName::parse(given) {
        Some(prefix) => Ok(prefix.to_string()),
        None => {
            let what = format!("given {:?}; allowed is a prefix of names, such as team-a-", shown(given));
            Err(bad("prune", &what))
        }
    }
}

/// A body with more bytes than are read.
pub(super) fn too_large() -> Problem {
    let detail = format!("the body is larger than {BODY_MAX_BYTES} bytes; submit fewer objects at a time");
    Problem::new(ProblemKind::BodyTooLarge, detail)
}

fn unreadable(rejection: &BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return too_large();
    }
    let (kind, what) = match BodyError::is_too_slow(rejection) {
        true => (ProblemKind::BodyTooSlow, "did not arrive in time"),
        false => (ProblemKind::BodyIncomplete, "ended early"),
    };
    Problem::new(kind, format!("the body {what}: {rejection}"))
}
