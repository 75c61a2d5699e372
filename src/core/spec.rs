//! What a client submits: the content of an object, parsed.

use std::sync::Arc;
use std::time::Duration;

use crate::core::docker_models::ContainerCreateBody;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::core::name::ObjectName;

/// The most containers one object may ask for.
pub(crate) const MAX_COUNT: u32 = 10_000;

/// What to do with containers on a node that is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnNodeLost {
    /// Run their replacements elsewhere.
    #[default]
    Replace,
    /// Wait for the node.
    Hold,
}

/// When an image is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pull {
    /// If the engine does not have it.
    #[default]
    Missing,
    /// Once for every changed template, even if the engine has it.
    Always,
    /// Never: a missing image is an error.
    Never,
}

/// Whether an update starts the new container before it stops the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Order {
    /// New before old: one more than `Count` for a moment.
    StartFirst,
    /// Old before new: one fewer than `Count` for a moment; needed with a fixed host port.
    StopFirst,
}

/// What an update does after too many failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FailureAction {
    /// Go back to the last generation that converged.
    Rollback,
    /// Stop where it is.
    Pause,
    /// Go on.
    Continue,
}

/// How a changed template is rolled out: Docker's `UpdateConfig` words.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Update {
    /// Slots replaced at once; 0 means all.
    pub(crate) parallelism: u32,
    /// Pause between one replaced batch and the next.
    pub(crate) delay: Duration,
    /// New before old, or old before new.
    pub(crate) order: Order,
    /// How long a replacement must run (healthy) before it counts as good and the old one goes.
    pub(crate) monitor: Duration,
    /// How long a temporary problem must last before the object counts as failed.
    pub(crate) fail_after: Duration,
    /// What happens after too many failures.
    pub(crate) failure_action: FailureAction,
    /// The part of replacements that may fail, 0 to 1.
    pub(crate) max_failure_ratio: f64,
}

/// A placement constraint such as `name==n3`, passed on in the endpoint's own form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Constraint(pub(crate) String);

/// What a container of an object is created from: the create body, and all else whose change needs a new container.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// The image reference, which every object has.
    pub(crate) image: String,
    /// Docker's create body, as submitted (with the image in it, without any label of ours).
    pub(crate) body: ContainerCreateBody,
    /// Placement constraints.
    pub(crate) constraints: Vec<Constraint>,
    /// Digest of all of the above in canonical form.
    pub hash: TemplateHash,
}

impl Template {
    /// The interval of the health check, if the object sets one.
    pub(crate) fn check_cycle(&self) -> Option<Duration> {
        let nanos = self.body.healthcheck.as_ref()?.interval?;
        u64::try_from(nanos).ok().filter(|nanos| *nanos > 0).map(Duration::from_nanos)
    }

    /// Whether the engine restarts ended containers of it by itself, some of them only when the engine starts.
    pub(crate) fn restarts_by_itself(&self) -> bool {
        use crate::core::docker_models::RestartPolicyNameEnum::{EMPTY, NO};
        let policy = self.body.host_config.as_ref().and_then(|h| h.restart_policy.as_ref());
        policy.and_then(|policy| policy.name).is_some_and(|name| !matches!(name, EMPTY | NO))
    }
}

/// The content of an object: what was submitted, parsed.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// The object's name.
    pub name: ObjectName,
    /// How many containers run; 0 to [`MAX_COUNT`].
    pub(crate) count: u32,
    /// What each of them is.
    pub template: Template,
    /// How a changed template is rolled out.
    pub(crate) update: Update,
    /// What happens when a node is lost.
    pub(crate) on_node_lost: OnNodeLost,
    /// When the image is pulled.
    pub(crate) pull: Pull,
    /// Ended containers kept per slot, for `docker logs`.
    pub(crate) history: u32,
    /// The submitted JSON in canonical form: fields sorted, nulls left out. Two submits of the same object are equal here.
    pub(crate) submitted: Arc<Value>,
}

/// Digest over what would require a new container.
///
/// It covers the submitted JSON and not our types, so that a newer version of this program, which may know more fields,
/// computes the same digest and restarts nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TemplateHash(Arc<str>);

impl TemplateHash {
    /// Digests a canonical template: the first 128 bits of its SHA-256, in hexadecimal.
    pub(crate) fn of(canonical: &Value) -> TemplateHash {
        let mut digest: Vec<u8> = Sha256::digest(canonical.to_string()).to_vec();
        digest.truncate(16);
        TemplateHash(hex::encode(digest).into())
    }

    /// A hash read back from a label.
    pub(crate) fn from_label(text: &str) -> TemplateHash {
        TemplateHash(text.into())
    }

    /// The hash as the label has it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}
