//! Many clients change the same objects at once: no change is lost, and a stale write is refused.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use support::connection::{Connection, Identity, new_client};
use support::{Daemon, alone, by_tier};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Each has its own identity, as one identity may make only 200 requests per second.
const WRITERS: usize = 64;
/// Few enough that the writers conflict all the time.
const OBJECTS: usize = 16;

fn name(object: usize) -> String {
    format!("counter-{object}")
}

/// An object that runs nothing and holds a number.
fn counter(object: usize, number: u64) -> Value {
    json!({"Name": name(object), "Image": "web:1", "Count": 0, "Labels": {"number": number.to_string()}})
}

fn number(object: &Value) -> u64 {
    object["Labels"]["number"].as_str().unwrap().parse().unwrap()
}

/// The results of one writer.
#[derive(Default)]
struct Results {
    /// Object and generation of each accepted change.
    accepted: Vec<(usize, u64)>,
    /// Changes that were refused because another writer was faster.
    conflicts: usize,
}

/// Increments random counters: read, change, and write on the condition that no one else has written.
async fn write(daemon: Arc<Daemon>, identity: Identity, seed: u64, rounds: usize) -> Results {
    let mut rng = Rng::with_seed(seed);
    let mut client = Connection::open(&daemon, &identity).await.unwrap();
    let mut results = Results::default();
    while results.accepted.len() < rounds {
        let object = rng.usize(..OBJECTS);
        for conflicts in 0_u32.. {
            let begun = Instant::now();
            let read = client.get(&format!("/objects/{}", name(object))).await.unwrap();
            let tag = read.header("etag").unwrap().to_owned();
            let changed = counter(object, number(&read.json()) + 1).to_string();
            let answer = client.request(Method::POST, "/submit", Some(&tag), changed).await.unwrap();
            match answer.status {
                StatusCode::OK => {
                    assert_eq!(answer.json()["Result"], "updated", "{answer:?}");
                    results.accepted.push((object, answer.json()["Generation"].as_u64().unwrap()));
                    break;
                }
                StatusCode::PRECONDITION_FAILED => {
                    results.conflicts += 1;
                    // Back off exponentially, from the duration of one attempt: otherwise the writers only block each other.
                    sleep(begun.elapsed().mul_f64(rng.f64()) * (2 << conflicts.min(5))).await;
                }
                _ => panic!("{answer:?}"),
            }
        }
    }
    results
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_concurrent_writers_lose_no_change() {
    let _alone = alone();
    let rounds = by_tier(50, 1_000);
    let daemon = Arc::new(Daemon::simulated());
    daemon.client.submit(&(0..OBJECTS).map(|object| counter(object, 0)).collect::<Value>());
    let begun = Instant::now();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let identity = new_client(&daemon.certificates(), &format!("writer-{writer}"));
        writers.spawn(write(daemon.clone(), identity, u64::try_from(writer).unwrap(), rounds));
    }
    let (mut accepted, mut conflicts) = (Vec::new(), 0);
    while let Some(results) = writers.join_next().await {
        let results = results.unwrap();
        accepted.extend(results.accepted);
        conflicts += results.conflicts;
    }
    let took = begun.elapsed();
    eprintln!("{WRITERS} writers, {} changes accepted, {conflicts} conflicts, in {took:?}", accepted.len());

    let all = WRITERS * rounds;
    assert_eq!(accepted.len(), all);
    assert!(conflicts > 0, "the writers conflict");
    assert_eq!(accepted.iter().collect::<BTreeSet<_>>().len(), all, "every generation is unique");
    let all = u64::try_from(all).unwrap();
    let stored = daemon.client.get("/objects").json();
    let stored = stored.as_array().unwrap();
    assert_eq!(stored.iter().map(number).sum::<u64>(), all, "nothing was lost");
    let generations = stored.iter().map(|object| object["Generation"].as_u64().unwrap() - 1);
    assert_eq!(generations.sum::<u64>(), all, "no other change was accepted");
    assert!(took < Duration::from_secs(240), "{took:?}");
}
