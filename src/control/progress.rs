//! What the workers publish: the progress of each object.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::core::condition::{Condition, Phase};
use crate::core::memory::ends::LastExit;
use crate::core::name::ObjectName;

/// How an object is doing, as its worker last saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// The generation the worker has acted upon; 0 before its first look.
    pub observed_generation: u64,
    /// Which submit of that generation: see [`Object::asked`](crate::core::object::Object::asked).
    pub asked: u64,
    /// The verdict.
    pub condition: Condition,
    /// The lines of the plan: steps under way, then steps that begin now.
    pub plan: Vec<String>,
    /// How often containers ended or turned unhealthy without being asked to since the last submit, as far as this process
    /// has seen.
    pub restarts: u64,
    /// The last end that nobody asked this manager for.
    pub last_exit: Option<LastExit>,
}

impl Progress {
    /// That of an object whose worker is just being started. It stands on the board before the first look, so that
    /// nobody is at work for an object which is not on it.
    pub(super) fn of_newcomer() -> Progress {
        let condition = Condition {
            phase: Phase::Progressing,
            reason: "it has not been looked at yet".to_owned(),
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
