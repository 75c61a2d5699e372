//! Creates and pulls: names, errors and unknown outcomes.

use std::collections::BTreeSet;

use serde_json::json;
use tokio::time::sleep;

use super::*;
use crate::fake_docker::FakeDocker;
use crate::fake_docker::faults::{Call, Fault};
use crate::fake_docker::manager::{Manager, RESYNC};
use crate::fake_docker::world::{Life, Registry, What};

#[tokio::test(start_paused = true)]
async fn fact_1_a_create_whose_answer_has_no_warnings_makes_one_container() {
    let (fake, manager) = three_nodes(5).await;
    sleep(WHILE).await;
    manager.converges("web", 5, SOON).await;
    assert_eq!((done(&fake, What::Create), done(&fake, What::Remove)), (5, 0), "{}", fake.effects());
}

#[tokio::test(start_paused = true)]
async fn fact_2_errors_are_plain_text_and_their_words_reach_the_status() {
    let fake = FakeDocker::swarm(3);
    fake.bring_image("app:1");
    let manager = Manager::start(&fake);
    manager.submit(web_with(2, &json!({"Cmd": ["/nope"]}))).await;
    says(&manager, "exec: \"/nope\": stat /nope: no such file or directory").await;
    let reason = manager.object("web").unwrap().reason;
    assert!(!reason.contains('{'), "{reason}");
    // One that failed to start keeps its name until it is removed; none may pile up.
    sleep(WHILE).await;
    let there = fake.look(|world| world.reachable("web").count());
    assert!(there <= 1, "one at a time: {}", fake.effects());
}

#[tokio::test(start_paused = true)]
async fn fact_2_an_engines_own_conflict_over_a_name_comes_as_500_and_is_one() {
    let fake = FakeDocker::swarm(1);
    fake.bring_image("app:1");
    let foreign = fake.place(0, "web.1.1", json!({"whose": "somebody else's"}));
    // The engine knows who has the name; its manager has not heard of it yet.
    fake.unheard_of(&foreign, seconds(45));
    let manager = Manager::start(&fake);
    manager.submit(web(1)).await;
    manager.converges("web", 1, WHILE).await;
    assert_eq!(names(&fake), ["web.1.2".to_owned()].into());
    assert!(fake.look(|world| world.containers().any(|(_, c)| c.id == foreign && c.life == Life::Running)));
}

#[tokio::test(start_paused = true)]
async fn fact_3_a_scheduler_that_refused_has_made_nothing_and_its_words_are_shown() {
    let fake = FakeDocker::swarm(3);
    fake.bring_image("app:1");
    let manager = Manager::start(&fake);
    manager.submit(web_with(3, &json!({"Constraints": ["name==zzz"]}))).await;
    says(&manager, "Unable to find a node that satisfies the following conditions").await;
    sleep(WHILE).await;
    assert_eq!(done(&fake, What::Create), 0);
    assert!(fake.called(Call::Create) < 20, "it backs off: {}", fake.called(Call::Create));
    manager.submit(web_with(3, &json!({"Constraints": ["name!=n1"]}))).await;
    manager.converges("web", 3, SOON).await;
}

#[tokio::test(start_paused = true)]
async fn fact_3_a_create_that_was_made_though_the_answer_is_500_is_found_again() {
    let fake = FakeDocker::swarm(3);
    fake.bring_image("app:1");
    let words = "Container created but refresh didn't report it back";
    fake.fault(Call::Create, 1, Fault::DoneBut500(words));
    fake.fault(Call::Create, 3, Fault::DoneBut500("Error response from daemon: context deadline exceeded"));
    let manager = Manager::start(&fake);
    manager.submit(web(3)).await;
    manager.converges("web", 3, WHILE).await;
    assert_eq!(done(&fake, What::Create), 3, "{}", fake.effects());
    assert_eq!(names(&fake), ["web.1.1", "web.2.1", "web.3.1"].map(str::to_owned).into());
}

#[tokio::test(start_paused = true)]
async fn fact_4_a_create_lands_after_its_client_has_gone_and_no_other_name_is_tried_meanwhile() {
    let fake = FakeDocker::swarm(3);
    fake.bring_image("app:1");
    fake.fault(Call::Create, 1, Fault::LandsLate(seconds(400)));
    let manager = Manager::start(&fake);
    manager.submit(web(2)).await;
    manager.converges("web", 2, seconds(900)).await;
    assert!(fake.called(Call::Create) > 2, "the name was asked for again, and refused");
    assert_eq!(names(&fake), ["web.1.1", "web.2.1"].map(str::to_owned).into(), "{}", fake.effects());
    assert_eq!(done(&fake, What::Create), 2);
    never_one_too_many(&fake, 2);
}

