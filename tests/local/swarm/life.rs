//! Scenarios of whole clusters.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use swarm_cluster_state_manager::api::status::Phase;
use swarm_cluster_state_manager::core::labels::LABEL_CLUSTER;
use tokio::time::sleep;

use super::*;
use crate::fake_docker::FakeDocker;
use crate::fake_docker::control::Processes;
use crate::fake_docker::faults::{Call, Fault};
use crate::fake_docker::manager::{CLUSTER, LOST_AFTER, Manager};
use crate::fake_docker::world::{Container, EffectKind, Life, World};

/// Foreign containers, two per node.
fn foreign(fake: &FakeDocker) -> BTreeSet<String> {
    let mut placed = BTreeSet::new();
    for node in 0..3 {
        placed.insert(fake.place(node, &format!("db-{node}"), json!({"app": "db"})));
        let other = json!({(LABEL_CLUSTER): "another", "io.github.swarm-cluster-state-manager.object": "web",
            "io.github.swarm-cluster-state-manager.slot": "1", "io.github.swarm-cluster-state-manager.attempt": "1",
            "io.github.swarm-cluster-state-manager.template": "t"});
        placed.insert(fake.place(node, &format!("another-{node}"), other));
    }
    placed
}

fn all_run(fake: &FakeDocker, ids: &BTreeSet<String>) -> bool {
    fake.read(|world| {
        let run: BTreeSet<&String> =
            world.containers().filter(|(_, c)| c.life == Life::Running).map(|(_, c)| &c.id).collect();
        ids.iter().all(|id| run.contains(id))
    })
}

/// The number of the manager's running containers on reachable nodes. Another cluster's object has the same name.
fn ours(world: &World) -> usize {
    let ours =
        |c: &&Container| c.life == Life::Running && c.labels.get(LABEL_CLUSTER) == Some(&json!(CLUSTER));
    world.reachable("web").filter(ours).count()
}

