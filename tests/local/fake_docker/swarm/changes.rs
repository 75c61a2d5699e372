//! Requests that change something: pulls, creates, starts, stops and removals, passed on to the engine of a node.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{error, find, known, lose_sight, no_connection, regain_sight, repeated, short};
use crate::fake_docker::serve::Reply;
use crate::fake_docker::world::{Node, View, World};
use crate::fake_docker::{FakeDocker, PLATFORMS, docker};

/// How long a node stays unhealthy for a connection that a registry refused to it.
const UNWELL: Duration = Duration::from_secs(6);
/// The label by which the manager is told where a container may go.
const CONSTRAINTS: &str = "com.docker.swarm.constraints";

pub(super) async fn create(fake: &FakeDocker, name: &str, mut body: Value, longer: Duration) -> Reply {
    let mut constraints = take_constraints(&mut body);
    // What it takes for a network's name it passes on as that network's own name, to that network's node.
    let mode = body["HostConfig"]["NetworkMode"].as_str().unwrap_or_default().to_owned();
    let network = fake.look(|world| {
        let network = world.network_of_swarm(&mode)?;
        Some((network.name.clone(), world.nodes[network.node].name.clone()))
    });
    if let Some((name, node)) = network {
        body["HostConfig"]["NetworkMode"] = json!(name);
        constraints.push(format!("node=={node}"));
    }
    if !constraints.iter().any(|c| c.starts_with("ostype")) {
        sleep(PLATFORMS).await;
    }
    let chosen = fake.change(|world| {
        if known(world).any(|(_, c)| c.name == name) || world.pending.contains_key(name) {
            let words = format!(
                "Conflict: The name {name} is already assigned. You have to delete (or rename) that container to be able to \
                 assign {name} to a container again."
            );
            return Err((409, words));
        }
        let node = schedule(world, &constraints)?;
        body["Labels"]["com.docker.swarm.id"] = json!(world.unique_id());
        world.pending.insert(name.to_owned(), node);
        Ok(node)
    });
    let node = match chosen {
        Ok(node) => node,
        Err((status, words)) => return error(status, &words),
    };
    let image = body["Image"].as_str().unwrap_or_default().to_owned();
    let made = match provide(fake, node, &image).await {
        Ok(()) => fake.create(node, name, &body, longer).await,
        Err(words) => Err((500, words)),
    };
    fake.change(|world| world.pending.remove(name));
    match made {
        Ok(id) => Reply::json(201, &json!({ "Id": id })),
        Err((_, words)) => error(500, &repeated(&words)),
    }
}

/// Takes the constraints out of a create body, from where either form has them. Those in `Env` become labels.
fn take_constraints(body: &mut Value) -> Vec<String> {
    let label = body["Labels"][CONSTRAINTS].as_str().unwrap_or("[]");
    let mut constraints: Vec<String> = serde_json::from_str(label).unwrap_or_default();
    if let Some(env) = body["Env"].as_array_mut() {
        env.retain(|entry| {
            let constraint = entry.as_str().and_then(|text| text.strip_prefix("constraint:"));
            constraints.extend(constraint.map(str::to_owned));
            constraint.is_none()
        });
    }
    if !constraints.is_empty() {
        body["Labels"][CONSTRAINTS] = json!(json!(constraints).to_string());
    }
    constraints
}

/// The healthy node with the fewest containers that fits.
fn schedule(world: &World, constraints: &[String]) -> Result<usize, (u16, String)> {
    let healthy = |node: &Node| node.view == View::Healthy;
    if !world.nodes.iter().any(healthy) {
        return Err((500, "No healthy node available in the cluster".to_owned()));
    }
    let fits = |node: &Node| {
        constraints.iter().all(|constraint| {
            let value = |key: &str| match key {
                "node" => node.name.clone(),
                "name" => short(node),
                "ostype" => "linux".to_owned(),
                _ => String::new(),
            };
            match (constraint.split_once("=="), constraint.split_once("!=")) {
                (Some((key, wanted)), _) => value(key) == wanted,
                (None, Some((key, shunned))) => value(key) != shunned,
                (None, None) => false,
            }
        })
    };
    let pending = |n: usize| world.pending.values().filter(|node| **node == n).count();
    let candidates = world.nodes.iter().enumerate().filter(|(_, node)| healthy(node) && fits(node));
    let best = candidates.min_by_key(|(n, node)| node.containers.len() + pending(*n));
    best.map(|(n, _)| n).ok_or_else(|| {
        let wishes: String = constraints.iter().map(|c| format!("\n[{c}]")).collect();
        let words = "Unable to find a node that satisfies the following conditions";
        (500, format!("{words} \n[available container slots]{wishes}"))
    })
}

