//! From the bytes of a submit to [`Spec`]s.
//!
//! One object or an array of them, whatever the `Content-Type` said. Our own fields are read here, all others
//! into Docker's create body. What a client asks for now is also checked for the grammar of image references and the sizes of its
//! texts; what is stored already is not. Whether the client may have it is another question, for
//! [`policy`](crate::core::policy).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::core::docker_models::ContainerCreateBody;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::core::exclusive::Exclusive;
use crate::core::image_reference;
use crate::core::name::ObjectName;
use crate::core::object::MAX_OBJECTS;
use crate::core::spec::{
    Constraint, FailureAction, MAX_COUNT, OnNodeLost, Order, Pull, Spec, Template, TemplateHash, Update,
};
use crate::core::submission::strict::{FieldError, Item, shown};

mod foreign;
mod forms;
mod inspect;
pub(crate) mod limits;
mod neutral;
pub mod strict;

/// The most dead containers that may be kept a slot.
pub const MAX_HISTORY: u32 = 100;
/// Dead containers kept a slot where the object does not say.
const DEFAULT_HISTORY: u32 = 1;
/// The field in which an object says which generation it was made from. It is a condition of the submit, and no part of
/// the spec.
pub(crate) const GENERATION: &str = "Generation";
/// Our own fields, beside Docker's.
pub(crate) const OWN: [&str; 8] =
    ["Name", "Count", "Update", "OnNodeLost", "Pull", "Constraints", "History", GENERATION];
/// Own fields that do not ask for a new container.
const NOT_IN_TEMPLATE: [&str; 6] = ["Name", "Count", "Update", "OnNodeLost", "Pull", "History"];

/// What a submit held.
#[derive(Debug)]
pub enum Submission {
    /// One object; the answer is one, too.
    One(Box<Spec>),
    /// An array, taken as one transaction.
    Many(Vec<Spec>),
}

/// The generations that a submit's objects must have, where they say so; 0: there must be none.
pub type Generations = BTreeMap<ObjectName, u64>;

