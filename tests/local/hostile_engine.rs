//! An engine with malformed answers: unknown states, missing fields, endless texts, escape sequences.
//!
//! The fake engine rewrites some of its answers. One malformed answer must not affect other objects, and an unreadable
//! container must not count as missing.

mod logs;
use std::time::Duration;

use serde_json::{Value, json};
use swarm_cluster_state_manager::core::engine_kind::EngineKind;
use swarm_cluster_state_manager::core::sanitize::{MESSAGE_MAX_BYTES, harmless};
use swarm_cluster_state_manager::store::Store;
use tokio::time::sleep;

use crate::fake_docker::FakeDocker;
use crate::fake_docker::faults::Call;
use crate::fake_docker::manager::Manager;

/// Long enough for everything that has nothing to wait for.
const SOON: Duration = Duration::from_secs(10);
/// Long enough to notice what must not happen.
const WHILE: Duration = Duration::from_secs(90);

fn object(name: &str, count: usize) -> Value {
    json!({"Name": name, "Image": "app:1", "Count": count})
}

/// A fake engine and a manager, with `web` and `db`, one container each.
async fn web_and_db() -> (FakeDocker, Manager) {
    let fake = FakeDocker::new(EngineKind::Docker, 1, true);
    fake.add_image("app:1");
    let manager = Manager::start(&fake);
    for name in ["web", "db"] {
        manager.submit(object(name, 1)).await;
        manager.converges(name, 1, SOON).await;
    }
    (fake, manager)
}

/// Rewrites the entries of `web` in further lists.
fn rewrite_web(fake: &FakeDocker, rewrite: impl Fn(&mut Value) + Send + 'static) {
    fake.rewrite(Call::List, move |list| {
        let mut list: Value = serde_json::from_slice(&list).unwrap();
        let web = |entry: &Value| entry["Names"][0].as_str().is_some_and(|name| name.starts_with("/web."));
        list.as_array_mut().unwrap().iter_mut().filter(|entry| web(entry)).for_each(&rewrite);
        list.to_string().into_bytes()
    });
}

fn creates(fake: &FakeDocker) -> usize {
    fake.called(Call::Create)
}

type Change = fn(&mut Value);

/// Malformed entries of a list.
const MALFORMED: [(&str, Change); 12] = [
    ("an unknown state", |e| {
        (e["State"], e["Status"]) = (json!("hibernating"), json!("Hibernating since noon"))
    }),
    ("no state", |e| (e["State"], e["Status"]) = (json!(null), json!(null))),
    ("a state of another type", |e| (e["State"], e["Status"]) = (json!({"a": 1}), json!(7))),
    ("no labels", |e| e["Labels"] = json!(null)),
    ("labels of another type", |e| e["Labels"] = json!(["a=b"])),
    ("no id", |e| e["Id"] = json!(null)),
    ("no names", |e| e["Names"] = json!(null)),
    ("a creation before 1970", |e| e["Created"] = json!(-1)),
    ("numbers as strings", |e| e["Created"] = json!("1767225600")),
    ("null", |e| *e = json!(null)),
    ("an empty object", |e| *e = json!({})),
    ("a deep one", |e| e["Ports"] = json!([[[[[[[[[["x"]]]]]]]]]])),
];

