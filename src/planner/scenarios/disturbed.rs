//! Scenarios in which a rollout is stuck, or a user or the engine interferes with containers.

use super::*;
use crate::core::backoff;
use crate::core::condition::Phase;
use crate::core::container::Container;
use crate::core::container::Detail;
use crate::core::exclusive::InTheWay;
use crate::core::labels::ContainerIdentity;
use crate::core::memory::Memory;
use crate::core::memory::observe::RESTART_GRACE;
use crate::core::object::Object;
use crate::core::plan::Action;
use crate::core::plan::Step;
use crate::core::spec::Pull;
use crate::core::time::{Time, WallOffset};

const STUCK: &str = "failed create 1.2 image ago=0";

#[test]
fn while_a_rollout_is_stuck_a_slot_that_lost_its_old_container_gets_the_spec_that_worked() {
    scenario(
        &format!(
            "object web 3 t1 was=t0
             web.1.1 t0 running
             web.2.1 t0 exited
             {STUCK}"
        ),
        r#"create web.2.2 image=old cause="missing replica, while the rollout has not converged"
           degraded: 1 of 3 run; the engine's words; failed once"#,
    );
}

#[test]
fn once_a_spec_has_worked_the_fallback_needs_no_first_try() {
    scenario(
        &format!(
            "object web 4 t1 was=t0
             web.1.1 t0 running
             {STUCK}"
        ),
        r#"create web.2.1 image=old cause="missing replica, while the rollout has not converged"
           create web.3.1 image=old cause="missing replica, while the rollout has not converged"
           create web.4.1 image=old cause="missing replica, while the rollout has not converged"
           degraded: 1 of 4 run; the engine's words; failed once"#,
    );
}

#[test]
fn a_slot_whose_new_container_ended_before_it_was_proven_gets_the_spec_that_worked() {
    scenario(
        "object web 2 t1 was=t0
         web.1.1 t0 exited
         web.1.2 t1 exited
         web.2.1 t0 running",
        r#"create web.1.3 image=old cause="missing replica, while the rollout has not converged"
           remove web.1.1 id=web.1.1 cause="exited; History keeps 1 per slot"
           progressing: 1 of 2 run; 1 being created, 1 being removed"#,
    );
}

#[test]
fn a_slot_that_the_present_template_has_taken_over_stays_with_it() {
    let object = object("t1", "t0");
    let mut memory = Memory::new(1);
    let running = |line: &str| vec![Arc::new(container(line))];
    memory.observe(&object, &running("web.1.2 t1 running"), Time(NOW.0 - 60_000));
    memory.observe(&object, &running("web.1.2 t1 running"), Time(NOW.0 - 1_000));
    memory.observe(&object, &running("web.1.2 t1 exited"), NOW);
    assert!(memory.updated(1), "it had been ready for longer than Update.Monitor");
    assert!(!memory.updated(2));
}

#[test]
fn a_slot_that_was_emptied_for_its_update_is_the_present_templates() {
    let object = object("t1", "t0");
    let mut memory = Memory::new(1);
    let old = container("web.1.1 t0 running");
    memory.observe(&object, &[Arc::new(old.clone())], NOW);
    let remove = Action::Remove { id: old.id.clone(), name: old.name.clone(), force: false };
    memory.begun(&remove);
    // Between the stop and the removal it is seen ended, by a signal that was ours.
    let signalled = Some(Signalled { signal: Signal::TERM, at: NOW, stop: true });
    let stopped = Container { state: ContainerState::Exited, signalled, ..old };
    memory.observe(&object, &[Arc::new(stopped)], NOW);
    memory.ended(&remove, Report::Removed(Outcome::Done(())), NOW);
    assert!(memory.updated(1));
    assert_eq!((memory.held(1), memory.present().slot(1)), (None, None), "our own stop is no user's");
    // A newer spec begins with what worked.
    let newer = Object { generation: 2, ..object };
    memory.observe(&newer, &[], NOW);
    assert!(!memory.updated(1));
}

