//! Scenarios of nodes that are down, lost or back.

use super::*;

#[test]
fn containers_on_a_node_that_is_down_count_as_running_for_a_while() {
    scenario(
        "object web 3 t1
         node n1 up
         node n2 down
         web.1.1 t1 running node=n1
         web.2.1 t1 running hostdown node=n2
         web.3.1 t1 running hostdown node=n2",
        "degraded: 1 of 3 run; node n2 has not answered since 1970-01-12T13:46:40.000Z (Unhealthy): 2 containers on it are replaced on other nodes at 1970-01-12T13:47:10.000Z, unless it is back by then",
    );
}

#[test]
fn containers_on_a_lost_node_are_replaced_under_the_next_name_or_held() {
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
        r#"degraded: 1 of 2 run; node n2 has not answered since 1970-01-12T13:45:55.000Z (Unhealthy): web.2.1 on it is not replaced, as OnNodeLost is "hold""#,
    );
}

#[test]
fn a_node_whose_engine_still_answers_is_never_lost() {
    scenario(
        "object web 1 t1
         node n1 up
         node n2 answering
         web.1.1 t1 running hostdown node=n2",
        "degraded: 0 of 1 run; node n2 has not answered since 1970-01-12T13:45:55.000Z (Unhealthy: Error response from daemon: no such host): web.1.1 on it is not replaced, as its own engine still answers",
    );
}

#[test]
fn of_two_containers_in_a_slot_the_one_on_the_returned_node_is_removed() {
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
fn of_two_containers_in_a_slot_the_ready_one_stays_once_its_node_is_trusted() {
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
fn of_surplus_containers_the_unreachable_ones_are_chosen_first_and_not_touched() {
    scenario(
        "object web 1 t1
         node n1 up
         node n2 down
         web.1.1 t1 running hostdown node=n2
         web.2.1 t1 running node=n1",
        "converged: 1 of 1 run, as wanted; 1 container on node n2 (web.1.1) is removed once it is back; it has not answered since 1970-01-12T13:46:40.000Z (Unhealthy)",
    );
}

#[test]
fn the_deletion_of_an_unreachable_container_waits_for_its_node() {
    scenario(
        "object web 1 t1 deleted
         node n1 up
         node n2 lost
         web.1.1 t1 running hostdown node=n2
         web.2.1 t1 running node=n1",
        r#"remove web.2.1 id=web.2.1 cause="surplus: 1 instead of 0"
           deleting: deleted; 2 containers are still to be removed; web.1.1 waits for node n2, which has not answered since 1970-01-12T13:45:55.000Z (Unhealthy)"#,
    );
}

#[test]
fn a_container_in_a_disputed_state_holds_its_slot() {
    scenario(
        "object web 1 t1
         web.1.1 t1 exited disputed",
        "degraded: 0 of 1 run; web.1.1 is reported in two states, or in an unknown one: waiting for an inspect to settle it",
    );
}

#[test]
fn a_container_held_on_a_lost_node_does_not_block_the_update_of_the_others() {
    scenario(
        "object web 2 t2 hold
         node n1 up
         node n2 lost
         web.1.2 t2 running hostdown node=n2
         web.2.1 t1 running node=n1",
        r#"create web.2.2 image=img cause="replaces web.2.1, which is stale"
           degraded: 1 of 2 run; node n2 has not answered since 1970-01-12T13:45:55.000Z (Unhealthy): web.1.2 on it is not replaced, as OnNodeLost is "hold""#,
    );
}
