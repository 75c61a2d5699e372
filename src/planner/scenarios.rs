//! Scenarios in text: a world goes in, a plan comes out.
//!
//! A line of a world is one of
//!
//! ```text
//! object NAME COUNT TEMPLATE [was=TEMPLATE] [stop-first] [history=N] [parallelism=N] [hold] [deleted]
//! NAME.SLOT.ATTEMPT TEMPLATE STATE [healthy|unhealthy|starting] [signalled] [hostdown|disputed] [node=N]
//!     [created=SECONDS] [up=SECONDS]                                                     (all on one line)
//! node NAME up|settling|down|sulking|lost|unknown
//! doing create SLOT.ATTEMPT | doing remove NAME.SLOT.ATTEMPT
//! failed create SLOT.ATTEMPT refused|unsent|unknown|taken|image|node [of=TEMPLATE] [ago=SECONDS]   (just now, or then)
//! no-image                      (nothing is known of the image yet)
//! waiting REASON                (the evidence does not do)
//! ```
//!
//! and a plan is its steps, one a line, then `PHASE: reason`, with `PHASE, failing` where it does not seem to work
//! at all and `PHASE, unproven` where `Update.Monitor` is not over. Times are seconds before the present; a container
//! without `up` runs for an hour.

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
use crate::core::name::ObjectName;
use crate::core::node::{Node, NodeState};
use crate::core::object::Converged;
use crate::core::outcome::{Outcome, Refusal, RefusalKind};
use crate::core::signal::Signal;
use crate::core::spec::{Spec, TemplateHash};
use crate::core::submission::{self, Submission};

mod disturbed;
mod ends;

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
    let (slot, attempt) = ordinals(words[0]);
    let object = words[0].rsplitn(3, '.').nth(2).unwrap();
    let state = match words[2] {
        "created" => ContainerState::Created,
        "running" => ContainerState::Running,
        "paused" => ContainerState::Paused,
        "restarting" => ContainerState::Restarting,
        "exited" => ContainerState::Exited,
        "removing" => ContainerState::Removing,
        "dead" => ContainerState::Dead,
        other => panic!("state {other}"),
    };
    let health = match words.get(3) {
        Some(&"healthy") => Health::Healthy,
        Some(&"unhealthy") => Health::Unhealthy,
        Some(&"starting") => Health::Starting,
        _ => Health::None,
    };
    Container {
        id: ContainerId::from(format!("id-{}", words[0]).as_str()),
        name: words[0].to_owned(),
        identity: ContainerIdentity {
            object: ObjectName::parse(object).unwrap(),
            slot,
            attempt,
            template: TemplateHash::from_label(words[1]),
        },
        manager: None,
        rival: false,
        node: words.iter().find_map(|w| w.strip_prefix("node=")).map(str::to_owned),
        state,
        health,
        visibility: match () {
            () if words.contains(&"hostdown") => Visibility::HostDown,
            () if words.contains(&"disputed") => Visibility::Disputed,
            () => Visibility::Clear,
        },
        image: "img".to_owned(),
        image_id: None,
        created: ago(&words, "created").unwrap_or(Time(NOW.0 - 3_600_000)),
        detail: None,
        signalled: words.contains(&"signalled").then_some(Signalled {
            signal: Signal::KILL,
            at: NOW,
            stop: false,
        }),
    }
}

