//! Lost nodes and restarted managers: what lists show, and what is replaced.

use std::time::Duration;

use serde_json::json;
use swarm_cluster_state_manager::api::status::Phase;
use tokio::time::sleep;

use super::*;
use crate::fake_docker::FakeDocker;
use crate::fake_docker::control::Processes;
use crate::fake_docker::faults::Call;
use crate::fake_docker::manager::{LOST_AFTER, Manager};
use crate::fake_docker::world::{EffectKind, FOR_GOOD, Lag, Life};

#[tokio::test(start_paused = true)]
async fn fact_7_a_replacement_avoids_the_names_on_lost_nodes() {
    let (fake, manager) = three_nodes(1).await;
    let node = only_node(&fake);
    fake.lose(node, Processes::KeepRunning, Duration::ZERO);
    manager.converges("web", 1, REPLACED).await;
    assert_eq!(names(&fake), ["web.1.2".to_owned()].into(), "{}", fake.effects());
    // A name that is refused again and again would show here.
    assert_eq!(fake.called(Call::Create), 2);
}

#[tokio::test(start_paused = true)]
async fn fact_10_containers_of_a_lost_node_stay_in_the_status() {
    let (fake, manager) = three_nodes(6).await;
    fake.lose(1, Processes::KeepRunning, Duration::ZERO);
    sleep(LOST_AFTER / 2).await;
    let object = manager.object("web").unwrap();
    assert_eq!(object.containers.len(), 6);
    assert_eq!(effects(&fake, EffectKind::Create), 6, "a node that is down is not lost yet");
    // A manager that starts now lists them, too.
    let manager = manager.kill_and_restart();
    manager
        .until(SOON, "all are listed", |status, _| {
            status.objects.iter().any(|o| o.name == "web" && o.containers.len() == 6)
        })
        .await;
    assert_eq!(effects(&fake, EffectKind::Create), 6, "{}", fake.effects());
}

#[tokio::test(start_paused = true)]
async fn fact_11_a_container_on_a_lost_node_is_listed_as_running_but_is_not_ready() {
    let (fake, manager) = three_nodes(6).await;
    fake.lose(1, Processes::End, seconds(2));
    let lost = manager.until(SOON, "only four are ready", |status, _| {
        status.objects.iter().any(|o| o.name == "web" && o.ready == 4 && o.phase == Phase::Degraded)
    });
    lost.await;
    let reason = manager.object("web").unwrap().reason;
    assert!(reason.contains("node-2"), "it names the node: {reason}");
    manager.converges("web", 6, REPLACED).await;
    assert_never_too_many(&fake, 6);
    assert_eq!(effects(&fake, EffectKind::Create), 8);
}

#[tokio::test(start_paused = true)]
async fn fact_12_after_a_kill_the_two_states_disagree_and_one_replacement_is_created() {
    let (fake, manager) = three_nodes(3).await;
    for round in 1..=3 {
        let victim = running(&fake).into_iter().next().unwrap();
        fake.kill(&victim);
        manager.converges("web", 3, WHILE).await;
        sleep(WHILE).await;
        assert_eq!(effects(&fake, EffectKind::Create), 3 + round, "{}", fake.effects());
        assert_eq!(running(&fake).len(), 3);
    }
    // One ended container per slot is kept; only older ones were removed.
    let removed = fake.read(|world| {
        world
            .trace
            .iter()
            .filter(|e| e.kind == EffectKind::Remove)
            .map(|e| e.name.clone())
            .collect::<Vec<_>>()
    });
    assert!(removed.len() <= 2, "{removed:?}");
}

#[tokio::test(start_paused = true)]
async fn fact_12_if_the_states_disagree_permanently_an_inspect_decides() {
    for (listed, runs) in [
        ((Life::Exited(0), Life::Running), true),
        ((Life::Running, Life::Exited(137)), true),
        ((Life::Exited(137), Life::Running), false),
        ((Life::Running, Life::Exited(0)), false),
    ] {
        let (fake, manager) = three_nodes(3).await;
        let one = running(&fake).into_iter().next().unwrap();
        if !runs {
            // This end causes no event.
            let node = fake.node_of(&one);
            fake.change(|world| {
                world.nodes[node].lost = Some(tokio::time::Instant::now());
                world.exit(node, &one, 137);
                world.nodes[node].lost = None;
            });
        }
        fake.mislead(&one, listed.0, listed.1, FOR_GOOD);
        let case = format!("{listed:?}, runs: {runs}");
        if runs {
            sleep(WHILE).await;
            assert!(running(&fake).contains(&one), "{case}\n{}", fake.effects());
        }
        manager.converges("web", 3, WHILE).await;
        let made = effects(&fake, EffectKind::Create);
        assert_eq!(made, if runs { 3 } else { 4 }, "{case}\n{}", fake.effects());
    }
}