#[tokio::test(start_paused = true)]
async fn one_malformed_entry_does_not_affect_others_and_is_not_replaced() {
    for (what, malform) in MALFORMED {
        let (fake, manager) = web_and_db().await;
        rewrite_web(&fake, malform);
        let before = creates(&fake);
        let db = fake.read(|world| {
            world.containers().find(|(_, c)| c.name.starts_with("db.")).map(|(_, c)| c.id.clone())
        });
        fake.kill(&db.unwrap());
        manager.converges("db", 1, SOON).await;
        sleep(WHILE).await;
        assert_eq!(creates(&fake), before + 1, "{what}: only db is replaced\n{}", fake.effects());
        fake.stop_rewriting(Call::List);
        manager.converges("web", 1, SOON).await;
        assert_eq!(creates(&fake), before + 1, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_malformed_entry_is_not_replaced_after_a_restart_either() {
    for (what, malform) in MALFORMED {
        let (fake, manager) = web_and_db().await;
        rewrite_web(&fake, malform);
        let before = creates(&fake);
        let manager = manager.kill_and_restart();
        sleep(WHILE).await;
        assert_eq!(creates(&fake), before, "{what}\n{}", fake.effects());
        fake.stop_rewriting(Call::List);
        for name in ["web", "db"] {
            manager.converges(name, 1, SOON).await;
        }
        assert_eq!(creates(&fake), before, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_with_an_unreadable_inspect_is_left_alone() {
    let (fake, manager) = web_and_db().await;
    rewrite_web(&fake, |e| (e["State"], e["Status"]) = (json!("hibernating"), json!("?")));
    fake.rewrite(Call::Inspect, |answer| {
        let mut answer: Value = serde_json::from_slice(&answer).unwrap();
        answer["State"] = json!({"Status": "hibernating", "Health": [1], "ExitCode": "many"});
        answer.to_string().into_bytes()
    });
    let before = creates(&fake);
    sleep(WHILE).await;
    let manager = manager.kill_and_restart();
    sleep(WHILE).await;
    assert_eq!(creates(&fake), before, "{}", fake.effects());
    let status = manager.object("web").unwrap();
    assert_eq!(status.containers.len(), 1, "{}", serde_json::to_string(&status).unwrap());
}

#[tokio::test(start_paused = true)]
async fn an_oversized_or_broken_list_or_info_is_refused_with_a_reason_and_nothing_is_done() {
    let nodes = |_| {
        let rows: Vec<Value> = (0..50_000)
            .flat_map(|n| {
                [json!([format!(" n{n}"), format!("10.0.0.1:{n}")]), json!(["  └ Status", "Healthy"])]
            })
            .collect();
        json!({"ServerVersion": "swarm/1.2.9", "SystemStatus": rows}).to_string().into_bytes()
    };
    let version = |_| vec![b'9'; 9 << 20];
    let endless = |mut list: Vec<u8>| {
        list.pop();
        list
    };
    type Case<'a> = (Call, Box<dyn Fn(Vec<u8>) -> Vec<u8> + Send>, &'a str);
    let cases: [Case<'_>; 4] = [
        (Call::Info, Box::new(nodes), "more than 2000 nodes"),
        (Call::Version, Box::new(version), "longer than 8388608 bytes"),
        (Call::List, Box::new(endless), "cut off"),
        (Call::List, Box::new(|_| b"{}".to_vec()), "cannot read its list"),
    ];
    for (call, rewrite, reason) in cases {
        let fake = FakeDocker::docker();
        fake.add_image("app:1");
        fake.rewrite(call, rewrite);
        let manager = Manager::start(&fake);
        manager.submit(object("web", 1)).await;
        let has_reason = |status: &str| status.contains(reason);
        manager.until(SOON, reason, |status, _| has_reason(&serde_json::to_string(status).unwrap())).await;
        sleep(SOON).await;
        assert_eq!(creates(&fake), 0, "{reason}");
        let status = serde_json::to_string(&manager.status()).unwrap();
        assert!(status.len() < 16 * 1024, "{} bytes of status", status.len());
        fake.stop_rewriting(call);
        manager.converges("web", 1, WHILE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_engines_message_is_bounded_and_escaped_wherever_it_is_shown() {
    let fake = FakeDocker::docker();
    let long = format!("no\n2026-01-01 ERROR forged\u{1b}[2J\u{202e}{}", "x".repeat(50_000));
    fake.rewrite(Call::Pull, move |_| json!({ "error": long }).to_string().into_bytes());
    let manager = Manager::start(&fake);
    manager.submit(object("web", 1)).await;
    manager
        .until(WHILE, "the message is shown", |status, _| {
            status.objects.iter().any(|o| o.reason.contains("no\\n2026-01-01 ERROR forged\\u{1b}[2J"))
        })
        .await;
    sleep(WHILE).await;
    let reason = manager.object("web").unwrap().reason;
    assert!(reason.len() < MESSAGE_MAX_BYTES + 512 && reason.chars().all(harmless), "{reason}");
    let events = manager.store().event_log().after(0, usize::MAX).events;
    assert!(events.iter().any(|event| event.text.contains("forged")), "the event log has it, too");
    for event in events {
        assert!(event.text.len() < 2 * MESSAGE_MAX_BYTES + 64, "{}", event.text);
        assert!(event.text.chars().all(harmless), "{}", event.text);
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_error_of_a_pull_decides_its_outcome() {
    let fake = FakeDocker::docker();
    fake.rewrite(Call::Pull, |_| {
        b"{\"status\": 7}{\"progressDetail\": \"?\", \"id\": null}\n{\"errorDetail\": 5, \"error\": \"no such\\nimage\"}".to_vec()
    });
    let manager = Manager::start(&fake);
    manager.submit(object("web", 1)).await;
    let reason = "no such\\nimage";
    manager.until(SOON, reason, |status, _| status.objects.iter().any(|o| o.reason.contains(reason))).await;
    fake.stop_rewriting(Call::Pull);
    manager.converges("web", 1, WHILE).await;
}
