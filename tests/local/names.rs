//! What an endpoint makes of an object: names that it resolves otherwise than they were meant, requests that it misreads,
//! and fields that it does not know. On a plain engine and behind a Swarm manager.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

mod standin;

use std::time::Duration;

use serde_json::{Value, json};
use standin::Standin;
use standin::faults::{Call, Fault};
use standin::manager::{CLUSTER, Manager};
use standin::names::Volume;
use standin::world::What;
use swarm_cluster_state_manager::core::labels::ContainerIdentity;
use swarm_cluster_state_manager::core::name::ObjectName;
use swarm_cluster_state_manager::core::submission;
use swarm_cluster_state_manager::core::submission::Submission;

const MINUTE: Duration = Duration::from_secs(60);

fn both() -> [Standin; 2] {
    let both = [Standin::docker(), Standin::swarm(3)];
    both.iter().for_each(|standin| standin.bring_image("app:1"));
    both
}

fn web(more: Value) -> Value {
    let mut object = json!({"Name": "web", "Image": "app:1", "Count": 2});
    object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    object
}

fn config(host_config: Value) -> Value {
    web(json!({ "HostConfig": host_config }))
}

/// Waits until an object is failing for good, with these words in its status; nothing of it was ever started.
async fn refused(standin: &Standin, manager: &Manager, words: &str) {
    let says =
        |reason: &str| reason.contains(words) && !reason.contains("unknown") && !reason.contains("not known");
    manager
        .until(MINUTE, format!("the status says {words:?}"), |status, _| {
            status.objects.iter().any(|o| says(&o.reason)) && manager.failing("web")
        })
        .await;
    assert_eq!(standin.look(|world| world.count(What::Start)), 0, "{}", standin.account());
}

#[tokio::test(start_paused = true)]
async fn the_beginning_of_a_networks_id_is_not_taken_for_its_name() {
    for standin in both() {
        // The endpoint itself takes it for the network of the host.
        let body = r#"{"Image":"app:1","HostConfig":{"NetworkMode":"0"}}"#;
        let (status, made) = standin.ask("POST", "/containers/create?name=probe", body).await;
        assert_eq!(status, 201, "{made}");
        let found: Value =
            serde_json::from_str(&standin.ask("GET", "/containers/probe/json", "").await.1).unwrap();
        assert!(found["NetworkSettings"]["Networks"]["host"].is_object(), "{found}");

        let manager = Manager::start(&standin);
        manager.submit(config(json!({"NetworkMode": "0"}))).await;
        refused(&standin, &manager, "network 0 not found").await;
        assert_eq!(standin.called(Call::Create), 0, "it is not even created");
    }
}

