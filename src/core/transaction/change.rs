//! What one change makes of its object.

use std::sync::Arc;

use super::Effect;
use super::rejected::Rejected;
use crate::core::object::{Converged, Object, Revision};
use crate::core::policy;
use crate::core::spec::Spec;
use crate::core::submission;
use crate::core::time::Time;

/// The object with a generation recorded as converged; `None` if there is nothing to record.
pub(super) fn converged(object: &Object, generation: u64) -> Option<Arc<Object>> {
    if object.converged.as_ref().is_some_and(|known| known.generation >= generation) {
        return None;
    }
    let spec = match object.generation.checked_sub(generation)? {
        0 => None,
        // It got another spec meanwhile. A generation before a deletion does not count for the present object.
        newer => {
            let later = object.revisions.iter().filter(|revision| revision.generation > generation).count();
            let revision = object.revisions.iter().find(|revision| revision.generation == generation)?;
            let unbroken = u64::try_from(later) == Ok(newer);
            Some(Arc::new(submission::object(&revision.submitted).ok().filter(|_| unbroken)?))
        }
    };
    let converged = Some(Converged { generation, spec });
    Some(Arc::new(Object { converged, ..object.clone() }))
}

/// Sets a spec: a new generation, unless the object exists with the same spec.
pub(super) fn put(
    known: Option<&Arc<Object>>,
    spec: Spec,
    rolled_back_to: Option<u64>,
    generation: u64,
    by: &Arc<str>,
    at: Time,
) -> (Arc<Object>, Effect) {
    let live = known.filter(|o| o.deleted.is_none());
    let spec = known.and_then(|object| with_known_text(object, &spec)).unwrap_or(spec);
    if let Some(object) = live.filter(|o| is_equivalent(&o.spec, &spec)) {
        return (object.clone(), Effect::Unchanged);
    }
    let revisions = known.map(|o| o.revisions.clone()).unwrap_or_default();
    let submitted = spec.submitted.clone();
    let converged = live.and_then(|object| object.converged_before());
    let bytes = known.map(|o| o.bytes).unwrap_or_default();
    let mut object = Object { spec, generation, deleted: None, revisions, converged, bytes, asked: 0 };
    object.remember(Revision { generation, at, by: by.clone(), rolled_back_to, submitted });
    let effect = if live.is_some() { Effect::Updated } else { Effect::Created };
    (Arc::new(object), effect)
}

/// The spec with the template text of the newest known one that asks for the same containers: a submit that only states a
/// default keeps the existing containers.
fn with_known_text(object: &Object, spec: &Spec) -> Option<Spec> {
    let present = [&object.spec.submitted].into_iter();
    let converged = object.converged.iter().filter_map(|c| c.spec.as_ref()).map(|spec| &spec.submitted);
    let past = object.revisions.iter().rev().map(|revision| &revision.submitted);
    let stored =
        present.chain(converged).chain(past).find(|s| submission::same_template(s, &spec.submitted))?;
    submission::with_template_text_of(spec, stored)
}

/// Whether two specs ask for the same, even if one states a default that the other leaves out.
fn is_equivalent(one: &Spec, other: &Spec) -> bool {
    let Spec { name, count, template, update, on_node_lost, pull, history, submitted } = one;
    *submitted == other.submitted
        || (template.hash == other.template.hash
            && (name, count, update) == (&other.name, &other.count, &other.update)
            && (on_node_lost, pull, history) == (&other.on_node_lost, &other.pull, &other.history))
}

/// An earlier spec of an object, and its generation.
pub(super) fn earlier(object: &Object, to: Option<u64>) -> Result<(u64, Spec), Rejected> {
    let deleted = object.deleted.is_some();
    let differs = |r: &&Revision| deleted || r.submitted != object.spec.submitted;
    let found = match to {
        Some(generation) => object.revisions.iter().find(|r| r.generation == generation),
        None => object.revisions.iter().rev().find(differs),
    };
    let refusal = |known: String| Rejected::NoRevision {
        name: object.spec.name.clone(),
        wanted: to.map_or("an earlier spec".to_owned(), |to| format!("generation {to}")),
        known,
    };
    let Some(revision) = found else {
        let all: Vec<String> = object.revisions.iter().map(|r| r.generation.to_string()).collect();
        return Err(refusal(match to {
            Some(_) => format!("kept are {}", all.join(", ")),
            None => "it never had another one; delete it to undo the submit".to_owned(),
        }));
    };
    let refused = |why: String| refusal(format!("what was accepted then is refused now: {why}"));
    let spec = submission::submitted(&revision.submitted).map_err(|error| refused(error.with_field()))?;
    policy::authorize_spec(&spec).map_err(|violation| refused(violation.to_string()))?;
    Ok((revision.generation, spec))
}
