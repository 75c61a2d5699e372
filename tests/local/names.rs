//! Endpoints that resolve names unexpectedly, misread requests, or do not support fields: a plain engine and a Swarm manager.

use std::time::Duration;

use serde_json::{Value, json};
use swarm_cluster_state_manager::core::labels::ContainerIdentity;
use swarm_cluster_state_manager::core::name::ObjectName;
use swarm_cluster_state_manager::core::submission;
use swarm_cluster_state_manager::core::submission::Submission;

use crate::fake_docker::FakeDocker;
use crate::fake_docker::faults::{Call, Fault};
use crate::fake_docker::manager::{CLUSTER, Manager};
use crate::fake_docker::names::Volume;
use crate::fake_docker::world::EffectKind;

const MINUTE: Duration = Duration::from_secs(60);

fn both() -> [FakeDocker; 2] {
    let both = [FakeDocker::docker(), FakeDocker::swarm(3)];
    both.iter().for_each(|fake| fake.add_image("app:1"));
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

/// Waits until the object has failed with this text in its status; none of its containers was ever started.
async fn refused(fake: &FakeDocker, manager: &Manager, words: &str) {
    let matches =
        |reason: &str| reason.contains(words) && !reason.contains("unknown") && !reason.contains("not known");
    manager
        .until(MINUTE, format!("the status contains {words:?}"), |status, _| {
            status.objects.iter().any(|o| matches(&o.reason)) && manager.failing("web")
        })
        .await;
    assert_eq!(fake.read(|world| world.count(EffectKind::Start)), 0, "{}", fake.effects());
}

#[tokio::test(start_paused = true)]
async fn a_prefix_of_a_networks_id_is_not_mistaken_for_its_name() {
    for fake in both() {
        // The endpoint itself resolves it to the network of the host.
        let body = r#"{"Image":"app:1","HostConfig":{"NetworkMode":"0"}}"#;
        let (status, made) = fake.request("POST", "/containers/create?name=probe", body).await;
        assert_eq!(status, 201, "{made}");
        let found: Value =
            serde_json::from_str(&fake.request("GET", "/containers/probe/json", "").await.1).unwrap();
        assert!(found["NetworkSettings"]["Networks"]["host"].is_object(), "{found}");

        let manager = Manager::start(&fake);
        manager.submit(config(json!({"NetworkMode": "0"}))).await;
        refused(&fake, &manager, "network 0 not found").await;
        assert_eq!(fake.called(Call::Create), 0, "the container is not created");
    }
}

#[tokio::test(start_paused = true)]
async fn a_network_whose_name_could_be_an_id_is_found_by_its_name() {
    for fake in both() {
        fake.change(|world| world.add_network("db"));
        let manager = Manager::start(&fake);
        manager.submit(config(json!({"NetworkMode": "db"}))).await;
        manager.converges("web", 2, MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_network_of_one_node_is_found_with_or_without_the_nodes_name() {
    let fake = FakeDocker::swarm(3);
    fake.add_image("app:1");
    fake.change(|world| {
        world.add_network("db");
        world.networks.retain(|network| network.name != "db" || network.node == 1);
    });
    let manager = Manager::start(&fake);
    for mode in ["db", "node-2/db"] {
        manager.submit(config(json!({"NetworkMode": mode}))).await;
        manager.converges("web", 2, MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_is_a_bind_mount_by_another_name_is_refused() {
    for fake in both() {
        fake.change(|world| {
            let options = json!({"type": "none", "o": "bind", "device": "/etc"});
            world.volumes.push(Volume { node: 0, name: "evil".to_owned(), driver: "local", options });
            let options = Value::Null;
            world.volumes.push(Volume { node: 0, name: "data".to_owned(), driver: "local", options });
        });
        let manager = Manager::start(&fake);
        manager.submit(config(json!({"Binds": ["evil:/x"]}))).await;
        refused(&fake, &manager, "volume evil is not allowed for submitted objects").await;
        assert_eq!(fake.called(Call::Create), 0);
        manager.submit(config(json!({"Binds": ["data:/x", "new:/y:ro"]}))).await;
        manager.converges("web", 2, MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_a_managers_container_mounts_is_refused() {
    for fake in both() {
        fake.change(|world| {
            let (name, options) = ("scsm".to_owned(), Value::Null);
            world.volumes.push(Volume { node: 0, name, driver: "local", options });
            let body = json!({
                "Image": "m:1", "Cmd": ["/swarm-cluster-state-manager", "--addr=0.0.0.0:3476"],
                "HostConfig": {"Binds": ["scsm:/var/lib/swarm-cluster-state-manager"]},
            });
            world.make(0, "manager", &body, Duration::ZERO);
        });
        let manager = Manager::start(&fake);
        manager.submit(config(json!({"Binds": ["scsm:/x:ro"]}))).await;
        refused(&fake, &manager, "no-manager-data").await;
        assert_eq!(fake.called(Call::Create), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_misread_container_is_never_started_and_is_removed() {
    for (misread, field) in [
        (json!({"HostConfig": {"NetworkMode": "host"}}), "HostConfig.NetworkMode"),
        (json!({"HostConfig": {"Privileged": true}}), "HostConfig.Privileged"),
        (json!({"HostConfig": {"PidMode": "host"}}), "HostConfig.PidMode"),
        (json!({"HostConfig": {"Binds": ["/:/h"]}}), "HostConfig.Binds"),
        (json!({"Image": "other:1"}), "Image"),
    ] {
        for fake in both() {
            fake.change(|world| world.misread = misread.clone());
            fake.add_image("other:1");
            let manager = Manager::start(&fake);
            manager.submit(web(json!({}))).await;
            refused(&fake, &manager, &format!("{field} is")).await;
            fake.until(MINUTE, "it is removed", |world| world.reachable("web").next().is_none()).await;
            // Once the endpoint reads the request correctly, the object converges.
            fake.change(|world| world.misread = Value::Null);
            manager.submit(web(json!({"Env": ["A=1"]}))).await;
            manager.converges("web", 2, MINUTE).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_left_by_an_earlier_create_is_verified_before_it_is_started() {
    for fake in both() {
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
        let left = fake.change(|world| world.make(0, "web.1.1", &body, Duration::ZERO));
        let manager = Manager::start(&fake);
        manager.submit(object).await;
        manager.converges("web", 1, MINUTE).await;
        fake.read(|world| {
            let of =
                |what: EffectKind| world.trace.iter().filter(move |e| e.kind == what).map(|e| e.id.clone());
            assert!(!of(EffectKind::Start).any(|id| id == left), "{}", fake.effects());
            assert!(of(EffectKind::Remove).any(|id| id == left), "{}", fake.effects());
        });
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_plain_engine_is_a_refusal_if_nothing_was_created() {
    let fake = FakeDocker::docker();
    fake.add_image("app:1");
    (1..=10).for_each(|nth| fake.fault(Call::Create, nth, Fault::Error500));
    let manager = Manager::start(&fake);
    manager.submit(web(json!({"Update": {"FailAfter": "0s"}}))).await;
    refused(&fake, &manager, "out of order").await;
    assert!(fake.called(Call::Create) <= 3, "{} creates", fake.called(Call::Create));
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_plain_engine_that_did_create_causes_no_second_container() {
    let fake = FakeDocker::docker();
    fake.add_image("app:1");
    fake.fault(Call::Create, 1, Fault::DoneBut500("out of order"));
    let manager = Manager::start(&fake);
    manager.submit(web(json!({}))).await;
    manager.converges("web", 2, MINUTE).await;
    assert_eq!(fake.read(|world| world.count(EffectKind::Create)), 2, "{}", fake.effects());
}

#[tokio::test(start_paused = true)]
async fn a_field_that_the_endpoints_version_lacks_is_refused_with_the_version_that_has_it() {
    for (fake, spoken) in both().into_iter().zip(["1.41", "1.40"]) {
        let manager = Manager::start(&fake);
        manager.submit(web(json!({"Healthcheck": {"StartInterval": 1_000_000_000}}))).await;
        let words = format!(
            "Healthcheck.StartInterval: the endpoint speaks API {spoken}, which does not have it; it needs 1.44"
        );
        refused(&fake, &manager, &words).await;
        assert_eq!(fake.called(Call::Create), 0);
    }
}
