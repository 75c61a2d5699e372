//! Many clients change the same objects at once: no change is lost, and a client that was late is told so.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use support::kept::{Identity, Kept, new_client};
use support::{Daemon, alone, by_tier};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Each has an identity of its own, as one identity may make only 200 requests per second.
const WRITERS: usize = 64;
/// Few enough that they get in each other's way all the time.
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

/// What one writer has seen.
#[derive(Default)]
struct Seen {
    /// Object and generation of each change that was taken.
    taken: Vec<(usize, u64)>,
    /// Changes that were refused as too late.
    late: usize,
}

/// Adds one to some counter, so many times: read, change, write on condition that no one else has.
async fn write(daemon: Arc<Daemon>, identity: Identity, seed: u64, rounds: usize) -> Seen {
    let mut rng = Rng::with_seed(seed);
    let mut client = Kept::open(&daemon, &identity).await.unwrap();
    let mut seen = Seen::default();
    while seen.taken.len() < rounds {
        let object = rng.usize(..OBJECTS);
        for late in 0_u32.. {
            let begun = Instant::now();
            let read = client.get(&format!("/objects/{}", name(object))).await.unwrap();
            let tag = read.header("etag").unwrap().to_owned();
            let changed = counter(object, number(&read.json()) + 1).to_string();
            let answer = client.ask(Method::POST, "/submit", Some(&tag), changed).await.unwrap();
            match answer.status {
                StatusCode::OK => {
                    assert_eq!(answer.json()["Result"], "updated", "{answer:?}");
                    seen.taken.push((object, answer.json()["Generation"].as_u64().unwrap()));
                    break;
                }
                StatusCode::PRECONDITION_FAILED => {
                    seen.late += 1;
                    // As long as another try would take, and twice as long each further time: else they would only
                    // keep each other from getting on.
                    sleep(begun.elapsed().mul_f64(rng.f64()) * (2 << late.min(5))).await;
                }
                _ => panic!("{answer:?}"),
            }
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_writers_lose_nothing() {
    let _alone = alone();
    let rounds = by_tier(50, 1_000);
    let daemon = Arc::new(Daemon::simulated());
    daemon.client.submit(&(0..OBJECTS).map(|object| counter(object, 0)).collect::<Value>());
    let begun = Instant::now();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let identity = new_client(&daemon.made(), &format!("writer-{writer}"));
        writers.spawn(write(daemon.clone(), identity, u64::try_from(writer).unwrap(), rounds));
    }
    let (mut taken, mut late) = (Vec::new(), 0);
    while let Some(seen) = writers.join_next().await {
        let seen = seen.unwrap();
        taken.extend(seen.taken);
        late += seen.late;
    }
    let took = begun.elapsed();
    eprintln!("{WRITERS} writers, {} changes taken, {late} refused as too late, in {took:?}", taken.len());

    let all = WRITERS * rounds;
    assert_eq!(taken.len(), all);
    assert!(late > 0, "they got in each other's way");
    assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), all, "no generation was made twice");
    let all = u64::try_from(all).unwrap();
    let stored = daemon.client.get("/objects").json();
    let stored = stored.as_array().unwrap();
    assert_eq!(stored.iter().map(number).sum::<u64>(), all, "nothing was lost");
    let generations = stored.iter().map(|object| object["Generation"].as_u64().unwrap() - 1);
    assert_eq!(generations.sum::<u64>(), all, "and nothing else was taken");
    assert!(took < Duration::from_secs(240), "{took:?}");
}
