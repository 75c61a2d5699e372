//! Scenarios of missing, surplus, unhealthy and ended containers.

use super::*;

#[test]
fn a_new_object_pulls_its_image_first_and_once() {
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
fn a_converged_object_is_left_alone() {
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
fn scaling_down_removes_the_slots_above_count() {
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
fn an_unhealthy_container_is_removed_before_a_healthy_one_regardless_of_its_slot() {
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
fn a_stopping_container_holds_its_slot_until_it_is_gone() {
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
fn a_count_of_zero_removes_the_ended_containers_as_well() {
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
           deleting: deleted; 1 container is still to be removed"#,
    );
}

#[test]
fn a_created_container_is_started() {
    scenario(
        "object web 1 t1
         web.1.1 t1 created",
        r#"start web.1.1 id=web.1.1 cause="created but not started"
           progressing: 0 of 1 run; 1 being started"#,
    );
}

#[test]
fn unhealthy_containers_are_replaced_after_a_check_interval_one_at_a_time() {
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
fn the_last_ended_containers_of_a_slot_are_kept() {
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
fn a_failed_removal_by_the_engine_is_repeated_and_one_in_progress_is_awaited() {
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
