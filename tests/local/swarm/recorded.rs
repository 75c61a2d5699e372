//! The fake Swarm manager gives the answers that were recorded from a real one.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::*;
use crate::fake_docker::FakeDocker;
use crate::fake_docker::control::Processes;
use crate::fake_docker::world::Registry;

#[tokio::test(start_paused = true)]
async fn the_fake_swarm_manager_gives_the_recorded_answers() {
    let fake = FakeDocker::swarm(3);
    fake.add_image("pause:1");
    fake.change(|world| world.registry = Registry::Unreachable);
    let create = async |name: &str, body: &str| {
        fake.request("POST", &format!("/v1.40/containers/create?name={name}"), body).await
    };
    let (status, body) = create("nginx.1.aaaaa", r#"{"Image":"pause:1","Labels":{"app":"x"}}"#).await;
    let made: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, made.as_object().unwrap().len(), made["Id"].as_str().unwrap().len()), (201, 1, 64));
    let id = made["Id"].as_str().unwrap().to_owned();
    let name_taken = "Conflict: The name nginx.1.aaaaa is already assigned. You have to delete (or rename) that \
                      container to be able to assign nginx.1.aaaaa to a container again.\n";
    let unplaced = "Unable to find a node that satisfies the following conditions \n[available container slots]\n[name==zzz]\n";
    let bad_name = "Error response from daemon: Invalid container name (bad name), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed\n";
    for (name, body, status, message) in [
        ("nginx.1.aaaaa", r#"{"Image":"pause:1"}"#, 409, name_taken),
        ("nginx.3.aaaaa", r#"{"Image":"pause:1","Env":["constraint:name==zzz"]}"#, 500, unplaced),
        ("bad%20name", r#"{"Image":"pause:1"}"#, 500, bad_name),
    ] {
        assert_eq!(create(name, body).await, (status, message.to_owned()), "{name}");
    }
    let placed = r#"{"Image":"pause:1","Cmd":["/nope"],"Labels":{"com.docker.swarm.constraints":"[\"name==n3\",\"ostype==linux\"]"}}"#;
    assert_eq!(create("nginx.4.aaaaa", placed).await.0, 201);

    let start = async |key: &str| fake.request("POST", &format!("/containers/{key}/start"), "").await;
    assert_eq!(start("nginx.1.aaaaa").await, (204, String::new()));
    assert_eq!(start("nginx.1.aaaaa").await, (204, String::new()), "also if it runs already");
    let (status, message) = start("nginx.4.aaaaa").await;
    let failed = "Error response from daemon: failed to create shim task: OCI runtime create failed: ";
    assert!(status == 500 && message.starts_with(failed), "{status} {message}");

    let list = async |query: &str| -> Vec<Value> {
        let (status, body) = fake.request("GET", &format!("/containers/json?{query}"), "").await;
        assert_eq!(status, 200);
        serde_json::from_str(&body).unwrap()
    };
    let labelled = "all=1&filters=%7B%22label%22%3A%5B%22app%3Dx%22%5D%2C%22nonsense%22%3A%5B%22x%22%5D%7D";
    let entry = &list(labelled).await[0];
    let node = fake.node_of(&id);
    let (node, address) =
        fake.read(|world| (world.nodes[node].name.clone(), world.nodes[node].address.clone()));
    assert_eq!(entry["Names"], json!([format!("/{node}/nginx.1.aaaaa")]));
    assert_eq!(entry["State"], "running");
    assert_eq!(entry["Status"], "Up Less than a second");
    assert!(entry["Labels"]["com.docker.swarm.id"].is_string(), "{entry}");
    let (status, found) = fake.request("GET", "/containers/nginx.1.aaaaa/json", "").await;
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(
        (status, &found["Name"], &found["Node"]["Name"]),
        (200, &json!("/nginx.1.aaaaa"), &json!(node))
    );

    let pulled = fake.request("POST", "/images/create?fromImage=nosuch&tag=1", "").await;
    assert!(
        pulled.0 == 200 && pulled.1.contains(r#"{"error":"Error response from daemon: Get "#),
        "{pulled:?}"
    );
    assert_eq!(list(labelled).await[0]["Status"], "Host Down", "a failed pull makes all nodes unhealthy");
    sleep(seconds(10)).await;

    for node in 0..3 {
        fake.lose(node, Processes::KeepRunning, Duration::ZERO);
    }
    let entry = &list(labelled).await[0];
    assert_eq!((&entry["State"], &entry["Status"]), (&json!("running"), &json!("Host Down")));
    assert_eq!(list("").await, Vec::<Value>::new(), "without `all` they are not listed");
    assert_eq!(list("filters=%7B%22status%22%3A%5B%22running%22%5D%7D").await, Vec::<Value>::new());
    let unhealthy = format!("Container nginx.1.aaaaa running on unhealthy node {node}\n");
    let no_connection =
        format!("Cannot connect to the Docker daemon at tcp://{address}. Is the docker daemon running?\n");
    for (method, path, status, message) in [
        ("GET", "/containers/nginx.1.aaaaa/json", 500, unhealthy.as_str()),
        ("POST", "/containers/nginx.1.aaaaa/start", 500, &no_connection),
        ("DELETE", "/containers/nginx.1.aaaaa?force=1", 500, &no_connection),
        ("GET", "/containers/nope/json", 404, "No such container nope\n"),
        ("DELETE", "/containers/nope?force=1", 404, "Container nope not found\n"),
        ("GET", "/_ping", 200, "OK"),
        ("GET", "/nodes", 404, "404 page not found\n"),
    ] {
        assert_eq!(fake.request(method, path, "").await, (status, message.to_owned()), "{method} {path}");
    }
    assert_eq!(
        create("nginx.1.aaaaa", r#"{"Image":"pause:1"}"#).await,
        (409, name_taken.to_owned()),
        "names on lost nodes are in use"
    );
    assert_eq!(
        create("nginx.11.aaaaa", r#"{"Image":"pause:1"}"#).await,
        (500, "No healthy node available in the cluster\n".to_owned())
    );

    fake.restart_manager(Duration::ZERO, &[seconds(1); 3]);
    fake.return_node(0, AT_ONCE);
    assert_eq!(list("all=1").await.len(), 1, "containers of nodes that are not reached yet are not listed");
    let (_, info) = fake.request("GET", "/info", "").await;
    let info: Value = serde_json::from_str(&info).unwrap();
    let rows = info["SystemStatus"].as_array().unwrap();
    assert_eq!(info["ServerVersion"], "swarm/1.2.9");
    assert!(rows.contains(&json!([" (unknown)", "10.99.0.12:2376"])), "{rows:?}");
    assert!(
        rows.contains(&json!(["  └ Status", "Pending"])) && rows.contains(&json!(["  └ Status", "Healthy"]))
    );
}