/// Why a submit was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SubmissionError {
    /// The text is not JSON, or a field stands in it twice.
    #[error("{0}")]
    Syntax(#[from] serde_json::Error),
    /// A field is unknown, ill-typed, out of range or missing.
    #[error(transparent)]
    Field(#[from] FieldError),
}

impl SubmissionError {
    /// The error with the path of its field, for where that has no place of its own.
    pub fn with_field(&self) -> String {
        match self {
            SubmissionError::Field(error) => error.with_field(),
            SubmissionError::Syntax(error) => error.to_string(),
        }
    }
}

/// Reads a submit's body.
pub fn read(body: &[u8]) -> Result<Submission, SubmissionError> {
    read_at_most(body, MAX_OBJECTS).map(|(submission, _)| submission)
}

/// Reads a submit's body, of which an array holds up to `most` objects. Objects are read one by one: what is refused
/// costs no more than what came before it.
pub fn read_at_most(body: &[u8], most: usize) -> Result<(Submission, Generations), SubmissionError> {
    let mut one = None;
    let mut specs = Vec::new();
    let mut generations = Generations::new();
    let mut names = BTreeSet::new();
    strict::parse_each(body, |item| -> Result<(), SubmissionError> {
        let i = specs.len();
        match item {
            Item::Only(value) => {
                let spec = submitted(&value)?;
                generations.extend(generation(&value)?.map(|generation| (spec.name.clone(), generation)));
                one = Some(spec);
            }
            Item::Next(_) if i >= most => {
                let message = format!(
                    "given more than {most} objects; allowed are up to {most}: submit in several parts"
                );
                return Err(FieldError::new("", message).into());
            }
            Item::Next(value) => {
                let spec = submitted(&value).map_err(|e| inside(i, e))?;
                if !names.insert(spec.name.clone()) {
                    let message = format!(
                        "given \"{}\" a second time; each object of an array has its own name",
                        spec.name
                    );
                    return Err(FieldError::new(format!("[{i}].Name"), message).into());
                }
                let generation = generation(&value).map_err(|e| inside(i, e.into()))?;
                generations.extend(generation.map(|generation| (spec.name.clone(), generation)));
                specs.push(spec);
            }
            Item::End if specs.is_empty() => {
                let message = "given an empty array; allowed is one object or an array of at least one";
                return Err(FieldError::new("", message).into());
            }
            Item::End => {}
        }
        Ok(())
    })?;
    let submission = match one {
        Some(spec) => Submission::One(Box::new(spec)),
        None => Submission::Many(specs),
    };
    Ok((submission, generations))
}

/// An error of the object at this index of an array.
fn inside(index: usize, error: SubmissionError) -> SubmissionError {
    match error {
        SubmissionError::Field(error) => error.at_index(index).into(),
        SubmissionError::Syntax(error) => error.into(),
    }
}

/// The generation that an object of a submit must have.
fn generation(object: &Value) -> Result<Option<u64>, FieldError> {
    match object.get(GENERATION) {
        None | Some(Value::Null) => Ok(None),
        Some(given) => forms::plain(given).as_u64().map(Some).ok_or_else(|| {
            let message = format!(
                "given {}; allowed is a whole number: the generation that the object has, or 0 where there is to be none",
                shown(&given.to_string())
            );
            FieldError::new(GENERATION, message)
        }),
    }
}

/// Reads one object that a client asks for now: of a submit, or of an earlier revision. It does not check the policy.
pub fn submitted(value: &Value) -> Result<Spec, SubmissionError> {
    limits::check(value)?;
    let spec = object(value)?;
    if let Some(problem) = image_reference::problem(&spec.template.image) {
        return Err(FieldError::new("Image", problem).into());
    }
    check_kind(&spec.template.body)?;
    let addresses = spec.template.exclusives().into_iter();
    fits(&spec, addresses.filter(|one| matches!(one, Exclusive::Address { .. })))?;
    Ok(spec)
}

/// Refuses a health check of a kind that engines do not know: they would run none, and say so only in their log.
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

/// Whether so many containers of the spec as it asks for can run on one host, and be updated there.
pub fn fits_one_host(spec: &Spec) -> Result<(), FieldError> {
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

/// Reads one object as it is stored. What was taken once stays readable, also where it would be refused by now.
pub fn object(value: &Value) -> Result<Spec, SubmissionError> {
    let mut value = forms::plain(value);
    if let Value::Object(map) = &mut value {
        map.remove(GENERATION);
    }
    let value = &value;
    let Value::Object(map) = value else {
        return Err(FieldError::new(
            "",
            "allowed is an object such as {\"Name\": \"nginx\", \"Image\": \"nginx:1.9.6\", \"Count\": 5}",
        )
        .into());
    };
    if let Some(problem) = foreign::problem(map) {
        return Err(FieldError::new("", problem).into());
    }
    // Docker's part first: it knows all field names, so a typing error is found whichever part it is in.
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

/// The longest graceful stop: an hour. Longer ones would outlive every deadline of ours.
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

/// Whether a text can be an image reference: this keeps out what would change the path of a request. The whole grammar is
/// in [`image_reference`].
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

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateFields {
    parallelism: Option<u32>,
    delay: Option<Pause>,
    order: Option<Order>,
    monitor: Option<Pause>,
    fail_after: Option<Pause>,
    failure_action: Option<FailureAction>,
    max_failure_ratio: Option<f64>,
}

/// A duration as it was given; a plain number is one of seconds.
struct Pause(String);

impl<'de> Deserialize<'de> for Pause {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Pause, D::Error> {
        deserializer.deserialize_any(PauseVisitor)
    }
}

struct PauseVisitor;

impl serde::de::Visitor<'_> for PauseVisitor {
    type Value = Pause;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"5s\", or a number of seconds")
    }

    fn visit_str<E>(self, text: &str) -> Result<Pause, E> {
        Ok(Pause(text.to_owned()))
    }

    fn visit_u64<E>(self, seconds: u64) -> Result<Pause, E> {
        Ok(Pause(seconds.to_string()))
    }
}

impl Update {
    /// What holds where an object does not say otherwise.
    fn default_for(template: &Template) -> Update {
        Update {
            parallelism: 1,
            delay: Duration::ZERO,
            order: if template.exclusives().is_empty() { Order::StartFirst } else { Order::StopFirst },
            monitor: Duration::from_secs(5),
            fail_after: Duration::from_secs(10),
            failure_action: FailureAction::Rollback,
            max_failure_ratio: 0.0,
        }
    }
}

