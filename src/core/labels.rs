//! The labels that identify a container as ours and say which one it is.

use crate::core::name::ObjectName;
use crate::core::spec::TemplateHash;

/// The labels that make a container ours and say which one it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerIdentity {
    /// The object it belongs to.
    pub object: ObjectName,
    /// Replica ordinal, from 1.
    pub slot: u32,
    /// Ordinal within the slot, from 1.
    pub attempt: u32,
    /// Its template.
    pub template: TemplateHash,
}

/// The prefix of all our labels.
pub const LABEL_PREFIX: &str = "io.github.swarm-cluster-state-manager.";

/// The label that names the manager (`--cluster`) a container belongs to.
pub const LABEL_CLUSTER: &str = "io.github.swarm-cluster-state-manager.cluster";

/// The label that names the object.
pub const LABEL_OBJECT: &str = "io.github.swarm-cluster-state-manager.object";

const LABEL_SLOT: &str = "io.github.swarm-cluster-state-manager.slot";

const LABEL_ATTEMPT: &str = "io.github.swarm-cluster-state-manager.attempt";

const LABEL_TEMPLATE: &str = "io.github.swarm-cluster-state-manager.template";

impl ContainerIdentity {
    /// The container's name: `<object>.<slot>.<attempt>`.
    pub fn container_name(&self) -> String {
        format!("{}.{}.{}", self.object, self.slot, self.attempt)
    }

    /// Whether `name` is the [`container_name`](ContainerIdentity::container_name), without building that.
    pub fn names(&self, name: &str) -> bool {
        let is = |text: &str, ordinal: u32| !text.starts_with(['0', '+']) && text.parse() == Ok(ordinal);
        let parts = name
            .rsplit_once('.')
            .and_then(|(rest, attempt)| rest.rsplit_once('.').map(|(object, slot)| (object, slot, attempt)));
        parts.is_some_and(|(object, slot, attempt)| {
            object == self.object.as_str() && is(slot, self.slot) && is(attempt, self.attempt)
        })
    }

    /// The labels of the container, in order.
    pub fn labels(&self, cluster: &str) -> [(&'static str, String); 5] {
        [
            (LABEL_CLUSTER, cluster.to_owned()),
            (LABEL_OBJECT, self.object.to_string()),
            (LABEL_SLOT, self.slot.to_string()),
            (LABEL_ATTEMPT, self.attempt.to_string()),
            (LABEL_TEMPLATE, self.template.as_str().to_owned()),
        ]
    }

    /// Reads the labels back. `None` unless all are present and well-formed for this cluster.
    pub(crate) fn read<'a>(
        cluster: &str,
        label: impl Fn(&str) -> Option<&'a str>,
    ) -> Option<ContainerIdentity> {
        if label(LABEL_CLUSTER)? != cluster {
            return None;
        }
        let ordinal = |name| label(name)?.parse::<u32>().ok().filter(|n| *n > 0);
        Some(ContainerIdentity {
            object: ObjectName::parse(label(LABEL_OBJECT)?)?,
            slot: ordinal(LABEL_SLOT)?,
            attempt: ordinal(LABEL_ATTEMPT)?,
            template: TemplateHash::from_label(label(LABEL_TEMPLATE)?),
        })
    }
}
