//! The stored form of an object, in the state file and in a backup: JSON with its own field names.
//!
//! It holds the submitted JSON, not our types: a newer version of this program reads it like a submit. An object that cannot be
//! read is left as it is, and reported. The policy is never applied to stored objects.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::core::desired::Quarantined;
use crate::core::name::ObjectName;
use crate::core::object::{Converged, Object, Revision};
use crate::core::time::Time;
use crate::core::{sanitize, submission};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Record {
    generation: u64,
    /// Milliseconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deleted: Option<u64>,
    /// Oldest first; the last one is the present spec.
    revisions: Vec<RevisionRecord>,
    /// The generation that converged last, if it is among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    converged: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RevisionRecord {
    generation: u64,
    /// Milliseconds since the Unix epoch.
    at: u64,
    by: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rolled_back_to: Option<u64>,
    submitted: Arc<Value>,
}

/// The stored form of an object.
pub(super) fn encode(object: &Object) -> Result<String, serde_json::Error> {
    let revisions = object.revisions.iter().map(|revision| RevisionRecord {
        generation: revision.generation,
        at: revision.at.0,
        by: revision.by.clone(),
        rolled_back_to: revision.rolled_back_to,
        submitted: revision.submitted.clone(),
    });
    serde_json::to_string(&Record {
        generation: object.generation,
        deleted: object.deleted.map(|at| at.0),
        revisions: revisions.collect(),
        converged: object.converged.as_ref().map(|converged| converged.generation),
    })
}

/// Reads the stored form of an object, or quarantines it with the reason.
pub(super) fn decode(name: &ObjectName, stored: &str) -> Result<Object, Quarantined> {
    read(name, stored).map_err(|why| {
        let generation =
            serde_json::from_str::<Value>(stored).ok().and_then(|v| v.get("Generation")?.as_u64());
        Quarantined {
            why: sanitize::message(&why),
            generation: generation.unwrap_or(0),
            stored: stored.into(),
        }
    })
}

fn read(name: &ObjectName, stored: &str) -> Result<Object, String> {
    let record: Record = serde_json::from_str(stored).map_err(|e| e.to_string())?;
    let revisions: Vec<Revision> = record
        .revisions
        .into_iter()
        .map(|revision| Revision {
            generation: revision.generation,
            at: Time(revision.at),
            // An older version accepted authors of any length.
            by: sanitize::message(&revision.by).into(),
            rolled_back_to: revision.rolled_back_to,
            submitted: revision.submitted,
        })
        .collect();
    let present = revisions.last().ok_or("it has no spec")?;
    let mut spec = submission::object(&present.submitted).map_err(|e| e.to_string())?;
    if spec.submitted == present.submitted {
        spec.submitted = present.submitted.clone();
    }
    if spec.name != *name {
        return Err(format!("it says that its name is '{}'", spec.name));
    }
    let converged = record.converged.and_then(|of| converged(of, record.generation, &revisions));
    let (deleted, bytes) = (record.deleted.map(Time), revisions.iter().map(Revision::bytes).sum());
    Ok(Object { spec, generation: record.generation, deleted, revisions, converged, bytes, asked: 0 })
}

/// The spec that converged last. If it can no longer be read, there is no fallback; the present spec is unaffected.
fn converged(generation: u64, present: u64, revisions: &[Revision]) -> Option<Converged> {
    if generation == present {
        return Some(Converged { generation, spec: None });
    }
    let revision = revisions.iter().find(|revision| revision.generation == generation)?;
    match submission::object(&revision.submitted) {
        Ok(spec) => Some(Converged { generation, spec: Some(Arc::new(spec)) }),
        Err(error) => {
            tracing::warn!(generation, %error, "the spec that converged last can no longer be read");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::policy;

    #[test]
    fn an_object_that_the_policy_refuses_now_stays_readable() {
        let submitted = serde_json::json!({
            "Name": "web", "Image": "a", "Count": 1, "HostConfig": {"Privileged": true, "Binds": ["/:/host"]}
        });
        let spec = submission::object(&submitted).unwrap();
        assert!(policy::authorize_spec(&spec).is_err());
        let (name, submitted) = (spec.name.clone(), spec.submitted.clone());
        let mut object = Object::new(spec);
        let by = "O=someone".into();
        object.remember(Revision { generation: 1, at: Time(1), by, rolled_back_to: None, submitted });
        let decoded = decode(&name, &encode(&object).unwrap()).unwrap();
        assert_eq!(decoded, object);
        assert!(Arc::ptr_eq(&decoded.spec.submitted, &decoded.revisions[0].submitted), "one copy in memory");
    }
}
