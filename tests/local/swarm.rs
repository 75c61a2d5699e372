//! The manager in front of a classic Docker Swarm: first the ways in which a Swarm manager differs from an engine, one after
//! the other, then what a cluster goes through in its life.

mod creates;
mod life;
mod nodes;
mod recorded;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fake_docker::FakeDocker;
use crate::fake_docker::manager::Manager;
use crate::fake_docker::world::{Lag, What};

/// Long enough for all that has nothing to wait for.
const SOON: Duration = Duration::from_secs(5);
/// A lost node has been noticed, has been waited for, and its containers have been replaced.
const REPLACED: Duration = Duration::from_secs(60);
/// A returned node has been stable for two resyncs, and what was too many is gone.
const SETTLED: Duration = Duration::from_secs(60);
/// Long enough for all that should not happen to happen.
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

/// A manager before a swarm of three nodes, with so many containers that run.
async fn three_nodes(count: usize) -> (FakeDocker, Manager) {
    let fake = FakeDocker::swarm(3);
    fake.bring_image("app:1");
    let manager = Manager::start(&fake);
    manager.submit(web(count)).await;
    manager.converges("web", count, SOON).await;
    (fake, manager)
}

fn running(fake: &FakeDocker) -> BTreeSet<String> {
    fake.look(|world| world.running("web"))
}

/// The node of the object's only container.
fn its_node(fake: &FakeDocker) -> usize {
    fake.node_of(running(fake).first().unwrap())
}

fn done(fake: &FakeDocker, what: What) -> usize {
    fake.look(|world| world.count(what))
}

/// The names of all containers of the object, on nodes that can be reached.
fn names(fake: &FakeDocker) -> BTreeSet<String> {
    fake.look(|world| world.reachable("web").map(|c| c.name.clone()).collect())
}

/// No create took effect while as many as were wanted were there, lost nodes counted until they are lost.
#[track_caller]
fn never_one_too_many(fake: &FakeDocker, count: usize) {
    let too_many: Vec<String> = fake.look(|world| {
        let ours =
            world.trace.iter().filter(|e| e.what == What::Create && e.object.as_deref() == Some("web"));
        ours.filter(|e| e.there >= count).map(ToString::to_string).collect()
    });
    assert!(too_many.is_empty(), "made though none was missing: {too_many:#?}\n{}", fake.effects());
}

/// What the status says of the object, once its reason has these words.
#[track_caller]
fn says(manager: &Manager, words: &'static str) -> impl Future<Output = Duration> {
    manager.until(WHILE, format!("the status says {words:?}"), move |status, _| {
        status.objects.iter().any(|o| o.reason.contains(words))
    })
}
