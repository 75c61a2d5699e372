//! What an object's worker remembers between two passes.
//!
//! Pure data, fed with observations and with the ends of steps, read by the planner. It holds only what the engine does not
//! show: how often a slot failed and when it may be retried, since when a container has been running, which creates are in
//! doubt. All of it may be lost with the process: then everything may be retried at once.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::container::ContainerId;
use crate::core::memory::doubt::Doubt;
use crate::core::memory::ends::Ends;
use crate::core::memory::failures::Failures;
use crate::core::memory::tries::Tries;
use crate::core::spec::TemplateHash;
use crate::core::time::Time;

pub(crate) mod doubt;
pub(crate) mod ends;
pub(crate) mod failures;
pub(crate) mod observe;
mod read;
pub(crate) mod report;
mod steps;
pub(crate) mod tries;

/// What is remembered of one container.
#[derive(Debug, Clone, Default)]
struct Seen {
    slot: u32,
    /// Its template, once it was observed.
    template: Option<TemplateHash>,
    /// It was live when it was last observed.
    live: bool,
    /// This manager is removing it: its end is no failure and no user's doing.
    ending: bool,
    running_since: Option<Time>,
    /// Since when it has been running and not known to be unhealthy.
    ready_since: Option<Time>,
    unhealthy_since: Option<Time>,
    removing_since: Option<Time>,
    end_counted: bool,
    start_refused: bool,
    /// Its start succeeded, and it has not been observed running since.
    start_done: bool,
    /// Of its last end, while its restart policy runs it again.
    exit_code: Option<i64>,
    /// It existed before this process started.
    adopted: bool,
    /// Restarts by the engine that were counted already.
    restarts: Option<u64>,
    removal: Failures,
    stops_unanswered: u32,
    /// An end that an inspect has to explain before it is reported.
    unreported: Option<ends::Seen>,
    name: String,
}

/// What an object's worker remembers.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    generation: u64,
    /// The last observed submit of that generation.
    asked: u64,
    present: Tries,
    /// The tries at the template that worked last, while the present one is another and has not converged.
    fallback: Option<Tries>,
    /// Slots that belong to the present template: it has proven itself there, or the old container was removed for it.
    updated: BTreeSet<u32>,
    /// Slots whose container a user stopped, perhaps to restart it, and until when nothing is created there.
    held: BTreeMap<u32, Time>,
    seen: BTreeMap<ContainerId, Seen>,
    doubts: BTreeMap<(u32, u32), Doubt>,
    taken: BTreeSet<(u32, u32)>,
    ends: Ends,
    observed: bool,
    confident: bool,
    seed: u64,
}

impl Memory {
    /// An empty memory. The seed spreads the waits of different objects.
    pub(crate) fn new(seed: u64) -> Memory {
        Memory {
            generation: 0,
            asked: 0,
            present: Tries::default(),
            fallback: None,
            updated: BTreeSet::new(),
            held: BTreeMap::new(),
            seen: BTreeMap::new(),
            doubts: BTreeMap::new(),
            taken: BTreeSet::new(),
            ends: Ends::default(),
            observed: false,
            confident: false,
            seed,
        }
    }

    /// The same; ends before `reported_until` are no news, as an earlier process reported them.
    pub(crate) fn resuming(seed: u64, reported_until: Option<Time>) -> Memory {
        Memory { ends: Ends::reported_until(reported_until), ..Memory::new(seed) }
    }

    /// The memory for a forecast in which nothing fails: there no template is tried with a single container first.
    pub(crate) fn of_success() -> Memory {
        Memory { confident: true, ..Memory::new(0) }
    }

    /// What is remembered of a template; for one that is no longer wanted, the present one.
    fn tries_mut(&mut self, template: &TemplateHash) -> &mut Tries {
        match &mut self.fallback {
            Some(fallback) if fallback.are_of(template) => fallback,
            _ => &mut self.present,
        }
    }
}
