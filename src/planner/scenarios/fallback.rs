//! While a rollout is stuck, a slot falls back to the spec that converged last.

use super::*;
use crate::core::container::Container;
use crate::core::labels::ContainerIdentity;
use crate::core::memory::Memory;
use crate::core::object::Object;
use crate::core::plan::{Action, Step};
use crate::core::spec::Pull;
use crate::core::time::Time;

const STUCK: &str = "failed create 1.2 image ago=0";

#[test]
fn while_a_rollout_is_stuck_a_slot_that_lost_its_old_container_gets_the_last_converged_spec() {
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
fn the_fallback_to_a_converged_spec_needs_no_trial_container() {
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
fn a_slot_whose_new_container_ended_before_it_was_proven_gets_the_last_converged_spec() {
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
fn a_slot_that_was_updated_keeps_the_present_template() {
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
fn a_slot_that_was_emptied_for_its_update_gets_the_present_template() {
    let object = object("t1", "t0");
    let mut memory = Memory::new(1);
    let old = container("web.1.1 t0 running");
    memory.observe(&object, &[Arc::new(old.clone())], NOW);
    let remove = Action::Remove { id: old.id.clone(), name: old.name.clone(), force: false };
    memory.begun(&remove);
    // Between the stop and the removal the container is observed as ended by the manager's own signal.
    let signalled = Some(Signalled { signal: Signal::TERM, at: NOW, stop: true });
    let stopped = Container { state: ContainerState::Exited, signalled, ..old };
    memory.observe(&object, &[Arc::new(stopped)], NOW);
    memory.ended(&remove, Report::Removed(Outcome::Done(())), NOW);
    assert!(memory.updated(1));
    assert_eq!(
        (memory.held(1), memory.present().slot(1)),
        (None, None),
        "the manager's own stop is no user's stop"
    );
    // A newer spec begins with the last converged one.
    let newer = Object { generation: 2, ..object };
    memory.observe(&newer, &[], NOW);
    assert!(!memory.updated(1));
}

#[test]
fn if_the_last_converged_spec_fails_the_present_one_is_tried() {
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
fn a_slot_that_was_emptied_for_a_failing_spec_gets_the_last_converged_one_back() {
    scenario(
        "object web 1 t1 was=t0 stop-first
         failed create 1.2 refused ago=9
         failed create 1.3 refused ago=5",
        r#"create web.1.1 image=old cause="missing replica, while the rollout has not converged"
           blocked: 0 of 1 run; the engine's words; failed 2 times in a row"#,
    );
    // It is not stopped for another attempt before that is due.
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
fn a_slot_that_was_emptied_for_a_retry_of_the_present_spec_gets_that_one() {
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
    // Its retry is due: the old container is stopped for it.
    let now = NOW + Duration::from_secs(60);
    memory.observe(&object, std::slice::from_ref(&stale), now);
    let steps = plan_for(&object, std::slice::from_ref(&stale), &memory, now).steps;
    assert_eq!(steps.len(), 1, "{steps:?}");
    assert!(matches!(&steps[0].action, Action::Remove { .. }), "{steps:?}");
    memory.begun(&steps[0].action);
    memory.ended(&steps[0].action, Report::Removed(Outcome::Done(())), now);
    memory.observe(&object, &[], now);
    let steps = plan_for(&object, &[], &memory, now).steps;
    let images: Vec<String> = steps.iter().map(Step::to_string).collect();
    assert_eq!(images, ["create web.1.1 image=new cause=\"missing replica\""]);
}
