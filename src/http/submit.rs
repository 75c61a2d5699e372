//! `POST /submit`: one object, or an array taken as one transaction, whatever the `Content-Type` says: curl's
//! `-d` says that it is a form.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;

use super::change::{Caller, Shape, change};
use super::openapi::{Answers, Manners};
use super::problem::Problem;
use super::query::bad;
use super::{Api, BODY_MAX_BYTES, Expensive};
use crate::core::name::ObjectName;
use crate::core::submission::Submission;
use crate::core::submission::strict::shown;
use crate::core::transaction::{Change, Precondition, Transaction};
use crate::server::connection::BodyError;

/// Takes one object, or an array of objects as one transaction
///
/// Whatever the `Content-Type` says: curl's `-d` says that it is a form.
#[utoipa::path(
    post,
    path = "/submit",
    params(
        ("prune" = Option<String>, Query,
         description = "Only with an array: objects whose names begin so and that it does not hold are deleted."),
        ("If-None-Match" = Option<String>, Header, pattern = "^\\*$",
         description = "The object must be new. Not for arrays."),
        Manners,
    ),
    request_body(
        description = "One object, or an array of them.",
        content(
            (ref("#/components/schemas/Submission") = "application/json"),
            (ref("#/components/schemas/Submission") = "application/x-www-form-urlencoded"),
        ),
    ),
    responses(
        (status = 201, description = "Taken, and at least one object is new. One receipt, or an array of them.",
         body = ref("#/components/schemas/Receipts"), content_type = "application/json",
         headers(("ETag" = String, description = "The object's generation, in quotes; not for arrays."))),
        (status = 403, description = "Refused by policy: the object asks for what submitters may not have."),
        (status = 408, description = "The body did not arrive in time."),
        (status = 415, description = "The body is a form of several parts, as curl's -F makes it."),
        (status = 413, description = "The body is too long; submit in several parts."),
        Answers,
    )
)]
pub(super) async fn submit(
    State(api): State<Api>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    let manner = caller.manner(&["prune"])?;
    let prune = manner.query.text("prune").map(prefix).transpose()?;
    not_a_form(request.headers())?;
    // Before the body is read: whoever floods waits with it.
    let expensive = manner.dry_run || Expensive::is_large(request.body());
    let permit = match expensive {
        true => Some(api.expensive.permit(&caller.peer).await?),
        false => None,
    };
    let body = Bytes::from_request(request, &api).await.map_err(|rejection| unreadable(&rejection))?;
    if body.is_empty() {
        let detail = "the body is empty; send an object, such as -d '{\"Name\": \"nginx\", \"Image\": \"nginx:1.9.6\", \"Count\": 5}'";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "No body", detail));
    }
    if [b"%7b".as_slice(), b"%5b"]
        .iter()
        .any(|b| body.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(b)))
    {
        let detail = "the body is percent-encoded JSON; send it as it is, with curl's -d or --data-binary in place of \
                      --data-urlencode; nothing was done";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "Encoded body", detail));
    }
    let endpoint = api.cache.engine().borrow().info.clone();
    let (submission, generations) = api.expensive.parse(body, manner.most_objects(), endpoint).await?;
    let (changes, shape) = match submission {
        Submission::One(spec) => (vec![Change::Put(spec)], Shape::One),
        Submission::Many(specs) => {
            (specs.into_iter().map(|spec| Change::Put(Box::new(spec))).collect(), Shape::Many)
        }
    };
    if shape == Shape::Many && manner.precondition != Precondition::None {
        let detail = "If-Match and If-None-Match speak of one object; this is an array";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "Ambiguous precondition", detail));
    }
    if shape == Shape::One && prune.is_some() {
        return Err(bad(
            "prune",
            "it deletes what an array does not hold; this is one object: put it into [ ]",
        ));
    }
    for generation in generations.values() {
        agree(manner.precondition, *generation)?;
    }
    let transaction = Transaction { prune, generations, ..Transaction::of(changes) };
    change(&api, &caller, &manner, transaction, shape, permit).await
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
    Err(Problem::new(StatusCode::BAD_REQUEST, "Contradicting preconditions", detail).at("Generation"))
}

/// Refuses a form of several parts. Any other type is taken, as curl's `-d` says that it is a form.
fn not_a_form(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !given.trim_start().to_ascii_lowercase().starts_with("multipart/") {
        return Ok(());
    }
    let detail = "Content-Type: given multipart; allowed is application/json: send the JSON itself as the body, with \
                  curl's -d @FILE in place of -F; nothing was done";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Multipart body", detail))
}

/// What the names begin with of those that an array is all there is to be. A name's beginning is a name.
fn prefix(given: &str) -> Result<String, Problem> {
    match ObjectName::parse(given) {
        Some(prefix) => Ok(prefix.to_string()),
        None => {
            let what =
                format!("given {:?}; allowed is the beginning of names, such as team-a-", shown(given));
            Err(bad("prune", &what))
        }
    }
}

/// A body that is longer than is read.
pub(super) fn too_large() -> Problem {
    let detail = format!("the body is longer than {BODY_MAX_BYTES} bytes; submit in several parts");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "Body too large", detail)
}

fn unreadable(rejection: &BytesRejection) -> Problem {
    let (status, title, detail) = if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return too_large();
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
