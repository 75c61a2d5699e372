//! The manager in front of a classic Docker Swarm: the sixteen surprises that such a manager has for a client, one
//! after the other, and then what a cluster goes through in its life.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::fake_docker::FakeDocker;
use crate::fake_docker::control::Processes;
use crate::fake_docker::faults::{Call, Fault};
use crate::fake_docker::manager::{CLUSTER, LOST_AFTER, Manager, RESYNC};
use crate::fake_docker::world::{Container, FOR_GOOD, Lag, Life, Registry, What, World};
use serde_json::{Value, json};
use swarm_cluster_state_manager::core::condition::Phase;
use swarm_cluster_state_manager::core::labels::LABEL_CLUSTER;
use tokio::time::sleep;

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
    assert!(too_many.is_empty(), "made though none was missing: {too_many:#?}\n{}", fake.account());
}

/// What the status says of the object, once its reason has these words.
#[track_caller]
fn says(manager: &Manager, words: &'static str) -> impl Future<Output = Duration> {
    manager.until(WHILE, format!("the status says {words:?}"), move |status, _| {
        status.objects.iter().any(|o| o.reason.contains(words))
    })
}

// ---- The stand-in itself

#[tokio::test(start_paused = true)]
async fn the_stand_in_says_what_a_real_manager_was_recorded_to_say() {
    let fake = FakeDocker::swarm(3);
    fake.bring_image("pause:1");
    fake.change(|world| world.registry = Registry::Unreachable);
    let create = async |name: &str, body: &str| {
        fake.ask("POST", &format!("/v1.40/containers/create?name={name}"), body).await
    };
    let (status, body) = create("nginx.1.aaaaa", r#"{"Image":"pause:1","Labels":{"app":"x"}}"#).await;
    let made: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, made.as_object().unwrap().len(), made["Id"].as_str().unwrap().len()), (201, 1, 64));
    let id = made["Id"].as_str().unwrap().to_owned();
    let name_taken = "Conflict: The name nginx.1.aaaaa is already assigned. You have to delete (or rename) that \
                      container to be able to assign nginx.1.aaaaa to a container again.\n";
    let unplaced = "Unable to find a node that satisfies the following conditions \n[available container slots]\n[name==zzz]\n";
    let bad_name = "Error response from daemon: Invalid container name (bad name), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed\n";
    for (name, body, status, words) in [
        ("nginx.1.aaaaa", r#"{"Image":"pause:1"}"#, 409, name_taken),
        ("nginx.3.aaaaa", r#"{"Image":"pause:1","Env":["constraint:name==zzz"]}"#, 500, unplaced),
        ("bad%20name", r#"{"Image":"pause:1"}"#, 500, bad_name),
    ] {
        assert_eq!(create(name, body).await, (status, words.to_owned()), "{name}");
    }
    let placed = r#"{"Image":"pause:1","Cmd":["/nope"],"Labels":{"com.docker.swarm.constraints":"[\"name==n3\",\"ostype==linux\"]"}}"#;
    assert_eq!(create("nginx.4.aaaaa", placed).await.0, 201);

    let start = async |key: &str| fake.ask("POST", &format!("/containers/{key}/start"), "").await;
    assert_eq!(start("nginx.1.aaaaa").await, (204, String::new()));
    assert_eq!(start("nginx.1.aaaaa").await, (204, String::new()), "also where it runs already");
    let (status, words) = start("nginx.4.aaaaa").await;
    let failed = "Error response from daemon: failed to create shim task: OCI runtime create failed: ";
    assert!(status == 500 && words.starts_with(failed), "{status} {words}");

    let list = async |query: &str| -> Vec<Value> {
        let (status, body) = fake.ask("GET", &format!("/containers/json?{query}"), "").await;
        assert_eq!(status, 200);
        serde_json::from_str(&body).unwrap()
    };
    let labelled = "all=1&filters=%7B%22label%22%3A%5B%22app%3Dx%22%5D%2C%22nonsense%22%3A%5B%22x%22%5D%7D";
    let entry = &list(labelled).await[0];
    let node = fake.node_of(&id);
    let (node, address) =
        fake.look(|world| (world.nodes[node].name.clone(), world.nodes[node].address.clone()));
    assert_eq!(entry["Names"], json!([format!("/{node}/nginx.1.aaaaa")]));
    assert_eq!(entry["State"], "running");
    assert_eq!(entry["Status"], "Up Less than a second");
    assert!(entry["Labels"]["com.docker.swarm.id"].is_string(), "{entry}");
    let (status, found) = fake.ask("GET", "/containers/nginx.1.aaaaa/json", "").await;
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(
        (status, &found["Name"], &found["Node"]["Name"]),
        (200, &json!("/nginx.1.aaaaa"), &json!(node))
    );

    let pulled = fake.ask("POST", "/images/create?fromImage=nosuch&tag=1", "").await;
    assert!(
        pulled.0 == 200 && pulled.1.contains(r#"{"error":"Error response from daemon: Get "#),
        "{pulled:?}"
    );
    assert_eq!(
        list(labelled).await[0]["Status"],
        "Host Down",
        "a pull that failed makes all nodes unhealthy"
    );
    sleep(seconds(10)).await;

    for node in 0..3 {
        fake.lose(node, Processes::GoOn, Duration::ZERO);
    }
    let entry = &list(labelled).await[0];
    assert_eq!((&entry["State"], &entry["Status"]), (&json!("running"), &json!("Host Down")));
    assert_eq!(list("").await, Vec::<Value>::new(), "without all they vanish");
    assert_eq!(list("filters=%7B%22status%22%3A%5B%22running%22%5D%7D").await, Vec::<Value>::new());
    let unhealthy = format!("Container nginx.1.aaaaa running on unhealthy node {node}\n");
    let no_connection =
        format!("Cannot connect to the Docker daemon at tcp://{address}. Is the docker daemon running?\n");
    for (method, path, status, words) in [
        ("GET", "/containers/nginx.1.aaaaa/json", 500, unhealthy.as_str()),
        ("POST", "/containers/nginx.1.aaaaa/start", 500, &no_connection),
        ("DELETE", "/containers/nginx.1.aaaaa?force=1", 500, &no_connection),
        ("GET", "/containers/nope/json", 404, "No such container nope\n"),
        ("DELETE", "/containers/nope?force=1", 404, "Container nope not found\n"),
        ("GET", "/_ping", 200, "OK"),
        ("GET", "/nodes", 404, "404 page not found\n"),
    ] {
        assert_eq!(fake.ask(method, path, "").await, (status, words.to_owned()), "{method} {path}");
    }
    assert_eq!(
        create("nginx.1.aaaaa", r#"{"Image":"pause:1"}"#).await,
        (409, name_taken.to_owned()),
        "lost nodes hold names"
    );
    assert_eq!(
        create("nginx.11.aaaaa", r#"{"Image":"pause:1"}"#).await,
        (500, "No healthy node available in the cluster\n".to_owned())
    );

    fake.restart_manager(Duration::ZERO, &[seconds(1); 3]);
    fake.return_node(0, AT_ONCE);
    assert_eq!(list("all=1").await.len(), 1, "what runs on nodes that were not reached yet is not shown");
    let (_, info) = fake.ask("GET", "/info", "").await;
    let info: Value = serde_json::from_str(&info).unwrap();
    let rows = info["SystemStatus"].as_array().unwrap();
    assert_eq!(info["ServerVersion"], "swarm/1.2.9");
    assert!(rows.contains(&json!([" (unknown)", "10.99.0.12:2376"])), "{rows:?}");
    assert!(
        rows.contains(&json!(["  └ Status", "Pending"])) && rows.contains(&json!(["  └ Status", "Healthy"]))
    );
}

// ---- The sixteen

#[tokio::test(start_paused = true)]
async fn fact_1_a_create_whose_answer_has_no_warnings_makes_one_container() {
    let (fake, manager) = three_nodes(5).await;
    sleep(WHILE).await;
    manager.converges("web", 5, SOON).await;
    assert_eq!((done(&fake, What::Create), done(&fake, What::Remove)), (5, 0), "{}", fake.account());
}

#[tokio::test(start_paused = true)]
async fn fact_2_errors_are_plain_text_and_their_words_reach_the_status() {
    let fake = FakeDocker::swarm(3);
    fake.bring_image("app:1");
    let manager = Manager::start(&fake);
    manager.submit(web_with(2, &json!({"Cmd": ["/nope"]}))).await;
    says(&manager, "exec: \"/nope\": stat /nope: no such file or directory").await;
    let reason = manager.object("web").unwrap().reason;
    assert!(!reason.contains('{'), "{reason}");
    // One that failed to start keeps its name until it is removed; none may pile up.
    sleep(WHILE).await;
    let there = fake.look(|world| world.reachable("web").count());
    assert!(there <= 1, "one at a time: {}", fake.account());
}

#[tokio::test(start_paused = true)]
async fn fact_2_an_engines_own_conflict_over_a_name_comes_as_500_and_is_one() {
    let fake = FakeDocker::swarm(1);
    fake.bring_image("app:1");
    let foreign = fake.place(0, "web.1.1", json!({"whose": "somebody else's"}));
    // The engine knows who has the name; its manager has not heard of it yet.
    fake.unheard_of(&foreign, seconds(45));
    let manager = Manager::start(&fake);
    manager.submit(web(1)).await;
    manager.converges("web", 1, WHILE).await;
    assert_eq!(names(&fake), ["web.1.2".to_owned()].into());
    assert!(fake.look(|world| world.containers().any(|(_, c)| c.id == foreign && c.life == Life::Running)));
}

#[tokio::test(start_paused = true)]
async fn fact_3_a_scheduler_that_refused_has_made_nothing_and_its_words_are_shown() {
    let fake = FakeDocker::swarm(3);
    fake.bring_image("app:1");
    let manager = Manager::start(&fake);
    manager.submit(web_with(3, &json!({"Constraints": ["name==zzz"]}))).await;
    says(&manager, "Unable to find a node that satisfies the following conditions").await;
    sleep(WHILE).await;
    assert_eq!(done(&fake, What::Create), 0);
    assert!(fake.called(Call::Create) < 20, "it backs off: {}", fake.called(Call::Create));
    manager.submit(web_with(3, &json!({"Constraints": ["name!=n1"]}))).await;
    manager.converges("web", 3, SOON).await;
}

#[tokio::test(start_paused = true)]
async fn fact_3_a_create_that_was_made_though_the_answer_is_500_is_found_again() {
    let fake = FakeDocker::swarm(3);
    fake.bring_image("app:1");
    let words = "Container created but refresh didn't report it back";
    fake.fault(Call::Create, 1, Fault::DoneBut500(words));
    fake.fault(Call::Create, 3, Fault::DoneBut500("Error response from daemon: context deadline exceeded"));
    let manager = Manager::start(&fake);
    manager.submit(web(3)).await;
    manager.converges("web", 3, WHILE).await;
    assert_eq!(done(&fake, What::Create), 3, "{}", fake.account());
    assert_eq!(names(&fake), ["web.1.1", "web.2.1", "web.3.1"].map(str::to_owned).into());
}

#[tokio::test(start_paused = true)]
async fn fact_4_a_create_lands_after_its_client_has_gone_and_no_other_name_is_tried_meanwhile() {
    let fake = FakeDocker::swarm(3);
    fake.bring_image("app:1");
    fake.fault(Call::Create, 1, Fault::LandsLate(seconds(400)));
    let manager = Manager::start(&fake);
    manager.submit(web(2)).await;
    manager.converges("web", 2, seconds(900)).await;
    assert!(fake.called(Call::Create) > 2, "the name was asked for again, and refused");
    assert_eq!(names(&fake), ["web.1.1", "web.2.1"].map(str::to_owned).into(), "{}", fake.account());
    assert_eq!(done(&fake, What::Create), 2);
    never_one_too_many(&fake, 2);
}

#[tokio::test(start_paused = true)]
async fn fact_5_no_create_waits_for_a_registry_since_each_names_an_ostype() {
    let fake = FakeDocker::swarm(3);
    fake.bring_image("app:1");
    let manager = Manager::start(&fake);
    manager.submit(web_with(3, &json!({"Constraints": ["name==n3"]}))).await;
    let took = manager.converges("web", 3, SOON).await;
    assert!(took < seconds(2), "20 s a create otherwise: {took:?}");
    assert!(running(&fake).iter().all(|id| fake.node_of(id) == 2), "the object's own constraint holds too");
}

#[tokio::test(start_paused = true)]
async fn fact_6_it_pulls_within_the_create_however_long_that_takes_and_only_where_it_is_needed() {
    let fake = FakeDocker::swarm(3);
    fake.change(|world| world.registry = Registry::HasAll(seconds(300)));
    let manager = Manager::start(&fake);
    manager.submit(web(1)).await;
    manager.converges("web", 1, seconds(600)).await;
    assert_eq!(fake.called(Call::Pull), 0, "/images/create would pull on all nodes");
    let pulled = fake.look(|world| world.nodes.iter().filter(|n| n.images.contains("app:1")).count());
    assert_eq!((pulled, done(&fake, What::Create)), (1, 1), "{}", fake.account());
}

#[tokio::test(start_paused = true)]
async fn fact_6_an_error_within_the_200_of_a_pull_is_an_error_and_its_words_are_shown() {
    let fake = FakeDocker::swarm(3);
    fake.change(|world| world.registry = Registry::HasNone);
    let manager = Manager::start(&fake);
    manager.submit(web_with(2, &json!({"Pull": "always"}))).await;
    says(&manager, "manifest unknown").await;
    assert_eq!(fake.called(Call::Create), 0);
    fake.change(|world| world.registry = Registry::HasAll(seconds(1)));
    manager.converges("web", 2, seconds(400)).await;
}

#[tokio::test(start_paused = true)]
async fn fact_6_a_failed_pull_that_marks_all_nodes_unhealthy_starts_no_replacement() {
    let (fake, manager) = three_nodes(6).await;
    let before = running(&fake);
    fake.change(|world| world.registry = Registry::Unreachable);
    manager.submit(json!({"Name": "other", "Image": "nosuch:1", "Count": 2, "Pull": "always"})).await;
    let down = |status: &str| status == "Unhealthy";
    manager
        .until(SOON, "all nodes read unhealthy", |status, _| {
            !status.engine.nodes.is_empty() && status.engine.nodes.iter().all(|node| down(&node.status))
        })
        .await;
    // It is tried again and again, and each time the nodes are unhealthy for a while.
    sleep(seconds(600)).await;
    assert!(fake.called(Call::Pull) > 3);
    assert_eq!(running(&fake), before, "{}", fake.account());
    assert_eq!((done(&fake, What::Create), done(&fake, What::Remove)), (6, 0));
    let other = manager.object("other").unwrap();
    assert!(other.reason.contains("connection refused"), "{}", other.reason);
}

#[tokio::test(start_paused = true)]
async fn fact_7_names_are_taken_by_lost_nodes_too_so_a_replacement_has_the_next_one() {
    let (fake, manager) = three_nodes(1).await;
    let node = its_node(&fake);
    fake.lose(node, Processes::GoOn, Duration::ZERO);
    manager.converges("web", 1, REPLACED).await;
    assert_eq!(names(&fake), ["web.1.2".to_owned()].into(), "{}", fake.account());
    // A name that is refused over and over would show here.
    assert_eq!(fake.called(Call::Create), 2);
}

#[tokio::test(start_paused = true)]
async fn fact_8_what_is_read_back_has_labels_of_the_managers_own_and_that_restarts_nothing() {
    let fake = FakeDocker::swarm(3);
    fake.bring_image("app:1");
    let object =
        web_with(3, &json!({"Constraints": ["ostype==linux"], "Labels": {"app": "x"}, "Env": ["A=1"]}));
    let manager = Manager::start(&fake);
    manager.submit(object.clone()).await;
    manager.converges("web", 3, SOON).await;
    let before = running(&fake);
    let labelled = fake.look(|world| {
        world.containers().all(|(_, c)| {
            c.labels.contains_key("com.docker.swarm.id")
                && c.labels.contains_key("com.docker.swarm.constraints")
        })
    });
    assert!(labelled, "else this proves nothing");
    let manager = manager.killed_and_started_again();
    manager.submit(object).await;
    sleep(WHILE).await;
    manager.converges("web", 3, SOON).await;
    assert_eq!(running(&fake), before, "{}", fake.account());
}

#[tokio::test(start_paused = true)]
async fn fact_9_names_in_lists_carry_the_node_and_the_status_tells_them_apart() {
    let (fake, manager) = three_nodes(3).await;
    sleep(RESYNC * 2).await;
    let said: BTreeSet<(String, Option<String>)> =
        manager.object("web").unwrap().containers.into_iter().map(|c| (c.name, c.node)).collect();
    let are = fake.look(|world| {
        world.containers().map(|(n, c)| (c.name.clone(), Some(world.nodes[n].name.clone()))).collect()
    });
    assert_eq!(said, are);
}

#[tokio::test(start_paused = true)]
async fn fact_10_containers_of_a_lost_node_do_not_vanish_from_our_lists() {
    let (fake, manager) = three_nodes(6).await;
    fake.lose(1, Processes::GoOn, Duration::ZERO);
    sleep(LOST_AFTER / 2).await;
    let object = manager.object("web").unwrap();
    assert_eq!(object.containers.len(), 6);
    assert_eq!(done(&fake, What::Create), 6, "a node that is down is not lost yet");
    // A manager that starts now sees them too.
    let manager = manager.killed_and_started_again();
    manager
        .until(SOON, "all are listed", |status, _| {
            status.objects.iter().any(|o| o.name == "web" && o.containers.len() == 6)
        })
        .await;
    assert_eq!(done(&fake, What::Create), 6, "{}", fake.account());
}

#[tokio::test(start_paused = true)]
async fn fact_11_a_lost_nodes_container_still_says_running_and_is_not_taken_for_ready() {
    let (fake, manager) = three_nodes(6).await;
    fake.lose(1, Processes::End, seconds(2));
    let lost = manager.until(SOON, "only four are ready", |status, _| {
        status.objects.iter().any(|o| o.name == "web" && o.ready == 4 && o.phase == Phase::Degraded)
    });
    lost.await;
    let reason = manager.object("web").unwrap().reason;
    assert!(reason.contains("node-2"), "it names the node: {reason}");
    manager.converges("web", 6, REPLACED).await;
    never_one_too_many(&fake, 6);
    assert_eq!(done(&fake, What::Create), 8);
}

#[tokio::test(start_paused = true)]
async fn fact_12_after_a_kill_the_two_states_disagree_and_one_replacement_is_made() {
    let (fake, manager) = three_nodes(3).await;
    for round in 1..=3 {
        let victim = running(&fake).into_iter().next().unwrap();
        fake.kill(&victim);
        manager.converges("web", 3, WHILE).await;
        sleep(WHILE).await;
        assert_eq!(done(&fake, What::Create), 3 + round, "{}", fake.account());
        assert_eq!(running(&fake).len(), 3);
    }
    // Of each slot's dead one is kept; no other was removed.
    let removed = fake.look(|world| {
        world.trace.iter().filter(|e| e.what == What::Remove).map(|e| e.name.clone()).collect::<Vec<_>>()
    });
    assert!(removed.len() <= 2, "{removed:?}");
}

#[tokio::test(start_paused = true)]
async fn fact_12_where_the_states_disagree_for_good_an_inspect_settles_it_either_way() {
    for (says, runs) in [
        ((Life::Exited(0), Life::Running), true),
        ((Life::Running, Life::Exited(137)), true),
        ((Life::Exited(137), Life::Running), false),
        ((Life::Running, Life::Exited(0)), false),
    ] {
        let (fake, manager) = three_nodes(3).await;
        let one = running(&fake).into_iter().next().unwrap();
        if !runs {
            // Nobody hears of this end.
            let node = fake.node_of(&one);
            fake.change(|world| {
                world.nodes[node].lost = Some(tokio::time::Instant::now());
                world.exit(node, &one, 137);
                world.nodes[node].lost = None;
            });
        }
        fake.mislead(&one, says.0, says.1, FOR_GOOD);
        let case = format!("{says:?}, and it runs: {runs}");
        if runs {
            sleep(WHILE).await;
            assert!(running(&fake).contains(&one), "{case}\n{}", fake.account());
        }
        manager.converges("web", 3, WHILE).await;
        let made = done(&fake, What::Create);
        assert_eq!(made, if runs { 3 } else { 4 }, "{case}\n{}", fake.account());
    }
}

#[tokio::test(start_paused = true)]
async fn fact_12_after_a_nodes_return_what_ended_is_replaced_once_and_what_runs_is_kept() {
    for processes in [Processes::GoOn, Processes::End] {
        for lag in [Lag { state: seconds(1), status: FOR_GOOD }, Lag { state: FOR_GOOD, status: seconds(1) }]
        {
            let (fake, manager) = three_nodes(3).await;
            fake.lose(0, processes, seconds(1));
            sleep(LOST_AFTER / 3).await;
            fake.return_node(0, lag);
            manager.converges("web", 3, SETTLED + WHILE).await;
            sleep(WHILE).await;
            manager.converges("web", 3, SOON).await;
            let ended = usize::from(processes == Processes::End);
            let case = format!("{processes:?} {lag:?}\n{}", fake.account());
            assert_eq!(done(&fake, What::Create), 3 + ended, "{case}");
            never_one_too_many(&fake, 3);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn fact_13_the_empty_and_short_lists_of_a_manager_that_was_restarted_start_nothing() {
    let (fake, manager) = three_nodes(9).await;
    let before = running(&fake);
    for reached in [[seconds(0); 3], [seconds(3), seconds(12), seconds(21)], [seconds(25); 3]] {
        fake.restart_manager(seconds(2), &reached);
        sleep(seconds(40)).await;
        manager.converges("web", 9, SOON).await;
        assert_eq!(running(&fake), before, "{reached:?}\n{}", fake.account());
    }
    assert_eq!(done(&fake, What::Create), 9);
    // And where our own process starts before a manager that knows nothing yet.
    fake.restart_manager(seconds(2), &[seconds(5), seconds(10), seconds(20)]);
    let manager = manager.killed_and_started_again();
    says(&manager, "Pending").await;
    sleep(seconds(40)).await;
    manager.converges("web", 9, SOON).await;
    assert_eq!((running(&fake), done(&fake, What::Create)), (before, 9), "{}", fake.account());
}

#[tokio::test(start_paused = true)]
async fn fact_13_a_node_that_stays_pending_blocks_nobody_for_ever() {
    let (fake, manager) = three_nodes(6).await;
    fake.lose(1, Processes::GoOn, seconds(1));
    fake.restart_manager(seconds(1), &[seconds(1); 3]);
    manager.converges("web", 6, REPLACED + LOST_AFTER).await;
    never_one_too_many(&fake, 6);
    fake.return_node(1, AT_ONCE);
    assert_eq!(running(&fake).len(), 8, "two too many are back");
    manager.converges("web", 6, SETTLED).await;
    sleep(WHILE).await;
    manager.converges("web", 6, SOON).await;
    assert_eq!(done(&fake, What::Create), 8, "{}", fake.account());
}

#[tokio::test(start_paused = true)]
async fn fact_13_a_node_that_is_reached_while_we_look_hides_nothing() {
    for moment in [0, 1, 2, 3, 4, 5, 8, 13, 20, 5_000, 9_999].map(Duration::from_millis) {
        let fake = FakeDocker::swarm(3);
        fake.bring_image("app:1");
        let manager = Manager::start(&fake);
        manager.submit(web_with(6, &json!({"History": 0}))).await;
        manager.converges("web", 6, SOON).await;
        // Second attempts all, so that whoever does not know them finds the names of the first ones free.
        for first in running(&fake) {
            fake.exit(&first, 1);
        }
        manager.converges("web", 6, SETTLED).await;
        let before = running(&fake);
        fake.restart_manager(Duration::ZERO, &[moment, Duration::ZERO, Duration::ZERO]);
        let manager = manager.killed_and_started_again();
        sleep(SETTLED).await;
        manager.converges("web", 6, SOON).await;
        assert_eq!(done(&fake, What::Create), 12, "reached after {moment:?}\n{}", fake.account());
        assert_eq!(running(&fake), before);
    }
}

#[tokio::test(start_paused = true)]
async fn fact_13_names_that_were_given_away_twice_are_told_apart_by_id() {
    let (fake, manager) = three_nodes(6).await;
    fake.lose(1, Processes::GoOn, seconds(1));
    // Neither the Swarm manager nor we remember who is on the lost node.
    fake.restart_manager(seconds(1), &[seconds(1); 3]);
    let manager = manager.killed_and_started_again();
    manager.converges("web", 6, REPLACED + LOST_AFTER).await;
    fake.return_node(1, AT_ONCE);
    let doubled = fake.look(|world| world.doubled().len());
    assert_eq!(doubled, 2, "else this proves nothing");
    let twice = names(&fake);
    assert_eq!((twice.len(), running(&fake).len()), (6, 8), "two names stand for two containers each");
    manager.converges("web", 6, SETTLED).await;
    sleep(WHILE).await;
    manager.converges("web", 6, SOON).await;
    assert_eq!(done(&fake, What::Remove), 2, "{}", fake.account());
}

#[tokio::test(start_paused = true)]
async fn fact_14_what_is_on_a_lost_node_is_left_alone_until_the_node_is_back() {
    let (fake, manager) = three_nodes(6).await;
    fake.lose(2, Processes::GoOn, seconds(1));
    sleep(seconds(3)).await;
    manager.delete("web").await;
    sleep(seconds(300)).await;
    let left = manager.object("web").unwrap();
    assert_eq!(left.containers.len(), 2, "{:?}", left.containers);
    assert_eq!(left.phase, Phase::Deleting);
    assert!(left.reason.contains("node-3"), "it says what it waits for: {}", left.reason);
    assert!(fake.called(Call::Remove) <= 6, "{} removals were tried", fake.called(Call::Remove));
    fake.return_node(2, AT_ONCE);
    manager.vanishes("web", SETTLED).await;
}

#[tokio::test(start_paused = true)]
async fn fact_14_calls_that_hang_on_a_node_that_nobody_knows_to_be_lost_are_carried_out_later() {
    let (fake, manager) = three_nodes(6).await;
    // The manager does not notice for two minutes: removals hang, and so do creates that it sends there.
    fake.lose(2, Processes::GoOn, seconds(120));
    manager.submit(web(2)).await;
    sleep(seconds(20)).await;
    manager.submit(web(8)).await;
    sleep(seconds(200)).await;
    fake.return_node(2, AT_ONCE);
    manager.converges("web", 8, seconds(300)).await;
    sleep(seconds(200)).await;
    manager.converges("web", 8, SOON).await;
}

#[tokio::test(start_paused = true)]
async fn fact_15_with_every_node_down_the_ping_is_fine_and_nothing_is_done() {
    let (fake, manager) = three_nodes(6).await;
    let before = running(&fake);
    for node in 0..3 {
        fake.lose(node, Processes::GoOn, seconds(1));
    }
    sleep(seconds(300)).await;
    assert_eq!(fake.ask("GET", "/_ping", "").await.0, 200);
    manager.submit(web(7)).await;
    manager.submit(json!({"Name": "new", "Image": "app:1", "Count": 1})).await;
    sleep(seconds(60)).await;
    assert_eq!((done(&fake, What::Create), done(&fake, What::Remove)), (6, 0), "{}", fake.account());
    let reason = manager.object("web").unwrap().reason;
    assert!(reason.contains("no node behind tcp://fake:3376 is up"), "{reason}");
    let nodes = manager.status().engine.nodes;
    assert!(nodes.len() == 3 && nodes.iter().all(|node| node.error.is_some()), "{nodes:?}");
    for node in 0..3 {
        fake.return_node(node, AT_ONCE);
    }
    manager.converges("web", 7, SETTLED).await;
    manager.converges("new", 1, SOON).await;
    assert!(before.is_subset(&running(&fake)), "{}", fake.account());
    assert_eq!(done(&fake, What::Create), 8);
}

#[tokio::test(start_paused = true)]
async fn fact_16_events_without_newlines_and_of_nodes_do_not_end_the_stream() {
    let (fake, manager) = three_nodes(6).await;
    let listed = fake.called(Call::List);
    fake.lose(0, Processes::GoOn, Duration::ZERO);
    manager
        .until(seconds(1), "the event of the node is heard at once", |status, _| {
            status.engine.nodes.iter().any(|node| node.status == "Unhealthy")
        })
        .await;
    assert!(fake.called(Call::List) > listed);
    fake.return_node(0, AT_ONCE);
    sleep(SETTLED).await;
    // Containers of others make events too, as filters are ignored.
    for n in 0..20 {
        fake.place(n % 3, &format!("noise-{n}"), json!({}));
    }
    let victim = running(&fake).into_iter().next().unwrap();
    fake.exit(&victim, 1);
    let took = manager.converges("web", 6, SOON).await;
    assert!(took < seconds(1), "heard at once, not at the next resync: {took:?}");
    assert_eq!(fake.called(Call::Events), 1, "it is still the first stream");
}

// ---- A cluster's life

/// Containers that are none of our business, two a node.
fn foreign(fake: &FakeDocker) -> BTreeSet<String> {
    let mut placed = BTreeSet::new();
    for node in 0..3 {
        placed.insert(fake.place(node, &format!("db-{node}"), json!({"app": "db"})));
        let other = json!({(LABEL_CLUSTER): "another", "io.github.swarm-cluster-state-manager.object": "web",
            "io.github.swarm-cluster-state-manager.slot": "1", "io.github.swarm-cluster-state-manager.attempt": "1",
            "io.github.swarm-cluster-state-manager.template": "t"});
        placed.insert(fake.place(node, &format!("another-{node}"), other));
    }
    placed
}

fn still_run(fake: &FakeDocker, ids: &BTreeSet<String>) -> bool {
    fake.look(|world| {
        let run: BTreeSet<&String> =
            world.containers().filter(|(_, c)| c.life == Life::Running).map(|(_, c)| &c.id).collect();
        ids.iter().all(|id| run.contains(id))
    })
}

/// How many of our containers run on nodes that can be reached. Another cluster's object has the same name.
fn ours(world: &World) -> usize {
    let ours =
        |c: &&Container| c.life == Life::Running && c.labels.get(LABEL_CLUSTER) == Some(&json!(CLUSTER));
    world.reachable("web").filter(ours).count()
}

#[tokio::test(start_paused = true)]
async fn thirty_on_three_nodes_survive_a_lost_node_and_a_restarted_manager_without_one_too_many() {
    for processes in [Processes::GoOn, Processes::End] {
        for restarted_after in [5, 25, 60] {
            let fake = FakeDocker::swarm(3);
            fake.bring_image("app:1");
            let others = foreign(&fake);
            let manager = Manager::start(&fake);
            manager.submit(web(30)).await;
            let thirty = async |within: Duration| {
                manager
                    .until(within, "thirty of ours", |status, world| {
                        ours(world) == 30
                            && status.objects.iter().any(|o| o.phase == Phase::Converged && o.ready == 30)
                    })
                    .await
            };
            thirty(SOON).await;
            let on_it = fake.look(|world| {
                world.nodes[1]
                    .containers
                    .values()
                    .filter(|c| c.labels.get(LABEL_CLUSTER) == Some(&json!(CLUSTER)))
                    .count()
            });

            fake.lose(1, processes, seconds(3));
            sleep(seconds(restarted_after)).await;
            // The lost node cannot be reached by it: it stays Pending.
            fake.restart_manager(seconds(2), &[seconds(4), seconds(1), seconds(9)]);
            thirty(REPLACED + LOST_AFTER * 2).await;
            let case = format!("{processes:?}, restarted after {restarted_after} s\n{}", fake.account());
            assert_eq!(done(&fake, What::Create) - 6, 30 + on_it, "{case}");

            fake.return_node(1, AT_ONCE);
            thirty(SETTLED).await;
            sleep(WHILE).await;
            thirty(SOON).await;
            // With the other cluster's three counted in.
            never_one_too_many(&fake, 33);
            assert!(processes == Processes::End || still_run(&fake, &others), "{case}");
            assert_eq!(done(&fake, What::Create) - 6, 30 + on_it, "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn with_hold_a_lost_nodes_containers_are_waited_for() {
    let fake = FakeDocker::swarm(3);
    fake.bring_image("app:1");
    let manager = Manager::start(&fake);
    manager.submit(web_with(6, &json!({"OnNodeLost": "hold"}))).await;
    manager.converges("web", 6, SOON).await;
    let before = running(&fake);
    fake.lose(0, Processes::GoOn, seconds(1));
    sleep(seconds(600)).await;
    assert_eq!(done(&fake, What::Create), 6, "{}", fake.account());
    assert!(manager.object("web").unwrap().reason.contains("hold"));
    fake.return_node(0, AT_ONCE);
    manager.converges("web", 6, SETTLED).await;
    assert_eq!(running(&fake), before);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_flaps_moves_its_containers_once_at_the_most() {
    let (fake, manager) = three_nodes(6).await;
    for _ in 0..10 {
        fake.lose(2, Processes::GoOn, seconds(1));
        sleep(seconds(9)).await;
        fake.return_node(2, AT_ONCE);
        sleep(seconds(5)).await;
    }
    manager.converges("web", 6, SETTLED).await;
    sleep(WHILE).await;
    manager.converges("web", 6, SOON).await;
    let made = done(&fake, What::Create);
    assert!(made <= 8, "{made} were made for six\n{}", fake.account());
}

#[tokio::test(start_paused = true)]
async fn containers_of_an_object_that_nobody_submitted_are_reported_and_left_alone() {
    let (fake, manager) = three_nodes(4).await;
    drop(manager);
    let before = running(&fake);
    let manager = Manager::start(&fake);
    manager.until(SOON, "they are unclaimed", |status, _| status.unclaimed.len() == 4).await;
    sleep(WHILE).await;
    assert_eq!(manager.status().unclaimed.len(), 4);
    assert_eq!(running(&fake), before);
    // Submitted again they are held: another manager created them.
    manager.submit(web(4)).await;
    says(&manager, "--take-over=").await;
    sleep(WHILE).await;
    assert_eq!(running(&fake), before, "{}", fake.account());
    drop(manager);
    // A manager that takes them over takes them as they are.
    let manager = Manager::start_taking_over(&fake);
    manager.submit(web(4)).await;
    manager.converges("web", 4, SOON).await;
    sleep(WHILE).await;
    manager.converges("web", 4, SOON).await;
    assert_eq!(running(&fake), before, "{}", fake.account());
    assert!(manager.status().unclaimed.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_a_deleted_objects_create_brings_late_is_removed() {
    for fault in
        [Fault::LandsLate(seconds(200)), Fault::ArrivesLate(seconds(200)), Fault::ArrivesLate(seconds(2_000))]
    {
        let fake = FakeDocker::swarm(3);
        fake.bring_image("app:1");
        fake.fault(Call::Create, 2, fault);
        let manager = Manager::start(&fake);
        manager.submit(web(2)).await;
        manager.until(SOON, "the second is asked for", |_, _| fake.called(Call::Create) == 2).await;
        manager.delete("web").await;
        fake.until(seconds(2_100), "the other lands", |world| world.count(What::Create) == 2).await;
        manager.vanishes("web", WHILE).await;
        sleep(WHILE).await;
        manager.vanishes("web", SOON).await;
        assert_eq!(done(&fake, What::Create), 2, "{fault:?}\n{}", fake.account());
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_in_doubt_that_nobody_needs_any_more_does_not_degrade_what_runs() {
    let (fake, manager) = three_nodes(1).await;
    let node = its_node(&fake);
    fake.fault(Call::Create, 2, Fault::Hang);
    fake.lose(node, Processes::GoOn, Duration::ZERO);
    manager.until(REPLACED, "a replacement is asked for", |_, _| fake.called(Call::Create) == 2).await;
    fake.return_node(node, AT_ONCE);
    // The create is given up after two minutes.
    manager.converges("web", 1, seconds(180)).await;
    sleep(seconds(120)).await;
    manager.converges("web", 1, SOON).await;
    assert_eq!(names(&fake), ["web.1.1".to_owned()].into(), "{}", fake.account());
}

#[tokio::test(start_paused = true)]
async fn our_own_death_at_any_moment_of_a_create_leaves_no_container_too_many() {
    for after in (0..120).step_by(7).map(Duration::from_millis) {
        let fake = FakeDocker::swarm(3);
        fake.bring_image("app:1");
        let manager = Manager::start(&fake);
        manager.submit(web(4)).await;
        sleep(after).await;
        let manager = manager.killed_and_started_again();
        manager.converges("web", 4, WHILE).await;
        sleep(WHILE).await;
        manager.converges("web", 4, SOON).await;
        assert_eq!(done(&fake, What::Create), 4, "killed after {after:?}\n{}", fake.account());
        never_one_too_many(&fake, 4);
    }
}
