//! Parses one object.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::core::docker_models::ContainerCreateBody;
use crate::core::exclusive::Exclusive;
use crate::core::image_reference;
use crate::core::name::ObjectName;
use crate::core::spec::{Constraint, MAX_COUNT, OnNodeLost, Order, Pull, Spec, Template, TemplateHash};
use crate::core::submission::canonical::{canonical, template_part};
use crate::core::submission::error::SubmissionError;
use crate::core::submission::fields::{DEFAULT_HISTORY, GENERATION, MAX_HISTORY, OWN};
use crate::core::submission::strict::{self, FieldError, shown};
use crate::core::submission::update::update;
use crate::core::submission::{certain_failures, foreign, forms, limits};

/// Parses an object that a client asks for now: of a submit, or of an earlier revision. It does not check the policy.
pub(crate) fn submitted(value: &Value) -> Result<Spec, SubmissionError> {
    limits::check(value)?;
    let spec = object(value)?;
    if let Some(problem) = image_reference::problem(&spec.template.image) {
        return Err(FieldError::new("Image", problem).into());
    }
    check_kind(&spec.template.body)?;
    certain_failures::check(&spec.template.body)?;
    let addresses = spec.template.exclusives().into_iter();
    fits(&spec, addresses.filter(|one| matches!(one, Exclusive::Address { .. })))?;
    Ok(spec)
}

/// Refuses a health check of a kind that engines do not know: they would run none, and report that only in their log.
fn check_kind(body: &ContainerCreateBody) -> Result<(), FieldError> {
    let test = body.healthcheck.as_ref().and_then(|check| check.test.as_ref()?.first());
    match test.map(String::as_str) {
        None | Some("" | "NONE" | "CMD" | "CMD-SHELL") => Ok(()),
        Some(kind) => {
            let message = format!(
                "given {:?}; allowed is \"CMD\" or \"CMD-SHELL\" before the command, or \"NONE\"",
                shown(kind)
            );
            Err(FieldError::new("Healthcheck.Test[0]", message))
        }
    }
}

/// Whether `Count` containers of the spec can run, and be updated, on one host.
pub(crate) fn fits_one_host(spec: &Spec) -> Result<(), FieldError> {
    fits(spec, spec.template.exclusives().into_iter())
}

fn fits(spec: &Spec, exclusives: impl Iterator<Item = Exclusive>) -> Result<(), FieldError> {
    for one in exclusives {
        let room = one.room();
        if spec.count > room {
            let message = format!(
                "given {one} with Count {}; allowed is a Count up to {room}: no two containers can have it at a time",
                spec.count
            );
            return Err(FieldError::new(one.field(), message));
        }
        if spec.update.order == Order::StartFirst && spec.count == room {
            let message = format!(
                "given \"start-first\" with {one}; allowed is \"stop-first\": a new container cannot have it before the old \
                 one is gone"
            );
            return Err(FieldError::new("Update.Order", message));
        }
    }
    Ok(())
}

