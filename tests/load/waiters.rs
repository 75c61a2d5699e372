//! Many clients that wait or request dry runs, and one that must not be slowed down by them.

use std::time::{Duration, Instant};

use hyper::StatusCode;
use support::connection::{Answer, Connection, generated_client};
use support::objects::{endless_object, simulated_object as object};
use support::{Daemon, SOON, alone};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// The program's limit of concurrent waits and streams.
const LONG_ANSWERS: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_waiting_clients_delay_no_one_and_free_their_slots_when_they_disconnect() {
    let _alone = alone();
    let daemon = Daemon::simulated();
    let identity = generated_client(&daemon.certificates());
    let mut waiting: Vec<JoinSet<Answer>> = Vec::new();
    for i in 0..LONG_ANSWERS {
        let mut client = Connection::open(&daemon, &identity).await.unwrap();
        let mut one = JoinSet::new();
        one.spawn(async move {
            client.post("/submit?wait=10m", &endless_object(&format!("w-{i}"))).await.unwrap()
        });
        waiting.push(one);
    }
    let mut client = Connection::open(&daemon, &identity).await.unwrap();
    daemon.wait_until(SOON, "all submits are accepted", || {
        daemon.client.get("/objects").json().as_array().map(Vec::len) == Some(LONG_ANSWERS)
    });

    // A plain submit is answered as usual; another submit that waits is refused before anything is done.
    let mut slowest = Duration::ZERO;
    for count in 0..20 {
        let begun = Instant::now();
        let answer = client.post("/submit", &object("plain", "web:1", count)).await.unwrap();
        slowest = slowest.max(begun.elapsed());
        assert!(answer.status.is_success(), "{answer:?}");
    }
    eprintln!("{LONG_ANSWERS} wait; the slowest of 20 plain submits took {slowest:?}");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    let refused = client.post("/submit?wait=1s", &object("late", "web:1", 1)).await.unwrap();
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{refused:?}");
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    assert_eq!(
        client.get("/objects/late").await.unwrap().status,
        StatusCode::NOT_FOUND,
        "nothing was stored"
    );
    assert!(waiting.iter_mut().all(|one| one.try_join_next().is_none()), "all of them are still waiting");

    // They disconnect, and others may wait.
    let begun = Instant::now();
    drop(waiting);
    while client.post("/submit?wait=1ms", &endless_object("late")).await.unwrap().status == 503 {
        assert!(begun.elapsed() < SOON, "the disconnects were not noticed");
        sleep(Duration::from_millis(20)).await;
    }
    eprintln!("slots were free {:?} after the clients had disconnected", begun.elapsed());
    let mut again = JoinSet::new();
    for i in 0..LONG_ANSWERS / 2 {
        let mut client = Connection::open(&daemon, &identity).await.unwrap();
        again.spawn(async move {
            client.post("/submit?wait=1s", &endless_object(&format!("w-{i}"))).await.unwrap()
        });
    }
    while let Some(answer) = again.join_next().await {
        assert_eq!(answer.unwrap().status, StatusCode::GATEWAY_TIMEOUT);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_dry_runs_starves_no_other_client() {
    let _alone = alone();
    let daemon = Daemon::simulated();
    let identity = generated_client(&daemon.certificates());
    let mut flood = JoinSet::new();
    for _ in 0..30 {
        let mut client = Connection::open(&daemon, &identity).await.unwrap();
        flood.spawn(async move {
            let begun = Instant::now();
            let answer = client.post("/submit?dry_run", &object("huge", "web:1", 10_000)).await.unwrap();
            (answer, begun.elapsed())
        });
    }
    let mut client = Connection::open(&daemon, &identity).await.unwrap();
    let mut slowest = Duration::ZERO;
    for count in 0..20 {
        let begun = Instant::now();
        assert!(client.post("/submit", &object("plain", "web:1", count)).await.unwrap().status.is_success());
        slowest = slowest.max(begun.elapsed());
    }
    eprintln!("30 dry runs of 10,000 containers; the slowest of 20 plain submits took {slowest:?}");
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    let (answer, took) = flood.join_next().await.unwrap().unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    let one = &answer.json()["Objects"][0];
    let lines = one["Plan"].as_array().unwrap().len();
    eprintln!("{lines} lines, after {took:?}");
    assert!(lines > 2_000 && one["Truncated"] == true, "{lines}");
}
