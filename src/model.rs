//! The nouns: what a client submits, and what we recognise as ours on an engine.
//!
//! Everything here has been parsed: a value of these types needs no further check. [`submission`] turns bytes
//! into [`Spec`]s, through [`strict`], which finds unknown, duplicate and ill-typed fields and names them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bollard::models::ContainerCreateBody;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::clock::Time;

pub mod exclusive;
mod foreign;
mod forms;
pub(crate) mod image_reference;
mod inspect;
mod limits;
mod manager_id;
mod neutral;
mod signal;
pub mod strict;
pub mod submission;

pub use manager_id::{LABEL_MANAGER, ManagerId};
pub use signal::Signal;

/// The most containers one object may ask for.
pub const MAX_COUNT: u32 = 10_000;
/// The longest name of an object, in bytes: it has to fit a host name's label.
pub const MAX_NAME_BYTES: usize = 63;

/// An object's name: `[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}`, Docker's own rule for names, bounded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName(Arc<str>);

impl ObjectName {
    /// What is allowed, for messages.
    pub const ALLOWED: &'static str =
        "1 to 63 characters of a-z, A-Z, 0-9, '_', '.' and '-', beginning with a letter or a digit";

    /// The name, or `None` where `text` is not one.
    pub fn parse(text: &str) -> Option<ObjectName> {
        let mut bytes = text.bytes();
        let first = bytes.next()?;
        let ok = first.is_ascii_alphanumeric()
            && text.len() <= MAX_NAME_BYTES
            && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        ok.then(|| ObjectName(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What to do with containers on a node that is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnNodeLost {
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
    /// Where the engine does not have it.
    #[default]
    Missing,
    /// Once for every changed template, even where the engine has it.
    Always,
    /// Never: a missing image is an error.
    Never,
}

/// Whether an update starts the new container before it stops the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// New before old: one more than `Count` for a moment.
    StartFirst,
    /// Old before new: one fewer than `Count` for a moment; needed where a host port is fixed.
    StopFirst,
}

/// What an update does after too many failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureAction {
    /// Go back to the last generation that converged.
    Rollback,
    /// Stop where it is.
    Pause,
    /// Go on.
    Continue,
}

/// How a changed template is rolled out: Docker's `UpdateConfig` words.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// Slots replaced at once; 0 means all.
    pub parallelism: u32,
    /// Pause between one replaced batch and the next.
    pub delay: Duration,
    /// New before old, or old before new.
    pub order: Order,
    /// How long a replacement must run (healthy) before it counts as good and the old one goes.
    pub monitor: Duration,
    /// How long something that can pass must have failed before it is called failed.
    pub fail_after: Duration,
    /// What happens after too many failures.
    pub failure_action: FailureAction,
    /// The part of replacements that may fail, 0 to 1.
    pub max_failure_ratio: f64,
}

/// A placement constraint such as `name==n3`, passed on in the endpoint's own form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint(pub String);

/// What one container of an object is to be: the create body, and what else asks for a new container.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// The image reference, which every object has.
    pub image: String,
    /// Docker's create body, as submitted (with the image in it, without any label of ours).
    pub body: ContainerCreateBody,
    /// Placement constraints.
    pub constraints: Vec<Constraint>,
    /// Digest of all of the above in canonical form.
    pub hash: TemplateHash,
}

impl Template {
    /// The period of the container's health check, where the object sets one.
    pub fn check_cycle(&self) -> Option<Duration> {
        let nanos = self.body.healthcheck.as_ref()?.interval?;
        u64::try_from(nanos).ok().filter(|nanos| *nanos > 0).map(Duration::from_nanos)
    }

    /// True where the engine itself starts ended containers of it again, some of them only when it starts.
    pub fn restarts_by_itself(&self) -> bool {
        use bollard::models::RestartPolicyNameEnum::{EMPTY, NO};
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
    pub count: u32,
    /// What each of them is.
    pub template: Template,
    /// How a changed template is rolled out.
    pub update: Update,
    /// What happens when a node is lost.
    pub on_node_lost: OnNodeLost,
    /// When the image is pulled.
    pub pull: Pull,
    /// Dead containers kept a slot, for `docker logs`.
    pub history: u32,
    /// The submitted JSON, canonical: fields sorted, nulls left out. Two submits of the same are equal here.
    pub submitted: Value,
}

/// Digest over what would require a new container.
///
/// Taken over the submitted JSON and not over our types, so that a newer version of this program, which may
/// know more fields, finds the same digest and restarts nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TemplateHash(Arc<str>);

impl TemplateHash {
    /// Digests a canonical template: the first 128 bits of its SHA-256, in hexadecimal.
    pub fn of(canonical: &Value) -> TemplateHash {
        let digest = Sha256::digest(canonical.to_string().as_bytes());
        TemplateHash(digest.iter().take(16).map(|b| format!("{b:02x}")).collect::<String>().into())
    }

