//! The daemon is restarted after a crash, a stop, or the loss of its data directory.

use std::thread;
use std::time::{Duration, Instant};

use support::daemon::Setup;
use support::{Container, Daemon, Engine, SOON, unique};

use support::objects::*;

#[test]
fn a_lost_data_directory_stops_no_container_and_take_over_adopts_them_without_a_restart() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("lost");
    let name = unique("lost");
    let first = Daemon::managing(&cluster);
    // It is killed in the middle of its work.
    first.client.submit(&object(&name, 6));
    first.wait_until(SOON, "work has begun", || !cluster.containers().is_empty());
    first.signal("KILL");
    drop(first);
    let left = cluster.containers();

    let data = tempfile::tempdir().unwrap();
    let second = Setup::in_directory(data.path()).managing(&cluster).start();
    second.wait_until(SOON, "the engine is listed", || second.client.get("/readyz").status == 200);
    let untouched = cluster.containers();
    assert!(
        left.iter().all(|one| ids(&untouched).contains(&one.id.as_str())),
        "containers of unknown objects are left alone"
    );
    let unclaimed = second.status()["Unclaimed"].as_array().map(Vec::len);
    assert_eq!(unclaimed, Some(untouched.len()), "they are reported: {}", second.status());
    // An object with containers of another manager is blocked, and the reason says what to do.
    second.client.submit(&object(&name, 6));
    second.wait_until(SOON, "it is blocked", || second.object(&name)["Phase"] == "blocked");
    let lost = second.status()["Manager"]["Rivals"][0]["Id"].as_str().unwrap().to_owned();
    let take_over = format!("--take-over={lost}");
    let reason = second.object(&name)["Reason"].as_str().unwrap().to_owned();
    assert!(reason.contains(&take_over), "{reason}");
    assert_eq!(ids(&cluster.containers()), ids(&untouched), "nothing was created or removed");
    drop(second);
    let running = cluster.running();
    let events = cluster.events();
    drop(Setup::in_directory(data.path()).managing(&cluster).flag(&take_over).start());
    // The take-over is remembered.
    let second = Setup::in_directory(data.path()).managing(&cluster).start();
    second.converges(&name, SOON);
    let now = runs(&second, &cluster, 6);
    assert!(ids(&running).iter().all(|id| ids(&now).contains(id)), "running containers keep running");
    assert!(events.running_over_time(running.len()).iter().all(|count| *count <= 6), "{:#?}", events.all());
}

#[test]
fn after_a_kill_the_work_continues_from_the_same_directory_without_another_submit() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("kept");
    let (name, gone) = (unique("kept"), unique("gone"));
    let data = tempfile::tempdir().unwrap();
    let start = || Setup::in_directory(data.path()).managing(&cluster).start();
    let first = start();
    first.client.submit(&object(&gone, 2));
    first.converges(&gone, SOON);
    first.client.submit(&object(&name, 6));
    first.wait_until(SOON, "work has begun", || cluster.containers().len() > 2);
    assert_eq!(first.client.delete(&format!("/objects/{gone}")).status, 200);
    first.signal("KILL");
    drop(first);
    let running = cluster.running();

    let second = start();
    second.converges(&name, SOON);
    let now = runs(&second, &cluster, 6);
    let kept = |one: &&Container| one.name.starts_with(&name);
    assert!(
        running.iter().filter(kept).all(|one| ids(&now).contains(&one.id.as_str())),
        "running containers keep running"
    );
    assert!(now.iter().all(|one| one.name.starts_with(&name)), "the deleted object is gone: {now:#?}");
    assert_eq!(second.client.get(&format!("/objects/{gone}")).status, 404);
}

#[test]
fn sigterm_in_the_middle_of_the_work_ends_the_daemon_in_time_and_nothing_happens_afterwards() {
    let Some(engine) = Engine::local() else { return };
    let cluster = engine.cluster("term");
    let name = unique("term");
    let directory = tempfile::tempdir().unwrap();
    let start = || Setup::in_directory(directory.path()).managing(&cluster).start();
    let mut daemon = start();
    daemon.client.submit(&object(&name, 12));
    daemon.wait_until(SOON, "work has begun", || !cluster.containers().is_empty());
    daemon.signal("TERM");
    let begun = Instant::now();
    let status =
        daemon.ended(Duration::from_secs(8)).unwrap_or_else(|| panic!("still running\n{}", daemon.log()));
    eprintln!("SIGTERM during creates: ended after {:?}", begun.elapsed());
    assert!(status.success(), "{status}\n{}", daemon.log());
    let left = cluster.containers();
    thread::sleep(Duration::from_millis(500));
    assert_eq!(ids(&cluster.containers()), ids(&left), "nothing happens after its end");
    let daemon = start();
    daemon.converges(&name, SOON);
    runs(&daemon, &cluster, 12);
}
