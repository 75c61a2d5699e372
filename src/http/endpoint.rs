//! Refuses objects that the endpoint cannot run, before they are stored, also in a dry run.
//!
//! Uses what is known of the endpoint. What needs a request to the endpoint is checked before each create. Before the
//! endpoint has answered for the first time, only the create fails.

use crate::api::problem::Problem;
use crate::core::policy::{self, Violation};
use crate::core::spec::{Constraint, Spec};
use crate::core::submission::strict::FieldError;
use crate::core::submission::{self, Submission};
use crate::engine::{EngineInfo, docker};

/// Why the endpoint cannot run a spec.
#[derive(Debug)]
pub(super) enum Unsupported {
    /// It does not support a field.
    Field(FieldError),
    /// The policy forbids it.
    Policy(Violation),
}

impl Unsupported {
    fn at_index(self, index: usize) -> Unsupported {
        match self {
            Unsupported::Field(error) => Unsupported::Field(error.at_index(index)),
            Unsupported::Policy(violation) => Unsupported::Policy(violation.at_index(index)),
        }
    }
}

impl From<FieldError> for Unsupported {
    fn from(error: FieldError) -> Unsupported {
        Unsupported::Field(error)
    }
}

impl From<Violation> for Unsupported {
    fn from(violation: Violation) -> Unsupported {
        Unsupported::Policy(violation)
    }
}

impl From<Unsupported> for Problem {
    fn from(error: Unsupported) -> Problem {
        match error {
            Unsupported::Field(error) => error.into(),
            Unsupported::Policy(violation) => violation.into(),
        }
    }
}

/// Refuses specs that the endpoint cannot run.
pub(super) fn check(info: &EngineInfo, submission: &Submission) -> Result<(), Unsupported> {
    match submission {
        Submission::One(spec) => check_spec(info, spec),
        Submission::Many(specs) => specs
            .iter()
            .enumerate()
            .try_for_each(|(i, spec)| check_spec(info, spec).map_err(|error| error.at_index(i))),
    }
}

fn check_spec(info: &EngineInfo, spec: &Spec) -> Result<(), Unsupported> {
    policy::check_volumes(&spec.template.body, &info.own_volumes)?;
    if !info.kind.has_nodes() {
        if let Some(Constraint(first)) = spec.template.constraints.first() {
            let message = format!(
                "given {first:?}; the endpoint is a plain Docker Engine, which is one node and cannot choose: leave \
                 Constraints out"
            );
            return Err(FieldError::new("Constraints", message).into());
        }
        submission::fits_one_host(spec)?;
    }
    if let Some((field, message)) = docker::too_new(&spec.template, &info.api) {
        return Err(FieldError::new(field, message).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::core::engine_kind::EngineKind;

    fn refused(kind: EngineKind, version: &str, more: Value) -> Option<(String, String)> {
        let mut object = json!({"Name": "web", "Image": "a", "Count": 2});
        object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let spec = submission::submitted(&object).unwrap();
        let info = EngineInfo {
            kind,
            id: String::new(),
            version: String::new(),
            api: version.to_owned(),
            nodes: Vec::new(),
            own_volumes: Arc::default(),
        };
        match check_spec(&info, &spec) {
            Ok(()) => None,
            Err(Unsupported::Field(FieldError { field, message })) => Some((field, message)),
            Err(Unsupported::Policy(violation)) => panic!("{violation}"),
        }
    }

    #[test]
    fn fields_for_several_nodes_are_refused_on_a_single_node() {
        let port = json!({"HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "80"}]}}});
        for (field, more) in
            [("Constraints", json!({"Constraints": ["name==n1"]})), ("HostConfig.PortBindings.80/tcp", port)]
        {
            let (found, message) = refused(EngineKind::Docker, "1.41", more.clone()).unwrap();
            assert_eq!(found, field, "{message}");
            assert_eq!(refused(EngineKind::ClassicSwarm, "1.24", more.clone()), None);
            assert_eq!(refused(EngineKind::Simulated, "", more), None);
        }
        assert_eq!(refused(EngineKind::Docker, "1.41", json!({})), None);
    }

    #[test]
    fn a_field_that_the_endpoints_version_lacks_is_refused_with_the_version_that_has_it() {
        let field = json!({"Healthcheck": {"StartInterval": 5_000_000_000_u64}});
        let (name, message) = refused(EngineKind::Docker, "1.41", field.clone()).unwrap();
        assert_eq!(name, "Healthcheck.StartInterval");
        assert!(message.contains("1.41") && message.contains("1.44"), "{message}");
        assert_eq!(refused(EngineKind::Docker, "1.44", field.clone()), None);
        assert_eq!(refused(EngineKind::Simulated, "", field), None, "it has no API version");
    }
}
