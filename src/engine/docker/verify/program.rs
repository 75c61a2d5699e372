//! What runs, and as which user.

use std::collections::BTreeSet;

use serde_json::Value;

use super::difference::Difference;
use super::json::{at, is_empty, text, texts};

/// Compares what runs and as which user. The message contains no values, which may be secrets.
pub(super) fn program(wanted: &Value, found: &Value) -> Result<(), Difference> {
    let differs = |field: &str| {
        Err(Difference {
            field: field.to_owned(),
            found: "another value".to_owned(),
            wanted: "the object's".to_owned(),
        })
    };
    for field in ["Image", "User"] {
        let requested = text(at(wanted, &[field]));
        if !requested.is_empty() && requested != text(at(found, &[field])) {
            return differs(field);
        }
    }
    for field in ["Entrypoint", "Cmd"] {
        let requested: Vec<&str> = texts(at(wanted, &[field])).collect();
        // An empty entrypoint resets that of the image.
        let is_reset = requested.iter().all(|word| word.is_empty());
        if !is_reset && requested != texts(at(found, &[field])).collect::<Vec<_>>() {
            return differs(field);
        }
    }
    let env: BTreeSet<&str> = texts(at(found, &["Env"])).collect();
    if texts(at(wanted, &["Env"])).any(|entry| !env.contains(entry)) {
        return differs("Env");
    }
    let check = at(found, &["Healthcheck"]);
    for (field, requested) in at(wanted, &["Healthcheck"]).as_object().into_iter().flatten() {
        let is_nothing = is_empty(requested) || requested.as_i64() == Some(0);
        if !is_nothing && at(check, &[field.as_str()]) != requested {
            return differs(&format!("Healthcheck.{field}"));
        }
    }
    Ok(())
}
