//! What the workers publish: the progress of each object.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::core::condition::{Condition, Phase};
use crate::core::memory::ends::LastExit;
use crate::core::name::ObjectName;

/// The progress of an object as of its worker's last pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// The generation that the worker acted on last; 0 before its first pass.
    pub(crate) observed_generation: u64,
    /// Which submit of that generation: see [`Object::asked`](crate::core::object::Object::asked).
    pub(crate) asked: u64,
    /// Its condition.
    pub condition: Condition,
    /// The lines of the plan: steps under way, then steps that begin now.
    pub plan: Vec<String>,
    /// How often containers ended or turned unhealthy unrequested since the last submit, as observed by this process.
    pub(crate) restarts: u64,
    /// The last end that this manager did not cause.
    pub(crate) last_exit: Option<LastExit>,
}

impl Progress {
    /// The progress of an object whose worker is just starting. It is published before the worker's first pass, so that no
    /// worker runs for an object without progress.
    pub(super) fn initial() -> Progress {
        let condition = Condition {
            phase: Phase::Progressing,
            reason: "it has not been reconciled yet".to_owned(),
            next_retry: None,
            failing: false,
            proven: false,
            running: 0,
            ready: 0,
            updated: 0,
        };
        Progress {
            observed_generation: 0,
            asked: 0,
            condition,
            plan: Vec::new(),
            restarts: 0,
            last_exit: None,
        }
    }
}

/// The workers' published progress, by object.
pub type Progresses = BTreeMap<ObjectName, Arc<Progress>>;