#[test]
fn if_the_spec_that_worked_no_longer_works_the_present_one_is_tried() {
    scenario(
        "object web 2 t1 was=t0
         web.1.1 t0 running
         failed create 2.2 refused of=t0 ago=9
         failed create 2.2 refused of=t0 ago=5",
        r#"create web.2.1 image=img cause="missing replica"
           degraded: 1 of 2 run; the engine's words; failed 2 times in a row"#,
    );
}

#[test]
fn a_slot_that_was_emptied_for_a_spec_that_fails_gets_the_one_that_worked_back() {
    scenario(
        "object web 1 t1 was=t0 stop-first
         failed create 1.2 refused ago=9
         failed create 1.3 refused ago=5",
        r#"create web.1.1 image=old cause="missing replica, while the rollout has not converged"
           blocked: 0 of 1 run; the engine's words; failed 2 times in a row"#,
    );
    // It is not stopped for another try before that is due.
    scenario(
        "object web 1 t1 was=t0 stop-first
         web.1.1 t0 running
         failed create 1.2 refused ago=9
         failed create 1.3 refused ago=0",
        r#"degraded: 1 of 1 run; the engine's words; failed 2 times in a row
           plan again in 2.1s"#,
    );
}

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
fn only_a_recent_signal_that_asks_to_end_excuses_an_end() {
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
    assert!(counted(Signal::TERM, 60, None), "it went on for a minute");
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
fn a_container_that_the_engine_restarts_has_failed_and_is_not_converged_in_between() {
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
    let condition = look(&object, &[run(3)], &memory, now).condition;
    assert_eq!((condition.phase, condition.failing), (Phase::Degraded, true));
    assert_eq!(
        condition.reason,
        "1 of 1 run; slot 1: web.1.1 ended with exit code 3 after 5s, and its restart policy has restarted it 3 times; \
         failed 3 times in a row"
    );
    let later = now + backoff::STABLE_RUN;
    memory.observe(&object, &[run(3)], later);
    assert_eq!(look(&object, &[run(3)], &memory, later).condition.phase, Phase::Converged);
}

#[test]
fn the_health_check_interval_is_the_containers_own_which_its_image_may_define() {
    let object = object("t1", "t1");
    let mut memory = Memory::new(1);
    let detail = Some(Arc::new(Detail { check_interval: Some(Duration::from_secs(2)), ..Detail::default() }));
    let world = [Arc::new(Container { detail, ..container("web.1.1 t1 running unhealthy") })];
    memory.observe(&object, &world, NOW);
    let removed =
        |at| look(&object, &world, &memory, at).steps.iter().any(|s| s.cause.ends_with("interval of 2s"));
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
    assert_eq!(look(&object, std::slice::from_ref(&made), &memory, NOW).steps.len(), 1);
    memory.ended(&start, Report::Started(Outcome::Done(())), NOW);
    memory.observe(&object, std::slice::from_ref(&made), NOW);
    let plan = look(&object, std::slice::from_ref(&made), &memory, NOW);
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
    assert_eq!(look(&object, &world, &memory, NOW).steps, []);
    let later = NOW + Duration::from_secs(31);
    memory.observe(&object, &world, later);
    let step = look(&object, &world, &memory, later).steps.remove(0);
    assert_eq!(
        step.to_string(),
        r#"remove web.1.1 id=id-web.1.1 cause="the engine has not finished removing it""#
    );
    memory.ended(&step.action, Report::Removed(Outcome::InDoubt("500: busy".to_owned())), later);
    let plan = look(&object, &world, &memory, later);
    assert_eq!(plan.condition.reason, "1 of 1 run; web.1.1 cannot be removed: 500: busy; failed once");
    assert_eq!(plan.condition.next_retry, plan.wake_at);
}

/// An object of one container with this template; the one that worked last is `was`.
pub(super) fn object(hash: &str, was: &str) -> Object {
    let mut spec = spec("web", 1, "");
    spec.template.hash = TemplateHash::from_label(was);
    let mut object = Object::new(spec.clone());
    if was != hash {
        object.converged = Some(Converged { generation: 0, spec: Some(Arc::new(spec)) });
        object.spec.template.hash = TemplateHash::from_label(hash);
    }
    object
}

pub(super) fn look(object: &Object, containers: &[Arc<Container>], memory: &Memory, now: Time) -> Plan {
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

#[test]
fn an_ended_container_that_its_restart_policy_may_start_is_not_kept() {
    let more = r#", "HostConfig": {"RestartPolicy": {"Name": "always"}}"#;
    let mut object = Object::new(spec("web", 1, more));
    object.spec.template.hash = TemplateHash::from_label("t1");
    let world = [Arc::new(container("web.1.1 t1 exited")), Arc::new(container("web.1.2 t1 running"))];
    let mut memory = Memory::new(1);
    memory.observe(&object, &world, NOW);
    let steps = look(&object, &world, &memory, NOW).steps;
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
fn a_container_that_a_user_restarts_is_not_removed_meanwhile_whatever_its_restart_policy() {
    let more = r#", "HostConfig": {"RestartPolicy": {"Name": "unless-stopped"}}"#;
    let mut object = Object::new(spec("web", 1, more));
    object.spec.template.hash = TemplateHash::from_label("t1");
    let mut memory = Memory::new(1);
    memory.observe(&object, &[Arc::new(container("web.1.1 t1 running"))], NOW);
    let signalled = Some(Signalled { signal: Signal::TERM, at: NOW, stop: true });
    let stopped = [Arc::new(Container { signalled, ..container("web.1.1 t1 exited") })];
    memory.observe(&object, &stopped, NOW);
    assert_eq!(look(&object, &stopped, &memory, NOW).steps, []);
    let later = NOW + RESTART_GRACE;
    memory.observe(&object, &stopped, later);
    assert!(
        look(&object, &stopped, &memory, later)
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
        let condition = look(&object, &world, &memory, NOW).condition;
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

#[test]
fn a_slot_that_was_emptied_for_a_retry_of_the_present_spec_gets_that_and_not_the_old_one_again() {
    let more = r#", "Update": {"Order": "stop-first"}"#;
    let old = spec("web", 1, "");
    let mut object = Object::new(spec("web", 1, more));
    object.spec.template.hash = TemplateHash::from_label("t1");
    object.spec.template.image = "new".to_owned();
    object.converged = Some(Converged { generation: 0, spec: Some(Arc::new(old.clone())) });
    let mut memory = Memory::new(1);
    let stale = Arc::new(Container {
        identity: ContainerIdentity {
            template: old.template.hash.clone(),
            ..container("web.1.1 t0 running").identity
        },
        ..container("web.1.1 t0 running")
    });
    memory.observe(&object, std::slice::from_ref(&stale), NOW);
    let pull = |image: &str| Action::Pull { image: image.to_owned(), pull: Pull::Missing };
    for image in ["new", "img"] {
        memory.ended(&pull(image), Report::Image(Outcome::Done(())), NOW);
    }
    let identity =
        ContainerIdentity { template: TemplateHash::from_label("t1"), attempt: 2, ..stale.identity.clone() };
    let create = Action::Create { identity, image: "new".to_owned() };
    for second in [1, 3] {
        let refusal = Refusal { kind: RefusalKind::Other, message: "no".to_owned() };
        let at = NOW + Duration::from_secs(second);
        memory.ended(&create, Report::Created(Outcome::Refused(refusal)), at);
    }
    // Its retry is due: the old one is stopped for it.
    let now = NOW + Duration::from_secs(60);
    memory.observe(&object, std::slice::from_ref(&stale), now);
    let steps = look(&object, std::slice::from_ref(&stale), &memory, now).steps;
    assert_eq!(steps.len(), 1, "{steps:?}");
    assert!(matches!(&steps[0].action, Action::Remove { .. }), "{steps:?}");
    memory.begun(&steps[0].action);
    memory.ended(&steps[0].action, Report::Removed(Outcome::Done(())), now);
    memory.observe(&object, &[], now);
    let steps = look(&object, &[], &memory, now).steps;
    let images: Vec<String> = steps.iter().map(Step::to_string).collect();
    assert_eq!(images, ["create web.1.1 image=new cause=\"missing replica\""]);
}
