//! A Docker Engine's dialect: JSON errors, one node, lists that show an end with a short lag.

use std::time::Duration;

use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::FakeDocker;
use super::answers::{self, DOCKER, DOCKER_IMAGE, DOCKER_VERSION};
use super::engine::Refusal;
use super::request::{Filters, Request};
use super::serve::{Content, Reply};
use super::world::{Event, Life, World};

/// How long a list takes to be collected, and again to be sent.
const LIST: Duration = Duration::from_millis(2);
/// The only node.
const HERE: usize = 0;

pub(crate) fn error(status: u16, message: &str) -> Reply {
    Reply::new(status, "application/json", format!("{}\n", json!({ "message": message })))
}

fn done<T>(result: Result<T, Refusal>, reply: impl FnOnce(T) -> Reply) -> Reply {
    match result {
        Ok(value) => reply(value),
        Err((status, message)) => error(status, &message),
    }
}

/// 204, or 304 if nothing changed.
fn changed(result: Result<bool, Refusal>) -> Reply {
    done(result, |changed| Reply::empty(if changed { 204 } else { 304 }))
}

pub(crate) async fn answer(fake: &FakeDocker, request: Request, longer: Duration) -> Reply {
    if !matches!(request, Request::Create { .. } | Request::Start { .. } | Request::Stop { .. }) {
        sleep(longer).await;
    }
    match request {
        Request::Ping => Reply::new(200, "text/plain; charset=utf-8", "OK"),
        Request::Version => Reply::new(200, "application/json", DOCKER_VERSION),
        Request::Info => Reply::json(200, &DOCKER.info),
        Request::Events { filters } => fake.change(|world| events(world, filters)),
        Request::List { all, filters } => {
            sleep(LIST).await;
            let list = fake.read(|world| list(world, all, &filters));
            sleep(LIST).await;
            list
        }
        Request::Inspect { key } => done(fake.inspect(HERE, &key).await, |container| {
            fake.read(|world| Reply::json(200, &answers::inspect(&DOCKER, world, HERE, &container)))
        }),
        Request::InspectImage { image } => {
            match fake.read(|world| world.nodes[HERE].images.contains(&image)) {
                true => Reply::new(200, "application/json", DOCKER_IMAGE),
                false => error(404, &format!("no such image: {image}: No such image: {image}")),
            }
        }
        Request::Networks { filters } => {
            fake.read(|world| Reply::json(200, &world.list_networks(&filters, false)))
        }
        Request::Network { key } => match fake.read(|world| world.show_network_by(&key)) {
            Some(network) => Reply::json(200, &network),
            None => error(404, &format!("network {key} not found")),
        },
        Request::Volumes { filters } => {
            fake.read(|world| Reply::json(200, &world.list_volumes(&filters, false)))
        }
        Request::Pull { image } => done(fake.pull(HERE, &image).await, |()| {
            let lines = [
                json!({"status": format!("Pulling from {image}"), "id": "1"}),
                json!({"status": format!("Status: Downloaded newer image for {image}")}),
            ];
            Reply::new(200, "application/json", lines.map(|line| format!("{line}\r\n")).concat())
        }),
        Request::Create { name, body } => done(fake.create(HERE, &name, &body, longer).await, |id| {
            Reply::json(201, &json!({ "Id": id, "Warnings": [] }))
        }),
        Request::Start { key } => changed(fake.start(HERE, &key, longer).await),
        Request::Stop { key } => changed(fake.stop(HERE, &key, longer).await),
        Request::Remove { key, force } => {
            done(fake.remove(HERE, &key, force, Duration::ZERO).await, |()| Reply::empty(204))
        }
        Request::Logs(asked) => {
            done(fake.inspect(HERE, &asked.key).await, |container| fake.logs(&container.name, &asked))
        }
        Request::Unknown => error(404, "page not found"),
    }
}

fn list(world: &World, all: bool, filters: &Filters) -> Reply {
    let now = Instant::now();
    let mut containers: Vec<_> = world.containers().map(|(_, container)| container).collect();
    containers.sort_by_key(|c| (std::cmp::Reverse(c.created), c.id.clone()));
    let entries: Vec<Value> = containers
        .into_iter()
        .filter(|c| all || filters.contains_key("status") || c.listed_state(now) == Life::Running)
        .filter(|c| answers::has_labels(c, filters) && answers::has_status(c, filters, now))
        .map(|c| answers::entry(&DOCKER, world, c, &format!("/{}", c.name), answers::status(c, now)))
        .collect();
    Reply::json(200, &Value::Array(entries))
}

/// An engine applies the filters, and ends each event with a newline.
fn events(world: &mut World, filters: Filters) -> Reply {
    let (sender, mut receiver) = mpsc::unbounded_channel::<Event>();
    world.listen(sender);
    let next = move |cx: &mut std::task::Context<'_>| loop {
        let Some(event) = std::task::ready!(receiver.poll_recv(cx)) else {
            return std::task::Poll::Ready(None);
        };
        if let Some(container) = &event.container
            && answers::has_labels(container, &filters)
        {
            let line = format!("{}\n", answers::event(&event, container));
            return std::task::Poll::Ready(Some(line.into_bytes()));
        }
    };
    Reply {
        status: 200,
        content_type: "application/json",
        body: Content::Stream(Box::pin(stream::poll_fn(next))),
    }
}
