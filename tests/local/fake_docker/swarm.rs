//! A classic Swarm manager's dialect: plain text errors, many nodes, and two caches that disagree.
//!
//! The manager forwards requests to the engines that it knows, or answers from its caches. After a restart it does not know
//! all nodes yet: lists are incomplete, and names that are in use count as free.

use std::time::Duration;

use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::FakeDocker;
use super::answers::{self, SWARM};
use super::request::{Filters, Request};
use super::serve::{Content, Reply};
use super::world::{Container, Event, Life, Node, View, World};

mod changes;

/// How long a list takes to be collected, and again to be sent.
const LIST: Duration = Duration::from_millis(2);
/// The id of every engine, without the address.
const ENGINE_ID: &str = "SI65:2QDP:H2ZB:EAOW:PXX5:EWMW:YQAG:SKKP:JMN7:OLZN:325C:KSCO";

pub(crate) fn error(status: u16, message: &str) -> Reply {
    Reply::new(status, "text/plain; charset=utf-8", format!("{message}\n"))
}

/// How the manager repeats an engine's message.
fn repeated(message: &str) -> String {
    format!("Error response from daemon: {message}")
}

fn no_connection(node: &Node) -> String {
    format!("Cannot connect to the Docker daemon at tcp://{}. Is the docker daemon running?", node.address)
}

pub(crate) async fn answer(fake: &FakeDocker, request: Request, longer: Duration) -> Reply {
    if !matches!(request, Request::Create { .. } | Request::Start { .. } | Request::Stop { .. }) {
        sleep(longer).await;
    }
    match request {
        Request::Ping => Reply::new(200, "text/plain; charset=utf-8", "OK"),
        Request::Version => Reply::json(
            200,
            &json!({
                "Version": "swarm/1.2.9", "ApiVersion": "1.40", "GitCommit": "527a849", "GoVersion": "go1.9.4",
                "Os": "linux", "Arch": "amd64", "BuildTime": "",
            }),
        ),
        Request::Info => fake.read(info),
        Request::Events { .. } => fake.change(events),
        Request::List { all, filters } => {
            sleep(LIST).await;
            let list = fake.read(|world| list(world, all, &filters));
            sleep(LIST).await;
            list
        }
        Request::Inspect { key } => inspect(fake, &key).await,
        Request::InspectImage { image } => {
            let known = |world: &World| {
                world.nodes.iter().any(|node| node.view != View::Pending && node.images.contains(&image))
            };
            match fake.read(known) {
                true => Reply::new(200, "application/json", answers::DOCKER_IMAGE),
                false => error(404, &format!("No such image: {image}")),
            }
        }
        Request::Networks { filters } => {
            fake.read(|world| Reply::json(200, &world.list_networks(&filters, true)))
        }
        Request::Network { key } => match fake.read(|world| world.show_network_by(&key)) {
            Some(network) => Reply::json(200, &network),
            None => error(404, &format!("No such network: {key}")),
        },
        Request::Volumes { filters } => {
            fake.read(|world| Reply::json(200, &world.list_volumes(&filters, true)))
        }
        Request::Pull { image } => changes::pull_everywhere(fake, &image).await,
        Request::Create { name, body } => changes::create(fake, &name, body, longer).await,
        Request::Start { key } => changes::start(fake, &key, longer).await,
        Request::Stop { key } => changes::stop(fake, &key, longer).await,
        Request::Remove { key, force } => changes::remove(fake, &key, force).await,
        Request::Logs(asked) => {
            let found = fake.read(|world| {
                find(world, &asked.key)
                    .map(|(n, c)| (c.name, world.nodes[n].view, world.nodes[n].name.clone()))
            });
            match found {
                None => error(404, &format!("No such container: {}", asked.key)),
                Some((_, View::Unhealthy, node)) => {
                    error(404, &format!("Container {} running on unhealthy node {node}", asked.key))
                }
                Some((name, ..)) => fake.logs(&name, &asked),
            }
        }
        Request::Unknown => error(404, "404 page not found"),
    }
}

