//! What is remembered of the tries at one template: its image, its failures, how many creates may be under way.
//!
//! During a rollout there are two: for the present template and for the one that worked last. Failures of the present one must
//! not hold up the one that works.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::core::backoff;
use crate::core::memory::failures::{Failures, Says};
use crate::core::spec::{Template, TemplateHash};
use crate::core::time::Time;

/// The most concurrent creates of one object; engine calls have a common limit besides. Small enough that an object with
/// thousands of missing containers queues only a few before those of other objects.
pub(crate) const MAX_WINDOW: u32 = 16;

/// What is remembered of the tries at one template.
#[derive(Debug, Clone)]
pub(crate) struct Tries {
    pub(super) hash: Option<TemplateHash>,
    pub(super) image: String,
    pub(super) image_ensured: bool,
    pub(super) works: bool,
    pub(super) window: u32,
    pub(super) whole: Failures,
    pub(super) slots: BTreeMap<u32, Failures>,
}

impl Default for Tries {
    fn default() -> Tries {
        Tries {
            hash: None,
            image: String::new(),
            image_ensured: false,
            works: false,
            window: MAX_WINDOW,
            whole: Failures::default(),
            slots: BTreeMap::new(),
        }
    }
}

impl Tries {
    pub(super) fn of(template: &Template) -> Tries {
        Tries { hash: Some(template.hash.clone()), image: template.image.clone(), ..Tries::default() }
    }

    pub(super) fn are_of(&self, template: &TemplateHash) -> bool {
        self.hash.as_ref() == Some(template)
    }

    /// Resets all streaks of failures.
    pub(super) fn forgive(&mut self) {
        self.whole = Failures::default();
        self.slots.clear();
        self.window = MAX_WINDOW;
    }

    pub(super) fn succeeded(&mut self) {
        self.works = true;
        self.whole = Failures::default();
        self.window = (self.window * 2).min(MAX_WINDOW);
    }

    /// The template failed as a whole: its image, its spec, the engine.
    pub(super) fn failed(&mut self, says: Says, error: String, seed: u64, now: Time) {
        self.window = 1;
        // Concurrent steps fail together: that counts as one failure, with one wait.
        if self.whole.count > 0 && now < self.whole.retry_at {
            self.whole.join(says, now);
            self.whole.error = error;
            return;
        }
        self.whole.add(says, now);
        self.whole.retry_at = now + backoff::after_refusal(self.whole.count, seed);
        self.whole.error = error;
    }

    /// A container of a slot ended or turned unhealthy.
    pub(super) fn slot_failed(
        &mut self,
        slot: u32,
        ran: Duration,
        says: Says,
        error: String,
        seed: u64,
        now: Time,
    ) {
        let failures = self.slots.entry(slot).or_default();
        if ran >= backoff::STABLE_RUN {
            *failures = Failures::default();
        }
        failures.add(says, now);
        failures.retry_at = now + backoff::after_exit(failures.count, seed ^ u64::from(slot));
        failures.error = error;
        self.window = 1;
    }

    /// Whether the image was found or pulled.
    pub(crate) fn image_ensured(&self) -> bool {
        self.image_ensured
    }

    /// The failures of the template as a whole: its image, its spec, the engine.
    pub(crate) fn whole(&self) -> Option<&Failures> {
        (self.whole.count > 0).then_some(&self.whole)
    }

    /// The failures of a slot.
    pub(crate) fn slot(&self, slot: u32) -> Option<&Failures> {
        self.slots.get(&slot)
    }

    /// When a create in this slot may be retried after failures; `None` if there are none.
    pub(crate) fn retry_at(&self, slot: u32) -> Option<Time> {
        let waits = [self.whole(), self.slot(slot)];
        waits.into_iter().flatten().map(|failures| failures.retry_at).max()
    }
}