/// Pulls an image that is missing on the node, silently, for as long as it takes.
async fn provide(fake: &FakeDocker, node: usize, image: &str) -> Result<(), String> {
    if fake.look(|world| world.nodes[node].images.contains(image)) {
        return Ok(());
    }
    pull(fake, node, image).await
}

/// A connection that a registry refuses to an engine is taken for one that the engine refuses.
async fn pull(fake: &FakeDocker, node: usize, image: &str) -> Result<(), String> {
    let Err((_, words)) = fake.pull(node, image).await else { return Ok(()) };
    if words.contains("connection refused") {
        fake.change(|world| lose_sight(world, node, &repeated(&words)));
        let fake = fake.clone();
        tokio::spawn(async move {
            sleep(UNWELL).await;
            fake.change(|world| regain_sight(world, node));
        });
    }
    Err(words)
}

pub(super) async fn pull_everywhere(fake: &FakeDocker, image: &str) -> Reply {
    let line = |node: &str, words: &str| json!({"status": format!("Pulling {image}...{words}"), "id": node});
    let nodes: Vec<(usize, String)> = fake.look(|world| {
        let reached = world.nodes.iter().enumerate().filter(|(_, node)| node.view != View::Pending);
        reached.map(|(n, node)| (n, node.name.clone())).collect()
    });
    let mut lines: Vec<Value> = nodes.iter().map(|(_, name)| line(name, "")).collect();
    let results = join_all(nodes.iter().map(|(n, _)| pull(fake, *n, image))).await;
    let mut last = None;
    for ((_, name), result) in nodes.iter().zip(results) {
        match result {
            Ok(()) => lines.push(line(name, " : downloaded")),
            Err(words) => {
                let words = repeated(&words);
                lines.push(line(name, &format!(" : {words}")));
                last = Some(words);
            }
        }
    }
    lines.extend(last.map(|words| json!({"error": words, "errorDetail": {"code": 1, "message": words}})));
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    Reply::new(200, "application/json", text)
}

pub(super) async fn start(fake: &FakeDocker, key: &str, longer: Duration) -> Reply {
    match fake.look(|world| find(world, key).map(|(n, c)| (n, c.id, down(world, n)))) {
        None => error(404, &format!("No such container {key}")),
        Some((_, _, Some(words))) => error(500, &words),
        Some((n, id, None)) => match fake.start(n, &id, longer).await {
            // Also where it runs already.
            Ok(_) => Reply::empty(204),
            Err((_, words)) => error(500, &repeated(&words)),
        },
    }
}

/// What a call says that the manager makes itself on a node that is down.
fn down(world: &World, node: usize) -> Option<String> {
    let node = &world.nodes[node];
    (node.view == View::Unhealthy).then(|| no_connection(node))
}

/// A stop is passed on as it is, and the engine's answer passed back.
pub(super) async fn stop(fake: &FakeDocker, key: &str, longer: Duration) -> Reply {
    let found = fake.look(|world| {
        find(world, key).map(|(n, c)| (n, c.id, world.nodes[n].view, world.nodes[n].name.clone()))
    });
    match found {
        None => error(404, &format!("No such container: {key}")),
        Some((_, _, View::Unhealthy, node)) => {
            error(500, &format!("Container {key} running on unhealthy node {node}"))
        }
        Some((n, id, ..)) => match fake.stop(n, &id, longer).await {
            Ok(stopped) => Reply::empty(if stopped { 204 } else { 304 }),
            Err((status, words)) => docker::error(status, &words),
        },
    }
}

pub(super) async fn remove(fake: &FakeDocker, key: &str, force: bool) -> Reply {
    match fake.look(|world| find(world, key).map(|(n, c)| (n, c.id, down(world, n)))) {
        None => error(404, &format!("Container {key} not found")),
        Some((_, _, Some(words))) => error(500, &words),
        Some((n, id, None)) => match fake.remove(n, &id, force, Duration::ZERO).await {
            Ok(()) => Reply::empty(204),
            Err((_, words)) => error(500, &repeated(&words)),
        },
    }
}
