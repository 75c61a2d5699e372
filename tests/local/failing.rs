//! Objects that cannot work are retried rarely, delay no other object, and report why: on a plain engine and behind a Swarm
//! manager.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::fake_docker::FakeDocker;
use crate::fake_docker::faults::Call;
use crate::fake_docker::manager::Manager;
use crate::fake_docker::world::{EffectKind, Registry};

const MINUTE: Duration = Duration::from_secs(60);
/// The attempts in the first minute of failures: at 0, 1, 3, 7, 15 and 31 seconds, with jitter, and twice as many for a
/// manager that pulls by itself.
const CALLS_A_MINUTE: usize = 12;

fn both() -> [FakeDocker; 2] {
    [FakeDocker::docker(), FakeDocker::swarm(3)]
}

#[tokio::test(start_paused = true)]
async fn five_hundred_containers_of_a_missing_image_cost_a_dozen_calls_and_one_reason() {
    let registries: [(fn() -> Registry, bool); 2] =
        [(|| Registry::HasNone, true), (|| Registry::Unreachable, false)];
    for (registry, answers) in registries {
        for fake in both() {
            fake.change(|world| world.registry = registry());
            let manager = Manager::start(&fake);
            manager.submit(json!({"Name": "web", "Image": "nosuch:1", "Count": 500})).await;
            sleep(MINUTE).await;
            let (creates, pulls) = (fake.called(Call::Create), fake.called(Call::Pull));
            assert!(creates <= CALLS_A_MINUTE && pulls <= CALLS_A_MINUTE, "{creates} creates, {pulls} pulls");
            assert!(creates + pulls >= 3, "it is retried");
            assert_eq!(fake.read(|world| world.peak("web")), 0);
            let status = manager.object("web").unwrap();
            assert!(status.next_retry.is_some(), "{}", status.reason);
            assert!(manager.failing("web") || !answers, "{}", status.reason);
            // The engine's own message, whichever program wrote it.
            let words = ["nosuch", "refused", "no node behind", "does not exist"];
            assert!(words.iter().any(|w| status.reason.contains(w)), "{}", status.reason);
            // Another object is not delayed.
            fake.add_image("app:1");
            manager.submit(json!({"Name": "other", "Image": "app:1", "Count": 2})).await;
            manager.converges("other", 2, MINUTE).await;
            // Nor is this one, once its image exists.
            fake.add_image("nosuch:1");
            manager.submit(json!({"Name": "web", "Image": "nosuch:1", "Count": 20})).await;
            manager.converges("web", 20, MINUTE).await;
            assert_eq!(fake.read(|world| world.doubled().clone()), Default::default());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_that_cannot_start_is_removed_and_retried_rarely() {
    for fake in both() {
        fake.add_image("app:1");
        let manager = Manager::start(&fake);
        manager.submit(json!({"Name": "web", "Image": "app:1", "Cmd": ["/nope"], "Count": 500})).await;
        sleep(MINUTE).await;
        let creates = fake.called(Call::Create);
        assert!((3..=CALLS_A_MINUTE).contains(&creates), "{creates} creates");
        let status = manager.object("web").unwrap();
        assert!(status.reason.contains("/nope"), "{}", status.reason);
        assert!(manager.failing("web"), "{}", status.reason);
        assert!(status.next_retry.is_some(), "{}", status.reason);
        // At most the newest one is left.
        assert!(fake.read(|world| world.reachable("web").count()) <= 1);
        manager.submit(json!({"Name": "web", "Image": "app:1", "Count": 3})).await;
        manager.converges("web", 3, MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_that_keeps_ending_is_replaced_ever_more_rarely_and_ended_ones_do_not_accumulate() {
    for fake in both() {
        fake.add_image("app:1");
        let manager = Manager::start(&fake);
        manager.submit(json!({"Name": "web", "Image": "app:1", "Count": 1})).await;
        // It ends a second after each start.
        let ending = async {
            loop {
                let running = fake.read(|world| world.running("web"));
                sleep(Duration::from_secs(1)).await;
                running.iter().for_each(|id| fake.exit(id, 3));
            }
        };
        let _ = tokio::time::timeout(10 * MINUTE, ending).await;
        let starts = fake.read(|world| world.count(EffectKind::Start));
        assert!((7..=12).contains(&starts), "{starts} starts in ten minutes");
        let status = manager.object("web").unwrap();
        assert!(status.reason.contains("ended with exit code 3"), "{}", status.reason);
        let last = status.last_exit.as_ref().map(|last| last.reason.as_str()).unwrap_or_default();
        assert!(last.contains("ended with exit code 3"), "{last}");
        assert!(status.restarts >= 7, "{}", status.restarts);
        assert!(manager.failing("web"), "{}", status.reason);
        assert!(fake.read(|world| world.reachable("web").count()) <= 3);
        // It recovers by itself.
        manager.converges("web", 1, 6 * MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_removal_in_progress_is_waited_for_and_reported() {
    let fake = FakeDocker::docker();
    fake.add_image("app:1");
    let manager = Manager::start(&fake);
    manager.submit(json!({"Name": "web", "Image": "app:1", "Count": 2})).await;
    manager.converges("web", 2, MINUTE).await;
    let stuck = fake.read(|world| world.running("web").into_iter().next()).unwrap();
    fake.change(|world| world.nodes[0].containers.get_mut(&stuck).unwrap().removing = true);
    manager.submit(json!({"Name": "web", "Image": "app:1", "Count": 0})).await;
    let reports = |words: &'static str| {
        manager.until(MINUTE, words, move |status, _| status.objects.iter().any(|o| o.reason.contains(words)))
    };
    reports("is already in progress").await;
    fake.change(|world| world.nodes[0].containers.get_mut(&stuck).unwrap().removing = false);
    manager.converges("web", 0, 5 * MINUTE).await;
}
