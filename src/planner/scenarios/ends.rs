//! Scenarios of ends that the manager did not cause, and of slots that become stable again.

use std::sync::Arc;
use std::time::Duration;

use super::{NOW, container, object, plan_for};
use crate::core::condition::Phase;
use crate::core::container::{Container, Detail, Signalled};
use crate::core::memory::Memory;
use crate::core::memory::ends::EndKind;
use crate::core::memory::report::Report;
use crate::core::object::Object;
use crate::core::plan::Action;
use crate::core::signal::Signal;
use crate::core::time::Time;

fn at(second: u64) -> Time {
    NOW + Duration::from_secs(second)
}

fn detail(detail: Detail, line: &str) -> Arc<Container> {
    Arc::new(Container { detail: Some(Arc::new(detail)), ..container(line) })
}

/// The reports after the second observation of a world that was `before`.
fn reported(before: &str, after: Arc<Container>) -> (Vec<String>, Memory) {
    let mut memory = Memory::new(1);
    memory.observe(&object("t1", "t1"), &[Arc::new(container(before))], NOW);
    memory.observe(&object("t1", "t1"), &[after], at(5));
    let reports = memory.take_unreported().into_iter().map(|(_, text)| text).collect();
    (reports, memory)
}

fn exited(exit_code: i64) -> Detail {
    Detail { exit_code: Some(exit_code), ..Detail::default() }
}

#[test]
fn an_end_is_reported_once_and_is_the_cause_of_the_next_create() {
    let ended = detail(exited(3), "web.1.1 t1 exited");
    let (reports, mut memory) = reported("web.1.1 t1 running", ended.clone());
    assert_eq!(reports, ["web.1.1 ended with exit code 3 after 5s"]);
    memory.observe(&object("t1", "t1"), std::slice::from_ref(&ended), at(6));
    assert_eq!(memory.take_unreported(), []);
    assert_eq!(memory.ends().restarts(), 1);
    let pull = Action::Pull { image: "img".to_owned(), pull: crate::core::spec::Pull::Missing };
    memory.ended(&pull, Report::Image(crate::core::outcome::Outcome::Done(())), at(6));
    let steps = plan_for(&object("t1", "t1"), &[ended], &memory, at(6)).steps;
    let create = ["create web.1.2 image=img cause=\"web.1.1 ended with exit code 3 after 5s\""];
    assert_eq!(steps.iter().map(ToString::to_string).collect::<Vec<_>>(), create);
    // Only until that one runs.
    let mut later = memory.clone();
    later.observe(&object("t1", "t1"), &[Arc::new(container("web.1.2 t1 running"))], at(7));
    assert_eq!(later.ends().cause_of(1), None);
    // Also if an older ended container of the slot is removed before.
    memory.begun(&Action::Remove { id: "id-web.1.1".into(), name: "web.1.1".to_owned(), force: false });
    assert!(memory.ends().cause_of(1).is_some());
}

#[test]
fn the_engines_own_times_say_how_long_it_ran() {
    let times = Detail {
        started_at: Some("2026-01-01T00:00:00.5Z".to_owned()),
        finished_at: Some("2026-01-01T00:01:03.6Z".to_owned()),
        ..exited(137)
    };
    let oom = Detail { oom_killed: true, ..times.clone() };
    assert_eq!(
        reported("web.1.1 t1 running", detail(times, "web.1.1 t1 exited")).0,
        ["web.1.1 ended with exit code 137 (SIGKILL) after 1m 3s"]
    );
    let (reports, memory) = reported("web.1.1 t1 running", detail(oom, "web.1.1 t1 exited"));
    assert_eq!(reports, ["web.1.1 ran out of memory and ended with exit code 137 after 1m 3s"]);
    assert_eq!(
        memory.ends().last().map(|last| last.finished.as_deref()),
        Some(Some("2026-01-01T00:01:03.6Z"))
    );
}

#[test]
fn an_end_that_only_a_list_shows_waits_for_the_inspect_or_for_its_removal() {
    let bare = Arc::new(container("web.1.1 t1 exited"));
    let (reports, mut memory) = reported("web.1.1 t1 running", bare);
    assert_eq!(reports, [""; 0]);
    let mut never_inspected = memory.clone();
    memory.observe(&object("t1", "t1"), &[detail(exited(0), "web.1.1 t1 exited")], at(6));
    assert_eq!(
        memory.take_unreported(),
        [(EndKind::Ended, "web.1.1 ended with exit code 0 after 5s".to_owned())]
    );
    never_inspected.observe(&object("t1", "t1"), &[], at(6));
    assert_eq!(never_inspected.take_unreported(), [(EndKind::Ended, "web.1.1 ended after 5s".to_owned())]);
}