#[tokio::test(start_paused = true)]
async fn a_network_whose_name_could_be_an_id_is_found_by_its_name() {
    for standin in both() {
        standin.change(|world| world.add_network("db"));
        let manager = Manager::start(&standin);
        manager.submit(config(json!({"NetworkMode": "db"}))).await;
        manager.converges("web", 2, MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_network_of_one_node_is_found_with_and_without_the_nodes_name() {
    let standin = Standin::swarm(3);
    standin.bring_image("app:1");
    standin.change(|world| {
        world.add_network("db");
        world.networks.retain(|network| network.name != "db" || network.node == 1);
    });
    let manager = Manager::start(&standin);
    for mode in ["db", "node-2/db"] {
        manager.submit(config(json!({"NetworkMode": mode}))).await;
        manager.converges("web", 2, MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_is_a_bind_mount_by_another_name_is_refused() {
    for standin in both() {
        standin.change(|world| {
            let options = json!({"type": "none", "o": "bind", "device": "/etc"});
            world.volumes.push(Volume { node: 0, name: "evil".to_owned(), driver: "local", options });
            let options = Value::Null;
            world.volumes.push(Volume { node: 0, name: "data".to_owned(), driver: "local", options });
        });
        let manager = Manager::start(&standin);
        manager.submit(config(json!({"Binds": ["evil:/x"]}))).await;
        refused(&standin, &manager, "volume evil is not for submitted objects").await;
        assert_eq!(standin.called(Call::Create), 0);
        manager.submit(config(json!({"Binds": ["data:/x", "new:/y:ro"]}))).await;
        manager.converges("web", 2, MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_a_managers_container_mounts_is_refused() {
    for standin in both() {
        standin.change(|world| {
            let (name, options) = ("scsm".to_owned(), Value::Null);
            world.volumes.push(Volume { node: 0, name, driver: "local", options });
            let body = json!({
                "Image": "m:1", "Cmd": ["/swarm-cluster-state-manager", "--addr=0.0.0.0:3476"],
                "HostConfig": {"Binds": ["scsm:/var/lib/swarm-cluster-state-manager"]},
            });
            world.make(0, "manager", &body, Duration::ZERO);
        });
        let manager = Manager::start(&standin);
        manager.submit(config(json!({"Binds": ["scsm:/x:ro"]}))).await;
        refused(&standin, &manager, "no-manager-data").await;
        assert_eq!(standin.called(Call::Create), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_endpoint_misreads_is_never_started_and_is_removed() {
    for (misread, field) in [
        (json!({"HostConfig": {"NetworkMode": "host"}}), "HostConfig.NetworkMode"),
        (json!({"HostConfig": {"Privileged": true}}), "HostConfig.Privileged"),
        (json!({"HostConfig": {"PidMode": "host"}}), "HostConfig.PidMode"),
        (json!({"HostConfig": {"Binds": ["/:/h"]}}), "HostConfig.Binds"),
        (json!({"Image": "other:1"}), "Image"),
    ] {
        for standin in both() {
            standin.change(|world| world.misread = misread.clone());
            standin.bring_image("other:1");
            let manager = Manager::start(&standin);
            manager.submit(web(json!({}))).await;
            refused(&standin, &manager, &format!("{field} is")).await;
            standin.until(MINUTE, "it is removed", |world| world.reachable("web").next().is_none()).await;
            // Once it reads what was meant, all is well.
            standin.change(|world| world.misread = Value::Null);
            manager.submit(web(json!({"Env": ["A=1"]}))).await;
            manager.converges("web", 2, MINUTE).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_create_left_is_verified_before_it_is_started() {
    for standin in both() {
        let object = web(json!({"Count": 1}));
        let Submission::One(spec) = submission::read(object.to_string().as_bytes()).unwrap() else {
            unreachable!()
        };
        let template = spec.template.hash.clone();
        let identity =
            ContainerIdentity { object: ObjectName::parse("web").unwrap(), slot: 1, attempt: 1, template };
        let labels: Value = identity
            .labels(CLUSTER)
            .into_iter()
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect();
        let body = json!({"Image": "app:1", "Labels": labels, "HostConfig": {"NetworkMode": "host"}});
        let left = standin.change(|world| world.make(0, "web.1.1", &body, Duration::ZERO));
        let manager = Manager::start(&standin);
        manager.submit(object).await;
        manager.converges("web", 1, MINUTE).await;
        standin.look(|world| {
            let of = |what: What| world.trace.iter().filter(move |e| e.what == what).map(|e| e.id.clone());
            assert!(!of(What::Start).any(|id| id == left), "{}", standin.account());
            assert!(of(What::Remove).any(|id| id == left), "{}", standin.account());
        });
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_that_a_plain_engine_answers_is_a_definite_no_where_nothing_was_created() {
    let standin = Standin::docker();
    standin.bring_image("app:1");
    (1..=10).for_each(|nth| standin.fault(Call::Create, nth, Fault::Error500));
    let manager = Manager::start(&standin);
    manager.submit(web(json!({"Update": {"FailAfter": "0s"}}))).await;
    refused(&standin, &manager, "out of order").await;
    assert!(standin.called(Call::Create) <= 3, "{} creates", standin.called(Call::Create));
}

#[tokio::test(start_paused = true)]
async fn an_error_that_a_plain_engine_answers_although_it_created_makes_no_second_one() {
    let standin = Standin::docker();
    standin.bring_image("app:1");
    standin.fault(Call::Create, 1, Fault::DoneBut500("out of order"));
    let manager = Manager::start(&standin);
    manager.submit(web(json!({}))).await;
    manager.converges("web", 2, MINUTE).await;
    assert_eq!(standin.look(|world| world.count(What::Create)), 2, "{}", standin.account());
}

#[tokio::test(start_paused = true)]
async fn a_field_that_the_endpoints_version_does_not_know_is_refused_with_the_version_that_does() {
    for (standin, spoken) in both().into_iter().zip(["1.41", "1.40"]) {
        let manager = Manager::start(&standin);
        manager.submit(web(json!({"Healthcheck": {"StartInterval": 1_000_000_000}}))).await;
        let words = format!(
            "Healthcheck.StartInterval: the endpoint speaks API {spoken}, which does not know it; it needs 1.44"
        );
        refused(&standin, &manager, &words).await;
        assert_eq!(standin.called(Call::Create), 0);
    }
}
