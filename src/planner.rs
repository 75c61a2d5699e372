//! Decides what to do for one object: a pure function.
//!
//! No I/O, no clock, no randomness. [`plan`] reads what is wanted, what was observed and what is remembered, and returns the
//! steps to take now, when to plan again, and the condition of the object in one sentence. It is called again after
//! everything that happens; steps under way are part of the input and are not planned twice.
//!
//! The rules, in the order in which they apply, one file each:
//!
//! 1. *Hold* (this file, [`hold`]). Nothing is done while the observation cannot be trusted, nor for an object that another
//!    manager has containers of. All other rules work on slots, into which `classify` sorts the containers.
//! 2. *Duplicates*. A slot holds one container. Of several the best stays: one that is ready, then the newer attempt.
//! 3. *Surplus*. With too many slots, the worst go. Unready goes before ready, then stale before current, slots above
//!    `Count` before others, then those on the most crowded node, then the newest. A healthy container never goes while a
//!    broken one could.
//! 4. *Missing*. With too few slots, the lowest free ones get a container, unless they wait after a failure. A slot whose
//!    container is still stopping is not free: there are never more containers than wanted. While a rollout has not
//!    converged, a slot that lost its old container gets the template that worked last, so that a stuck rollout costs no
//!    replica; a slot that the present template has taken over gets the present one, unless that fails repeatedly. A slot
//!    whose container a user stopped waits a moment, since `docker restart` starts it again. A container that needs a host
//!    port or an address waits until the departing container that has it is gone.
//! 5. *Update*. Stale containers are replaced, `Update.Parallelism` at a time, once all others are settled: new before old,
//!    or old before new, as `Update.Order` says. A replacement counts when it has been ready for `Update.Monitor`; only then
//!    the old one goes.
//! 6. *Unhealthy*. A container that has been unhealthy for a health check interval is replaced, one at a time.
//! 7. *Cleanup*. Of the ended containers, the last `History` of a slot are kept; all go with their slot. None is kept that its
//!    restart policy may start again.
//! 8. *Start*. A container that was created and not started is started.
//!
//! A container on a node that does not answer is never touched. It holds its slot until the node is lost; then the slot gets
//! another container elsewhere, unless `OnNodeLost` is `hold`. When the node comes back there are two, of which rule 2 keeps
//! one; and no container on a trusted node goes for the sake of one on a node that is not trusted yet.

use crate::core::condition::Phase;
use crate::core::evidence::Evidence;
use crate::core::plan::Plan;
use crate::planner::input::Input;
use crate::planner::planning::Planning;

mod classify;
mod cleanup;
mod condition;
mod create;
mod duplicates;
pub(crate) mod forecast;
pub(crate) mod hold;
pub(crate) mod input;
mod missing;
mod planning;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod scenarios;
mod start;
mod steady;
mod surplus;
mod unhealthy;
mod update;

/// Decides what to do. The module documentation states the rules.
pub(crate) fn plan(input: Input<'_>) -> Plan {
    if input.containers.iter().any(|container| container.rival) {
        let own = hold::own(input.containers);
        let reason = hold::reason(input.object, input.containers);
        return plan_own(Input { containers: &own, ..input }, reason);
    }
    plan_own(input, None)
}

/// Decides for an object with only our own containers in the input; `held` is why nothing may be done.
fn plan_own(input: Input<'_>, held: Option<String>) -> Plan {
    let (reason, until) = match (input.evidence, held) {
        (Evidence::Waiting { reason, until }, _) => (reason.clone(), *until),
        (Evidence::Good, Some(reason)) => (reason, None),
        (Evidence::Good, None) => return apply_rules(input),
    };
    Plan { steps: Vec::new(), wake_at: None, condition: condition::waiting(&input, &reason, until) }
}

fn apply_rules(input: Input<'_>) -> Plan {
    let mut planning = classify::classify(input);
    duplicates::remove(&mut planning);
    surplus::remove(&mut planning);
    missing::fill(&mut planning);
    update::replace(&mut planning);
    unhealthy::replace(&mut planning);
    cleanup::remove(&mut planning);
    start::start(&mut planning);
    finish(planning)
}

/// Adds the condition, and the times at which it changes by itself.
fn finish(mut planning: Planning<'_>) -> Plan {
    for number in planning.staying.clone() {
        let proven_steady_at = planning.proven_steady_at(number).map(|(_, at)| at);
        let changes = [planning.steady_at(number), proven_steady_at];
        changes.into_iter().flatten().for_each(|at| planning.wake(at));
    }
    let mut condition = condition::condition(&planning);
    if condition.phase == Phase::Converged {
        let at = planning.proven_at();
        condition.proven = at <= planning.input.now;
        if !condition.proven {
            planning.wake(at);
        }
    }
    Plan { steps: planning.steps, wake_at: planning.wake_at, condition }
}
