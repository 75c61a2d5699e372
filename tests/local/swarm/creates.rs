//! Creates and pulls: names, errors and unknown outcomes.

use std::collections::BTreeSet;

use serde_json::json;
use tokio::time::sleep;

use super::*;
use crate::fake_docker::FakeDocker;
use crate::fake_docker::faults::{Call, Fault};
use crate::fake_docker::manager::{Manager, RESYNC};
use crate::fake_docker::world::{EffectKind, Life, Registry};

#[tokio::test(start_paused = true)]
async fn fact_1_a_create_whose_answer_has_no_warnings_creates_one_container() {
    let (fake, manager) = three_nodes(5).await;
    sleep(WHILE).await;
    manager.converges("web", 5, SOON).await;
    assert_eq!(
        (effects(&fake, EffectKind::Create), effects(&fake, EffectKind::Remove)),
        (5, 0),
        "{}",
        fake.effects()
    );
}

#[tokio::test(start_paused = true)]
async fn fact_2_errors_are_plain_text_and_are_shown_in_the_status() {
    let fake = FakeDocker::swarm(3);
    fake.add_image("app:1");
    let manager = Manager::start(&fake);
    manager.submit(web_with(2, &json!({"Cmd": ["/nope"]}))).await;
    reason_contains(&manager, "exec: \"/nope\": stat /nope: no such file or directory").await;
    let reason = manager.object("web").unwrap().reason;
    assert!(!reason.contains('{'), "{reason}");
    // A container that failed to start keeps its name until it is removed; they must not accumulate.
    sleep(WHILE).await;
    let existing = fake.read(|world| world.reachable("web").count());
    assert!(existing <= 1, "one at a time: {}", fake.effects());
}

#[tokio::test(start_paused = true)]
async fn fact_2_a_name_conflict_of_an_engine_is_recognized_although_its_status_is_500() {
    let fake = FakeDocker::swarm(1);
    fake.add_image("app:1");
    let foreign = fake.place(0, "web.1.1", json!({"whose": "another user's"}));
    // The engine has a container with the name; its manager does not know it yet.
    fake.hide(&foreign, seconds(45));
    let manager = Manager::start(&fake);
    manager.submit(web(1)).await;
    manager.converges("web", 1, WHILE).await;
    assert_eq!(names(&fake), ["web.1.2".to_owned()].into());
    assert!(fake.read(|world| world.containers().any(|(_, c)| c.id == foreign && c.life == Life::Running)));
}

#[tokio::test(start_paused = true)]
async fn fact_3_a_refusal_by_the_scheduler_creates_nothing_and_is_shown() {
    let fake = FakeDocker::swarm(3);
    fake.add_image("app:1");
    let manager = Manager::start(&fake);
    manager.submit(web_with(3, &json!({"Constraints": ["name==zzz"]}))).await;
    reason_contains(&manager, "Unable to find a node that satisfies the following conditions").await;
    sleep(WHILE).await;
    assert_eq!(effects(&fake, EffectKind::Create), 0);
    assert!(fake.called(Call::Create) < 20, "it backs off: {}", fake.called(Call::Create));
    manager.submit(web_with(3, &json!({"Constraints": ["name!=n1"]}))).await;
    manager.converges("web", 3, SOON).await;
}

#[tokio::test(start_paused = true)]
async fn fact_3_a_container_that_was_created_despite_an_answer_of_500_is_found() {
    let fake = FakeDocker::swarm(3);
    fake.add_image("app:1");
    let error = "Container created but refresh didn't report it back";
    fake.fault(Call::Create, 1, Fault::DoneBut500(error));
    fake.fault(Call::Create, 3, Fault::DoneBut500("Error response from daemon: context deadline exceeded"));
    let manager = Manager::start(&fake);
    manager.submit(web(3)).await;
    manager.converges("web", 3, WHILE).await;
    assert_eq!(effects(&fake, EffectKind::Create), 3, "{}", fake.effects());
    assert_eq!(names(&fake), ["web.1.1", "web.2.1", "web.3.1"].map(str::to_owned).into());
}

#[tokio::test(start_paused = true)]
async fn a_container_that_cannot_be_verified_is_reported_as_not_started() {
    let fake = FakeDocker::swarm(1);
    fake.add_image("app:1");
    fake.fault(Call::Inspect, 1, Fault::Error500);
    let manager = Manager::start(&fake);
    manager.submit(web(1)).await;
    reason_contains(&manager, "web.1.1 was created and not started: the engine answered 500: ").await;
    manager.converges("web", 1, SOON).await;
    assert_eq!(effects(&fake, EffectKind::Create), 1, "{}", fake.effects());
}

