//! Updates: start-first, or stop-first if two containers cannot share a resource.

use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use support::engine::Network;
use support::events::Event;
use support::{Daemon, Engine, SOON, unique};

use support::objects::*;

#[test]
fn another_image_replaces_containers_one_by_one_and_start_first() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("update");
    let daemon = Daemon::managing(&cluster);
    let name = unique("update");
    daemon.client.submit(&object(&name, 3));
    daemon.converges(&name, SOON);
    let before = runs(&daemon, &cluster, 3);

    // A change that needs no new container restarts nothing.
    daemon.client.submit(&object_with(
        &name,
        3,
        json!({"Update": {"Monitor": "301ms", "Parallelism": 1}, "History": 2}),
    ));
    daemon.client.submit(&object(&name, 3));
    thread::sleep(Duration::from_millis(700));
    assert_eq!(ids(&cluster.running()), ids(&before), "neither Update nor History needs a new container");

    let events = cluster.events();
    let answer = daemon.client.submit(&object_with(&name, 3, json!({"Image": "scsm-test:2"})));
    assert_eq!(answer["Result"], "updated");
    daemon.wait_until(SOON, "all three have the new image", || {
        let running = cluster.running();
        running.len() == 3 && running.iter().all(|container| container.image == "scsm-test:2")
    });
    daemon.converges(&name, SOON);

    let over_time = events.running_over_time(3);
    assert!(
        over_time.iter().all(|count| (3..=4).contains(count)),
        "at most one more, never one fewer: {over_time:?}"
    );
    let first = |action: &str, slot: usize, image: &str| {
        let slot = slot.to_string();
        let matches = |event: &Event| event.action == action && event.slot == slot && event.image == image;
        events.wait_for(SOON, &format!("{action} in slot {slot} of {image}"), matches)
    };
    for slot in 1..=3 {
        let start = first("start", slot, "scsm-test:2");
        let stop = first("kill", slot, "scsm-test:1");
        let ran = stop.at.checked_sub(start.at).unwrap_or_else(|| panic!("slot {slot}: old before new"));
        assert!(
            ran >= MONITOR,
            "slot {slot}: the new container ran for only {ran:?} before the old one was stopped"
        );
    }
    for death in events.of(&["die"]) {
        assert_eq!(death.exit_code.as_deref(), Some("15"), "{death:?}");
    }
    assert_eq!(daemon.object(&name)["Updated"], 3);
}

/// A free port of this host.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_port_that_a_stopping_container_of_the_manager_still_holds_is_waited_for() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("port");
    let daemon = Daemon::managing(&cluster);
    let port = free_port();
    let submit = |object: &Value, query: &str| {
        let reply = daemon.client.post(&format!("/submit?wait=45s{query}"), object.to_string());
        (reply.status, reply.body)
    };
    // The image exposes no port: a published port is exposed, as `docker run -p` does.
    let slow = json!({"Cmd": ["--linger=4000"], "Update": {"Monitor": "300ms", "FailAfter": "0s"}});
    let (status, body) = submit(&publishing("a-old", port, slow.clone()), "");
    assert_eq!(status, 200, "{body}");
    daemon.wait_until(SOON, "it is published", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    let shown = daemon.object("a-old");
    let ports = format!("127.0.0.1:{port}->8080/tcp");
    assert_eq!(shown["Containers"][0]["Ports"], json!([ports]), "{shown}");
    let old = runs(&daemon, &cluster, 1);

    // The object is replaced under another name: the new one gets the port as soon as the old one has released it.
    let (status, body) = submit(&json!([publishing("a-new", port, slow)]), "&prune=a-");
    assert_eq!(status, 200, "{body}");
    let events_text = daemon.client.get("/events?follow=false&tail=1000&object=a-new").body;
    let waits = format!("waiting: {} is stopping and still holds host port {port}/tcp", old[0].name);
    assert!(events_text.contains(&waits) && !events_text.contains("step-failed"), "{events_text}");
    assert_eq!(cluster.running().len(), 1);
}

#[test]
fn an_object_with_a_fixed_address_is_updated_stop_first() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("address");
    let daemon = Daemon::managing(&cluster);
    let net = Network::create(&engine, &unique("fixed"), &["--subnet=10.213.77.0/24"]);
    let with = |count: u32, env: &str| {
        let endpoint = json!({net.name.clone(): {"IPAMConfig": {"IPv4Address": "10.213.77.9"}}});
        let more = json!({"Env": [env], "HostConfig": {"NetworkMode": net.name},
                          "NetworkingConfig": {"EndpointsConfig": endpoint}});
        daemon.client.post("/submit?wait=45s", object_with("fixed", count, more).to_string())
    };
    for env in ["A=1", "A=2"] {
        let reply = with(1, env);
        assert_eq!(reply.status, 200, "{env}: {reply:?}");
    }
    let reply = with(2, "A=2");
    assert_eq!(reply.status, 422, "{reply:?}");
    assert!(reply.body.contains("address 10.213.77.9"), "{reply:?}");
    let gone = daemon.client.request("/objects/fixed?wait=45s", &["--request", "DELETE"], b"");
    assert_eq!(gone.status, 200, "{gone:?}");
}
