//! Scenarios as text: an observed world, and the expected plan.
//!
//! A line of a world is one of
//!
//! ```text
//! object NAME COUNT TEMPLATE [was=TEMPLATE] [stop-first] [history=N] [parallelism=N] [hold] [deleted]
//! NAME.SLOT.ATTEMPT TEMPLATE STATE [healthy|unhealthy|starting] [signalled] [hostdown|disputed] [node=N]
//!     [created=SECONDS] [up=SECONDS]                                                     (all on one line)
//! node NAME up|settling|down|answering|lost|unknown
//! doing create SLOT.ATTEMPT | doing remove NAME.SLOT.ATTEMPT
//! failed create SLOT.ATTEMPT refused|unsent|unknown|taken|image|node [of=TEMPLATE] [ago=SECONDS]   (just now, or then)
//! no-image                      (the image has not been ensured yet)
//! waiting REASON                (the observation cannot be trusted)
//! ```
//!
//! and a plan is its steps, one per line, then `PHASE: reason`, with `PHASE, failing` if it counts as failed and `PHASE, unproven`
//! before `Update.Monitor` is over. Times are seconds before the present; a container without `up` has been running for an
//! hour.

use crate::core::condition::Condition;
use crate::core::condition::Phase;
use crate::core::container::Container;
use crate::core::container::ContainerId;
use crate::core::labels::ContainerIdentity;
use crate::core::memory::Memory;
use crate::core::object::Object;
use crate::core::plan::Action;
use crate::core::spec::Pull;
use crate::core::time::{Time, WallOffset};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::core::availability::{NodeTimeouts, Nodes};
use crate::core::container::{ContainerState, Health, Signalled, Visibility};
use crate::core::exclusive::InTheWay;
use crate::core::memory::report::Report;
use crate::core::node::{Node, NodeState};
use crate::core::object::Converged;
use crate::core::outcome::{Outcome, Refusal, RefusalKind};
use crate::core::signal::Signal;
use crate::core::spec::{Spec, TemplateHash};
use crate::core::submission::{self, Submission};

mod ends;
mod failures;
mod fallback;
mod interference;
mod nodes;
mod rollout;
mod slots;

pub(super) const NOW: Time = Time(1_000_000_000);

