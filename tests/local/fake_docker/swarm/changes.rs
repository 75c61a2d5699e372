//! Requests that change something: pulls, creates, starts, stops and removals, forwarded to the engine of a node.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{error, find, known, mark_reached, mark_unhealthy, no_connection, repeated, short};
use crate::fake_docker::serve::Reply;
use crate::fake_docker::world::{Node, View, World};
use crate::fake_docker::{FakeDocker, PLATFORMS, docker};

/// How long a node stays unhealthy after a registry refused its connection.
const UNHEALTHY_FOR: Duration = Duration::from_secs(6);
/// The label that limits the nodes of a container.
const CONSTRAINTS: &str = "com.docker.swarm.constraints";

pub(super) async fn create(fake: &FakeDocker, name: &str, mut body: Value, longer: Duration) -> Reply {
    let mut constraints = take_constraints(&mut body);
    // The manager resolves a network and forwards its own name, to its node.
    let mode = body["HostConfig"]["NetworkMode"].as_str().unwrap_or_default().to_owned();
    let network = fake.read(|world| {
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
            let message = format!(
                "Conflict: The name {name} is already assigned. You have to delete (or rename) that container to be able to \
                 assign {name} to a container again."
            );
            return Err((409, message));
        }
        let node = schedule(world, &constraints)?;
        body["Labels"]["com.docker.swarm.id"] = json!(world.unique_id());
        world.pending.insert(name.to_owned(), node);
        Ok(node)
    });
    let node = match chosen {
        Ok(node) => node,
        Err((status, message)) => return error(status, &message),
    };
    let image = body["Image"].as_str().unwrap_or_default().to_owned();
    let made = match provide(fake, node, &image).await {
        Ok(()) => fake.create(node, name, &body, longer).await,
        Err(message) => Err((500, message)),
    };
    fake.change(|world| world.pending.remove(name));
    match made {
        Ok(id) => Reply::json(201, &json!({ "Id": id })),
        Err((_, message)) => error(500, &repeated(&message)),
    }
}

/// Removes the constraints from a create body, in either form, and returns them. Those in `Env` become labels.
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

/// The matching healthy node with the fewest containers.
fn schedule(world: &World, constraints: &[String]) -> Result<usize, (u16, String)> {
    let healthy = |node: &Node| node.view == View::Healthy;
    if !world.nodes.iter().any(healthy) {
        return Err((500, "No healthy node available in the cluster".to_owned()));
    }
    let matches = |node: &Node| {
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
    let candidates = world.nodes.iter().enumerate().filter(|(_, node)| healthy(node) && matches(node));
    let best = candidates.min_by_key(|(n, node)| node.containers.len() + pending(*n));
    best.map(|(n, _)| n).ok_or_else(|| {
        let conditions: String = constraints.iter().map(|c| format!("\n[{c}]")).collect();
        let message = "Unable to find a node that satisfies the following conditions";
        (500, format!("{message} \n[available container slots]{conditions}"))
    })
}

/// Pulls an image that is missing on the node.
async fn provide(fake: &FakeDocker, node: usize, image: &str) -> Result<(), String> {
    if fake.read(|world| world.nodes[node].images.contains(image)) {
        return Ok(());
    }
    pull(fake, node, image).await
}

/// The manager mistakes a connection that the registry refuses for one that the engine refuses.
async fn pull(fake: &FakeDocker, node: usize, image: &str) -> Result<(), String> {
    let Err((_, message)) = fake.pull(node, image).await else { return Ok(()) };
    if message.contains("connection refused") {
        fake.change(|world| mark_unhealthy(world, node, &repeated(&message)));
        let fake = fake.clone();
        tokio::spawn(async move {
            sleep(UNHEALTHY_FOR).await;
            fake.change(|world| mark_reached(world, node));
        });
    }
    Err(message)
}

pub(super) async fn pull_everywhere(fake: &FakeDocker, image: &str) -> Reply {
    let line =
        |node: &str, message: &str| json!({"status": format!("Pulling {image}...{message}"), "id": node});
    let nodes: Vec<(usize, String)> = fake.read(|world| {
        let reached = world.nodes.iter().enumerate().filter(|(_, node)| node.view != View::Pending);
        reached.map(|(n, node)| (n, node.name.clone())).collect()
    });
    let mut lines: Vec<Value> = nodes.iter().map(|(_, name)| line(name, "")).collect();
    let results = join_all(nodes.iter().map(|(n, _)| pull(fake, *n, image))).await;
    let mut last = None;
    for ((_, name), result) in nodes.iter().zip(results) {
        match result {
            Ok(()) => lines.push(line(name, " : downloaded")),
            Err(message) => {
                let message = repeated(&message);
                lines.push(line(name, &format!(" : {message}")));
                last = Some(message);
            }
        }
    }
    lines.extend(
        last.map(|message| json!({"error": message, "errorDetail": {"code": 1, "message": message}})),
    );
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    Reply::new(200, "application/json", text)
}

pub(super) async fn start(fake: &FakeDocker, key: &str, longer: Duration) -> Reply {
    match fake.read(|world| find(world, key).map(|(n, c)| (n, c.id, down(world, n)))) {
        None => error(404, &format!("No such container {key}")),
        Some((_, _, Some(message))) => error(500, &message),
        Some((n, id, None)) => match fake.start(n, &id, longer).await {
            // Also if it runs already.
            Ok(_) => Reply::empty(204),
            Err((_, message)) => error(500, &repeated(&message)),
        },
    }
}

/// The error of the manager's own calls to a node that is down.
fn down(world: &World, node: usize) -> Option<String> {
    let node = &world.nodes[node];
    (node.view == View::Unhealthy).then(|| no_connection(node))
}

/// A stop and its answer are forwarded unchanged.
pub(super) async fn stop(fake: &FakeDocker, key: &str, longer: Duration) -> Reply {
    let found = fake.read(|world| {
        find(world, key).map(|(n, c)| (n, c.id, world.nodes[n].view, world.nodes[n].name.clone()))
    });
    match found {
        None => error(404, &format!("No such container: {key}")),
        Some((_, _, View::Unhealthy, node)) => {
            error(500, &format!("Container {key} running on unhealthy node {node}"))
        }
        Some((n, id, ..)) => match fake.stop(n, &id, longer).await {
            Ok(stopped) => Reply::empty(if stopped { 204 } else { 304 }),
            Err((status, message)) => docker::error(status, &message),
        },
    }
}

pub(super) async fn remove(fake: &FakeDocker, key: &str, force: bool) -> Reply {
    match fake.read(|world| find(world, key).map(|(n, c)| (n, c.id, down(world, n)))) {
        None => error(404, &format!("Container {key} not found")),
        Some((_, _, Some(message))) => error(500, &message),
        Some((n, id, None)) => match fake.remove(n, &id, force, Duration::ZERO).await {
            Ok(()) => Reply::empty(204),
            Err((_, message)) => error(500, &repeated(&message)),
        },
    }
}
