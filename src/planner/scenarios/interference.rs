//! Users or the engine stop, restart or remove containers, or fail to.

use super::*;
use crate::core::backoff;
use crate::core::condition::Phase;
use crate::core::container::{Container, Detail};
use crate::core::memory::Memory;
use crate::core::memory::observe::RESTART_GRACE;
use crate::core::object::Object;
use crate::core::plan::{Action, Step};
use crate::core::time::Time;

#[test]
fn a_container_that_a_user_stopped_may_be_started_again_before_it_is_replaced() {
    let ended = |seconds: u64, signal, stop| {
        let mut memory = Memory::new(1);
        let object = object("t1", "t1");
        memory.observe(&object, &[Arc::new(container("web.1.1 t1 running"))], Time(NOW.0 - 5_000));
        let signalled = Some(Signalled { signal, at: Time(NOW.0 - seconds * 1000), stop });
        let dead = Container { signalled, ..container("web.1.1 t1 exited") };
        memory.observe(&object, &[Arc::new(dead)], NOW);
        (memory.held(1), memory.present().slot(1).map(|failures| failures.count))
    };
    let stopped = |signal, stop| ended(0, signal, stop);
    let stopped_after = |seconds, signal| ended(seconds, signal, true);
    assert_eq!(stopped(Signal::TERM, true), (Some(NOW + RESTART_GRACE), None));
    assert_eq!(stopped(Signal::KILL, true), (Some(NOW + RESTART_GRACE), None), "a stop that ended with KILL");
    assert_eq!(stopped(Signal::KILL, false), (None, None), "`docker kill` starts nothing again");
    let late = stopped_after(60, Signal::TERM);
    assert_eq!(
        late,
        (Some(NOW + RESTART_GRACE), Some(1)),
        "`docker restart --time=120`, or it ended by itself"
    );
}

#[test]
fn a_container_that_runs_again_after_a_restart_ends_the_wait_and_its_next_end_counts() {
    let object = object("t1", "t1");
    let mut memory = Memory::new(1);
    let signalled = Some(Signalled { signal: Signal::TERM, at: NOW, stop: true });
    let running = Arc::new(container("web.1.1 t1 running"));
    let ended = |signalled| Arc::new(Container { signalled, ..container("web.1.1 t1 exited") });
    memory.observe(&object, std::slice::from_ref(&running), NOW);
    memory.observe(&object, &[ended(signalled)], NOW);
    memory.observe(&object, &[running], NOW);
    assert_eq!(memory.held(1), None);
    memory.observe(&object, &[ended(None)], NOW);
    assert_eq!(memory.present().slot(1).map(|failures| failures.count), Some(1));
}

#[test]
fn only_a_recent_stop_signal_excuses_an_end() {
    let counted = |signal, seconds: u64, stop_signal| {
        let object = object("t1", "t1");
        let mut memory = Memory::new(1);
        memory.observe(&object, &[Arc::new(container("web.1.1 t1 running"))], Time(NOW.0 - 600_000));
        let at = Time(NOW.0 - seconds * 1000);
        let detail = Some(Arc::new(Detail { stop_signal, ..Detail::default() }));
        let signalled = Some(Signalled { signal, at, stop: true });
        let ended = Container { detail, signalled, ..container("web.1.1 t1 exited") };
        memory.observe(&object, &[Arc::new(ended)], NOW);
        memory.present().slot(1).is_some()
    };
    let (hup, quit) = (Signal(1), Signal(3));
    assert!(counted(hup, 1, None), "HUP asks to read the configuration");
    assert!(counted(Signal::TERM, 60, None), "it ran on for a minute");
    assert!(counted(quit, 1, None));
    for (signal, stop_signal) in [
        (Signal::TERM, None),
        (Signal::INT, None),
        (Signal::KILL, None),
        (quit, Some(quit)),
        (hup, Some(hup)),
    ] {
        assert!(!counted(signal, 1, stop_signal), "{signal:?} {stop_signal:?}");
    }
}

