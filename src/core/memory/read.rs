//! What the planner and the worker read of the memory.

use crate::core::container::ContainerId;
use crate::core::memory::Memory;
use crate::core::memory::doubt::Doubt;
use crate::core::memory::ends::{EndKind, Ends};
use crate::core::memory::failures::Failures;
use crate::core::memory::tries::Tries;
use crate::core::spec::TemplateHash;
use crate::core::time::Time;

impl Memory {
    /// The ends of containers that this manager did not cause.
    pub(crate) fn ends(&self) -> &Ends {
        &self.ends
    }

    /// Ends to report, each once.
    pub(crate) fn take_unreported(&mut self) -> Vec<(EndKind, String)> {
        self.ends.take_unreported()
    }

    /// The last observed generation.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// What is remembered of the present template.
    pub(crate) fn present(&self) -> &Tries {
        &self.present
    }

    /// What is remembered of the template that worked last, while the present one has not converged.
    pub(crate) fn fallback(&self) -> Option<&Tries> {
        self.fallback.as_ref()
    }

    /// What is remembered of a template, if it is still wanted.
    pub(crate) fn tries(&self, template: &TemplateHash) -> Option<&Tries> {
        let known = [Some(&self.present), self.fallback.as_ref()];
        known.into_iter().flatten().find(|tries| tries.are_of(template))
    }

    /// How many creates of a template may be under way at once: one, until a container of it has started, so that a wrong
    /// command costs one attempt and not one per replica.
    pub(crate) fn window(&self, template: &TemplateHash) -> usize {
        if self.confident {
            return usize::MAX;
        }
        let tries = self.tries(template).filter(|tries| tries.works);
        tries.map_or(1, |tries| usize::try_from(tries.window).unwrap_or(1))
    }

    /// Whether the present template has taken the slot over from the one that worked last.
    pub(crate) fn updated(&self, slot: u32) -> bool {
        self.updated.contains(&slot)
    }

    /// Until when a slot stays empty because a user stopped its container and may be restarting it.
    pub(crate) fn held(&self, slot: u32) -> Option<Time> {
        self.held.get(&slot).copied()
    }

    /// Creates in doubt, by slot and attempt.
    pub(crate) fn doubts(&self) -> impl Iterator<Item = ((u32, u32), &Doubt)> {
        self.doubts.iter().map(|(key, doubt)| (*key, doubt))
    }

    /// The highest attempt of a slot whose name a foreign container holds; 0 if there is none.
    pub(crate) fn highest_taken(&self, slot: u32) -> u32 {
        self.taken.range((slot, 0)..=(slot, u32::MAX)).next_back().map_or(0, |(_, attempt)| *attempt)
    }

    /// Since when a container has been observed running.
    pub(crate) fn running_since(&self, id: &ContainerId) -> Option<Time> {
        self.seen.get(id)?.running_since
    }

    /// Since when a container has been observed ready.
    pub(crate) fn ready_since(&self, id: &ContainerId) -> Option<Time> {
        self.seen.get(id)?.ready_since
    }

    /// Since when a container has been observed unhealthy.
    pub(crate) fn unhealthy_since(&self, id: &ContainerId) -> Option<Time> {
        self.seen.get(id)?.unhealthy_since
    }

    /// Since when a container has been observed in removal.
    pub(crate) fn removing_since(&self, id: &ContainerId) -> Option<Time> {
        self.seen.get(id)?.removing_since
    }

    /// Whether the engine refused to start it.
    pub(crate) fn start_refused(&self, id: &ContainerId) -> bool {
        self.seen.get(id).is_some_and(|seen| seen.start_refused)
    }

    /// How many stops of a container got no answer.
    pub(crate) fn stops_unanswered(&self, id: &ContainerId) -> u32 {
        self.seen.get(id).map_or(0, |seen| seen.stops_unanswered)
    }

    /// Failed removals of a container.
    pub(crate) fn removal(&self, id: &ContainerId) -> Option<&Failures> {
        self.seen.get(id).map(|seen| &seen.removal).filter(|failures| failures.count > 0)
    }

    /// Copies what another memory remembers of one container.
    #[cfg(test)]
    pub(crate) fn adopt_memory(&mut self, other: Memory, id: &ContainerId) {
        self.seen.extend(other.seen.into_iter().filter(|(seen, _)| seen == id));
    }
}
