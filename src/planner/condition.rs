//! The condition of an object: its phase, and the reason in one sentence.
//!
//! Written for the engineer on call: the reason names the container, keeps the engine's message, and says what the object
//! waits for.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::core::availability::{Availability, Tracked};
use crate::core::condition::{Condition, Phase};
use crate::core::container::{Container, ContainerState, Health, Visibility};
use crate::core::memory::failures::Failures;
use crate::core::plan::Action;
use crate::core::spec::OnNodeLost;
use crate::core::time::Time;
use crate::planner::input::Input;
use crate::planner::planning::Planning;

/// The condition while nothing may be decided.
pub(super) fn waiting(input: &Input<'_>, reason: &str, until: Option<Time>) -> Condition {
    let ready = |c: &Container| {
        c.ready() && c.visibility == Visibility::Clear && input.nodes.availability(c).reachable()
    };
    let counts = Counts::of(input, &ready);
    Condition {
        phase: Phase::Blocked,
        reason: reason.to_owned(),
        next_retry: until,
        failing: false,
        proven: false,
        running: counts.running,
        ready: counts.ready,
        updated: counts.updated,
    }
}

struct Counts {
    running: usize,
    ready: usize,
    updated: usize,
}

impl Counts {
    fn of(input: &Input<'_>, ready: &dyn Fn(&Container) -> bool) -> Counts {
        let count = |test: &dyn Fn(&Container) -> bool| input.containers.iter().filter(|c| test(c)).count();
        let hash = &input.object.spec.template.hash;
        // What a lost node runs is unknown.
        let lost = |c: &Container| input.nodes.availability(c) == Availability::Lost;
        Counts {
            running: count(&|c| c.state == ContainerState::Running && !lost(c)),
            ready: count(ready),
            updated: count(&|c| c.live() && c.identity.template == *hash && !lost(c)),
        }
    }
}

/// The condition that goes with a finished plan.
pub(super) fn condition(planning: &Planning<'_>) -> Condition {
    let input = &planning.input;
    let counts = Counts::of(input, &|c| planning.ready(c));
    let found = find(planning, &counts);
    Condition {
        phase: found.phase,
        reason: found.reason,
        next_retry: found.next_retry,
        failing: found.failing,
        proven: false,
        running: counts.running,
        ready: counts.ready,
        updated: counts.updated,
    }
}

/// The most important thing to report.
struct Finding {
    phase: Phase,
    reason: String,
    next_retry: Option<Time>,
    failing: bool,
}

impl Finding {
    fn new(phase: Phase, reason: String) -> Finding {
        Finding { phase, reason, next_retry: None, failing: false }
    }

    fn retried(self, at: Option<Time>) -> Finding {
        Finding { next_retry: at, ..self }
    }
}