#[tokio::test(start_paused = true)]
async fn thirty_containers_survive_a_lost_node_and_a_swarm_manager_restart_without_one_too_many() {
    for processes in [Processes::KeepRunning, Processes::End] {
        for restarted_after in [5, 25, 60] {
            let fake = FakeDocker::swarm(3);
            fake.add_image("app:1");
            let others = foreign(&fake);
            let manager = Manager::start(&fake);
            manager.submit(web(30)).await;
            let thirty = async |within: Duration| {
                manager
                    .until(within, "thirty of ours", |status, world| {
                        ours(world) == 30
                            && status.objects.iter().any(|o| o.phase == Phase::Converged && o.ready == 30)
                    })
                    .await
            };
            thirty(SOON).await;
            let on_lost_node = fake.read(|world| {
                world.nodes[1]
                    .containers
                    .values()
                    .filter(|c| c.labels.get(LABEL_CLUSTER) == Some(&json!(CLUSTER)))
                    .count()
            });

            fake.lose(1, processes, seconds(3));
            sleep(seconds(restarted_after)).await;
            // It cannot reach the lost node, which stays Pending.
            fake.restart_manager(seconds(2), &[seconds(4), seconds(1), seconds(9)]);
            thirty(REPLACED + LOST_AFTER * 2).await;
            let case = format!("{processes:?}, restarted after {restarted_after} s\n{}", fake.effects());
            assert_eq!(effects(&fake, EffectKind::Create) - 6, 30 + on_lost_node, "{case}");

            fake.return_node(1, AT_ONCE);
            thirty(SETTLED).await;
            sleep(WHILE).await;
            thirty(SOON).await;
            // With the other cluster's three counted in.
            assert_never_too_many(&fake, 33);
            assert!(processes == Processes::End || all_run(&fake, &others), "{case}");
            assert_eq!(effects(&fake, EffectKind::Create) - 6, 30 + on_lost_node, "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn with_hold_the_containers_of_a_lost_node_are_not_replaced() {
    let fake = FakeDocker::swarm(3);
    fake.add_image("app:1");
    let manager = Manager::start(&fake);
    manager.submit(web_with(6, &json!({"OnNodeLost": "hold"}))).await;
    manager.converges("web", 6, SOON).await;
    let before = running(&fake);
    fake.lose(0, Processes::KeepRunning, seconds(1));
    sleep(seconds(600)).await;
    assert_eq!(effects(&fake, EffectKind::Create), 6, "{}", fake.effects());
    assert!(manager.object("web").unwrap().reason.contains("hold"));
    fake.return_node(0, AT_ONCE);
    manager.converges("web", 6, SETTLED).await;
    assert_eq!(running(&fake), before);
}

#[tokio::test(start_paused = true)]
async fn the_containers_of_a_flapping_node_are_replaced_at_most_once() {
    let (fake, manager) = three_nodes(6).await;
    for _ in 0..10 {
        fake.lose(2, Processes::KeepRunning, seconds(1));
        sleep(seconds(9)).await;
        fake.return_node(2, AT_ONCE);
        sleep(seconds(5)).await;
    }
    manager.converges("web", 6, SETTLED).await;
    sleep(WHILE).await;
    manager.converges("web", 6, SOON).await;
    let made = effects(&fake, EffectKind::Create);
    assert!(made <= 8, "{made} were created for six\n{}", fake.effects());
}

#[tokio::test(start_paused = true)]
async fn containers_of_an_unknown_object_are_reported_and_left_alone() {
    let (fake, manager) = three_nodes(4).await;
    drop(manager);
    let before = running(&fake);
    let manager = Manager::start(&fake);
    manager.until(SOON, "they are unclaimed", |status, _| status.unclaimed.len() == 4).await;
    sleep(WHILE).await;
    assert_eq!(manager.status().unclaimed.len(), 4);
    assert_eq!(running(&fake), before);
    // After another submit the object is blocked: another manager created its containers.
    manager.submit(web(4)).await;
    reason_contains(&manager, "--take-over=").await;
    sleep(WHILE).await;
    assert_eq!(running(&fake), before, "{}", fake.effects());
    drop(manager);
    // A manager that takes them over keeps them running.
    let manager = Manager::start_taking_over(&fake);
    manager.submit(web(4)).await;
    manager.converges("web", 4, SOON).await;
    sleep(WHILE).await;
    manager.converges("web", 4, SOON).await;
    assert_eq!(running(&fake), before, "{}", fake.effects());
    assert!(manager.status().unclaimed.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_container_created_late_for_a_deleted_object_is_removed() {
    for fault in
        [Fault::LandsLate(seconds(200)), Fault::ArrivesLate(seconds(200)), Fault::ArrivesLate(seconds(2_000))]
    {
        let fake = FakeDocker::swarm(3);
        fake.add_image("app:1");
        fake.fault(Call::Create, 2, fault);
        let manager = Manager::start(&fake);
        manager.submit(web(2)).await;
        manager.until(SOON, "the second create is sent", |_, _| fake.called(Call::Create) == 2).await;
        manager.delete("web").await;
        fake.until(seconds(2_100), "it takes effect", |world| world.count(EffectKind::Create) == 2).await;
        manager.vanishes("web", WHILE).await;
        sleep(WHILE).await;
        manager.vanishes("web", SOON).await;
        assert_eq!(effects(&fake, EffectKind::Create), 2, "{fault:?}\n{}", fake.effects());
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_in_doubt_that_is_no_longer_needed_does_not_degrade_the_object() {
    let (fake, manager) = three_nodes(1).await;
    let node = only_node(&fake);
    fake.fault(Call::Create, 2, Fault::Hang);
    fake.lose(node, Processes::KeepRunning, Duration::ZERO);
    manager.until(REPLACED, "a replacement is sent", |_, _| fake.called(Call::Create) == 2).await;
    fake.return_node(node, AT_ONCE);
    // The create times out after two minutes.
    manager.converges("web", 1, seconds(180)).await;
    sleep(seconds(120)).await;
    manager.converges("web", 1, SOON).await;
    assert_eq!(names(&fake), ["web.1.1".to_owned()].into(), "{}", fake.effects());
}

#[tokio::test(start_paused = true)]
async fn a_crash_of_the_daemon_at_any_moment_of_a_create_leaves_no_container_too_many() {
    for after in (0..120).step_by(7).map(Duration::from_millis) {
        let fake = FakeDocker::swarm(3);
        fake.add_image("app:1");
        let manager = Manager::start(&fake);
        manager.submit(web(4)).await;
        sleep(after).await;
        let manager = manager.kill_and_restart();
        manager.converges("web", 4, WHILE).await;
        sleep(WHILE).await;
        manager.converges("web", 4, SOON).await;
        assert_eq!(effects(&fake, EffectKind::Create), 4, "killed after {after:?}\n{}", fake.effects());
        assert_never_too_many(&fake, 4);
    }
}