#[tokio::test(start_paused = true)]
async fn fact_5_no_create_waits_for_a_registry_since_each_names_an_ostype() {
    let fake = FakeDocker::swarm(3);
    fake.bring_image("app:1");
    let manager = Manager::start(&fake);
    manager.submit(web_with(3, &json!({"Constraints": ["name==n3"]}))).await;
    let took = manager.converges("web", 3, SOON).await;
    assert!(took < seconds(2), "20 s a create otherwise: {took:?}");
    assert!(running(&fake).iter().all(|id| fake.node_of(id) == 2), "the object's own constraint holds too");
}

#[tokio::test(start_paused = true)]
async fn fact_6_it_pulls_within_the_create_however_long_that_takes_and_only_where_it_is_needed() {
    let fake = FakeDocker::swarm(3);
    fake.change(|world| world.registry = Registry::HasAll(seconds(300)));
    let manager = Manager::start(&fake);
    manager.submit(web(1)).await;
    manager.converges("web", 1, seconds(600)).await;
    assert_eq!(fake.called(Call::Pull), 0, "/images/create would pull on all nodes");
    let pulled = fake.look(|world| world.nodes.iter().filter(|n| n.images.contains("app:1")).count());
    assert_eq!((pulled, done(&fake, What::Create)), (1, 1), "{}", fake.effects());
}

#[tokio::test(start_paused = true)]
async fn fact_6_an_error_within_the_200_of_a_pull_is_an_error_and_its_words_are_shown() {
    let fake = FakeDocker::swarm(3);
    fake.change(|world| world.registry = Registry::HasNone);
    let manager = Manager::start(&fake);
    manager.submit(web_with(2, &json!({"Pull": "always"}))).await;
    says(&manager, "manifest unknown").await;
    assert_eq!(fake.called(Call::Create), 0);
    fake.change(|world| world.registry = Registry::HasAll(seconds(1)));
    manager.converges("web", 2, seconds(400)).await;
}

#[tokio::test(start_paused = true)]
async fn fact_6_a_failed_pull_that_marks_all_nodes_unhealthy_starts_no_replacement() {
    let (fake, manager) = three_nodes(6).await;
    let before = running(&fake);
    fake.change(|world| world.registry = Registry::Unreachable);
    manager.submit(json!({"Name": "other", "Image": "nosuch:1", "Count": 2, "Pull": "always"})).await;
    let down = |status: &str| status == "Unhealthy";
    manager
        .until(SOON, "all nodes read unhealthy", |status, _| {
            !status.engine.nodes.is_empty() && status.engine.nodes.iter().all(|node| down(&node.status))
        })
        .await;
    // It is tried again and again, and each time the nodes are unhealthy for a while.
    sleep(seconds(600)).await;
    assert!(fake.called(Call::Pull) > 3);
    assert_eq!(running(&fake), before, "{}", fake.effects());
    assert_eq!((done(&fake, What::Create), done(&fake, What::Remove)), (6, 0));
    let other = manager.object("other").unwrap();
    assert!(other.reason.contains("connection refused"), "{}", other.reason);
}

#[tokio::test(start_paused = true)]
async fn fact_8_what_is_read_back_has_labels_of_the_managers_own_and_that_restarts_nothing() {
    let fake = FakeDocker::swarm(3);
    fake.bring_image("app:1");
    let object =
        web_with(3, &json!({"Constraints": ["ostype==linux"], "Labels": {"app": "x"}, "Env": ["A=1"]}));
    let manager = Manager::start(&fake);
    manager.submit(object.clone()).await;
    manager.converges("web", 3, SOON).await;
    let before = running(&fake);
    let labelled = fake.look(|world| {
        world.containers().all(|(_, c)| {
            c.labels.contains_key("com.docker.swarm.id")
                && c.labels.contains_key("com.docker.swarm.constraints")
        })
    });
    assert!(labelled, "else this proves nothing");
    let manager = manager.killed_and_started_again();
    manager.submit(object).await;
    sleep(WHILE).await;
    manager.converges("web", 3, SOON).await;
    assert_eq!(running(&fake), before, "{}", fake.effects());
}

#[tokio::test(start_paused = true)]
async fn fact_9_names_in_lists_carry_the_node_and_the_status_tells_them_apart() {
    let (fake, manager) = three_nodes(3).await;
    sleep(RESYNC * 2).await;
    let said: BTreeSet<(String, Option<String>)> =
        manager.object("web").unwrap().containers.into_iter().map(|c| (c.name, c.node)).collect();
    let are = fake.look(|world| {
        world.containers().map(|(n, c)| (c.name.clone(), Some(world.nodes[n].name.clone()))).collect()
    });
    assert_eq!(said, are);
}