#[test]
fn an_object_whose_container_the_engine_restarts_has_failed_and_is_not_converged_in_between() {
    let object = object("t1", "t1");
    let mut memory = Memory::new(1);
    let run = |restarts| {
        let detail = Some(Arc::new(Detail { restarts, exit_code: Some(3), ..Detail::default() }));
        Arc::new(Container { detail, ..container("web.1.1 t1 running") })
    };
    memory.observe(&object, &[], NOW);
    for restarts in 0..=3 {
        memory.observe(&object, &[run(restarts)], NOW + Duration::from_secs(5 * restarts));
    }
    let now = NOW + Duration::from_secs(15);
    let condition = plan_for(&object, &[run(3)], &memory, now).condition;
    assert_eq!((condition.phase, condition.failing), (Phase::Degraded, true));
    assert_eq!(
        condition.reason,
        "1 of 1 run; slot 1: web.1.1 ended with exit code 3 after 5s, and its restart policy has restarted it 3 times; \
         failed 3 times in a row"
    );
    let later = now + backoff::STABLE_RUN;
    memory.observe(&object, &[run(3)], later);
    assert_eq!(plan_for(&object, &[run(3)], &memory, later).condition.phase, Phase::Converged);
}

#[test]
fn the_health_check_interval_is_the_containers_own_which_its_image_may_define() {
    let object = object("t1", "t1");
    let mut memory = Memory::new(1);
    let detail = Some(Arc::new(Detail { check_interval: Some(Duration::from_secs(2)), ..Detail::default() }));
    let world = [Arc::new(Container { detail, ..container("web.1.1 t1 running unhealthy") })];
    memory.observe(&object, &world, NOW);
    let removed =
        |at| plan_for(&object, &world, &memory, at).steps.iter().any(|s| s.cause.ends_with("interval of 2s"));
    assert!(!removed(NOW + Duration::from_secs(1)));
    assert!(removed(NOW + Duration::from_secs(2)));
}

#[test]
fn restarts_before_this_process_started_do_not_count() {
    let object = object("t1", "t1");
    let mut memory = Memory::new(1);
    let bare = Arc::new(container("web.1.1 t1 running"));
    let detail = Some(Arc::new(Detail { restarts: 7, ..Detail::default() }));
    let inspected = Arc::new(Container { detail, ..container("web.1.1 t1 running") });
    memory.observe(&object, &[bare], NOW);
    memory.observe(&object, &[inspected], NOW);
    assert_eq!(memory.present().slot(1), None);
}

#[test]
fn a_successful_start_without_effect_is_a_failure() {
    let object = object("t1", "t1");
    let mut memory = Memory::new(1);
    let made = Arc::new(container("web.1.1 t1 created"));
    let start = Action::Start {
        id: made.id.clone(),
        name: made.name.clone(),
        template: made.identity.template.clone(),
    };
    memory.observe(&object, std::slice::from_ref(&made), NOW);
    assert_eq!(plan_for(&object, std::slice::from_ref(&made), &memory, NOW).steps.len(), 1);
    memory.ended(&start, Report::Started(Outcome::Done(())), NOW);
    memory.observe(&object, std::slice::from_ref(&made), NOW);
    let plan = plan_for(&object, std::slice::from_ref(&made), &memory, NOW);
    assert_eq!(plan.steps, []);
    assert!(
        plan.condition.reason.contains("the engine reports that web.1.1 was started, but it does not run"),
        "{plan:?}"
    );
    assert!(plan.wake_at.is_some_and(|at| at > NOW));
}

#[test]
fn containers_that_vanish_soon_after_their_start_are_not_created_endlessly() {
    let object = object("t1", "t1");
    let mut memory = Memory::new(1);
    memory.observe(&object, &[], NOW);
    for attempt in 1..=3 {
        memory.observe(&object, &[Arc::new(container(&format!("web.1.{attempt} t1 running")))], NOW);
        memory.observe(&object, &[], NOW);
    }
    let failures = memory.present().slot(1).unwrap();
    assert_eq!((failures.count, failures.failing(Duration::ZERO)), (3, false));
    assert!(failures.retry_at > NOW);
}

#[test]
fn a_removal_by_the_engine_that_does_not_end_is_requested_again() {
    let object = object("t1", "t1");
    let mut memory = Memory::new(1);
    let world = [Arc::new(container("web.1.1 t1 removing")), Arc::new(container("web.1.2 t1 running"))];
    memory.observe(&object, &world, NOW);
    assert_eq!(plan_for(&object, &world, &memory, NOW).steps, []);
    let later = NOW + Duration::from_secs(31);
    memory.observe(&object, &world, later);
    let step = plan_for(&object, &world, &memory, later).steps.remove(0);
    assert_eq!(
        step.to_string(),
        r#"remove web.1.1 id=id-web.1.1 cause="the engine has not finished removing it""#
    );
    memory.ended(&step.action, Report::Removed(Outcome::InDoubt("500: busy".to_owned())), later);
    let plan = plan_for(&object, &world, &memory, later);
    assert_eq!(plan.condition.reason, "1 of 1 run; web.1.1 cannot be removed: 500: busy; failed once");
    assert_eq!(plan.condition.next_retry, plan.wake_at);
}

