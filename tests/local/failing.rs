//! What cannot work is tried seldom, holds up nobody, and says why: on a plain engine and behind a Swarm manager.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::fake_docker::FakeDocker;
use crate::fake_docker::faults::Call;
use crate::fake_docker::manager::Manager;
use crate::fake_docker::world::{Registry, What};

const MINUTE: Duration = Duration::from_secs(60);
/// A first minute of failures: at 0, 1, 3, 7, 15 and 31 seconds, with jitter, and for a manager that pulls by itself
/// the same once more.
const CALLS_A_MINUTE: usize = 12;

fn both() -> [FakeDocker; 2] {
    [FakeDocker::docker(), FakeDocker::swarm(3)]
}

#[tokio::test(start_paused = true)]
async fn five_hundred_of_an_image_that_nobody_has_cost_a_dozen_calls_and_a_sentence() {
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
            assert!(creates + pulls >= 3, "it is tried again");
            assert_eq!(fake.look(|world| world.peak("web")), 0);
            let said = manager.object("web").unwrap();
            assert!(said.next_retry.is_some(), "{}", said.reason);
            assert!(manager.failing("web") || !answers, "{}", said.reason);
            // The engine's own words, whoever they come from.
            let words = ["nosuch", "refused", "no node behind", "does not exist"];
            assert!(words.iter().any(|w| said.reason.contains(w)), "{}", said.reason);
            // Another object is not held up.
            fake.bring_image("app:1");
            manager.submit(json!({"Name": "other", "Image": "app:1", "Count": 2})).await;
            manager.converges("other", 2, MINUTE).await;
            // Nor this one, once its image is there.
            fake.bring_image("nosuch:1");
            manager.submit(json!({"Name": "web", "Image": "nosuch:1", "Count": 20})).await;
            manager.converges("web", 20, MINUTE).await;
            assert_eq!(fake.look(|world| world.doubled().clone()), Default::default());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_start_does_not_keep_its_name_nor_its_port_and_is_tried_seldom() {
    for fake in both() {
        fake.bring_image("app:1");
        let manager = Manager::start(&fake);
        manager.submit(json!({"Name": "web", "Image": "app:1", "Cmd": ["/nope"], "Count": 500})).await;
        sleep(MINUTE).await;
        let creates = fake.called(Call::Create);
        assert!((3..=CALLS_A_MINUTE).contains(&creates), "{creates} creates");
        let said = manager.object("web").unwrap();
        assert!(said.reason.contains("/nope"), "{}", said.reason);
        assert!(manager.failing("web"), "{}", said.reason);
        assert!(said.next_retry.is_some(), "{}", said.reason);
        // One that was just made may be there; those before it are gone.
        assert!(fake.look(|world| world.reachable("web").count()) <= 1);
        manager.submit(json!({"Name": "web", "Image": "app:1", "Count": 3})).await;
        manager.converges("web", 3, MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_ends_again_and_again_is_started_more_and_more_seldom_and_its_dead_do_not_pile_up() {
    for fake in both() {
        fake.bring_image("app:1");
        let manager = Manager::start(&fake);
        manager.submit(json!({"Name": "web", "Image": "app:1", "Count": 1})).await;
        // It ends a second after each start.
        let ending = async {
            loop {
                let running = fake.look(|world| world.running("web"));
                sleep(Duration::from_secs(1)).await;
                running.iter().for_each(|id| fake.exit(id, 3));
            }
        };
        let _ = tokio::time::timeout(10 * MINUTE, ending).await;
        let starts = fake.look(|world| world.count(What::Start));
        assert!((7..=12).contains(&starts), "{starts} starts in ten minutes");
        let said = manager.object("web").unwrap();
        assert!(said.reason.contains("ended with exit code 3"), "{}", said.reason);
        let last = said.last_exit.as_ref().map(|last| last.reason.as_str()).unwrap_or_default();
        assert!(last.contains("ended with exit code 3"), "{last}");
        assert!(said.restarts >= 7, "{}", said.restarts);
        assert!(manager.failing("web"), "{}", said.reason);
        assert!(fake.look(|world| world.reachable("web").count()) <= 3);
        // It mends itself when the trouble is over.
        manager.converges("web", 1, 6 * MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_is_in_progress_is_waited_for_and_said() {
    let fake = FakeDocker::docker();
    fake.bring_image("app:1");
    let manager = Manager::start(&fake);
    manager.submit(json!({"Name": "web", "Image": "app:1", "Count": 2})).await;
    manager.converges("web", 2, MINUTE).await;
    let stuck = fake.look(|world| world.running("web").into_iter().next()).unwrap();
    fake.change(|world| world.nodes[0].containers.get_mut(&stuck).unwrap().leaving = true);
    manager.submit(json!({"Name": "web", "Image": "app:1", "Count": 0})).await;
    let says = |words: &'static str| {
        manager.until(MINUTE, words, move |status, _| status.objects.iter().any(|o| o.reason.contains(words)))
    };
    says("is already in progress").await;
    fake.change(|world| world.nodes[0].containers.get_mut(&stuck).unwrap().leaving = false);
    manager.converges("web", 0, 5 * MINUTE).await;
}
