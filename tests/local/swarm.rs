//! The manager with a classic Docker Swarm: one by one the differences between a Swarm manager and an engine, then scenarios
//! of whole clusters.

mod creates;
mod life;
mod nodes;
mod recorded;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fake_docker::FakeDocker;
use crate::fake_docker::manager::Manager;
use crate::fake_docker::world::{EffectKind, Lag};

/// Long enough for everything that has nothing to wait for.
const SOON: Duration = Duration::from_secs(5);
/// Long enough to notice a lost node, to wait for it, and to replace its containers.
const REPLACED: Duration = Duration::from_secs(60);
/// Long enough for a returned node to be stable for two resyncs, and for the excess to be removed.
const SETTLED: Duration = Duration::from_secs(60);
/// Long enough to notice what must not happen.
const WHILE: Duration = Duration::from_secs(90);
/// Caches that catch up at once.
const AT_ONCE: Lag = Lag { state: Duration::ZERO, status: Duration::ZERO };

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// An object whose image all nodes have.
fn web(count: usize) -> Value {
    json!({"Name": "web", "Image": "app:1", "Count": count})
}

fn web_with(count: usize, more: &Value) -> Value {
    let mut object = web(count);
    object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    object
}

/// A swarm of three nodes and a manager with this many running containers.
async fn three_nodes(count: usize) -> (FakeDocker, Manager) {
    let fake = FakeDocker::swarm(3);
    fake.add_image("app:1");
    let manager = Manager::start(&fake);
    manager.submit(web(count)).await;
    manager.converges("web", count, SOON).await;
    (fake, manager)
}

fn running(fake: &FakeDocker) -> BTreeSet<String> {
    fake.read(|world| world.running("web"))
}

/// The node of the object's only container.
fn only_node(fake: &FakeDocker) -> usize {
    fake.node_of(running(fake).first().unwrap())
}

fn effects(fake: &FakeDocker, what: EffectKind) -> usize {
    fake.read(|world| world.count(what))
}

/// The names of all containers of the object on reachable nodes.
fn names(fake: &FakeDocker) -> BTreeSet<String> {
    fake.read(|world| world.reachable("web").map(|c| c.name.clone()).collect())
}

/// No create took effect while enough containers existed, including those of nodes that are down but not lost yet.
#[track_caller]
fn assert_never_too_many(fake: &FakeDocker, count: usize) {
    let too_many: Vec<String> = fake.read(|world| {
        let ours =
            world.trace.iter().filter(|e| e.kind == EffectKind::Create && e.object.as_deref() == Some("web"));
        ours.filter(|e| e.existing >= count).map(ToString::to_string).collect()
    });
    assert!(too_many.is_empty(), "created although none was missing: {too_many:#?}\n{}", fake.effects());
}

/// Waits until the object's reason contains this text.
#[track_caller]
fn reason_contains(manager: &Manager, text: &'static str) -> impl Future<Output = Duration> {
    manager.until(WHILE, format!("the reason contains {text:?}"), move |status, _| {
        status.objects.iter().any(|o| o.reason.contains(text))
    })
}
