//! Decides what to do for one object: a pure function.
//!
//! No I/O, no clock, no chance. It reads what is wanted, what was observed and what is remembered, and returns
//! the steps to take now, when to look again, and a verdict in one sentence. It is called again after whatever
//! happens; what is under way already arrives as input and is not planned twice.
//!
//! The rules, in the order in which they apply:
//!
//! 1. Nothing is done while the observation cannot be trusted, nor for an object that another manager has containers of.
//! 2. A slot holds one container. Of several the best stays: one that is ready, then the newer attempt.
//! 3. Too many slots: the worst go. What is not ready goes before what is, then stale before current, slots
//!    above `Count` before others, on the most crowded node, newest. A healthy one never goes while a broken
//!    one could.
//! 4. Too few: the lowest free slots get a container, unless they wait after a failure. A slot whose container
//!    is still stopping is not free yet: there is no moment with more than was asked for. While a rollout has not
//!    converged, a slot that lost its old container gets the template that worked last, so that a rollout that is
//!    stuck costs no replica; one that the present template has taken over gets the present one, unless that fails again
//!    and again. A slot whose container a user has stopped waits a moment, for `docker restart` starts it again; and one that needs
//!    a host port or an address which a container that is going still has waits until that is gone.
//! 5. Stale containers are replaced, `Update.Parallelism` at a time, once all others are settled: new before
//!    old, or old before new, as `Update.Order` says. A replacement counts when it has been ready for
//!    `Update.Monitor`; only then the old one goes.
//! 6. A container that has been unhealthy for a check cycle is replaced, one at a time.
//! 7. Of the dead, the last `History` of a slot are kept; all go with their slot. None is kept that its restart policy
//!    may start again.
//!
//! What is on a node that does not answer is never touched. It holds its slot until the node is lost; then its
//! slot gets another container elsewhere, unless `OnNodeLost` is `hold`. Of the two that there are when the node
//! is back, rule 2 keeps one; and nothing on a node that is believed goes for the sake of one that is not yet.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::Time;
use crate::history::History;
use crate::model::exclusive::InTheWay;
use crate::model::{Container, ContainerId, Marks, Object, Pull, TemplateHash};
use crate::observed::nodes::Nodes;

pub mod forecast;
pub mod hold;
#[cfg(test)]
mod properties;
mod rules;
#[cfg(test)]
mod scenarios;
mod verdict;

/// What the planner reads.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// What is wanted.
    pub object: &'a Object,
    /// Its containers as observed, in any order.
    pub containers: &'a [Arc<Container>],
    /// What was begun and has not ended.
    pub under_way: &'a [Action],
    /// Whether the observation may be believed.
    pub evidence: &'a Evidence,
    /// The nodes they are on.
    pub nodes: &'a Nodes,
    /// What other objects' containers that are going still have and a new container needs.
    pub in_the_way: &'a InTheWay,
    /// What is remembered.
    pub history: &'a History,
    /// The present.
    pub now: Time,
}

/// Whether an observed snapshot may be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// It is complete and current.
    Good,
    /// It is not.
    Waiting {
        /// Why: a whole sentence.
        reason: String,
        /// When that may change by itself.
        until: Option<Time>,
    },
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// See to it that the image is there.
    Pull {
        /// The image.
        image: String,
        /// When to pull it.
        pull: Pull,
    },
    /// Make a container and start it.
    Create {
        /// Which one.
        marks: Marks,
        /// Its image, for people.
        image: String,
    },
    /// Start a container that was made and does not run.
    Start {
        /// Its id.
        id: ContainerId,
        /// Its name, for people.
        name: String,
        /// The template that it was made from.
        template: TemplateHash,
    },
    /// Stop a container gracefully and remove it.
    Remove {
        /// Its id.
        id: ContainerId,
        /// Its name, for people.
        name: String,
        /// End its process at once: asking it to stop got no answer, again and again.
        force: bool,
    },
}

impl Action {
    /// The word that its line begins with.
    pub fn word(&self) -> &'static str {
        match self {
            Action::Pull { .. } => "pull",
            Action::Create { .. } => "create",
            Action::Start { .. } => "start",
            Action::Remove { .. } => "remove",
        }
    }
}

/// A step and why it is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What to do.
    pub action: Action,
    /// Why.
    pub cause: String,
}

/// A plan prints as one line a step.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.action {
            Action::Pull { image, pull: Pull::Never } => write!(f, "find {image}")?,
            Action::Pull { image, .. } => write!(f, "pull {image}")?,
            Action::Create { marks, image } => write!(f, "create {} image={image}", marks.container_name())?,
            Action::Start { id, name, .. } => write!(f, "start {name} id={}", id.short())?,
            Action::Remove { id, name, force } => {
                write!(f, "remove {name} id={}{}", id.short(), if *force { " force" } else { "" })?;
            }
        }
        write!(f, " cause={:?}", self.cause)
    }
}

/// How an object is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// All is as wanted.
    Converged,
    /// Steps are under way, or about to be.
    Progressing,
    /// Something does not work; the rest does.
    Degraded,
    /// Nothing can go on until something changes.
    Blocked,
    /// It was deleted and its containers are going.
    Deleting,
}

impl Phase {
    /// The word for it, as the status has it.
    pub fn word(self) -> &'static str {
        match self {
            Phase::Converged => "converged",
            Phase::Progressing => "progressing",
            Phase::Degraded => "degraded",
            Phase::Blocked => "blocked",
            Phase::Deleting => "deleting",
        }
    }
}

/// How an object is doing, and why, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How it is doing.
    pub phase: Phase,
    /// Why: one sentence, the engine's own words kept.
    pub reason: String,
    /// When the next try is made, where something failed.
    pub next_retry: Option<Time>,
    /// It does not seem to work at all: it cannot, or the engine has refused it, or its containers have ended or turned
    /// unhealthy, [`FAILED_AFTER`](crate::history::FAILED_AFTER) times in a row over at least `Update.FailAfter`. It is
    /// tried further all the same.
    pub failing: bool,
    /// It has converged, and all its containers have been ready for `Update.Monitor`.
    pub proven: bool,
    /// Containers whose process runs.
    pub running: usize,
    /// Containers that run and are not known to be unwell.
    pub ready: usize,
    /// Live containers of the present template.
    pub updated: usize,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The steps to begin now.
    pub steps: Vec<Step>,
    /// When to look again even if nothing happens.
    pub wake_at: Option<Time>,
    /// How the object is doing.
    pub verdict: Verdict,
}

/// Decides what to do. See the module's story for the rules.
pub fn plan(input: Input<'_>) -> Plan {
    if input.containers.iter().any(|container| container.rival) {
        let own = hold::own(input.containers);
        let reason = hold::reason(input.object, input.containers);
        return plan_own(Input { containers: &own, ..input }, reason);
    }
    plan_own(input, None)
}

/// Decides for an object of which only our own containers are left in the input; `held` says why nothing may be done.
fn plan_own(input: Input<'_>, held: Option<String>) -> Plan {
    if let Evidence::Waiting { reason, until } = input.evidence {
        return Plan { steps: Vec::new(), wake_at: None, verdict: verdict::waiting(&input, reason, *until) };
    }
    if let Some(reason) = held {
        return Plan { steps: Vec::new(), wake_at: None, verdict: verdict::waiting(&input, &reason, None) };
    }
    rules::apply(input)
}
