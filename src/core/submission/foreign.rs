//! Recognizes files of other systems, which are not objects with a mistake.

use serde_json::{Map, Value};

use crate::core::submission::inspect;

/// What the file is instead of an object, and what to do with it.
pub(super) fn problem(fields: &Map<String, Value>) -> Option<&'static str> {
    let has = |name: &str| fields.contains_key(name);
    if inspect::is_managed(fields) {
        return Some(
            "this is a container that a manager has made for one of its objects; GET /objects/NAME gives the object, which \
             can be submitted again",
        );
    }
    if fields.get("Config").is_some_and(Value::is_object)
        || (has("Id") && (has("State") || has("NetworkSettings")))
    {
        return Some(
            "this is a part of what `docker inspect` prints of a container; submit all of that, or an object of Name, Count, the fields of its Config, and its \
             HostConfig; Id, State, NetworkSettings and the like are read-only",
        );
    }
    if has("Phase") && has("ObservedGeneration") {
        return Some(
            "this is an answer of GET /status; GET /objects/NAME gives an object that can be submitted again",
        );
    }
    if has("apiVersion") && has("kind") {
        return Some(
            "this is a Kubernetes manifest, which is not accepted; write an object with the names of Docker's API, such as \
             {\"Name\": \"nginx\", \"Image\": \"nginx:1.9.6\", \"Count\": 5}",
        );
    }
    let compose = fields.get("services").is_some_and(Value::is_object);
    (compose && !has("Image")).then_some(
        "this is a compose file, which is not accepted; write one object for each service with the names of Docker's API, \
         such as {\"Name\": \"nginx\", \"Image\": \"nginx:1.9.6\", \"Count\": 5}",
    )
}