fn update(map: &Map<String, Value>, template: &Template) -> Result<Update, FieldError> {
    let fields = match map.get("Update") {
        None | Some(Value::Null) => None,
        Some(value) => Some(strict::read::<UpdateFields>(value, &[]).map_err(|e| {
            let field = if e.field.is_empty() { "Update".to_owned() } else { format!("Update.{}", e.field) };
            FieldError { field, ..e }
        })?),
    };
    let mut update = Update::default_for(template);
    let Some(fields) = fields else { return Ok(update) };
    if let Some(ratio) = fields.max_failure_ratio {
        if !(0.0..=1.0).contains(&ratio) {
            return Err(FieldError::new(
                "Update.MaxFailureRatio",
                format!("given {ratio}; allowed is a number from 0 to 1"),
            ));
        }
        update.max_failure_ratio = ratio;
    }
    update.parallelism = fields.parallelism.unwrap_or(update.parallelism);
    update.order = fields.order.unwrap_or(update.order);
    update.failure_action = fields.failure_action.unwrap_or(update.failure_action);
    if let Some(Pause(text)) = fields.delay {
        update.delay = duration("Update.Delay", &text)?;
    }
    if let Some(Pause(text)) = fields.monitor {
        update.monitor = duration("Update.Monitor", &text)?;
    }
    if let Some(Pause(text)) = fields.fail_after {
        update.fail_after = duration("Update.FailAfter", &text)?;
    }
    Ok(update)
}

/// The longest `Delay`, `Monitor` or `FailAfter`: a day.
const MAX_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// A duration such as `1m30s`; a plain whole number is one of seconds.
pub(crate) fn seconds_or_duration(text: &str) -> Option<Duration> {
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => humantime::parse_duration(text).ok(),
    }
}

fn duration(field: &str, text: &str) -> Result<Duration, FieldError> {
    seconds_or_duration(text).filter(|d| *d <= MAX_PAUSE).ok_or_else(|| {
        let text = shown(text);
        FieldError::new(
            field,
            format!("given {text:?}; allowed is a duration such as \"5s\" or \"1m30s\", or a number of seconds, up to \"24h\""),
        )
    })
}

/// Sorts fields and leaves nulls out, so that two ways to write the same object are equal.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().filter(|(_, v)| !v.is_null()).collect();
            entries.sort_by_key(|(name, _)| name.as_str());
            Value::Object(entries.into_iter().map(|(name, v)| (name.clone(), canonical(v))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(canonical).collect()),
        plain => plain.clone(),
    }
}

/// What of a canonical object would require a new container.
fn template_part(canonical: &Value) -> Value {
    let fields = canonical.as_object().into_iter().flatten();
    fields
        .filter(|(name, _)| !NOT_IN_TEMPLATE.contains(&name.as_str()))
        .map(|(name, v)| (name.clone(), v.clone()))
        .collect::<Map<_, _>>()
        .into()
}

/// An object in the form in which it is stored, for comparing two of them field by field.
pub fn as_stored(object: &Value) -> Value {
    let mut canonical = canonical(&forms::plain(object));
    if let Value::Object(fields) = &mut canonical {
        fields.remove(GENERATION);
    }
    canonical
}

/// The same without what only states a default.
pub fn without_defaults(value: &Value) -> Value {
    // What this version cannot read, it knows no defaults of.
    let Ok(spec) = object(value) else { return as_stored(value) };
    let Value::Object(mut fields) = neutral::meaning(&template_part(&spec.submitted)) else {
        return as_stored(value);
    };
    let default = Update::default_for(&spec.template);
    let Update { parallelism, delay, order, monitor, fail_after, failure_action, max_failure_ratio } =
        &spec.update;
    let pause = |duration: &Duration| json!(humantime::format_duration(*duration).to_string());
    let update: Map<String, Value> = [
        ("Parallelism", *parallelism != default.parallelism, json!(parallelism)),
        ("Delay", *delay != default.delay, pause(delay)),
        ("Order", *order != default.order, json!(order)),
        ("Monitor", *monitor != default.monitor, pause(monitor)),
        ("FailAfter", *fail_after != default.fail_after, pause(fail_after)),
        ("FailureAction", *failure_action != default.failure_action, json!(failure_action)),
        ("MaxFailureRatio", *max_failure_ratio != default.max_failure_ratio, json!(max_failure_ratio)),
    ]
    .into_iter()
    .filter(|(_, differs, _)| *differs)
    .map(|(name, _, value)| (name.to_owned(), value))
    .collect();
    let own = [
        ("Name", true, json!(spec.name.as_str())),
        ("Count", true, json!(spec.count)),
        ("Update", !update.is_empty(), Value::Object(update)),
        ("OnNodeLost", spec.on_node_lost != OnNodeLost::default(), json!(spec.on_node_lost)),
        ("Pull", spec.pull != Pull::default(), json!(spec.pull)),
        ("History", spec.history != DEFAULT_HISTORY, json!(spec.history)),
    ];
    let differs = own.into_iter().filter(|(_, differs, _)| *differs);
    fields.extend(differs.map(|(name, _, value)| (name.to_owned(), value)));
    fields.into()
}