    /// A hash read back from a label.
    pub fn from_label(text: &str) -> TemplateHash {
        TemplateHash(text.into())
    }

    /// The hash as it stands in the label.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The most specs of an object that are remembered, the present one among them.
pub const MAX_REVISIONS: usize = 10;
/// The most bytes that the specs of an object take together, the present one always among them: two of the longest
/// that a submit can bring, or the last ten of 200 KiB.
pub const MAX_REVISION_BYTES: usize = 2 * 1024 * 1024;
/// The same for an object that is deleted.
pub const MAX_TOMBSTONE_BYTES: usize = 64 * 1024;

/// A spec that an object has or had.
#[derive(Debug, Clone, PartialEq)]
pub struct Revision {
    /// The generation that it made.
    pub generation: u64,
    /// When it was submitted.
    pub at: Time,
    /// Who submitted it: the subject of the certificate.
    pub by: Arc<str>,
    /// The generation whose spec this is again, where it came from a rollback.
    pub rolled_back_to: Option<u64>,
    /// The submitted JSON, canonical.
    pub submitted: Value,
}

impl Revision {
    /// The bytes that it takes as JSON, about.
    pub fn bytes(&self) -> usize {
        fn of(value: &Value) -> usize {
            match value {
                Value::String(text) => text.len() + 2,
                Value::Array(items) => 2 + items.iter().map(|item| of(item) + 1).sum::<usize>(),
                Value::Object(map) => {
                    2 + map.iter().map(|(name, value)| name.len() + of(value) + 4).sum::<usize>()
                }
                _ => 8,
            }
        }
        of(&self.submitted) + self.by.len()
    }
}

/// A submitted object as the store holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Its content.
    pub spec: Spec,
    /// Grows by one with each changed spec, also over a deletion.
    pub generation: u64,
    /// When it was deleted: its containers go, and what turns up late goes too.
    pub deleted: Option<Time>,
    /// The last [`MAX_REVISIONS`] specs, oldest first. The last one is `spec`.
    pub revisions: Vec<Revision>,
    /// The last spec that converged.
    pub converged: Option<Converged>,
    /// The bytes that its revisions take as JSON, about.
    pub bytes: usize,
    /// How often this generation was submitted again: each time is a wish to try at once and to count failures anew. Not
    /// durable: a process that has just started tries at once anyhow.
    pub asked: u64,
}

/// The last spec of an object that converged, as far as that was recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Converged {
    /// The generation that it made.
    pub generation: u64,
    /// Its content; `None` where that is the object's present spec.
    pub spec: Option<Arc<Spec>>,
}

impl Object {
    /// An object at its first generation, without a past.
    pub fn new(spec: Spec) -> Object {
        Object {
            spec,
            generation: 1,
            deleted: None,
            revisions: Vec::new(),
            converged: None,
            bytes: 0,
            asked: 0,
        }
    }

    /// Adds a spec to the past, of which the oldest is forgotten where it gets too long.
    pub fn remember(&mut self, revision: Revision) {
        self.bytes += revision.bytes();
        self.revisions.push(revision);
        self.forget(MAX_REVISIONS, MAX_REVISION_BYTES);
    }

    /// Forgets the oldest specs until no more than `most` are left, and these are no more than `bytes` long. The last
    /// one stays, and the one that converged last.
    pub fn forget(&mut self, most: usize, bytes: usize) {
        let converged = self.converged.as_ref().map(|converged| converged.generation);
        while self.revisions.len() > most || self.bytes > bytes {
            let past = self.revisions.len().saturating_sub(1);
            let mut past = self.revisions.iter().take(past);
            let Some(oldest) = past.position(|revision| Some(revision.generation) != converged) else {
                break;
            };
            self.bytes -= self.revisions.remove(oldest).bytes();
        }
    }

    /// The last spec that converged, for an object that is about to get another spec.
    pub fn converged_before(&self) -> Option<Converged> {
        let mut converged = self.converged.clone()?;
        converged.spec.get_or_insert_with(|| Arc::new(self.spec.clone()));
        Some(converged)
    }

    /// The template that worked last, while the present one is another and has not converged yet: what a slot gets
    /// that loses its old container during a rollout.
    pub fn fallback(&self) -> Option<&Template> {
        let spec = self.converged.as_ref()?.spec.as_deref()?;
        (spec.template.hash != self.spec.template.hash).then_some(&spec.template)
    }