pub(super) fn spec(name: &str, count: u32, more: &str) -> Spec {
    let text = format!(r#"{{"Name": "{name}", "Image": "img", "Count": {count} {more}}}"#);
    match submission::read(text.as_bytes()).unwrap() {
        Submission::One(spec) => *spec,
        Submission::Many(_) => unreachable!(),
    }
}

fn ago(words: &[&str], key: &str) -> Option<Time> {
    let seconds: u64 = words.iter().find_map(|w| w.strip_prefix(key)?.strip_prefix('='))?.parse().unwrap();
    Some(Time(NOW.0 - seconds * 1000))
}

fn identity(object: &Object, slot: u32, attempt: u32) -> ContainerIdentity {
    ContainerIdentity {
        object: object.spec.name.clone(),
        slot,
        attempt,
        template: object.spec.template.hash.clone(),
    }
}

fn ordinals(name: &str) -> (u32, u32) {
    let mut parts = name.rsplitn(3, '.');
    let attempt = parts.next().unwrap().parse().unwrap();
    (parts.next().unwrap().parse().unwrap(), attempt)
}

fn container(line: &str) -> Container {
    let words: Vec<&str> = line.split_whitespace().collect();
    let state: ContainerState = words[2].parse().unwrap_or_else(|_| panic!("state {}", words[2]));
    let health = words.get(3).and_then(|word| word.parse().ok()).unwrap_or(Health::None);
    Container {
        node: words.iter().find_map(|w| w.strip_prefix("node=")).map(str::to_owned),
        state,
        health,
        visibility: match () {
            () if words.contains(&"hostdown") => Visibility::HostDown,
            () if words.contains(&"disputed") => Visibility::Disputed,
            () => Visibility::Clear,
        },
        created: ago(&words, "created").unwrap_or(Time(NOW.0 - 3_600_000)),
        signalled: words.contains(&"signalled").then_some(Signalled {
            signal: Signal::KILL,
            at: NOW,
            stop: false,
        }),
        ..Container::sample(words[0], words[1])
    }
}

/// An object with one container of this template; the last converged template is `was`.
fn object(hash: &str, was: &str) -> Object {
    let mut spec = spec("web", 1, "");
    spec.template.hash = TemplateHash::from_label(was);
    let mut object = Object::new(spec.clone());
    if was != hash {
        object.converged = Some(Converged { generation: 0, spec: Some(Arc::new(spec)) });
        object.spec.template.hash = TemplateHash::from_label(hash);
    }
    object
}

fn plan_for(object: &Object, containers: &[Arc<Container>], memory: &Memory, now: Time) -> Plan {
    plan(Input {
        object,
        containers,
        under_way: &[],
        evidence: &Evidence::Good,
        nodes: &Nodes::default(),
        in_the_way: &InTheWay::new(),
        memory,
        now,
        offset: WallOffset::default(),
    })
}

/// Nodes with the availability in a world's lines, which they reach by their own rules.
fn nodes<'a>(lines: impl Iterator<Item = &'a str>) -> Nodes {
    let rows: Vec<(&str, &str)> = lines
        .filter_map(|line| match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["node", name, availability] => Some((*name, *availability)),
            _ => None,
        })
        .collect();
    let timeouts =
        NodeTimeouts { lost_after: Duration::from_secs(30), stable_after: Duration::from_secs(20) };
    let mut nodes = Nodes::default();
    let healthy = |availability: &str, at: u64| match availability {
        "up" => true,
        "settling" => !(50..=90).contains(&at),
        _ => at < 50,
    };
    for seconds in [0, 50, 75, 95] {
        let listed: Vec<Node> = rows
            .iter()
            .map(|(name, availability)| {
                let down = match *availability {
                    "unknown" => NodeState::Pending,
                    _ => NodeState::Other("Unhealthy".to_owned()),
                };
                let late = matches!(*availability, "down" | "unknown") && seconds < 95;
                let answers = *availability == "answering";
                Node {
                    name: (*name).to_owned(),
                    address: format!("{name}:2376"),
                    state: if late || healthy(availability, seconds) { NodeState::Healthy } else { down },
                    error: answers.then(|| "Error response from daemon: no such host".to_owned()),
                }
            })
            .collect();
        nodes.observe(Time(NOW.0 - 95_000 + seconds * 1000), &listed, timeouts);
    }
    nodes
}