/// The containers that the manager knows: those of nodes that it has reached, including lost ones.
fn known(world: &World) -> impl Iterator<Item = (usize, &Container)> {
    world.containers().filter(|(n, c)| world.nodes[*n].view != View::Pending && !c.hidden)
}

/// The container with an id or a name. An ambiguous name matches none.
fn find(world: &World, key: &str) -> Option<(usize, Container)> {
    let called = |(n, c): &(usize, &Container)| {
        c.name == key || key.split_once('/') == Some((&world.nodes[*n].name, &c.name))
    };
    let by_id = known(world).find(|(_, c)| c.id == key);
    by_id
        .or_else(|| {
            let mut named = known(world).filter(called);
            named.next().filter(|_| named.next().is_none())
        })
        .map(|(n, c)| (n, c.clone()))
}

fn info(world: &World) -> Reply {
    let mut rows: Vec<Value> = SWARM.info["SystemStatus"].as_array().unwrap()[..3].to_vec();
    rows.push(json!(["Nodes", world.nodes.len().to_string()]));
    let mut nodes: Vec<&Node> = world.nodes.iter().collect();
    nodes.sort_by_key(|node| (node.view != View::Pending, &node.name));
    for node in nodes {
        let mut row = |name: &str, value: String| rows.push(json!([name, value]));
        let is = |life: Life| node.containers.values().filter(|c| c.life == life).count();
        let (all, running) = (node.containers.len(), is(Life::Running));
        let updated = humantime::format_rfc3339_seconds(world.time(Instant::now()).system()).to_string();
        if node.view == View::Pending {
            row(" (unknown)", node.address.clone());
            row("  └ ID", String::new());
            row("  └ Status", "Pending".to_owned());
            row("  └ Containers", "0".to_owned());
            row("  └ Reserved CPUs", "0 / 0".to_owned());
            row("  └ Reserved Memory", "0 B / 0 B".to_owned());
            row("  └ Labels", String::new());
            row("  └ Error", no_connection(node));
            row("  └ UpdatedAt", updated);
            row("  └ ServerVersion", String::new());
            continue;
        }
        row(&format!(" {}", node.name), node.address.clone());
        row("  └ ID", engine_id(&node.address));
        row("  └ Status", format!("{:?}", node.view));
        row("  └ Containers", format!("{all} ({running} Running, 0 Paused, {} Stopped)", all - running));
        row("  └ Reserved CPUs", "0 / 2".to_owned());
        row("  └ Reserved Memory", "0 B / 24.72 GiB".to_owned());
        let labels = "operatingsystem=Debian GNU/Linux 12 (bookworm), ostype=linux, storagedriver=overlay2";
        row("  └ Labels", format!("kernelversion=6.18.44, name={}, {labels}", short(node)));
        if !node.error.is_empty() {
            row("  └ Error", node.error.clone());
        }
        row("  └ UpdatedAt", updated);
        row("  └ ServerVersion", "20.10.24+dfsg1".to_owned());
    }
    let mut info = SWARM.info.clone();
    info["Containers"] = json!(known(world).count());
    info["SystemStatus"] = Value::Array(rows);
    Reply::json(200, &info)
}

fn engine_id(address: &str) -> String {
    format!("{ENGINE_ID}|{address}")
}

/// The label `name` of a node: `n1` for `node-1`.
fn short(node: &Node) -> String {
    node.name.replace("node-", "n")
}

/// A list. Unknown filters are ignored; with a `status` filter, or without `all`, the containers of lost nodes are left out.
fn list(world: &World, all: bool, filters: &Filters) -> Reply {
    let now = Instant::now();
    let mut containers: Vec<_> = known(world).collect();
    containers.sort_by_key(|(_, c)| (std::cmp::Reverse(c.created), c.id.clone()));
    let stopped_too = all || filters.get("status").is_some_and(|wanted| wanted.iter().any(|s| s == "exited"));
    let healthy = |n: usize| world.nodes[n].view == View::Healthy;
    let entries: Vec<Value> = containers
        .into_iter()
        .filter(|(n, c)| stopped_too || (c.listed_state(now) == Life::Running && healthy(*n)))
        .filter(|(n, _)| !filters.contains_key("status") || healthy(*n))
        .filter(|(_, c)| answers::has_labels(c, filters) && answers::has_status(c, filters, now))
        .map(|(n, c)| {
            let status = if healthy(n) { answers::status(c, now) } else { "Host Down".to_owned() };
            let name = format!("/{}/{}", world.nodes[n].name, c.name);
            answers::entry(&SWARM, world, c, &name, status)
        })
        .collect();
    Reply::json(200, &Value::Array(entries))
}