    /// The template of this hash: the present one, or the one that worked last.
    pub fn template(&self, hash: &TemplateHash) -> Option<&Template> {
        [Some(&self.spec.template), self.fallback()].into_iter().flatten().find(|t| t.hash == *hash)
    }

    /// What to do with containers on a lost node. One that was deleted holds nothing.
    pub fn on_node_lost(&self) -> OnNodeLost {
        if self.deleted.is_some() { OnNodeLost::Replace } else { self.spec.on_node_lost }
    }

    /// How many containers are wanted: `Count`, or none once deleted.
    pub fn wanted(&self) -> u32 {
        if self.deleted.is_some() { 0 } else { self.spec.count }
    }
}

/// An engine's full id of a container. Containers are addressed by nothing else once they exist.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerId(pub Arc<str>);

impl ContainerId {
    /// The twelve characters that `docker ps` shows.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl From<&str> for ContainerId {
    fn from(id: &str) -> ContainerId {
        ContainerId(id.into())
    }
}

/// Where in its life a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Made, not started.
    Created,
    /// Its process runs.
    Running,
    /// Its process is frozen.
    Paused,
    /// The engine's own restart policy is at work.
    Restarting,
    /// Its process has ended.
    Exited,
    /// The engine is removing it.
    Removing,
    /// The engine failed to remove it.
    Dead,
}

impl State {
    /// The word Docker uses for it.
    pub fn word(self) -> &'static str {
        match self {
            State::Created => "created",
            State::Running => "running",
            State::Paused => "paused",
            State::Restarting => "restarting",
            State::Exited => "exited",
            State::Removing => "removing",
            State::Dead => "dead",
        }
    }
}

/// The verdict of a container's health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It has no health check.
    None,
    /// No verdict yet.
    Starting,
    /// The last checks passed.
    Healthy,
    /// The last checks failed.
    Unhealthy,
}

/// How clearly a container's state is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Sight {
    /// As told.
    #[default]
    Clear,
    /// The endpoint contradicts itself, and an inspect could not settle it.
    Disputed,
    /// Its host does not answer; the state is the last one known.
    HostDown,
}

/// A container of ours as last observed.
#[derive(Debug, Clone, PartialEq)]
pub struct Container {
    /// The engine's full id.
    pub id: ContainerId,
    /// Its name, without a node before it.
    pub name: String,
    /// What our labels on it say.
    pub marks: Marks,
    /// The manager that created it, by its label; `None` where a version without manager ids did.
    pub manager: Option<ManagerId>,
    /// Created by another manager, whose containers were not taken over: it is never touched. The cache decides.
    pub rival: bool,
    /// The node it is on, where the endpoint has nodes.
    pub node: Option<String>,
    /// Where in its life it is.
    pub state: State,
    /// What its health check says.
    pub health: Health,
    /// How clearly this is seen.
    pub sight: Sight,
    /// The image it was made from.
    pub image: String,
    /// The id of the image that it was made from; `None` where the engine does not say.
    pub image_id: Option<Arc<str>>,
    /// When it was made, by the engine's clock.
    pub created: Time,
    /// What an inspect told, where one was made.
    pub detail: Option<Arc<Detail>>,
    /// The last signal that a user was seen to send it.
    pub signalled: Option<Signalled>,
}

/// A signal that was sent to a container through the engine, by `docker stop`, `docker kill` or `docker restart`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signalled {
    /// Which one.
    pub signal: Signal,
    /// When it was seen, by our clock.
    pub at: Time,
    /// It is part of a stop: it is not KILL alone. A restart begins with a stop.
    pub stop: bool,
}

impl Container {
    /// True where it does what it is there for: runs and is not known to be unwell.
    pub fn ready(&self) -> bool {
        self.state == State::Running && matches!(self.health, Health::None | Health::Healthy)
    }

    /// True where it holds its slot: its process exists or is about to.
    pub fn live(&self) -> bool {
        matches!(self.state, State::Created | State::Running | State::Paused | State::Restarting)
    }

    /// True where its process has ended and it is only kept.
    pub fn dead(&self) -> bool {
        matches!(self.state, State::Exited | State::Dead)
    }
}

/// The most ports of a container that are shown.
pub const MAX_PORTS: usize = 32;
/// The most of a health check's output that is kept, in bytes.
pub const HEALTH_OUTPUT_MAX_BYTES: usize = 512;