fn find(planning: &Planning<'_>, counts: &Counts) -> Finding {
    let Input { object, memory, now, containers, under_way, .. } = planning.input;
    let wanted = planning.wanted();
    let fail_after = object.spec.update.fail_after;
    let so_far = format!("{} of {wanted} run", counts.ready);
    let busy = describe_work(planning, under_way);

    let stuck = planning.removal_waits.iter().find_map(|c| Some((c, memory.removal(&c.id)?)));
    if let Some((container, failures)) = stuck {
        let stuck = format!("{} cannot be removed: {}; {}", container.name, failures.error, tries(failures));
        let reason = if object.deleted.is_some() { stuck } else { format!("{so_far}; {stuck}") };
        return Finding::new(Phase::Degraded, reason).retried(Some(failures.retry_at));
    }
    if object.deleted.is_some() {
        let away = containers.iter().find(|c| !planning.availability(c).reachable());
        let reason = match (containers.len(), away) {
            (0, _) => "deleted, and nothing of it is left".to_owned(),
            (n, Some(away)) => {
                let node = planning.input.nodes.of(away);
                let node = node.map(|node| {
                    format!("node {}, which has not answered since {}", node.name(), silence(planning, node))
                });
                let node = node.unwrap_or_else(|| "its node, which does not answer".to_owned());
                format!("deleted; {} still to be removed; {} waits for {node}", counted(n), away.name)
            }
            (n, None) => format!("deleted; {} still to be removed", counted(n)),
        };
        let phase = if containers.is_empty() { Phase::Converged } else { Phase::Deleting };
        return Finding::new(phase, reason);
    }

    if let Some(what) = planning.waits_for {
        return Finding::new(Phase::Progressing, format!("{so_far}; waiting: {what}"));
    }
    let not_started = |c: &&Container| c.state == ContainerState::Created;
    let unfinished = !planning.missing.is_empty()
        || planning.slots.values().any(|s| !s.stale.is_empty() || s.current.iter().any(not_started));
    let whole = memory.present().whole().or_else(|| memory.fallback()?.whole());
    if let Some(failures) = whole.filter(|_| unfinished || busy.is_some()) {
        let phase = if counts.ready == 0 { Phase::Blocked } else { Phase::Degraded };
        let reason = format!("{so_far}; {}; {}", failures.error, tries(failures));
        let found = Finding::new(phase, reason).retried(Some(failures.retry_at));
        return Finding { failing: failures.failing(fail_after), ..found };
    }
    let failing = planning
        .missing
        .iter()
        .chain(&planning.staying)
        .filter_map(|number| Some((*number, failures_of(planning, *number)?)))
        .max_by_key(|(_, failures)| failures.count);
    if let Some((number, failures)) =
        failing.filter(|(_, failures)| failures.count > 1 || failures.retry_at > now)
    {
        let reason = format!("{so_far}; slot {number}: {}; {}", failures.error, tries(failures));
        let found =
            Finding::new(Phase::Degraded, reason).retried(Some(failures.retry_at).filter(|at| *at > now));
        return Finding { failing: failures.failing(fail_after), ..found };
    }
    let held = planning.missing.iter().find_map(|number| Some((*number, memory.held(*number)?)));
    if let Some((number, until)) = held.filter(|(_, until)| *until > now) {
        let stopped = planning.slots.get(&number).and_then(|slot| slot.dead.first());
        let name = stopped.map_or_else(|| format!("the container of slot {number}"), |c| c.name.clone());
        let reason = format!(
            "{so_far}; {name} was stopped by a user: it is replaced unless it is started again at once"
        );
        return Finding::new(Phase::Progressing, reason).retried(Some(until));
    }
    // A doubt about a slot that is filled anyway does not matter yet.
    let needed = |slot: u32| planning.slots.get(&slot).is_none_or(|slot| slot.current.is_empty());
    if let Some((_, doubt)) = memory.doubts().find(|((slot, _), _)| needed(*slot)) {
        let reason =
            format!("{so_far}; outcome of the last create unknown; its name stays reserved: {}", doubt.why);
        return Finding::new(Phase::Degraded, reason).retried(Some(doubt.retry_at));
    }
    if let Some((reason, until)) = away(planning) {
        return Finding::new(Phase::Degraded, format!("{so_far}; {reason}")).retried(until);
    }
    if let Some(work) = busy {
        return Finding::new(Phase::Progressing, format!("{so_far}; {work}"));
    }
    let staying = || planning.slots.values().filter_map(|s| s.current.first().or(s.stale.first()).copied());
    if let Some(unready) = staying().find(|c| !planning.ready(c)) {
        let (phase, what) = match (unready.state, unready.health) {
            _ if unready.visibility == Visibility::Disputed => (
                Phase::Degraded,
                "is reported in two states, or in an unknown one: waiting for an inspect to settle it",
            ),
            (ContainerState::Running, Health::Unhealthy) => {
                (Phase::Degraded, "is unhealthy; it is replaced if it stays so")
            }
            (ContainerState::Running, _) => {
                (Phase::Progressing, "is running, but its health check has not passed yet")
            }
            (ContainerState::Paused, _) => {
                (Phase::Degraded, "is paused: `docker unpause` it, or remove it to have it replaced")
            }
            (ContainerState::Restarting, _) => {
                (Phase::Degraded, "is being restarted by its own restart policy")
            }
            _ => (Phase::Progressing, "is created but not running yet"),
        };
        return Finding::new(phase, format!("{so_far}; {} {what}", unready.name));
    }
    if unfinished {
        let reason = format!("{so_far}; {} have the present spec", counts.updated);
        return Finding::new(Phase::Progressing, reason).retried(planning.wake_at);
    }
    if let Some(removing) = containers.iter().find(|c| c.state == ContainerState::Removing) {
        let reason = format!("{so_far}; the engine is removing {}", removing.name);
        return Finding::new(Phase::Progressing, reason);
    }
    let unsteady =
        planning.staying.iter().find_map(|number| Some((*number, planning.proven_steady_at(*number)?)));
    if let Some((number, (ends, steady_at))) = unsteady {
        let last = memory.ends().last_of(number).map(|last| format!(" ({last})")).unwrap_or_default();
        let reason = format!(
            "{so_far}; the containers of slot {number} ended {ends} times recently{last}: it counts as steady if the present \
             one is still running at {}",
            steady_at.shown(planning.input.offset)
        );
        return Finding::new(Phase::Degraded, reason);
    }
    let mixed = mixed_images(planning).unwrap_or_default();
    let left_over = left_over(planning).unwrap_or_default();
    Finding::new(Phase::Converged, format!("{so_far}, as wanted{mixed}{left_over}"))
}

/// Reports that containers of one spec run different images: the tag was moved between their creates.
fn mixed_images(planning: &Planning<'_>) -> Option<String> {
    let current = || planning.slots.values().filter_map(|slot| slot.current.first().copied());
    let (first, its) = current().find_map(|c| Some((c, c.image_id.as_ref()?)))?;
    let (other, another) = current().find_map(|c| Some((c, c.image_id.as_ref().filter(|id| *id != its)?)))?;
    let short = |id: &str| -> String { id.trim_start_matches("sha256:").chars().take(12).collect() };
    Some(format!(
        "; its containers run different images of {}, as its tag was moved: {} has {}, {} has {}; submit a digest or a new tag to replace them",
        planning.input.object.spec.template.image,
        first.name,
        short(its),
        other.name,
        short(another)
    ))
}

