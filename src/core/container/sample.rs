//! Containers for tests.

use super::{Container, ContainerState, Health, Visibility};
use crate::core::labels::ContainerIdentity;
use crate::core::name::ObjectName;
use crate::core::spec::TemplateHash;
use crate::core::time::Time;

impl Container {
    /// A running container with this name, `OBJECT.SLOT.ATTEMPT`, and this template.
    pub(crate) fn sample(name: &str, template: &str) -> Container {
        let [attempt, slot, object]: [&str; 3] = name.rsplitn(3, '.').collect::<Vec<_>>().try_into().unwrap();
        Container {
            id: format!("id-{name}").as_str().into(),
            name: name.to_owned(),
            identity: ContainerIdentity {
                object: ObjectName::parse(object).unwrap(),
                slot: slot.parse().unwrap(),
                attempt: attempt.parse().unwrap(),
                template: TemplateHash::from_label(template),
            },
            manager: None,
            rival: false,
            node: None,
            state: ContainerState::Running,
            health: Health::None,
            visibility: Visibility::Clear,
            image: "img".to_owned(),
            image_id: None,
            created: Time(0),
            detail: None,
            signalled: None,
        }
    }
}