#[tokio::test(start_paused = true)]
async fn fact_12_after_a_nodes_return_ended_containers_are_replaced_once_and_running_ones_are_kept() {
    for processes in [Processes::KeepRunning, Processes::End] {
        for lag in [Lag { state: seconds(1), status: FOR_GOOD }, Lag { state: FOR_GOOD, status: seconds(1) }]
        {
            let (fake, manager) = three_nodes(3).await;
            fake.lose(0, processes, seconds(1));
            sleep(LOST_AFTER / 3).await;
            fake.return_node(0, lag);
            manager.converges("web", 3, SETTLED + WHILE).await;
            sleep(WHILE).await;
            manager.converges("web", 3, SOON).await;
            let ended = usize::from(processes == Processes::End);
            let case = format!("{processes:?} {lag:?}\n{}", fake.effects());
            assert_eq!(effects(&fake, EffectKind::Create), 3 + ended, "{case}");
            assert_never_too_many(&fake, 3);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn fact_13_incomplete_lists_of_a_restarted_swarm_manager_start_nothing() {
    let (fake, manager) = three_nodes(9).await;
    let before = running(&fake);
    for reached in [[seconds(0); 3], [seconds(3), seconds(12), seconds(21)], [seconds(25); 3]] {
        fake.restart_manager(seconds(2), &reached);
        sleep(seconds(40)).await;
        manager.converges("web", 9, SOON).await;
        assert_eq!(running(&fake), before, "{reached:?}\n{}", fake.effects());
    }
    assert_eq!(effects(&fake, EffectKind::Create), 9);
    // The same if the daemon starts while the Swarm manager knows no node yet.
    fake.restart_manager(seconds(2), &[seconds(5), seconds(10), seconds(20)]);
    let manager = manager.kill_and_restart();
    reason_contains(&manager, "Pending").await;
    sleep(seconds(40)).await;
    manager.converges("web", 9, SOON).await;
    assert_eq!((running(&fake), effects(&fake, EffectKind::Create)), (before, 9), "{}", fake.effects());
}

#[tokio::test(start_paused = true)]
async fn fact_13_a_node_that_stays_pending_blocks_nothing_forever() {
    let (fake, manager) = three_nodes(6).await;
    fake.lose(1, Processes::KeepRunning, seconds(1));
    fake.restart_manager(seconds(1), &[seconds(1); 3]);
    manager.converges("web", 6, REPLACED + LOST_AFTER).await;
    assert_never_too_many(&fake, 6);
    fake.return_node(1, AT_ONCE);
    assert_eq!(running(&fake).len(), 8, "the two replaced containers are back");
    manager.converges("web", 6, SETTLED).await;
    sleep(WHILE).await;
    manager.converges("web", 6, SOON).await;
    assert_eq!(effects(&fake, EffectKind::Create), 8, "{}", fake.effects());
}

#[tokio::test(start_paused = true)]
async fn fact_13_a_node_that_is_reached_during_a_list_hides_no_container() {
    for moment in [0, 1, 2, 3, 4, 5, 8, 13, 20, 5_000, 9_999].map(Duration::from_millis) {
        let fake = FakeDocker::swarm(3);
        fake.add_image("app:1");
        let manager = Manager::start(&fake);
        manager.submit(web_with(6, &json!({"History": 0}))).await;
        manager.converges("web", 6, SOON).await;
        // All are second attempts: the names of the first attempts are free for a daemon that does not know them.
        for first in running(&fake) {
            fake.exit(&first, 1);
        }
        manager.converges("web", 6, SETTLED).await;
        let before = running(&fake);
        fake.restart_manager(Duration::ZERO, &[moment, Duration::ZERO, Duration::ZERO]);
        let manager = manager.kill_and_restart();
        sleep(SETTLED).await;
        manager.converges("web", 6, SOON).await;
        assert_eq!(effects(&fake, EffectKind::Create), 12, "reached after {moment:?}\n{}", fake.effects());
        assert_eq!(running(&fake), before);
    }
}

#[tokio::test(start_paused = true)]
async fn fact_13_containers_with_the_same_name_are_distinguished_by_id() {
    let (fake, manager) = three_nodes(6).await;
    fake.lose(1, Processes::KeepRunning, seconds(1));
    // Neither the Swarm manager nor the daemon remembers the containers of the lost node.
    fake.restart_manager(seconds(1), &[seconds(1); 3]);
    let manager = manager.kill_and_restart();
    manager.converges("web", 6, REPLACED + LOST_AFTER).await;
    fake.return_node(1, AT_ONCE);
    let doubled = fake.read(|world| world.doubled().len());
    assert_eq!(doubled, 2, "the test has its precondition");
    let twice = names(&fake);
    assert_eq!((twice.len(), running(&fake).len()), (6, 8), "two names have two containers each");
    manager.converges("web", 6, SETTLED).await;
    sleep(WHILE).await;
    manager.converges("web", 6, SOON).await;
    assert_eq!(effects(&fake, EffectKind::Remove), 2, "{}", fake.effects());
}

#[tokio::test(start_paused = true)]
async fn fact_14_containers_of_a_lost_node_are_left_alone_until_the_node_is_back() {
    let (fake, manager) = three_nodes(6).await;
    fake.lose(2, Processes::KeepRunning, seconds(1));
    sleep(seconds(3)).await;
    manager.delete("web").await;
    sleep(seconds(300)).await;
    let left = manager.object("web").unwrap();
    assert_eq!(left.containers.len(), 2, "{:?}", left.containers);
    assert_eq!(left.phase, Phase::Deleting);
    assert!(left.reason.contains("node-3"), "it names the node: {}", left.reason);
    assert!(fake.called(Call::Remove) <= 6, "{} removals were attempted", fake.called(Call::Remove));
    fake.return_node(2, AT_ONCE);
    manager.vanishes("web", SETTLED).await;
}

#[tokio::test(start_paused = true)]
async fn fact_14_calls_that_hang_on_an_unreachable_node_take_effect_later_without_excess() {
    let (fake, manager) = three_nodes(6).await;
    // The Swarm manager does not notice for two minutes: removals and creates on the node hang.
    fake.lose(2, Processes::KeepRunning, seconds(120));
    manager.submit(web(2)).await;
    sleep(seconds(20)).await;
    manager.submit(web(8)).await;
    sleep(seconds(200)).await;
    fake.return_node(2, AT_ONCE);
    manager.converges("web", 8, seconds(300)).await;
    sleep(seconds(200)).await;
    manager.converges("web", 8, SOON).await;
}

#[tokio::test(start_paused = true)]
async fn fact_15_with_every_node_down_the_ping_succeeds_and_nothing_is_done() {
    let (fake, manager) = three_nodes(6).await;
    let before = running(&fake);
    for node in 0..3 {
        fake.lose(node, Processes::KeepRunning, seconds(1));
    }
    sleep(seconds(300)).await;
    assert_eq!(fake.request("GET", "/_ping", "").await.0, 200);
    manager.submit(web(7)).await;
    manager.submit(json!({"Name": "new", "Image": "app:1", "Count": 1})).await;
    sleep(seconds(60)).await;
    assert_eq!(
        (effects(&fake, EffectKind::Create), effects(&fake, EffectKind::Remove)),
        (6, 0),
        "{}",
        fake.effects()
    );
    let reason = manager.object("web").unwrap().reason;
    assert!(reason.contains("no node behind tcp://fake:3376 is up"), "{reason}");
    let nodes = manager.status().engine.nodes;
    assert!(nodes.len() == 3 && nodes.iter().all(|node| node.error.is_some()), "{nodes:?}");
    for node in 0..3 {
        fake.return_node(node, AT_ONCE);
    }
    manager.converges("web", 7, SETTLED).await;
    manager.converges("new", 1, SOON).await;
    assert!(before.is_subset(&running(&fake)), "{}", fake.effects());
    assert_eq!(effects(&fake, EffectKind::Create), 8);
}

#[tokio::test(start_paused = true)]
async fn fact_16_events_without_newlines_and_of_nodes_do_not_end_the_stream() {
    let (fake, manager) = three_nodes(6).await;
    let listed = fake.called(Call::List);
    fake.lose(0, Processes::KeepRunning, Duration::ZERO);
    manager
        .until(seconds(1), "the event of the node is noticed at once", |status, _| {
            status.engine.nodes.iter().any(|node| node.status == "Unhealthy")
        })
        .await;
    assert!(fake.called(Call::List) > listed);
    fake.return_node(0, AT_ONCE);
    sleep(SETTLED).await;
    // Foreign containers cause events, too, as filters are ignored.
    for n in 0..20 {
        fake.place(n % 3, &format!("noise-{n}"), json!({}));
    }
    let victim = running(&fake).into_iter().next().unwrap();
    fake.exit(&victim, 1);
    let took = manager.converges("web", 6, SOON).await;
    assert!(took < seconds(1), "noticed at once, not at the next resync: {took:?}");
    assert_eq!(fake.called(Call::Events), 1, "the stream was not reopened");
}
