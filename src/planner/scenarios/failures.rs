//! Scenarios of failures, and of creates in doubt.

use super::*;

#[test]
fn a_second_end_is_backed_off_and_a_stop_is_not() {
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
fn a_refused_create_blocks_the_whole_object() {
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
fn three_consecutive_refusals_are_a_failure() {
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
fn three_refusals_within_seconds_are_no_failure_yet() {
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
fn an_impossible_spec_is_a_failure_at_once() {
    scenario(
        "object web 2 t1
         failed create 1.1 impossible",
        "blocked, failing: 0 of 2 run; the engine's words; failed once
         plan again in 1.1s",
    );
}

#[test]
fn an_unreachable_engine_is_no_failure_of_the_object() {
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
fn containers_of_the_present_spec_that_end_three_consecutive_times_are_a_failure() {
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
    assert!(!ends("present", 70), "each of them ran long enough");
    assert!(!ends("old", 20), "ends of the earlier spec do not count");
}

#[test]
fn a_restart_by_the_restart_policy_begins_a_new_run() {
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
fn a_name_held_by_a_foreign_container_means_the_next_attempt() {
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
fn a_create_in_doubt_is_retried_under_its_own_name_before_any_other() {
    scenario(
        "object web 3 t1
         web.3.1 t1 running
         failed create 2.1 unknown",
        "degraded: 1 of 3 run; connection reset; failed once
         plan again in 1.1s",
    );
}

#[test]
fn an_old_container_that_runs_does_not_excuse_newer_ones_that_end() {
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