/// What only an inspect tells about a container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Detail {
    /// When its process started, RFC 3339, by the engine's clock.
    pub started_at: Option<String>,
    /// When its process ended, RFC 3339, by the engine's clock.
    pub finished_at: Option<String>,
    /// The exit code of an ended process.
    pub exit_code: Option<i64>,
    /// What the engine says went wrong.
    pub error: Option<String>,
    /// The kernel ended a process of it for lack of memory.
    pub oom_killed: bool,
    /// The last output of its failing health check, up to [`HEALTH_OUTPUT_MAX_BYTES`], which may be empty; `None` as long
    /// as it is not unhealthy, or was not asked for.
    pub health_output: Option<String>,
    /// Its ports as `docker ps` shows them, such as `0.0.0.0:8080->80/tcp`; at most [`MAX_PORTS`].
    pub ports: Vec<String>,
    /// How long it may take to stop, where its own spec says so.
    pub stop_timeout: Option<Duration>,
    /// The signal that asks it to stop, where its own spec or its image says so.
    pub stop_signal: Option<Signal>,
    /// The period of its health check, where its own spec or its image says so.
    pub check_interval: Option<Duration>,
    /// How often the engine has restarted it by its own restart policy since a user or we started it.
    pub restarts: u64,
}

/// The labels that make a container ours and say which one it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Marks {
    /// The object it belongs to.
    pub object: ObjectName,
    /// Replica ordinal, from 1.
    pub slot: u32,
    /// Ordinal within the slot, from 1.
    pub attempt: u32,
    /// What it was made from.
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

impl Marks {
    /// The container's name: `<object>.<slot>.<attempt>`.
    pub fn container_name(&self) -> String {
        format!("{}.{}.{}", self.object, self.slot, self.attempt)
    }

    /// Whether `name` is [`container_name`](Marks::container_name), without making that.
    pub fn names(&self, name: &str) -> bool {
        let is = |text: &str, ordinal: u32| !text.starts_with(['0', '+']) && text.parse() == Ok(ordinal);
        let parts = name
            .rsplit_once('.')
            .and_then(|(rest, attempt)| rest.rsplit_once('.').map(|(object, slot)| (object, slot, attempt)));
        parts.is_some_and(|(object, slot, attempt)| {
            object == self.object.as_str() && is(slot, self.slot) && is(attempt, self.attempt)
        })
    }

    /// The labels to put on a container, in order.
    pub fn labels(&self, cluster: &str) -> [(&'static str, String); 5] {
        [
            (LABEL_CLUSTER, cluster.to_owned()),
            (LABEL_OBJECT, self.object.to_string()),
            (LABEL_SLOT, self.slot.to_string()),
            (LABEL_ATTEMPT, self.attempt.to_string()),
            (LABEL_TEMPLATE, self.template.as_str().to_owned()),
        ]
    }

    /// Reads the labels back. `None` unless all are there and well formed for this cluster: a container that
    /// is not wholly ours is not ours.
    pub fn read<'a>(cluster: &str, label: impl Fn(&str) -> Option<&'a str>) -> Option<Marks> {
        if label(LABEL_CLUSTER)? != cluster {
            return None;
        }
        let ordinal = |name| label(name)?.parse::<u32>().ok().filter(|n| *n > 0);
        Some(Marks {
            object: ObjectName::parse(label(LABEL_OBJECT)?)?,
            slot: ordinal(LABEL_SLOT)?,
            attempt: ordinal(LABEL_ATTEMPT)?,
            template: TemplateHash::from_label(label(LABEL_TEMPLATE)?),
        })
    }
}

/// All that was submitted, by name; deleted objects stay as tombstones.
pub type Objects = BTreeMap<ObjectName, Arc<Object>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_dockers_rule() {
        for good in ["nginx", "a", "A.b_c-9", &"x".repeat(63)] {
            assert!(ObjectName::parse(good).is_some(), "{good}");
        }
        for bad in ["", "-a", ".a", "a b", "a/b", "é", &"x".repeat(64), "a\n"] {
            assert!(ObjectName::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn marks_are_read_back_whole_or_not_at_all() {
        let marks = Marks {
            object: ObjectName::parse("web").unwrap(),
            slot: 3,
            attempt: 2,
            template: TemplateHash::from_label("abc"),
        };
        assert!(marks.names(&marks.container_name()));
        for other in ["web.3", "web.3.02", "web.+3.2", "web.2.3", "x.web.3.2", "web.3.2.", ""] {
            assert!(!marks.names(other), "{other}");
        }
        let labels = marks.labels("default");
        let find = |wanted: &str| labels.iter().find(|(k, _)| *k == wanted).map(|(_, v)| v.as_str());
        assert_eq!(Marks::read("default", find), Some(marks));
        assert_eq!(Marks::read("other", find), None);
        assert_eq!(Marks::read("default", |l| if l == LABEL_SLOT { Some("0") } else { find(l) }), None);
        assert_eq!(Marks::read("default", |l| if l == LABEL_TEMPLATE { None } else { find(l) }), None);
    }
}
