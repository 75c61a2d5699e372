//! Objects for a Docker Engine, which run the test image, objects for the simulated engine, and waits for containers.

use std::time::Duration;

use super::{Cluster, Container, Daemon, SOON};
use serde_json::{Value, json};

/// `Update.Monitor` in these tests.
pub const MONITOR: Duration = Duration::from_millis(300);

pub fn object(name: &str, count: u32) -> Value {
    json!({"Name": name, "Image": "scsm-test:1", "Count": count, "Update": {"Monitor": "300ms"}})
}

/// An object with more or other fields.
pub fn object_with(name: &str, count: u32, more: Value) -> Value {
    let mut object = object(name, count);
    object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    object
}

pub fn ids(containers: &[Container]) -> Vec<&str> {
    containers.iter().map(|container| container.id.as_str()).collect()
}

#[track_caller]
pub fn runs(daemon: &Daemon, cluster: &Cluster, count: usize) -> Vec<Container> {
    let what = format!("{count} run, no fewer and no more");
    daemon.wait_until(SOON, &what, || cluster.running().len() == count);
    let running = cluster.running();
    daemon.wait_until(SOON, "they serve", || running.iter().all(|container| cluster.serves(container)));
    running
}

pub fn publishing(name: &str, port: u16, more: Value) -> Value {
    let bindings = json!({"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": port.to_string()}]});
    let mut object = object_with(name, 1, json!({"HostConfig": {"PortBindings": bindings}}));
    object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    object
}

/// An object for the simulated engine that converges quickly.
pub fn simulated_object(name: &str, image: &str, count: u32) -> Value {
    json!({"Name": name, "Image": image, "Count": count, "Update": {"Monitor": "100ms"}})
}

/// The same with the image `nginx:1.9.6`.
pub fn nginx(name: &str, count: u32) -> Value {
    simulated_object(name, "nginx:1.9.6", count)
}

/// An object for the simulated engine that does not converge within a test: its container is monitored for an hour.
pub fn endless_object(name: &str) -> Value {
    json!({"Name": name, "Image": "web:1", "Count": 1, "Update": {"Monitor": "1h"}})
}