async fn inspect(fake: &FakeDocker, key: &str) -> Reply {
    let found = fake.read(|world| {
        find(world, key).map(|(n, c)| (n, c, world.nodes[n].view, world.nodes[n].name.clone()))
    });
    match found {
        None => error(404, &format!("No such container {key}")),
        Some((_, _, View::Unhealthy, node)) => {
            error(500, &format!("Container {key} running on unhealthy node {node}"))
        }
        Some((n, container, ..)) => match fake.inspect(n, &container.id).await {
            Err((status, message)) => error(status, &message),
            Ok(container) => fake.read(|world| {
                let mut found = answers::inspect(&SWARM, world, n, &container);
                let Node { name, address, .. } = &world.nodes[n];
                found["Node"]["ID"] = json!(engine_id(address));
                found["Node"]["IP"] = json!(ip(address));
                found["Node"]["Addr"] = json!(address);
                found["Node"]["Name"] = json!(name);
                found["Node"]["Labels"]["name"] = json!(short(&world.nodes[n]));
                Reply::json(200, &found)
            }),
        },
    }
}

fn ip(address: &str) -> &str {
    address.split(':').next().unwrap_or_default()
}

/// Events of all containers and nodes, whatever the filters, without separators.
fn events(world: &mut World) -> Reply {
    let (sender, mut receiver) = mpsc::unbounded_channel::<Event>();
    world.listen(sender);
    let next = move |cx: &mut std::task::Context<'_>| {
        receiver.poll_recv(cx).map(|event| event.map(|event| json_of(&event).to_string().into_bytes()))
    };
    Reply {
        status: 200,
        content_type: "application/json",
        body: Content::Stream(Box::pin(stream::poll_fn(next))),
    }
}

fn json_of(event: &Event) -> Value {
    let (name, address) = &event.node;
    let (id, ip) = (engine_id(address), ip(address));
    let mut value = match &event.container {
        Some(container) => answers::event(event, container),
        None => json!({
            "status": event.action, "Type": "swarm", "Action": event.action,
            "Actor": {"ID": "", "Attributes": {}}, "time": event.at.0 / 1000, "timeNano": event.at.0 * 1_000_000,
        }),
    };
    let from = event.container.as_ref().map_or("swarm", |c| &c.image);
    value["from"] = json!(format!("{from} node:{name}"));
    let attributes = &mut value["Actor"]["Attributes"];
    attributes["node.addr"] = json!(address);
    attributes["node.id"] = json!(id);
    attributes["node.ip"] = json!(ip);
    attributes["node.name"] = json!(name);
    value["node"] = json!({"Name": name, "Id": id, "Addr": address, "Ip": ip});
    value
}

/// The manager marks a node as unhealthy.
pub(super) fn mark_unhealthy(world: &mut World, node: usize, error: &str) {
    let state = &mut world.nodes[node];
    state.error = error.to_owned();
    if state.view == View::Healthy {
        state.view = View::Unhealthy;
        world.emit_node("engine_disconnect", node);
    }
}

/// The manager reaches a node, again or for the first time since it was started.
pub(super) fn mark_reached(world: &mut World, node: usize) {
    let state = &mut world.nodes[node];
    if state.lost.is_some() {
        return;
    }
    state.error.clear();
    match std::mem::replace(&mut state.view, View::Healthy) {
        View::Healthy => {}
        View::Unhealthy => world.emit_node("engine_reconnect", node),
        View::Pending => world.emit_node("engine_connect", node),
    }
}

/// The manager's error for a lost node.
pub(super) fn connection_error(world: &World, node: usize) -> String {
    no_connection(&world.nodes[node])
}
