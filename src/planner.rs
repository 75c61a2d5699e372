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
//! 7. Of the dead, the last `Memory` of a slot are kept; all go with their slot. None is kept that its restart policy
//!    may start again.
//!
//! What is on a node that does not answer is never touched. It holds its slot until the node is lost; then its
//! slot gets another container elsewhere, unless `OnNodeLost` is `hold`. Of the two that there are when the node
//! is back, rule 2 keeps one; and nothing on a node that is believed goes for the sake of one that is not yet.

use crate::core::evidence::Evidence;
use crate::core::plan::Plan;
use crate::planner::input::Input;

mod condition;
pub mod forecast;
pub mod hold;
pub mod input;
#[cfg(test)]
mod properties;
mod rules;
#[cfg(test)]
mod scenarios;

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
        return Plan {
            steps: Vec::new(),
            wake_at: None,
            condition: condition::waiting(&input, reason, *until),
        };
    }
    if let Some(reason) = held {
        return Plan {
            steps: Vec::new(),
            wake_at: None,
            condition: condition::waiting(&input, &reason, None),
        };
    }
    rules::apply(input)
}
