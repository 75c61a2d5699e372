//! Containers for tests.

use super::{Container, ContainerState};
use crate::core::labels::ContainerIdentity;
use crate::core::name::ObjectName;
use crate::core::spec::TemplateHash;
use crate::core::time::Time;

impl Container {
    /// A running container with this name, `OBJECT.SLOT.ATTEMPT`, and this template.
    pub(crate) fn sample(name: &str, template: &str) -> Container {
        let [attempt, slot, object]: [&str; 3] = name.rsplitn(3, '.').collect::<Vec<_>>().try_into().unwrap();
        let identity = ContainerIdentity {
            object: ObjectName::parse(object).unwrap(),
            slot: slot.parse().unwrap(),
            attempt: attempt.parse().unwrap(),
            template: TemplateHash::from_label(template),
        };
        let id = format!("id-{name}").as_str().into();
        Container { state: ContainerState::Running, ..Container::new(id, identity, "img", Time(0)) }
    }
}
