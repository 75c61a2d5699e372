//! What an object's worker remembers between two looks.
//!
//! Pure data, fed with what was observed and with how steps ended, read by the planner. It holds only what the
//! world itself does not show: how often a slot failed and when it may be tried again, since when a container
//! runs, which creates are in doubt. All of it may be lost with the process: then the first look finds a world
//! without history, and everything may be tried at once.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::container::ContainerId;
use crate::core::memory::doubt::Doubt;
use crate::core::memory::ends::Ends;
use crate::core::memory::failures::Failures;
use crate::core::memory::tries::Tries;
use crate::core::spec::TemplateHash;
use crate::core::time::Time;

pub mod doubt;
pub mod ends;
pub mod failures;
pub(crate) mod observe;
mod read;
pub mod report;
mod steps;
pub mod tries;

/// What is remembered of one container.
#[derive(Debug, Clone, Default)]
struct Seen {
    slot: u32,
    /// What it was made from, once it was seen.
    template: Option<TemplateHash>,
    /// It was not ended when it was seen last.
    live: bool,
    /// We are ending it: its end is nobody's failure and nobody's wish but ours.
    ending: bool,
    running_since: Option<Time>,
    /// Since when it runs and is not known to be unwell.
    ready_since: Option<Time>,
    unhealthy_since: Option<Time>,
    removing_since: Option<Time>,
    end_counted: bool,
    start_refused: bool,
    /// A start of it was answered with success, and it has not been seen running since.
    start_done: bool,
    /// Of its last end, while it runs again by its restart policy.
    exit_code: Option<i64>,
    /// It was there when we came.
    adopted: bool,
    /// Restarts by the engine that are counted already.
    restarts: Option<u64>,
    removal: Failures,
    stops_unanswered: u32,
    /// An end of it that an inspect has to explain before it is told of.
    untold: Option<ends::Seen>,
    name: String,
}

/// What an object's worker remembers.
#[derive(Debug, Clone)]
pub struct Memory {
    generation: u64,
    /// Which submit of that generation was looked at last.
    asked: u64,
    present: Tries,
    /// Of the template that worked last, while the present one is another and has not converged.
    fallback: Option<Tries>,
    /// Slots that are the present template's: it has proven itself there, or we ended the old container for it.
    updated: BTreeSet<u32>,
    /// Slots whose container a user has stopped, perhaps to start it again: until when nothing is created there.
    held: BTreeMap<u32, Time>,
    seen: BTreeMap<ContainerId, Seen>,
    doubts: BTreeMap<(u32, u32), Doubt>,
    taken: BTreeSet<(u32, u32)>,
    ends: Ends,
    looked: bool,
    confident: bool,
    seed: u64,
}

impl Memory {
    /// An empty history. The seed spreads the waits of different objects.
    pub fn new(seed: u64) -> Memory {
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
            looked: false,
            confident: false,
            seed,
        }
    }

    /// The same; what ended before `told_until` is no news, as an earlier process has told of it.
    pub fn resuming(seed: u64, told_until: Option<Time>) -> Memory {
        Memory { ends: Ends::told_until(told_until), ..Memory::new(seed) }
    }

    /// The history of a world in which nothing fails: there a template need not be tried with one container first.
    pub fn of_success() -> Memory {
        Memory { confident: true, ..Memory::new(0) }
    }

    /// What is remembered of a template; of one that is of no interest any more, that of the present one.
    fn tries_mut(&mut self, template: &TemplateHash) -> &mut Tries {
        match &mut self.fallback {
            Some(fallback) if fallback.are_of(template) => fallback,
            _ => &mut self.present,
        }
    }
}
