//! Many or slow readers of `/status?watch` and `/events`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::daemon::Setup;
use support::objects::nginx;
use support::{Daemon, SOON, Stream, alone, holds_within};

fn simulated() -> Daemon {
    // Short, so that a test notices a line that every resync repeats.
    let daemon = Setup::new().flag("--swarm-manager=simulated://3").flag("--resync=500ms").start();
    daemon.connected();
    daemon
}

/// The program's limit of concurrent waits and streams.
const LONG_ANSWERS: usize = 200;

/// Resident memory, in KiB.
fn resident(daemon: &Daemon) -> u64 {
    let path = format!("/proc/{}/status", daemon.child().id());
    let status = std::fs::read_to_string(path).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The newest line of each object.
fn newest(stream: &Stream) -> BTreeMap<String, Value> {
    let objects = stream.lines().into_iter().filter(|line| line["Kind"] == "object");
    objects.map(|line| (line["Object"]["Name"].to_string(), line)).collect()
}

#[test]
fn stalled_readers_cost_little_memory_get_the_newest_state_when_they_resume_and_are_cut_otherwise() {
    let _alone = alone();
    const STOPPED: u64 = 40;
    const OBJECTS: usize = 500;
    let daemon = Setup::new().flag("--swarm-manager=simulated://3").start();
    let round = |number: u32| {
        let image = format!("{}:{number}", "long".repeat(50));
        let object = |i| json!({"Name": format!("web-{i}"), "Image": image, "Count": 0});
        daemon.client.submit(&(0..OBJECTS).map(object).collect());
    };
    let quick = daemon.client.stream("/status?watch", &[]);
    // First fill the history that the store keeps of each object, so that only the readers' memory is counted.
    (0..10).for_each(round);
    let mut stopped: Vec<Stream> = (0..STOPPED).map(|_| daemon.client.stream("/status?watch", &[])).collect();
    for stream in &stopped {
        assert_eq!(stream.answered(SOON), 200);
        stream.signal("STOP");
    }
    let (before, bytes_before) = (resident(&daemon), quick.body().len());
    let mut most = before;
    let begun = Instant::now();
    let mut rounds = 10;
    // More than the kernel buffers for a reader, so that stalled readers block a sender.
    const ENOUGH: usize = 10 << 20;
    let sent = || quick.body().len() - bytes_before;
    while sent() < ENOUGH && begun.elapsed() < Duration::from_secs(60) {
        round(rounds);
        rounds += 1;
        most = most.max(resident(&daemon));
    }
    let converged = || newest(&quick).values().filter(|line| line["Object"]["Phase"] == "converged").count();
    assert!(holds_within(SOON, || converged() == OBJECTS).is_some(), "{}", daemon.diagnostics());
    let made = (quick.body().len() - bytes_before) as u64 / 1024;
    let grown = most.max(resident(&daemon)) - before;
    eprintln!(
        "{made} KiB were produced for each reader; with {STOPPED} stalled readers memory grew by {grown} KiB"
    );
    assert!(grown < STOPPED * made / 8, "{grown} KiB for {STOPPED} readers of {made} KiB each");

    let mut back = stopped.pop().unwrap();
    back.signal("CONT");
    assert!(
        holds_within(SOON, || newest(&back) == newest(&quick)).is_some(),
        "it gets the newest line of each object"
    );
    let (received, all) = (back.lines().len(), quick.lines().len());
    eprintln!("a reader that resumed got {received} of {all} lines");
    assert!(received < all * 3 / 4, "outdated lines were skipped");
    back.kill();

    // The others have 30 s.
    let cut = || daemon.log().contains("it read nothing of its answer for 30s");
    assert!(holds_within(Duration::from_secs(40), cut).is_some(), "{}", daemon.log());
    // All of them: the connections left open are the quick reader's and the one of this request.
    let open = || {
        let metrics = daemon.client.get("/metrics").body;
        let line =
            metrics.lines().find_map(|line| line.strip_prefix("scsm_connections_open ").map(str::to_owned));
        line.and_then(|count| count.parse::<f64>().ok())
    };
    let all_cut = holds_within(Duration::from_secs(60), || open().is_some_and(|count| count <= 2.0));
    assert!(all_cut.is_some(), "{:?} connections are open", open());
    for stream in &mut stopped {
        stream.signal("CONT");
        let end = stream.ended(SOON).expect("the connection was cut");
        assert!(!end.success(), "curl reports it");
    }
}

#[test]
fn two_hundred_readers_see_a_submit_promptly_and_do_not_delay_the_shutdown() {
    let _alone = alone();
    let mut daemon = simulated();
    let mut open: Vec<Stream> = Vec::new();
    for i in 0..LONG_ANSWERS {
        open.push(daemon.client.stream(if i % 2 == 0 { "/status?watch" } else { "/events" }, &[]));
        if i % 20 == 19 {
            open.iter().for_each(|stream| assert_eq!(stream.answered(SOON), 200));
        }
    }
    let begun = Instant::now();
    daemon.client.submit(&nginx("web", 2));
    for stream in &open {
        stream.until(SOON, "the submit", |lines| {
            lines.iter().any(|line| line["Object"]["Name"] == "web" || line["Object"] == "web")
        });
    }
    eprintln!("{LONG_ANSWERS} readers had seen the submit after {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());

    for path in ["/status?watch", "/events", "/events?follow=false"] {
        let refused = daemon.client.get(path);
        assert_eq!(refused.status, 503, "{path}: {refused:?}");
        assert!(refused.headers.iter().any(|line| line.starts_with("retry-after:")), "{refused:?}");
        assert!(refused.problem().0.contains("200"), "{refused:?}");
    }
    assert_eq!(daemon.client.get("/status/web").status, 200, "other requests are answered");
    open.pop().unwrap().kill();
    let freed = || daemon.client.get("/events?follow=false&tail=1").status == 200;
    assert!(
        holds_within(Duration::from_secs(2), freed).is_some(),
        "a reader that disconnects frees its slot"
    );

    daemon.signal("TERM");
    let begun = Instant::now();
    let status = daemon.ended(SOON).expect("it ends");
    eprintln!("SIGTERM with {} watching clients: ended after {:?}", open.len(), begun.elapsed());
    assert!(status.success() && begun.elapsed() < Duration::from_secs(2), "{status} {:?}", begun.elapsed());
    for stream in &mut open {
        let end = stream.ended(SOON).expect("the stream ends");
        assert!(end.success(), "as if complete: {end}");
    }
}