#[test]
fn an_end_by_a_user_is_reported_and_does_not_count() {
    let signalled = Some(Signalled { signal: Signal::KILL, at: at(4), stop: false });
    let ended = detail(exited(137), "web.1.1 t1 exited");
    let (reports, memory) =
        reported("web.1.1 t1 running", Arc::new(Container { signalled, ..Container::clone(&ended) }));
    assert_eq!(
        reports,
        ["web.1.1 was sent SIGKILL through the engine and ended with exit code 137 after 5s"]
    );
    assert_eq!(memory.ends().restarts(), 0);
}

#[test]
fn a_foreign_removal_is_reported_and_the_managers_own_is_not() {
    let object = object("t1", "t1");
    let running = Arc::new(container("web.1.1 t1 running"));
    let mut memory = Memory::new(1);
    memory.observe(&object, std::slice::from_ref(&running), NOW);
    let mut ours = memory.clone();
    memory.observe(&object, &[], at(5));
    let report = "web.1.1 was removed after 5s by someone else";
    assert_eq!(memory.take_unreported(), [(EndKind::Vanished, report.to_owned())]);
    ours.begun(&Action::Remove { id: running.id.clone(), name: running.name.clone(), force: false });
    ours.observe(&object, &[detail(exited(143), "web.1.1 t1 exited")], at(5));
    ours.observe(&object, &[], at(6));
    assert_eq!(ours.take_unreported(), []);
    assert_eq!((ours.ends().restarts(), ours.ends().cause_of(1)), (0, None));
}

#[test]
fn a_failing_health_check_is_reported_with_its_output() {
    let output = |output: Option<&str>| {
        let health_output = output.map(str::to_owned);
        detail(Detail { health_output, ..Detail::default() }, "web.1.1 t1 running unhealthy")
    };
    let (reports, mut memory) = reported("web.1.1 t1 running", output(None));
    assert_eq!((reports, memory.ends().restarts()), (vec![], 1));
    memory.observe(&object("t1", "t1"), &[output(Some("connection refused"))], at(6));
    let report = "web.1.1 is unhealthy: its health check says: connection refused";
    assert_eq!(memory.take_unreported(), [(EndKind::Unhealthy, report.to_owned())]);
}

#[test]
fn a_container_reported_unhealthy_during_its_removal_by_a_user_is_removed_and_not_unhealthy() {
    let object = object("t1", "t1");
    let signalled = Some(Signalled { signal: Signal::KILL, at: at(5), stop: false });
    let killed = detail(
        Detail { health_output: Some("all is well".to_owned()), ..Detail::default() },
        "web.1.1 t1 running unhealthy",
    );
    let killed = Arc::new(Container { signalled, ..Container::clone(&killed) });
    let going = Arc::new(Container {
        state: crate::core::container::ContainerState::Removing,
        ..Container::clone(&killed)
    });
    let mut memory = Memory::new(1);
    memory.observe(&object, &[Arc::new(container("web.1.1 t1 running healthy"))], NOW);
    memory.observe(&object, &[killed], at(5));
    memory.observe(&object, &[going], at(5));
    memory.observe(&object, &[], at(6));
    let report = "web.1.1 was removed after 6s by someone else";
    assert_eq!(memory.take_unreported(), [(EndKind::Vanished, report.to_owned())]);
    assert_eq!(memory.ends().restarts(), 0);
}

#[test]
fn a_container_is_proven_after_it_has_been_healthy_for_its_monitor_time() {
    let object = object("t1", "t1");
    let plan_at = |memory: &Memory, line: &str, second| {
        let world = [Arc::new(container(line))];
        let plan = plan_for(&object, &world, memory, at(second));
        (plan.condition.proven, plan.wake_at)
    };
    let mut memory = Memory::new(1);
    memory.observe(&object, &[Arc::new(container("web.1.1 t1 running starting"))], NOW);
    memory.observe(&object, &[Arc::new(container("web.1.1 t1 running healthy"))], at(20));
    assert_eq!(plan_at(&memory, "web.1.1 t1 running healthy", 20), (false, Some(at(25))));
    assert!(plan_at(&memory, "web.1.1 t1 running healthy", 25).0);
}