#[tokio::test(start_paused = true)]
async fn fact_4_while_a_create_may_still_take_effect_no_other_name_is_tried() {
    let fake = FakeDocker::swarm(3);
    fake.add_image("app:1");
    fake.fault(Call::Create, 1, Fault::LandsLate(seconds(400)));
    let manager = Manager::start(&fake);
    manager.submit(web(2)).await;
    manager.converges("web", 2, seconds(900)).await;
    assert!(fake.called(Call::Create) > 2, "the same name was tried again");
    assert_eq!(names(&fake), ["web.1.1", "web.2.1"].map(str::to_owned).into(), "{}", fake.effects());
    assert_eq!(effects(&fake, EffectKind::Create), 2);
    assert_never_too_many(&fake, 2);
}

#[tokio::test(start_paused = true)]
async fn fact_5_no_create_waits_for_a_registry_since_each_names_an_ostype() {
    let fake = FakeDocker::swarm(3);
    fake.add_image("app:1");
    let manager = Manager::start(&fake);
    manager.submit(web_with(3, &json!({"Constraints": ["name==n3"]}))).await;
    let took = manager.converges("web", 3, SOON).await;
    assert!(took < seconds(2), "otherwise each create takes 20 s: {took:?}");
    assert!(
        running(&fake).iter().all(|id| fake.node_of(id) == 2),
        "the object's own constraint applies, too"
    );
}

#[tokio::test(start_paused = true)]
async fn fact_6_a_create_pulls_the_image_only_on_the_node_that_needs_it_however_long_that_takes() {
    let fake = FakeDocker::swarm(3);
    fake.change(|world| world.registry = Registry::HasAll(seconds(300)));
    let manager = Manager::start(&fake);
    manager.submit(web(1)).await;
    manager.converges("web", 1, seconds(600)).await;
    assert_eq!(fake.called(Call::Pull), 0, "/images/create would pull on all nodes");
    let pulled = fake.read(|world| world.nodes.iter().filter(|n| n.images.contains("app:1")).count());
    assert_eq!((pulled, effects(&fake, EffectKind::Create)), (1, 1), "{}", fake.effects());
}

#[tokio::test(start_paused = true)]
async fn fact_6_an_error_inside_a_pull_answered_200_is_an_error_and_is_shown() {
    let fake = FakeDocker::swarm(3);
    fake.change(|world| world.registry = Registry::HasNone);
    let manager = Manager::start(&fake);
    manager.submit(web_with(2, &json!({"Pull": "always"}))).await;
    reason_contains(&manager, "manifest unknown").await;
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
        .until(SOON, "all nodes are listed as unhealthy", |status, _| {
            !status.engine.nodes.is_empty() && status.engine.nodes.iter().all(|node| down(&node.status))
        })
        .await;
    // It is retried, and each time the nodes are unhealthy for a while.
    sleep(seconds(600)).await;
    assert!(fake.called(Call::Pull) > 3);
    assert_eq!(running(&fake), before, "{}", fake.effects());
    assert_eq!((effects(&fake, EffectKind::Create), effects(&fake, EffectKind::Remove)), (6, 0));
    let other = manager.object("other").unwrap();
    assert!(other.reason.contains("connection refused"), "{}", other.reason);
}

#[tokio::test(start_paused = true)]
async fn fact_8_labels_that_the_swarm_manager_adds_restart_nothing() {
    let fake = FakeDocker::swarm(3);
    fake.add_image("app:1");
    let object =
        web_with(3, &json!({"Constraints": ["ostype==linux"], "Labels": {"app": "x"}, "Env": ["A=1"]}));
    let manager = Manager::start(&fake);
    manager.submit(object.clone()).await;
    manager.converges("web", 3, SOON).await;
    let before = running(&fake);
    let labelled = fake.read(|world| {
        world.containers().all(|(_, c)| {
            c.labels.contains_key("com.docker.swarm.id")
                && c.labels.contains_key("com.docker.swarm.constraints")
        })
    });
    assert!(labelled, "the test has its precondition");
    let manager = manager.kill_and_restart();
    manager.submit(object).await;
    sleep(WHILE).await;
    manager.converges("web", 3, SOON).await;
    assert_eq!(running(&fake), before, "{}", fake.effects());
}

#[tokio::test(start_paused = true)]
async fn fact_9_names_in_lists_carry_the_node_and_the_status_separates_them() {
    let (fake, manager) = three_nodes(3).await;
    sleep(RESYNC * 2).await;
    let shown: BTreeSet<(String, Option<String>)> =
        manager.object("web").unwrap().containers.into_iter().map(|c| (c.name, c.node)).collect();
    let actual = fake.read(|world| {
        world.containers().map(|(n, c)| (c.name.clone(), Some(world.nodes[n].name.clone()))).collect()
    });
    assert_eq!(shown, actual);
}