/// Nodes that come to stand as a world's lines say, by way of their own rules.
fn nodes<'a>(lines: impl Iterator<Item = &'a str>) -> Nodes {
    let rows: Vec<(&str, &str)> = lines
        .filter_map(|line| match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["node", name, availability] => Some((*name, *availability)),
            _ => None,
        })
        .collect();
    let patience =
        NodeTimeouts { lost_after: Duration::from_secs(30), stable_after: Duration::from_secs(20) };
    let mut nodes = Nodes::default();
    let well = |availability: &str, at: u64| match availability {
        "up" => true,
        "settling" => !(50..=90).contains(&at),
        _ => at < 50,
    };
    for seconds in [0, 50, 75, 95] {
        let said: Vec<Node> = rows
            .iter()
            .map(|(name, availability)| {
                let down = match *availability {
                    "unknown" => NodeState::Pending,
                    _ => NodeState::Other("Unhealthy".to_owned()),
                };
                let late = matches!(*availability, "down" | "unknown") && seconds < 95;
                let sulks = *availability == "sulking";
                Node {
                    name: (*name).to_owned(),
                    address: format!("{name}:2376"),
                    state: if late || well(availability, seconds) { NodeState::Healthy } else { down },
                    error: sulks.then(|| "Error response from daemon: no such host".to_owned()),
                }
            })
            .collect();
        nodes.observe(Time(NOW.0 - 95_000 + seconds * 1000), &said, patience);
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
    // What worked last, `was`, has the image `old`.
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
    // Each container is seen first when it began to run, in its own time.
    for line in lines().filter(|l| l.split_whitespace().next().unwrap().matches('.').count() == 2) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let since = ago(&words, "up").unwrap_or(Time(NOW.0 - 3_600_000));
        if words[2] == "running" {
            let mut seen = memory.clone();
            seen.observe(&object, &[Arc::new(container(line))], since);
            // `observe` forgets what it is not shown, so the containers are gathered one by one.
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
                    |kind| Outcome::Refused(Refusal { kind, words: "the engine's words".to_owned() });
                let outcome = match *how {
                    "refused" => refused(RefusalKind::Other),
                    "impossible" => refused(RefusalKind::Impossible),
                    "taken" => refused(RefusalKind::NameTaken),
                    "image" => refused(RefusalKind::NoImage),
                    "node" => refused(RefusalKind::NoNode),
                    "unsent" => Outcome::NotSent("connection refused".to_owned()),
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
    let phase = serde_json::to_value(plan.condition.phase).unwrap();
    let mark = match plan.condition {
        Condition { failing: true, .. } => ", failing",
        Condition { phase: Phase::Converged, proven: false, .. } => ", unproven",
        _ => "",
    };
    out.push(format!("{}{mark}: {}", phase.as_str().unwrap(), plan.condition.reason));
    if let Some(at) = plan.wake_at {
        out.push(format!("plan again in {:.1}s", at.since(NOW).as_secs_f64()));
    }
    out.join("\n")
}

/// `history` with what `seen` knows of one container.
fn merge(mut memory: Memory, seen: Memory, id: &ContainerId) -> Memory {
    memory.adopt_memory(seen, id);
    memory
}

#[track_caller]
fn scenario(world: &str, expected: &str) {
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    assert_eq!(run(world), expected.join("\n"), "\nin the world:\n{world}");
}

#[test]
fn a_new_object_asks_for_its_image_first_once() {
    scenario(
        "object web 3 t1
         no-image",
        r#"pull img cause="needed to create web.1"
           progressing: 0 of 3 run; the image img is being pulled"#,
    );
}

#[test]
fn a_template_that_never_ran_is_tried_once_before_all_replicas_follow() {
    scenario(
        "object web 500 t1",
        r#"create web.1.1 image=img cause="missing replica"
           progressing: 0 of 500 run; 1 being created"#,
    );
}

#[test]
fn missing_replicas_are_created_in_the_lowest_free_slots() {
    scenario(
        "object web 4 t1
         web.2.1 t1 running",
        r#"create web.1.1 image=img cause="missing replica"
           create web.3.1 image=img cause="missing replica"
           create web.4.1 image=img cause="missing replica"
           progressing: 1 of 4 run; 3 being created"#,
    );
}

#[test]
fn what_is_as_wanted_is_left_alone() {
    scenario(
        "object web 2 t1
         web.1.1 t1 running
         web.2.3 t1 running
         web.2.2 t1 exited",
        "converged: 2 of 2 run, as wanted",
    );
}

#[test]
fn nothing_is_done_without_evidence() {
    scenario(
        "object web 2 t1
         waiting no list yet",
        "blocked: no list yet",
    );
}

#[test]
fn steps_under_way_are_not_planned_again() {
    scenario(
        "object web 3 t1
         web.3.1 t1 running
         web.4.1 t1 running
         doing create 1.1
         doing remove web.4.1",
        "progressing: 2 of 3 run; 1 being created, 1 being removed",
    );
}

#[test]
fn a_killed_container_is_replaced_at_once_and_kept_for_its_logs() {
    scenario(
        "object web 2 t1
         web.1.1 t1 exited
         web.2.1 t1 running",
        r#"create web.1.2 image=img cause="missing replica"
           progressing: 1 of 2 run; 1 being created"#,
    );
}

#[test]
fn what_ends_by_itself_again_waits_and_what_somebody_stopped_does_not() {
    let twice = |how: &str| {
        let object = Object::new(spec("web", 1, ""));
        let mut memory = Memory::new(1);
        memory.observe(&object, &[], NOW);
        for attempt in 1..=2 {
            let line = format!("web.1.{attempt} t1 exited {how}");
            memory.observe(&object, &[Arc::new(container(&line))], NOW);
        }
        memory.present().slot(1).map(|failures| failures.count)
    };
    assert_eq!((twice(""), twice("signalled")), (Some(2), None));
}

#[test]
fn scaling_down_takes_the_slots_above_count() {
    scenario(
        "object web 2 t1
         web.1.1 t1 running
         web.2.1 t1 running
         web.3.1 t1 running
         web.4.1 t1 running
         web.4.0 t1 exited",
        r#"remove web.3.1 id=web.3.1 cause="surplus: 4 instead of 2"
           remove web.4.1 id=web.4.1 cause="surplus: 4 instead of 2"
           remove web.4.0 id=web.4.0 cause="exited; its slot is not wanted"
           progressing: 4 of 2 run; 3 being removed"#,
    );
}

#[test]
fn a_broken_one_goes_before_a_healthy_one_whatever_its_slot() {
    scenario(
        "object web 2 t1
         web.1.1 t1 running unhealthy up=1
         web.2.1 t1 created
         web.3.1 t1 running healthy
         web.4.1 t1 running healthy",
        r#"remove web.2.1 id=web.2.1 cause="surplus: 4 instead of 2"
           remove web.1.1 id=web.1.1 cause="surplus: 4 instead of 2"
           progressing: 2 of 2 run; 2 being removed"#,
    );
}

#[test]
fn among_equals_the_most_crowded_node_loses_the_newest() {
    scenario(
        "object web 3 t1
         web.1.1 t1 running node=a created=50
         web.2.1 t1 running node=b created=40
         web.3.1 t1 running node=b created=30
         web.3.2 t1 running node=a created=20",
        r#"remove web.3.1 id=web.3.1 cause="web.3.2 already holds the slot"
           progressing: 4 of 3 run; 1 being removed"#,
    );
}

#[test]
fn a_stopping_container_holds_its_place_until_it_is_gone() {
    scenario(
        "object web 3 t1
         web.1.1 t1 running
         web.2.1 t1 running
         web.3.1 t1 running
         doing remove web.3.1",
        "progressing: 3 of 3 run; 1 being removed",
    );
}

#[test]
fn zero_takes_all_the_dead_too() {
    scenario(
        "object web 0 t1
         web.1.2 t1 running
         web.1.1 t1 exited",
        r#"remove web.1.2 id=web.1.2 cause="surplus: 1 instead of 0"
           remove web.1.1 id=web.1.1 cause="exited; its slot is not wanted"
           progressing: 1 of 0 run; 2 being removed"#,
    );
    scenario(
        "object web 5 t1 deleted
         web.1.2 t1 running",
        r#"remove web.1.2 id=web.1.2 cause="surplus: 1 instead of 0"
           deleting: deleted; 1 container is still to go"#,
    );
}

#[test]
fn an_update_creates_one_new_before_it_removes_the_old() {
    scenario(
        "object web 2 t2
         web.1.1 t1 running
         web.2.1 t1 running",
        r#"create web.1.2 image=img cause="replaces web.1.1, which is stale"
           progressing: 2 of 2 run; 1 being created"#,
    );
    scenario(
        "object web 2 t2
         web.1.1 t1 running
         web.1.2 t2 running up=2
         web.2.1 t1 running",
        r#"progressing: 3 of 2 run; 1 of the present spec
           plan again in 3.0s"#,
    );
    scenario(
        "object web 2 t2
         web.1.1 t1 running
         web.1.2 t2 running up=5
         web.2.1 t1 running",
        r#"remove web.1.1 id=web.1.1 cause="replaced by web.1.2"
           progressing: 3 of 2 run; 1 being removed"#,
    );
    scenario(
        "object web 2 t2
         web.1.2 t2 running up=6
         web.2.1 t1 running",
        r#"create web.2.2 image=img cause="replaces web.2.1, which is stale"
           progressing: 2 of 2 run; 1 being created"#,
    );
}

#[test]
fn a_stop_first_update_removes_the_old_and_waits_until_it_is_gone() {
    scenario(
        "object web 2 t2 stop-first
         web.1.1 t1 running
         web.2.1 t1 running",
        r#"remove web.1.1 id=web.1.1 cause="stale: stopped before its replacement starts"
           progressing: 2 of 2 run; 1 being removed"#,
    );
    scenario(
        "object web 2 t2 stop-first
         web.1.1 t1 running
         web.2.1 t1 running
         doing remove web.1.1",
        "progressing: 2 of 2 run; 1 being removed",
    );
    scenario(
        "object web 2 t2 stop-first
         web.1.1 t1 exited
         web.2.1 t1 running",
        r#"create web.1.2 image=img cause="missing replica"
           progressing: 1 of 2 run; 1 being created"#,
    );
    scenario(
        "object web 2 t2 stop-first
         no-image
         web.1.1 t1 running
         web.2.1 t1 running",
        r#"pull img cause="needed to create web.1"
           progressing: 2 of 2 run; the image img is being pulled"#,
    );
}

#[test]
fn an_update_replaces_what_is_broken_first_and_goes_as_wide_as_it_may() {
    scenario(
        "object web 4 t2 parallelism=2
         web.1.1 t1 running
         web.2.1 t1 running
         web.3.1 t1 paused
         web.4.2 t2 running",
        r#"create web.3.2 image=img cause="replaces web.3.1, which is stale"
           create web.1.2 image=img cause="replaces web.1.1, which is stale"
           progressing: 3 of 4 run; 2 being created"#,
    );
}

#[test]
fn a_refused_create_holds_back_the_whole_object() {
    scenario(
        "object web 500 t1
         failed create 1.1 refused",
        "blocked: 0 of 500 run; the engine's words; failed once
         plan again in 1.1s",
    );
}

#[test]
fn steps_that_fail_together_are_one_failure() {
    let world: Vec<String> = (1..=16).map(|slot| format!("failed create {slot}.1 refused")).collect();
    scenario(
        &format!("object web 20 t1\n{}", world.join("\n")),
        "blocked: 0 of 20 run; the engine's words; failed once
         plan again in 1.1s",
    );
}

#[test]
fn three_refusals_in_a_row_are_called_a_failure() {
    scenario(
        "object web 2 t1
         failed create 1.1 refused ago=30
         failed create 1.1 refused ago=20
         failed create 1.1 image",
        "blocked, failing: 0 of 2 run; the engine's words; failed 3 times in a row
         plan again in 4.2s",
    );
    scenario(
        "object web 2 t1
         failed create 1.1 refused ago=30
         failed create 1.1 refused",
        "blocked: 0 of 2 run; the engine's words; failed 2 times in a row
         plan again in 2.1s",
    );
}

#[test]
fn three_refusals_within_seconds_are_a_hiccup_and_no_failure() {
    scenario(
        "object web 2 t1
         failed create 1.1 refused ago=5
         failed create 1.1 refused ago=3
         failed create 1.1 refused",
        "blocked: 0 of 2 run; the engine's words; failed 3 times in a row
         plan again in 4.2s",
    );
}

#[test]
fn what_cannot_be_is_a_failure_at_once() {
    scenario(
        "object web 2 t1
         failed create 1.1 impossible",
        "blocked, failing: 0 of 2 run; the engine's words; failed once
         plan again in 1.1s",
    );
}

#[test]
fn an_engine_out_of_reach_is_no_failure_of_the_object() {
    for how in ["unsent", "node"] {
        let last = match how {
            "unsent" => "the engine cannot be reached: connection refused",
            _ => "the engine's words",
        };
        scenario(
            &format!(
                "object web 2 t1
                 failed create 1.1 refused ago=90
                 failed create 1.1 refused ago=80
                 failed create 1.1 refused ago=60
                 failed create 1.1 {how} ago=40
                 failed create 1.1 {how}"
            ),
            &format!(
                "blocked: 0 of 2 run; {last}; failed 5 times in a row
                 plan again in 16.3s"
            ),
        );
    }
}

#[test]
fn what_has_only_just_begun_to_run_has_converged_and_is_not_proven() {
    scenario(
        "object web 2 t1
         web.1.1 t1 running up=2
         web.2.1 t1 running up=4",
        "converged, unproven: 2 of 2 run, as wanted
         plan again in 3.0s",
    );
    scenario(
        "object web 1 t1
         web.1.1 t1 running up=5",
        "converged: 1 of 1 run, as wanted",
    );
}

#[test]
fn containers_of_the_present_spec_that_end_three_times_in_a_row_are_called_a_failure() {
    let ends = |template: &str, ran: u64| {
        let object = Object::new(spec("web", 1, ""));
        let hash = match template {
            "present" => object.spec.template.hash.as_str(),
            other => other,
        };
        let (mut memory, mut now) = (Memory::new(1), NOW);
        memory.observe(&object, &[], now);
        for attempt in 1..=3 {
            let at = |state: &str| [Arc::new(container(&format!("web.1.{attempt} {hash} {state}")))];
            memory.observe(&object, &at("running"), now);
            now = now + Duration::from_secs(ran);
            memory.observe(&object, &at("exited"), now);
        }
        memory.present().slot(1).is_some_and(|failures| failures.failing(Duration::from_secs(10)))
    };
    assert!(ends("present", 20));
    assert!(!ends("present", 70), "each of them ran for long");
    assert!(!ends("old", 20), "the spec before it says nothing of this one");
}

#[test]
fn what_its_own_restart_policy_restarts_begins_anew() {
    let object = Object::new(spec("web", 1, ""));
    let mut memory = Memory::new(1);
    let at = |state: &str| [Arc::new(container(&format!("web.1.1 t1 {state}")))];
    memory.observe(&object, &at("running"), NOW);
    memory.observe(&object, &at("restarting"), NOW + Duration::from_secs(9));
    let again = NOW + Duration::from_secs(10);
    memory.observe(&object, &at("running"), again);
    assert_eq!(memory.running_since(&ContainerId::from("id-web.1.1")), Some(again));
}

#[test]
fn what_was_begun_for_another_template_says_nothing_about_this_one() {
    let object = Object::new(spec("web", 1, ""));
    let mut memory = Memory::new(1);
    memory.observe(&object, &[], NOW);
    let pull = |image: &str| Action::Pull { image: image.to_owned(), pull: Pull::Missing };
    memory.ended(&pull("another"), Report::Image(Outcome::Done(())), NOW);
    assert!(!memory.present().image_ensured());
    memory.ended(&pull("another"), Report::Image(Outcome::NotSent("down".to_owned())), NOW);
    assert_eq!(memory.present().whole(), None);
    let stale = ContainerIdentity { template: TemplateHash::from_label("old"), ..identity(&object, 1, 1) };
    let create = Action::Create { identity: stale, image: "another".to_owned() };
    memory.ended(&create, Report::Created(Outcome::Done("id".into())), NOW);
    assert_eq!(memory.window(&object.spec.template.hash), 1, "the present template has not run yet");
}

#[test]
fn a_name_held_by_a_stranger_means_the_next_attempt() {
    scenario(
        "object web 1 t1
         failed create 1.1 taken",
        r#"create web.1.2 image=img cause="missing replica"
           progressing: 0 of 1 run; 1 being created"#,
    );
}

#[test]
fn a_create_in_doubt_keeps_its_name_and_its_slot() {
    scenario(
        "object web 2 t1
         web.1.1 t1 running
         failed create 2.1 unknown",
        "degraded: 1 of 2 run; outcome of the last create unknown; its name stays reserved: connection reset
         plan again in 1.1s",
    );
    scenario(
        "object web 1 t1
         web.1.1 t1 running
         failed create 2.1 unknown",
        "degraded: 1 of 1 run; outcome of the last create unknown; its name stays reserved: connection reset",
    );
}

#[test]
fn what_was_made_and_not_started_is_started() {
    scenario(
        "object web 1 t1
         web.1.1 t1 created",
        r#"start web.1.1 id=web.1.1 cause="created but not started"
           progressing: 0 of 1 run; 1 being started"#,
    );
}

#[test]
fn what_is_stale_and_never_ran_goes_at_once() {
    scenario(
        "object web 2 t2
         web.1.1 t1 created
         web.2.2 t2 running",
        r#"create web.1.2 image=img cause="missing replica"
           remove web.1.1 id=web.1.1 cause="stale; it never ran"
           progressing: 1 of 2 run; 1 being created, 1 being removed"#,
    );
}

#[test]
fn an_unhealthy_container_is_replaced_after_a_check_cycle_one_at_a_time() {
    scenario(
        "object web 3 t1
         web.1.1 t1 running unhealthy up=40
         web.2.1 t1 running unhealthy up=35
         web.3.1 t1 running healthy",
        r#"remove web.1.1 id=web.1.1 cause="unhealthy for longer than its health check interval of 30s"
           progressing: 1 of 3 run; 1 being removed"#,
    );
    scenario(
        "object web 2 t1
         web.1.1 t1 running unhealthy up=10
         web.2.1 t1 running",
        "degraded: 1 of 2 run; web.1.1 is unhealthy; it is replaced if it stays so
         plan again in 20.0s",
    );
}

#[test]
fn the_last_dead_of_a_slot_are_kept() {
    scenario(
        "object web 1 t1 history=2
         web.1.5 t1 running
         web.1.4 t1 exited
         web.1.3 t1 exited
         web.1.2 t1 exited",
        r#"remove web.1.2 id=web.1.2 cause="exited; History keeps 2 per slot"
           progressing: 1 of 1 run; 1 being removed"#,
    );
}

#[test]
fn what_is_on_a_node_that_is_down_counts_as_running_for_a_while() {
    scenario(
        "object web 3 t1
         node n1 up
         node n2 down
         web.1.1 t1 running node=n1
         web.2.1 t1 running hostdown node=n2
         web.3.1 t1 running hostdown node=n2",
        "degraded: 1 of 3 run; node n2 has not answered since 1970-01-12T13:46:40.000Z (Unhealthy): its 2 containers count as running until 1970-01-12T13:47:10.000Z, then they are replaced elsewhere",
    );
}

#[test]
fn what_is_on_a_lost_node_is_replaced_under_the_next_name_and_held_where_the_object_says_so() {
    scenario(
        "object web 2 t1
         node n1 up
         node n2 lost
         web.1.1 t1 running node=n1
         web.2.1 t1 running hostdown node=n2",
        r#"create web.2.2 image=img cause="web.2.1 was lost with node n2"
           progressing: 1 of 2 run; 1 being created"#,
    );
    scenario(
        "object web 2 t1 hold
         node n1 up
         node n2 lost
         web.1.1 t1 running node=n1
         web.2.1 t1 running hostdown node=n2",
        r#"degraded: 1 of 2 run; node n2 has not answered since 1970-01-12T13:45:55.000Z (Unhealthy): its 1 containers wait for it, as OnNodeLost is "hold""#,
    );
}

#[test]
fn a_node_that_only_sulks_after_a_failed_pull_is_never_given_up() {
    scenario(
        "object web 1 t1
         node n1 up
         node n2 sulking
         web.1.1 t1 running hostdown node=n2",
        "degraded: 0 of 1 run; node n2 has not answered since 1970-01-12T13:45:55.000Z (Unhealthy: Error response from daemon: no such host): its 1 containers count as running, as its own engine still answers",
    );
}

#[test]
fn of_two_in_a_slot_the_one_on_the_node_that_came_back_goes() {
    scenario(
        "object web 1 t1
         node n1 up
         node n2 settling
         web.1.1 t1 running node=n2
         web.1.2 t1 running node=n1",
        r#"remove web.1.1 id=web.1.1 cause="web.1.2 already holds the slot"
           progressing: 2 of 1 run; 1 being removed"#,
    );
}

#[test]
fn of_two_in_a_slot_the_ready_one_stays_and_nothing_goes_for_a_node_that_is_not_believed_yet() {
    let world = |n2: &str| {
        format!(
            "object web 1 t1
             node n1 up
             node n2 {n2}
             web.1.1 t1 running node=n2
             web.1.2 t1 running starting node=n1"
        )
    };
    scenario(&world("settling"), "converged: 1 of 1 run, as wanted");
    scenario(
        &world("up"),
        r#"remove web.1.2 id=web.1.2 cause="web.1.1 already holds the slot"
           progressing: 1 of 1 run; 1 being removed"#,
    );
}

#[test]
fn when_there_are_too_many_those_out_of_reach_are_given_up_first_and_not_touched() {
    scenario(
        "object web 1 t1
         node n1 up
         node n2 down
         web.1.1 t1 running hostdown node=n2
         web.2.1 t1 running node=n1",
        "converged: 1 of 1 run, as wanted; 1 more, such as web.1.1, go when node n2 is back, which has been away since 1970-01-12T13:46:40.000Z (Unhealthy)",
    );
}

#[test]
fn what_is_deleted_waits_for_its_node() {
    scenario(
        "object web 1 t1 deleted
         node n1 up
         node n2 lost
         web.1.1 t1 running hostdown node=n2
         web.2.1 t1 running node=n1",
        r#"remove web.2.1 id=web.2.1 cause="surplus: 1 instead of 0"
           deleting: deleted; 2 containers are still to go; web.1.1 goes when node n2 is back, which has been away since 1970-01-12T13:45:55.000Z (Unhealthy)"#,
    );
}

#[test]
fn what_the_manager_tells_two_states_of_holds_its_slot() {
    scenario(
        "object web 1 t1
         web.1.1 t1 exited disputed",
        "degraded: 0 of 1 run; web.1.1 is reported in two states, or in an unknown one: waiting for an inspect to settle it",
    );
}

#[test]
fn what_the_engine_failed_to_remove_is_removed_and_what_it_is_removing_is_waited_for() {
    scenario(
        "object web 1 t1
         web.1.1 t1 dead
         web.1.2 t1 removing
         web.1.3 t1 running",
        r#"remove web.1.1 id=web.1.1 cause="the engine could not remove it"
           progressing: 1 of 1 run; 1 being removed
           plan again in 30.0s"#,
    );
    scenario(
        "object web 1 t1
         web.1.2 t1 removing
         web.1.3 t1 running",
        "progressing: 1 of 1 run; the engine is removing web.1.2
         plan again in 30.0s",
    );
}

#[test]
fn a_create_in_doubt_is_tried_again_under_its_own_name_before_any_other() {
    scenario(
        "object web 3 t1
         web.3.1 t1 running
         failed create 2.1 unknown",
        "degraded: 1 of 3 run; connection reset; failed once
         plan again in 1.1s",
    );
}

#[test]
fn an_update_waits_for_the_old_container_to_stop_and_not_for_one_out_of_reach() {
    scenario(
        "object web 2 t2
         web.1.1 t1 running
         web.1.2 t2 running
         web.2.1 t1 running
         doing remove web.1.1",
        "progressing: 3 of 2 run; 1 being removed",
    );
    scenario(
        "object web 2 t2
         node n1 up
         node n2 down
         web.1.2 t2 running node=n1
         web.2.1 t1 running node=n1
         web.3.1 t1 running hostdown node=n2",
        r#"create web.2.2 image=img cause="replaces web.2.1, which is stale"
           progressing: 2 of 2 run; 1 being created"#,
    );
}

#[test]
fn an_old_container_that_runs_does_not_excuse_those_after_it_that_end() {
    let object = Object::new(spec("web", 1, ""));
    let hash = object.spec.template.hash.as_str();
    let mut memory = Memory::new(1);
    let mut world = vec![Arc::new(container(&format!("web.1.1 {hash} running hostdown node=n2")))];
    let mut now = NOW;
    for attempt in 2..=4 {
        now = now + Duration::from_secs(100);
        memory.observe(&object, &world, now);
        world.push(Arc::new(container(&format!("web.1.{attempt} {hash} exited"))));
        memory.observe(&object, &world, now);
    }
    assert_eq!(memory.present().slot(1).map(|failures| failures.count), Some(3));
}

#[test]
fn what_is_held_on_a_lost_node_does_not_hold_up_the_update_of_the_others() {
    scenario(
        "object web 2 t2 hold
         node n1 up
         node n2 lost
         web.1.2 t2 running hostdown node=n2
         web.2.1 t1 running node=n1",
        r#"create web.2.2 image=img cause="replaces web.2.1, which is stale"
           degraded: 1 of 2 run; node n2 has not answered since 1970-01-12T13:45:55.000Z (Unhealthy): its 1 containers wait for it, as OnNodeLost is "hold""#,
    );
}