#[test]
fn an_end_while_no_manager_ran_is_reported_unless_an_earlier_manager_did() {
    let ended = |finished: &str| {
        let mut memory = Memory::resuming(1, Some(Time(1_767_225_600_000)));
        let world =
            detail(Detail { finished_at: Some(finished.to_owned()), ..exited(1) }, "web.1.1 t1 exited");
        memory.observe(&object("t1", "t1"), &[world], NOW);
        (memory.take_unreported().len(), memory.ends().restarts())
    };
    assert_eq!(ended("2025-12-31T23:59:59Z"), (0, 0));
    assert_eq!(ended("2026-01-01T00:00:01Z"), (1, 0));
}

#[test]
fn a_submit_of_the_same_spec_retries_at_once_and_resets_its_failures() {
    let object = object("t1", "t1");
    let mut memory = Memory::new(1);
    memory.observe(&object, &[], NOW);
    for i in 1..=4 {
        let line = format!("web.1.{i} t1");
        memory.observe(&object, &[Arc::new(container(&format!("{line} running")))], at(i * 10));
        memory.observe(&object, &[detail(exited(1), &format!("{line} exited"))], at(i * 10 + 5));
    }
    let world = [detail(exited(1), "web.1.4 t1 exited")];
    let condition = plan_for(&object, &world, &memory, at(46)).condition;
    assert!(condition.failing && condition.next_retry.is_some(), "{condition:?}");
    let again = Object { asked: object.asked + 1, ..object.clone() };
    memory.observe(&again, &world, at(46));
    let condition = plan_for(&again, &world, &memory, at(46)).condition;
    assert!(!condition.failing && condition.next_retry.is_none(), "{condition:?}");
    assert_eq!(memory.present().slot(1), None);
    memory.observe(&again, &world, at(47));
    assert_eq!(memory.present().slot(1), None, "an earlier end is not counted again");
}

/// A container ends after `run` seconds and is replaced at once: the phases in the middle of the runs.
fn phases(run: u64, runs: u64) -> Vec<Phase> {
    let object = object("t1", "t1");
    let mut memory = Memory::new(1);
    memory.observe(&object, &[], NOW);
    let mut phases = Vec::new();
    for i in 0..runs {
        let begun = i * run;
        let running = Arc::new(container(&format!("web.1.{} t1 running", i + 1)));
        memory.observe(&object, std::slice::from_ref(&running), at(begun));
        phases.push(plan_for(&object, &[running], &memory, at(begun + run / 2)).condition.phase);
        let dead = detail(exited(1), &format!("web.1.{} t1 exited", i + 1));
        memory.observe(&object, &[dead], at(begun + run));
    }
    phases
}

#[test]
fn a_slot_whose_containers_live_for_a_minute_is_not_converged_between_two_ends() {
    use Phase::{Converged, Degraded};
    assert_eq!(phases(61, 5), [Converged, Converged, Degraded, Degraded, Degraded]);
    assert_eq!(phases(5, 4), [Converged, Converged, Degraded, Degraded]);
    // A program may end once an hour.
    assert_eq!(phases(3_600, 4), [Converged; 4]);
}

#[test]
fn a_slot_is_stable_again_after_twice_the_longest_run_or_with_a_new_generation() {
    let object = object("t1", "t1");
    let mut memory = Memory::new(1);
    memory.observe(&object, &[], NOW);
    for i in 0..2 {
        let line = format!("web.1.{} t1", i + 1);
        memory.observe(&object, &[Arc::new(container(&format!("{line} running")))], at(i * 100));
        memory.observe(&object, &[detail(exited(1), &format!("{line} exited"))], at(i * 100 + 100));
    }
    let running = [Arc::new(container("web.1.3 t1 running"))];
    memory.observe(&object, &running, at(200));
    let phase = |object: &Object, memory: &Memory, second| {
        let plan = plan_for(object, &running, memory, at(second));
        (plan.condition.phase, plan.wake_at.filter(|_| plan.condition.phase == Phase::Degraded))
    };
    assert_eq!(phase(&object, &memory, 399), (Phase::Degraded, Some(at(400))));
    assert_eq!(phase(&object, &memory, 400), (Phase::Converged, None));
    let newer = Object { generation: 2, ..object.clone() };
    memory.observe(&newer, &running, at(300));
    assert_eq!(phase(&newer, &memory, 300).0, Phase::Converged);
    assert_eq!(memory.ends().restarts(), 0);
}
