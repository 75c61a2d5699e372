//! Scenarios of updates.

use super::*;

#[test]
fn an_update_creates_the_new_container_before_it_removes_the_old_one() {
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
        r#"progressing: 3 of 2 run; 1 have the present spec
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
fn a_stop_first_update_removes_the_old_container_and_waits_until_it_is_gone() {
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
fn an_update_replaces_broken_containers_first_and_as_many_as_allowed() {
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
fn containers_that_have_just_started_are_converged_but_not_proven() {
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
fn a_step_for_another_template_does_not_count_for_this_one() {
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
fn a_stale_container_that_never_ran_is_removed_at_once() {
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
fn an_update_waits_for_the_old_container_to_stop_but_not_for_an_unreachable_one() {
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
