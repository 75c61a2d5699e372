//! The rules by name, and what refuses a field by one of them.

use crate::core::submission::strict::path_in_array;

/// A refused field and the rule that refuses it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is refused by the rule '{rule}': {why}")]
pub(crate) struct Violation {
    /// The path of the field.
    pub(crate) field: String,
    /// The rule's name.
    pub(crate) rule: &'static str,
    /// What the rule protects.
    pub(crate) why: &'static str,
}

impl Violation {
    /// The same violation, in the object at this index of a submitted array.
    pub(crate) fn at_index(self, index: usize) -> Violation {
        Violation { field: path_in_array(index, &self.field), ..self }
    }
}

/// A rule, for messages.
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) why: &'static str,
}

pub(super) const PRIVILEGED: Rule =
    Rule { name: "no-privileged", why: "a privileged container is root on its node" };
pub(super) const CAPABILITIES: Rule = Rule {
    name: "no-added-capabilities",
    why: "added capabilities reach beyond the container; dropping is allowed",
};
pub(super) const CONFINEMENT: Rule =
    Rule { name: "no-weaker-confinement", why: "it weakens what keeps the container apart from its node" };
pub(super) const HOST_PATHS: Rule = Rule {
    name: "no-host-paths",
    why: "a path of the node would be open to the container; use a named volume or tmpfs",
};
pub(super) const DEVICES: Rule =
    Rule { name: "no-devices", why: "devices of the node would be open to the container" };
pub(super) const NAMESPACES: Rule = Rule {
    name: "no-shared-namespaces",
    why: "the container would share a namespace with its node or with another container",
};
pub(super) const RUNTIME: Rule =
    Rule { name: "no-runtime-choice", why: "runtime, cgroup and kernel settings are the node's own" };
pub(super) const DEVICE_LIMITS: Rule = Rule {
    name: "no-host-paths",
    why: "it names a device by its path on the node, and the answer reveals whether that path exists",
};
pub(super) const LOG_OPTIONS: Rule = Rule {
    name: "no-log-destinations",
    why: "the engine itself, as root, opens the files and connects to the addresses that logging options name; allowed \
          are the drivers json-file, local, journald and none, and the options that concern only their own log (a tag may name \
          fields such as {{.Name}})",
};
pub(super) const TMPFS_OPTIONS: Rule = Rule {
    name: "no-mount-options",
    why: "other mount options act on what is mounted at the path already, such as the node's /sys; allowed are size, mode, uid, \
          gid, nr_inodes, nr_blocks, ro, rw and the options for exec, suid, dev, sync and access times",
};
pub(super) const LABELS: Rule =
    Rule { name: "no-reserved-labels", why: "labels with this prefix belong to Docker or to this manager" };
pub(super) const SCHEDULER_ENV: Rule = Rule {
    name: "no-scheduler-env",
    why: "a classic Swarm manager reads such an entry as a constraint; use Constraints instead",
};
pub(super) const MANAGER_DATA: Rule = Rule {
    name: "no-manager-data",
    why: "it holds the state and the keys of a manager; keep an object's data in a volume of its own",
};
pub(super) const RESCHEDULE: Rule = Rule {
    name: "no-reschedule",
    why: "the Swarm manager would make containers this manager does not count",
};

pub(super) fn refuse(field: impl Into<String>, rule: &Rule) -> Result<(), Violation> {
    Err(Violation { field: field.into(), rule: rule.name, why: rule.why })
}

/// Refuses a list that is present and not empty.
pub(super) fn none_of<T>(field: &str, given: Option<&Vec<T>>, rule: &Rule) -> Result<(), Violation> {
    if given.is_some_and(|items| !items.is_empty()) { refuse(field, rule) } else { Ok(()) }
}

pub(super) fn unless(allowed: bool, field: &str, rule: &Rule) -> Result<(), Violation> {
    if allowed { Ok(()) } else { refuse(field, rule) }
}

pub(super) fn blank(text: Option<&String>) -> bool {
    text.is_none_or(String::is_empty)
}
