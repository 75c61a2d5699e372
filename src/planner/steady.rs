//! Whether containers have been ready, and slots steady, for long enough.

use crate::core::backoff::STABLE_RUN;
use crate::core::container::Container;
use crate::core::time::Time;
use crate::planner::input::Input;
use crate::planner::planning::Planning;

impl Planning<'_> {
    /// Whether a container has been ready for `Update.Monitor`; wakes the planner when it will have been.
    pub(super) fn proven(&mut self, container: &Container) -> bool {
        if !self.ready(container) {
            return false;
        }
        let since = self.input.memory.ready_since(&container.id).unwrap_or(self.input.now);
        let good_at = since + self.input.object.spec.update.monitor;
        if good_at > self.input.now {
            self.wake(good_at);
        }
        good_at <= self.input.now
    }

    /// When all containers that stay will have been ready for `Update.Monitor`.
    pub(super) fn proven_at(&self) -> Time {
        let Input { memory, now, object, .. } = self.input;
        let staying = self.staying.iter().filter_map(|number| self.slots.get(number)?.current.first());
        let newest = staying.map(|c| memory.ready_since(&c.id).unwrap_or(now)).max();
        newest.map_or(now, |since| since + object.spec.update.monitor)
    }

    /// How often the containers of a slot ended recently, and when the present one, which is ready, will have run for long
    /// enough for the slot to count as steady; `None` if it does.
    pub(super) fn proven_steady_at(&self, number: u32) -> Option<(usize, Time)> {
        let Input { memory, now, .. } = self.input;
        let current = self.slots.get(&number)?.current.first().filter(|c| self.ready(c))?;
        let (ends, run) = memory.ends().unsteady(number)?;
        let steady_at = memory.running_since(&current.id).unwrap_or(now) + run;
        (steady_at > now).then_some((ends, steady_at))
    }

    /// When the ready container of a slot that failed repeatedly will have run for long enough to count as working; `None`
    /// if it has, or need not. A container that ends soon after each start is ready in between.
    pub(super) fn steady_at(&self, number: u32) -> Option<Time> {
        let Input { memory, now, .. } = self.input;
        let current = self.slots.get(&number)?.current.first().filter(|c| self.ready(c))?;
        memory.present().slot(number).filter(|failures| failures.count > 1)?;
        let steady_at = memory.running_since(&current.id).unwrap_or(now) + STABLE_RUN;
        (steady_at > now).then_some(steady_at)
    }
}