fn run(world: &str) -> String {
    let lines = || world.lines().map(str::trim).filter(|l| !l.is_empty());
    let head: Vec<&str> = lines().find(|l| l.starts_with("object ")).unwrap().split_whitespace().collect();
    let value =
        |key: &str| head.iter().find_map(|w| w.strip_prefix(key)?.strip_prefix('=')).map(str::to_owned);
    let mut more = format!(r#", "History": {}"#, value("history").unwrap_or("1".to_owned()));
    let order = if head.contains(&"stop-first") { "stop-first" } else { "start-first" };
    let parallelism = value("parallelism").unwrap_or("1".to_owned());
    more += &format!(r#", "Update": {{"Order": "{order}", "Parallelism": {parallelism}, "Monitor": "5s"}}"#);
    if head.contains(&"hold") {
        more += r#", "OnNodeLost": "hold""#;
    }
    let mut spec = spec(head[1], head[2].parse().unwrap(), &more);
    spec.template.hash = TemplateHash::from_label(head[3]);
    // The last converged template, `was`, has the image `old`.
    let converged = value("was").map(|hash| {
        let mut spec = spec.clone();
        (spec.template.hash, spec.template.image) = (TemplateHash::from_label(&hash), "old".to_owned());
        Converged { generation: 0, spec: Some(Arc::new(spec)) }
    });
    let deleted = head.contains(&"deleted").then_some(NOW);
    let object = Object { deleted, converged, ..Object::new(spec) };

    let containers: Vec<Arc<Container>> = lines()
        .filter(|l| l.split_whitespace().next().unwrap().matches('.').count() == 2)
        .map(|l| Arc::new(container(l)))
        .collect();

    let mut memory = Memory::new(1);
    memory.observe(&object, &[], Time(0));
    for image in ["img", "old"].iter().filter(|image| **image == "old" || !lines().any(|l| l == "no-image")) {
        let pull = Action::Pull { image: (*image).to_owned(), pull: Pull::Missing };
        memory.ended(&pull, Report::Image(Outcome::Done(())), Time(0));
    }
    // Each container is observed first when it began to run.
    for line in lines().filter(|l| l.split_whitespace().next().unwrap().matches('.').count() == 2) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let since = ago(&words, "up").unwrap_or(Time(NOW.0 - 3_600_000));
        if words[2] == "running" {
            let mut seen = memory.clone();
            seen.observe(&object, &[Arc::new(container(line))], since);
            // `observe` forgets absent containers, so the memories of single containers are merged.
            memory = merge(memory, seen, &container(line).id);
        }
    }
    let mut under_way = Vec::new();
    let nodes = nodes(lines());
    let mut evidence = Evidence::Good;
    for line in lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["doing", "create", at] => {
                let (slot, attempt) = ordinals(&format!("x.{at}"));
                under_way.push(Action::Create {
                    identity: identity(&object, slot, attempt),
                    image: "img".to_owned(),
                });
            }
            ["doing", "remove", name] => {
                under_way.push(Action::Remove {
                    id: ContainerId::from(format!("id-{name}").as_str()),
                    name: (*name).to_owned(),
                    force: false,
                });
            }
            ["failed", "create", at, how, ..] => {
                let (slot, attempt) = ordinals(&format!("x.{at}"));
                let refused =
                    |kind| Outcome::Refused(Refusal { kind, message: "the engine's words".to_owned() });
                let outcome = match *how {
                    "refused" => refused(RefusalKind::Other),
                    "impossible" => refused(RefusalKind::Impossible),
                    "taken" => refused(RefusalKind::NameTaken),
                    "image" => refused(RefusalKind::NoImage),
                    "node" => refused(RefusalKind::NoNode),
                    "unsent" => {
                        Outcome::NotSent("the engine cannot be reached: connection refused".to_owned())
                    }
                    "unknown" => Outcome::InDoubt("connection reset".to_owned()),
                    other => panic!("{other}"),
                };
                let mut identity = identity(&object, slot, attempt);
                if let Some(template) = words.iter().find_map(|w| w.strip_prefix("of=")) {
                    identity.template = TemplateHash::from_label(template);
                }
                memory.ended(
                    &Action::Create { identity, image: "img".to_owned() },
                    Report::Created(outcome),
                    ago(&words, "ago").unwrap_or(NOW),
                );
            }
            ["waiting", ..] => {
                evidence = Evidence::Waiting { reason: words[1..].join(" "), until: None };
            }
            _ => {}
        }
    }
    memory.observe(&object, &containers, NOW);
    let plan = plan(Input {
        object: &object,
        containers: &containers,
        under_way: &under_way,
        evidence: &evidence,
        nodes: &nodes,
        in_the_way: &InTheWay::new(),
        memory: &memory,
        now: NOW,
        offset: WallOffset::default(),
    });
    let mut out: Vec<String> =
        plan.steps.iter().map(|step| step.to_string().replace(" id=id-", " id=")).collect();
    let mark = match plan.condition {
        Condition { failing: true, .. } => ", failing",
        Condition { phase: Phase::Converged, proven: false, .. } => ", unproven",
        _ => "",
    };
    out.push(format!("{}{mark}: {}", plan.condition.phase.word(), plan.condition.reason));
    if let Some(at) = plan.wake_at {
        out.push(format!("plan again in {:.1}s", at.since(NOW).as_secs_f64()));
    }
    out.join("\n")
}

/// `memory` with what `seen` knows of one container.
fn merge(mut memory: Memory, seen: Memory, id: &ContainerId) -> Memory {
    memory.adopt_memory(seen, id);
    memory
}

#[track_caller]
fn scenario(world: &str, expected: &str) {
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    assert_eq!(run(world), expected.join("\n"), "\nin the world:\n{world}");
}
