//! Different texts for the same object.

use serde_json::{Map, Value, json};
use std::time::Duration;

use crate::core::spec::{OnNodeLost, Pull, Spec, Update};
use crate::core::submission::canonical::{as_stored, template_part};
use crate::core::submission::fields::{DEFAULT_HISTORY, NOT_IN_TEMPLATE};
use crate::core::submission::neutral;
use crate::core::submission::object::object;

/// An object in its stored form without stated defaults.
pub(crate) fn without_defaults(value: &Value) -> Value {
    // The defaults of an object that this version cannot read are unknown.
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

/// Whether two canonical objects ask for the same containers, however they are written.
pub(crate) fn same_template(one: &Value, other: &Value) -> bool {
    let (one, other) = (template_part(one), template_part(other));
    one == other || neutral::meaning(&one) == neutral::meaning(&other)
}

/// Rewrites a spec with the template text of `stored`, which asks for the same containers, so that it gets the same hash.
/// `None` if `stored` can no longer be read.
pub(crate) fn with_template_text_of(spec: &Spec, stored: &Value) -> Option<Spec> {
    let own = spec.submitted.as_object()?.iter().filter(|(name, _)| NOT_IN_TEMPLATE.contains(&name.as_str()));
    let mut text = template_part(stored);
    text.as_object_mut()?.extend(own.map(|(name, value)| (name.clone(), value.clone())));
    object(&text).ok()
}