/// The failures of a slot that matter: those of the present template, or those of the one that worked last if the slot is
/// empty. They do not matter once its container is ready and steady.
fn failures_of<'a>(planning: &Planning<'a>, number: u32) -> Option<&'a Failures> {
    let memory = planning.input.memory;
    let slot = planning.slots.get(&number);
    let ready = slot.is_some_and(|s| s.current.first().is_some_and(|c| planning.ready(c)));
    let unsteady = !ready || planning.steady_at(number).is_some();
    let empty = slot.is_none_or(|s| s.current.is_empty() && s.stale.is_empty());
    let of_present = memory.present().slot(number).filter(|_| unsteady);
    of_present.or_else(|| memory.fallback()?.slot(number).filter(|_| empty))
}

/// Containers on nodes that do not answer, which are replaced already.
fn left_over(planning: &Planning<'_>) -> Option<String> {
    let unreachable = |c: &&Container| c.live() && !planning.availability(c).reachable();
    let all: Vec<&Container> =
        planning.input.containers.iter().map(Arc::as_ref).filter(unreachable).collect();
    let first = all.first()?;
    let nodes: BTreeSet<Option<&str>> = all.iter().map(|c| c.node.as_deref()).collect();
    let (on, once) = match (planning.input.nodes.of(first), nodes.len()) {
        (Some(node), 1) => (
            format!("node {}", node.name()),
            format!("it is back; it has not answered since {}", silence(planning, node)),
        ),
        (None, 1) => ("a node that does not answer".to_owned(), "it is back".to_owned()),
        (_, n) => (format!("{n} nodes that do not answer"), "they are back".to_owned()),
    };
    let name = &first.name;
    Some(match all.len() {
        1 => format!("; 1 container on {on} ({name}) is removed once {once}"),
        n => format!("; {n} containers on {on} ({name}, …) are removed once {once}"),
    })
}

/// Since when a node has not answered, and why: "2026-11-24T11:57:00Z (Unhealthy)".
fn silence(planning: &Planning<'_>, node: &Tracked) -> String {
    format!("{} ({})", node.since.shown(planning.input.offset), node.trouble())
}

/// Containers on nodes that do not answer, and until when they hold their slots.
fn away(planning: &Planning<'_>) -> Option<(String, Option<Time>)> {
    let held = planning.staying.iter().filter_map(|number| {
        let slot = planning.slots.get(number)?;
        slot.current.first().or(slot.stale.first()).copied()
    });
    let away: Vec<&Container> = held.filter(|c| !planning.availability(c).reachable()).collect();
    let first = *away.first()?;
    let node = planning.input.nodes.of(first);
    let name = node.map_or("its node".to_owned(), |node| format!("node {}", node.name()));
    let since = node.map(|node| format!(" since {}", silence(planning, node))).unwrap_or_default();
    let lost_at = node.and_then(|node| node.lost_at);
    let its = match away.iter().filter(|c| c.node == first.node).count() {
        1 => format!("{} on it is", first.name),
        n => format!("{n} containers on it are"),
    };
    let what = match (lost_at, planning.availability(first)) {
        (Some(at), _) if planning.input.object.on_node_lost() == OnNodeLost::Replace => {
            let at = at.shown(planning.input.offset);
            format!("{its} replaced on other nodes at {at}, unless it is back by then")
        }
        (_, Availability::Lost) | (Some(_), _) => format!("{its} not replaced, as OnNodeLost is \"hold\""),
        _ if node.is_some_and(Tracked::engine_answers) => {
            format!("{its} not replaced, as its own engine still answers")
        }
        _ => format!("{its} not replaced until more is known about the node"),
    };
    Some((format!("{name} has not answered{since}: {what}"), lost_at))
}

fn counted(containers: usize) -> String {
    match containers {
        1 => "1 container is".to_owned(),
        n => format!("{n} containers are"),
    }
}

fn tries(failures: &Failures) -> String {
    match failures.count {
        1 => "failed once".to_owned(),
        n => format!("failed {n} times in a row"),
    }
}

/// The steps under way or about to begin: "2 being created, 1 being removed".
fn describe_work(planning: &Planning<'_>, under_way: &[Action]) -> Option<String> {
    let (mut pulls, mut creates, mut starts, mut removes) = (Vec::new(), 0, 0, 0);
    for action in under_way.iter().chain(planning.steps.iter().map(|step| &step.action)) {
        match action {
            Action::Pull { image, .. } => pulls.push(image.as_str()),
            Action::Create { .. } => creates += 1,
            Action::Start { .. } => starts += 1,
            Action::Remove { .. } => removes += 1,
        }
    }
    let mut parts = Vec::new();
    if let Some(image) = pulls.first() {
        parts.push(format!("the image {image} is being pulled"));
    }
    for (n, what) in [(creates, "being created"), (starts, "being started"), (removes, "being removed")] {
        if n > 0 {
            parts.push(format!("{n} {what}"));
        }
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}