/// Parses a stored object. What was accepted once stays readable, even if it would be refused now.
pub(crate) fn object(value: &Value) -> Result<Spec, SubmissionError> {
    let mut value = forms::plain(value);
    if let Value::Object(map) = &mut value {
        map.remove(GENERATION);
    }
    let value = &value;
    let Value::Object(map) = value else {
        let allowed = "an object such as {\"Name\": \"nginx\", \"Image\": \"nginx:1.9.6\", \"Count\": 5}";
        return Err(strict::wrong_type(value, allowed).into());
    };
    if let Some(problem) = foreign::problem(map) {
        return Err(FieldError::new("", problem).into());
    }
    // Docker's part first: it knows all field names, so that a typo is found in either part.
    let body: ContainerCreateBody = strict::read(value, &OWN)?;

    let name = name(map)?;
    let count = bounded(map, "Count", MAX_COUNT)?
        .ok_or_else(|| missing("Count", "how many containers to run, such as 5"))?;
    let image = match body.image.as_deref() {
        None => return Err(missing("Image", "the image to run, such as \"nginx:1.9.6\"").into()),
        Some(image) if !looks_like_an_image(image) => {
            let message =
                format!("given {:?}; allowed is an image reference such as \"nginx:1.9.6\"", shown(image));
            return Err(FieldError::new("Image", message).into());
        }
        Some(image) => image.to_owned(),
    };
    if let Some(seconds) = body.stop_timeout.filter(|s| !(0..=MAX_STOP_SECONDS).contains(s)) {
        let message = format!("given {seconds}; allowed are seconds from 0 to {MAX_STOP_SECONDS}");
        return Err(FieldError::new("StopTimeout", message).into());
    }
    if body.host_config.as_ref().and_then(|h| h.auto_remove) == Some(true) {
        let message =
            "given true; allowed is false: this manager removes ended containers itself (see History)";
        return Err(FieldError::new("HostConfig.AutoRemove", message).into());
    }
    let constraints = constraints(map)?;

    let submitted = canonical(value);
    let hash = TemplateHash::of(&template_part(&submitted));
    let template = Template { image, body, constraints, hash };
    let update = update(map, &template)?;
    Ok(Spec {
        name,
        count,
        update,
        on_node_lost: choice::<OnNodeLost>(map, "OnNodeLost")?.unwrap_or_default(),
        pull: choice::<Pull>(map, "Pull")?.unwrap_or_default(),
        history: bounded(map, "History", MAX_HISTORY)?.unwrap_or(DEFAULT_HISTORY),
        template,
        submitted: Arc::new(submitted),
    })
}

/// The longest graceful stop: an hour. A longer one would exceed our deadlines.
const MAX_STOP_SECONDS: i64 = 3600;

fn missing(field: &str, what: &str) -> FieldError {
    FieldError::new(field, format!("the field '{field}' is missing: {what}"))
}

fn name(map: &Map<String, Value>) -> Result<ObjectName, FieldError> {
    match map.get("Name") {
        None | Some(Value::Null) => Err(missing("Name", "what to call the object, such as \"nginx\"")),
        Some(Value::String(text)) => ObjectName::parse(text).ok_or_else(|| {
            FieldError::new("Name", format!("given {:?}; allowed are {}", shown(text), ObjectName::ALLOWED))
        }),
        Some(other) => Err(FieldError::new(
            "Name",
            format!("given {}; allowed is a string of {}", shown(&other.to_string()), ObjectName::ALLOWED),
        )),
    }
}

/// Whether a text may be an image reference: this rejects text that would change the path of a request. The full grammar is in
/// [`image_reference`].
fn looks_like_an_image(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b':' | b'@' | b'/');
    text.len() <= 512
        && text.bytes().all(plain)
        && text.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
}

fn bounded(map: &Map<String, Value>, field: &str, max: u32) -> Result<Option<u32>, FieldError> {
    match map.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_u64()
            .and_then(|n| u32::try_from(n).ok())
            .filter(|n| *n <= max)
            .map(Some)
            .ok_or_else(|| {
                FieldError::new(
                    field,
                    format!("given {}; allowed is a whole number from 0 to {max}", shown(&value.to_string())),
                )
            }),
    }
}

fn choice<T: serde::de::DeserializeOwned>(
    map: &Map<String, Value>,
    field: &str,
) -> Result<Option<T>, FieldError> {
    match map.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            strict::read(value, &[]).map(Some).map_err(|e| FieldError { field: field.to_owned(), ..e })
        }
    }
}

fn constraints(map: &Map<String, Value>) -> Result<Vec<Constraint>, FieldError> {
    let Some(texts) = choice::<Vec<String>>(map, "Constraints")? else { return Ok(Vec::new()) };
    let mut constraints = Vec::with_capacity(texts.len());
    for (i, text) in texts.into_iter().enumerate() {
        let sides = text.split_once("==").or_else(|| text.split_once("!="));
        if sides.is_none_or(|(key, wanted)| {
            key.is_empty() || wanted.is_empty() || text.chars().any(char::is_control)
        }) {
            let message = format!(
                "given {:?}; allowed is KEY==VALUE or KEY!=VALUE, such as \"name==n3\"",
                shown(&text)
            );
            return Err(FieldError::new(format!("Constraints[{i}]"), message));
        }
        constraints.push(Constraint(text));
    }
    Ok(constraints)
}