/// Whether two canonical objects ask for the same containers, however they write it.
pub fn same_template(one: &Value, other: &Value) -> bool {
    let (one, other) = (template_part(one), template_part(other));
    one == other || neutral::meaning(&one) == neutral::meaning(&other)
}

/// Writes a spec in the words of `stored`, which asks for the same containers, so that theirs is its hash, too.
/// `None` where `stored` cannot be read any more.
pub fn in_the_words_of(spec: &Spec, stored: &Value) -> Option<Spec> {
    let own = spec.submitted.as_object()?.iter().filter(|(name, _)| NOT_IN_TEMPLATE.contains(&name.as_str()));
    let mut words = template_part(stored);
    words.as_object_mut()?.extend(own.map(|(name, value)| (name.clone(), value.clone())));
    object(&words).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<Spec, SubmissionError> {
        match read(text.as_bytes())? {
            Submission::One(spec) => Ok(*spec),
            Submission::Many(_) => panic!("an array"),
        }
    }

    fn field(text: &str) -> (String, String) {
        match read(text.as_bytes()).unwrap_err() {
            SubmissionError::Field(e) => (e.field, e.message),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_prototypes_object_is_taken() {
        let spec = one(r#"{"Name": "nginx", "Image": "nginx:1.9.6", "Count": 5}"#).unwrap();
        assert_eq!(
            (spec.name.as_str(), spec.count, spec.template.image.as_str()),
            ("nginx", 5, "nginx:1.9.6")
        );
        assert_eq!(spec.update.monitor, Duration::from_secs(5));
        assert_eq!(spec.history, 1);
    }

    #[test]
    fn counts_out_of_range_name_what_was_given_and_what_is_allowed() {
        for given in ["-1", "1.5", "\"5\"", "10001", "true", "1e5"] {
            let (field, message) = field(&format!(r#"{{"Name": "x", "Image": "a", "Count": {given}}}"#));
            assert_eq!(field, "Count");
            assert!(message.contains("from 0 to 10000"), "{message}");
        }
        assert!(one(r#"{"Name": "x", "Image": "a", "Count": 10000}"#).is_ok());
    }

    #[test]
    fn dockers_other_forms_are_taken_and_stored_in_the_plain_one() {
        let spec = one(
            r#"{"Name": "x", "Image": "a", "Count": 3.0, "Cmd": "sleep 9", "Entrypoint": "", "Update": {"Monitor": 5, "Delay": "7"},
                "HostConfig": {"Memory": 67108864.0, "CapDrop": "ALL", "LogConfig": {}}}"#,
        )
        .unwrap();
        assert_eq!(
            (spec.count, spec.update.monitor, spec.update.delay.as_secs()),
            (3, Duration::from_secs(5), 7)
        );
        assert_eq!(spec.template.body.entrypoint, Some(vec![String::new()]));
        let plain = one(
            r#"{"Name": "x", "Image": "a", "Count": 3, "Cmd": ["sleep 9"], "Entrypoint": [""], "HostConfig": {"Memory": 67108864, "CapDrop": ["ALL"], "LogConfig": {}}}"#,
        );
        assert_eq!(spec.template.hash, plain.unwrap().template.hash);
        assert_eq!(field(r#"{"Name": "x", "Image": "a", "Count": 3.5}"#).0, "Count");
        let bad = field(r#"{"Name": "x", "Image": "a", "Count": 3, "Update": {"Monitor": true}}"#);
        assert_eq!(bad.0, "Update.Monitor");
    }

    #[test]
    fn files_of_other_systems_are_called_what_they_are() {
        for (text, said) in [
            (r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {}}"#, "a Kubernetes manifest"),
            (r#"{"version": "3", "services": {"web": {"image": "a"}}}"#, "a compose file"),
            (r#"[{"Id": "abc", "State": {}, "Config": {}, "Image": "sha256:1"}]"#, "docker inspect"),
            (r#"{"Name": "/web", "Count": 1, "Config": {"Image": "a"}, "HostConfig": {}}"#, "docker inspect"),
            (r#"{"Name": "web", "Phase": "converged", "ObservedGeneration": 1}"#, "GET /objects/NAME"),
        ] {
            let (_, message) = field(text);
            assert!(message.contains(said) && !message.contains("known here"), "{message}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_passed_over_and_utf_16_is_named() {
        let text = r#"{"Name": "x", "Image": "a", "Count": 1}"#;
        assert!(one(&format!("\u{feff}{text}")).is_ok());
        let wide: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(read(&wide).unwrap_err().to_string().contains("UTF-16"));
        assert!(strict::parse(&wide).unwrap_err().to_string().contains("UTF-16"));
    }

    #[test]
    fn missing_and_bad_fields_are_named() {
        assert_eq!(field(r#"{"Image": "a", "Count": 1}"#).0, "Name");
        assert_eq!(field(r#"{"Name": "x", "Count": 1}"#).0, "Image");
        assert_eq!(field(r#"{"Name": "x", "Image": "a"}"#).0, "Count");
        assert_eq!(field(r#"{"Name": "x y", "Image": "a", "Count": 1}"#).0, "Name");
        for image in ["", "a b", "a?b", "a//b", "../a", "a/./b", "/a", "a/"] {
            let text = format!(r#"{{"Name": "x", "Image": "{image}", "Count": 1}}"#);
            assert_eq!(field(&text).0, "Image", "{image}");
        }
        assert_eq!(field(r#"{"Name": "x", "Image": "a", "Count": 1, "Pull": "sometimes"}"#).0, "Pull");
        assert_eq!(
            field(r#"{"Name": "x", "Image": "a", "Count": 1, "Update": {"Delay": "soon"}}"#).0,
            "Update.Delay"
        );
        assert_eq!(
            field(r#"{"Name": "x", "Image": "a", "Count": 1, "Update": {"Dealy": "1s"}}"#).0,
            "Update.Dealy"
        );
        assert_eq!(
            field(r#"{"Name": "x", "Image": "a", "Count": 1, "Constraints": ["n3"]}"#).0,
            "Constraints[0]"
        );
        assert_eq!(field(r#"[{"Name": "x", "Image": "a", "Count": -1}]"#).0, "[0].Count");
        assert_eq!(
            field(r#"[{"Name": "x", "Image": "a", "Count": 1}, {"Name": "x", "Image": "a", "Count": 1}]"#).0,
            "[1].Name"
        );
    }

    #[test]
    fn what_is_stored_stays_readable_where_a_submit_of_the_same_is_refused() {
        for (refused, field) in [
            (r#"{"Name": "x", "Count": 1, "Image": "hub.example.com/MyOrg/app:1"}"#, "Image"),
            (r#"{"Name": "x", "Count": 1, "Image": "a", "Env": ["whitelist:node==n1"]}"#, "Env[0]"),
            (
                r#"{"Name": "x", "Count": 1, "Image": "a", "HostConfig": {"BlkioDeviceReadBps": [{"Path": "/dev/sda", "Rate": 1}]}}"#,
                "HostConfig.BlkioDeviceReadBps",
            ),
        ] {
            let value = strict::parse(refused.as_bytes()).unwrap();
            assert!(object(&value).is_ok(), "{refused}");
            let named = match submitted(&value) {
                Ok(spec) => crate::core::policy::authorize_spec(&spec).unwrap_err().field,
                Err(SubmissionError::Field(error)) => error.field,
                Err(SubmissionError::Syntax(error)) => panic!("{error}"),
            };
            assert_eq!(named, field);
        }
    }

    #[test]
    fn fail_after_is_ten_seconds_unless_the_object_says_otherwise() {
        let fail_after = |update: &str| {
            let text = format!(r#"{{"Name": "x", "Image": "a", "Count": 1, "Update": {update}}}"#);
            one(&text).map(|spec| spec.update.fail_after)
        };
        assert_eq!(fail_after("null").unwrap(), Duration::from_secs(10));
        assert_eq!(fail_after("{}").unwrap(), Duration::from_secs(10));
        assert_eq!(fail_after(r#"{"FailAfter": "0s"}"#).unwrap(), Duration::ZERO);
        assert_eq!(fail_after(r#"{"FailAfter": "1m"}"#).unwrap(), Duration::from_secs(60));
        let bad = r#"{"Name": "x", "Image": "a", "Count": 1, "Update": {"FailAfter": "soon"}}"#;
        assert_eq!(field(bad).0, "Update.FailAfter");
    }

    #[test]
    fn the_hash_covers_what_needs_a_new_container_and_nothing_else() {
        let base = one(r#"{"Name": "x", "Image": "a", "Count": 1, "Env": ["A=1"]}"#).unwrap().template.hash;
        for same in [
            r#"{"Env": ["A=1"], "Count": 7, "Image": "a", "Name": "y", "Tty": null}"#,
            r#"{"Name": "x", "Image": "a", "Count": 1, "Env": ["A=1"], "History": 3, "Update": {"Delay": "1s", "FailAfter": "0s"}}"#,
            r#"{"Name": "x", "Image": "a", "Count": 1, "Env": ["A=1"], "OnNodeLost": "hold", "Pull": "always"}"#,
        ] {
            assert_eq!(one(same).unwrap().template.hash, base, "{same}");
        }
        for other in [
            r#"{"Name": "x", "Image": "b", "Count": 1, "Env": ["A=1"]}"#,
            r#"{"Name": "x", "Image": "a", "Count": 1, "Env": ["A=2"]}"#,
            r#"{"Name": "x", "Image": "a", "Count": 1, "Env": ["A=1"], "Constraints": ["name==n3"]}"#,
        ] {
            assert_ne!(one(other).unwrap().template.hash, base, "{other}");
        }
        // The label of containers that run today: a change here would restart all of them.
        assert_eq!(base.as_str(), "2967df1cf41fb942af6c8a2b5febd171");
    }

    #[test]
    fn a_text_that_is_too_long_is_refused_in_a_submit_and_stays_readable_where_it_is_stored() {
        let mode = "x".repeat(1 << 20);
        let text = format!(
            r#"{{"Name": "x", "Image": "a", "Count": 1, "HostConfig": {{"NetworkMode": "{mode}"}}}}"#
        );
        assert_eq!(field(&text).0, "HostConfig.NetworkMode");
        assert_eq!(field(&format!("[{text}]")).0, "[0].HostConfig.NetworkMode");
        assert!(object(&serde_json::from_str(&text).unwrap()).is_ok());
    }

    #[test]
    fn a_generation_is_a_condition_and_no_part_of_the_spec() {
        let with = |generation: &str| {
            let text = format!(r#"{{"Name": "x", "Image": "a", "Count": 1, "Generation": {generation}}}"#);
            read_at_most(text.as_bytes(), 1)
        };
        let plain = one(r#"{"Name": "x", "Image": "a", "Count": 1}"#).unwrap();
        for (given, generation) in [("3", Some(3)), ("0", Some(0)), ("3.0", Some(3)), ("null", None)] {
            let (Submission::One(spec), generations) = with(given).unwrap() else { panic!("an array") };
            assert_eq!(generations.get(&plain.name).copied(), generation, "{given}");
            assert_eq!(*spec, plain, "{given}");
        }
        for bad in ["-1", "1.5", "\"3\"", "true", "[3]"] {
            let error = with(bad).unwrap_err();
            assert!(matches!(error, SubmissionError::Field(e) if e.field == "Generation"), "{bad}");
        }
        let array = r#"[{"Name": "x", "Image": "a", "Count": 1, "Generation": "new"}]"#;
        assert_eq!(field(array).0, "[0].Generation");
    }

    #[test]
    fn an_object_without_defaults_holds_only_what_it_asks_for() {
        let text = |more: &str| {
            serde_json::from_str::<Value>(&format!(r#"{{"Name": "x", "Image": "a", "Count": 1{more}}}"#))
                .unwrap()
        };
        let plain = text("");
        for default in [
            r#", "Env": [], "Tty": false, "HostConfig": {}, "Generation": 7"#,
            r#", "Update": {"Parallelism": 1, "Monitor": 5, "Order": "start-first"}, "History": 1"#,
            r#", "OnNodeLost": "replace", "Pull": "missing", "Constraints": [], "Cmd": null"#,
        ] {
            assert_eq!(without_defaults(&text(default)), plain, "{default}");
        }
        for (more, field, value) in [
            (r#", "Update": {"Monitor": "1m30s", "Delay": 0}"#, "Update", json!({"Monitor": "1m 30s"})),
            (r#", "Update": {"Order": "stop-first"}"#, "Update", json!({"Order": "stop-first"})),
            (r#", "OnNodeLost": "hold""#, "OnNodeLost", json!("hold")),
            (r#", "History": 0"#, "History", json!(0)),
            (r#", "Cmd": "a""#, "Cmd", json!(["a"])),
            (r#", "NotKnownYet": 1"#, "NotKnownYet", json!(1)),
        ] {
            let mut expected = plain.clone();
            expected[field] = value;
            assert_eq!(without_defaults(&text(more)), expected, "{more}");
        }
    }

    #[test]
    fn what_cannot_exist_twice_turns_the_order_round() {
        for fixed in [
            r#""HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "80"}]}}"#,
            r#""NetworkingConfig": {"EndpointsConfig": {"n": {"IPAMConfig": {"IPv4Address": "172.30.0.9"}}}}"#,
            r#""NetworkingConfig": {"EndpointsConfig": {"n": {"IPAMConfig": {"IPv6Address": "2001:db8::9"}}}}"#,
            r#""NetworkingConfig": {"EndpointsConfig": {"n": {"MacAddress": "02:42:ac:11:00:09"}}}"#,
        ] {
            let spec = one(&format!(r#"{{"Name": "x", "Image": "a", "Count": 1, {fixed}}}"#));
            assert_eq!(spec.unwrap().update.order, Order::StopFirst, "{fixed}");
        }
    }

    #[test]
    fn more_containers_than_can_have_an_address_are_refused_and_stay_readable_where_they_are_stored() {
        let text = |count: u32, more: &str| {
            format!(
                r#"{{"Name": "x", "Image": "a", "Count": {count}{more}, "NetworkingConfig": {{"EndpointsConfig":
                    {{"n": {{"IPAMConfig": {{"IPv4Address": "172.30.0.9"}}}}}}}}}}"#
            )
        };
        let (name, message) = field(&text(2, ""));
        assert_eq!(name, "NetworkingConfig.EndpointsConfig.n.IPAMConfig.IPv4Address");
        assert!(message.contains("address 172.30.0.9 in network n with Count 2"), "{message}");
        let (name, _) = field(&text(1, r#", "Update": {"Order": "start-first"}"#));
        assert_eq!(name, "Update.Order");
        assert!(one(&text(1, "")).is_ok() && one(&text(0, "")).is_ok());
        assert!(object(&serde_json::from_str(&text(2, "")).unwrap()).is_ok());
    }

    #[test]
    fn a_health_check_is_of_a_kind_that_engines_know() {
        let test = |test: &str| {
            one(&format!(r#"{{"Name": "x", "Image": "a", "Count": 1, "Healthcheck": {{"Test": {test}}}}}"#))
        };
        for good in ["[]", r#"["NONE"]"#, r#"["CMD", "/check"]"#, r#"["CMD-SHELL", "curl x"]"#] {
            assert!(test(good).is_ok(), "{good}");
        }
        assert!(test(r#"["curl", "x"]"#).unwrap_err().to_string().contains("CMD-SHELL"));
    }

    #[test]
    fn one_host_has_each_port_once() {
        let fits = |count: u32, port: &str, more: &str| {
            let text = format!(
                r#"{{"Name": "x", "Image": "a", "Count": {count}{more},
                    "HostConfig": {{"PortBindings": {{"80/tcp": [{{"HostPort": "{port}"}}]}}}}}}"#
            );
            fits_one_host(&one(&text).unwrap()).map_err(|e| e.field)
        };
        assert_eq!(fits(1, "80", ""), Ok(()));
        assert_eq!(fits(2, "80", "").unwrap_err(), "HostConfig.PortBindings.80/tcp");
        assert_eq!((fits(2, "", ""), fits(11, "80-90", "")), (Ok(()), Ok(())));
        assert!(fits(12, "80-90", "").is_err());
        let start_first = r#", "Update": {"Order": "start-first"}"#;
        assert_eq!(fits(1, "80", start_first).unwrap_err(), "Update.Order");
        assert_eq!(fits(5, "80-90", start_first), Ok(()));
    }
}