#[test]
fn an_ended_container_that_its_restart_policy_may_start_is_not_kept() {
    let more = r#", "HostConfig": {"RestartPolicy": {"Name": "always"}}"#;
    let mut object = Object::new(spec("web", 1, more));
    object.spec.template.hash = TemplateHash::from_label("t1");
    let world = [Arc::new(container("web.1.1 t1 exited")), Arc::new(container("web.1.2 t1 running"))];
    let mut memory = Memory::new(1);
    memory.observe(&object, &world, NOW);
    let steps = plan_for(&object, &world, &memory, NOW).steps;
    let lines: Vec<String> = steps.iter().map(Step::to_string).collect();
    assert_eq!(
        lines,
        [r#"remove web.1.1 id=id-web.1.1 cause="exited; its restart policy may start it again""#]
    );
}

#[test]
fn starts_without_effect_are_backed_off_exponentially() {
    let object = object("t1", "t1");
    let mut memory = Memory::new(1);
    let made = [Arc::new(container("web.1.1 t1 created"))];
    let start = Action::Start {
        id: made[0].id.clone(),
        name: made[0].name.clone(),
        template: made[0].identity.template.clone(),
    };
    let mut now = NOW;
    for count in 1..=4 {
        memory.ended(&start, Report::Started(Outcome::Done(())), now);
        memory.observe(&object, &made, now);
        assert_eq!(memory.present().whole().map(|failures| failures.count), Some(count));
        now = memory.present().whole().unwrap().retry_at;
    }
    assert!(now >= NOW + Duration::from_secs(1 + 2 + 4 + 8));
}

#[test]
fn a_container_that_a_user_restarts_is_not_removed_meanwhile_even_with_a_restart_policy() {
    let more = r#", "HostConfig": {"RestartPolicy": {"Name": "unless-stopped"}}"#;
    let mut object = Object::new(spec("web", 1, more));
    object.spec.template.hash = TemplateHash::from_label("t1");
    let mut memory = Memory::new(1);
    memory.observe(&object, &[Arc::new(container("web.1.1 t1 running"))], NOW);
    let signalled = Some(Signalled { signal: Signal::TERM, at: NOW, stop: true });
    let stopped = [Arc::new(Container { signalled, ..container("web.1.1 t1 exited") })];
    memory.observe(&object, &stopped, NOW);
    assert_eq!(plan_for(&object, &stopped, &memory, NOW).steps, []);
    let later = NOW + RESTART_GRACE;
    memory.observe(&object, &stopped, later);
    assert!(
        plan_for(&object, &stopped, &memory, later)
            .steps
            .iter()
            .any(|s| s.to_string().starts_with("remove web.1.1"))
    );
}

#[test]
fn a_tag_that_was_moved_between_two_creates_is_reported() {
    let mut object = object("t1", "t1");
    object.spec.count = 2;
    let reason = |ids: [&str; 2]| {
        let container = |(i, id): (usize, &&str)| {
            let image_id = Some((*id).into());
            Arc::new(Container { image_id, ..container(&format!("web.{}.1 t1 running", i + 1)) })
        };
        let world: Vec<_> = ids.iter().enumerate().map(container).collect();
        let mut memory = Memory::new(1);
        memory.observe(&object, &world, NOW);
        let condition = plan_for(&object, &world, &memory, NOW).condition;
        assert_eq!(condition.phase, Phase::Converged);
        condition.reason
    };
    let (one, other) = ("sha256:0123456789abcdef", "sha256:fedcba9876543210");
    assert_eq!(reason([one, one]), "2 of 2 run, as wanted");
    assert_eq!(
        reason([one, other]),
        "2 of 2 run, as wanted; its containers run different images of img, as its tag was moved: web.1.1 has 0123456789ab, \
         web.2.1 has fedcba987654; submit a digest or a new tag to replace them"
    );
}
