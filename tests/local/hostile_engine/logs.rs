//! Logs of an engine that stalls, never ends, disconnects, or sends something else.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use swarm_cluster_state_manager::core::engine_kind::EngineKind;
use swarm_cluster_state_manager::core::name::ObjectName;
use swarm_cluster_state_manager::engine::logs::{LINE_MAX_BYTES, LogTime};
use swarm_cluster_state_manager::logs::{LogItem, LogPermits, LogQuery};
use tokio::time::{Instant, sleep, timeout};

use super::{SOON, WHILE, object};
use crate::fake_docker::FakeDocker;
use crate::fake_docker::control::Processes;
use crate::fake_docker::faults::{Call, Fault};
use crate::fake_docker::manager::Manager;
use crate::fake_docker::request;
use crate::fake_docker::serve::{Content, Reply};
use crate::fake_docker::world::{EPOCH, Lag};

/// The timestamp of a line or of a piece of one.
fn at(seconds: u64) -> String {
    LogTime::from(EPOCH + Duration::from_secs(seconds)).to_string()
}

fn frame(stream: u8, text: &[u8]) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap().to_be_bytes();
    [&[stream, 0, 0, 0][..], &length, text].concat()
}

/// A line of standard output, written this many seconds after the beginning.
fn line(seconds: u64, text: &str) -> Vec<u8> {
    frame(1, format!("{} {text}\n", at(seconds)).as_bytes())
}

fn whole(body: impl Into<Vec<u8>>) -> Reply {
    Reply::new(200, "application/vnd.docker.raw-stream", body)
}

/// These pieces, and then the end, or nothing more.
fn pieces(pieces: Vec<Vec<u8>>, ends: bool) -> Reply {
    let rest = if ends { stream::empty().boxed() } else { stream::pending().boxed() };
    let body = Content::Stream(stream::iter(pieces).chain(rest).boxed());
    Reply { status: 200, content_type: "application/vnd.docker.raw-stream", body }
}

fn query() -> LogQuery {
    LogQuery {
        object: ObjectName::parse("web").unwrap(),
        container: None,
        tail: 100,
        since: None,
        follow: false,
        previous: false,
    }
}

fn follow() -> LogQuery {
    LogQuery { follow: true, ..query() }
}

fn shown(item: &LogItem) -> String {
    match item {
        LogItem::Line { container, line } => format!("{container} | {}", line.text),
        LogItem::Note { container, text } => format!("{} # {text}", container.as_deref().unwrap_or_default()),
        LogItem::Gone { text } => format!("gone: {text}"),
    }
}

fn read(manager: &Manager, query: LogQuery) -> stream::BoxStream<'static, String> {
    let permits = Arc::new(|| Some(Box::new(()) as Box<dyn Send>));
    manager.logs().read(query, permits).map(|item| shown(&item)).boxed()
}

async fn all(manager: &Manager, query: LogQuery) -> Vec<String> {
    timeout(WHILE, read(manager, query).collect()).await.expect("it ends")
}

async fn next(lines: &mut stream::BoxStream<'static, String>) -> String {
    timeout(WHILE, lines.next()).await.expect("an item arrives").expect("the stream continues")
}

/// A fake endpoint and a manager with this many containers of `web`.
async fn web(fake: FakeDocker, count: usize) -> (FakeDocker, Manager) {
    fake.add_image("app:1");
    let manager = Manager::start(&fake);
    manager.submit(object("web", count)).await;
    manager.converges("web", count, SOON).await;
    (fake, manager)
}

async fn docker(count: usize) -> (FakeDocker, Manager) {
    web(FakeDocker::new(EngineKind::Docker, 1, true), count).await
}

/// Records the requests and answers them.
fn record(
    fake: &FakeDocker,
    answer: impl Fn(usize, &request::Logs) -> Reply + Send + 'static,
) -> Arc<Mutex<Vec<request::Logs>>> {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = requests.clone();
    fake.answer_logs(move |_, asked| {
        seen.lock().unwrap().push(asked.clone());
        let nth = seen.lock().unwrap().len();
        answer(nth, asked)
    });
    requests
}

#[tokio::test(start_paused = true)]
async fn one_log_that_stalls_or_fails_does_not_affect_the_others() {
    let (fake, manager) = docker(6).await;
    fake.answer_logs(|name, _| match name {
        "web.1.1" => pieces(vec![line(1, "one")], false),
        "web.2.1" => whole(line(2, "two")),
        "web.3.1" => whole([line(3, "three"), line(4, "four")[..20].to_vec()].concat()),
        "web.4.1" => whole("<html>It works!</html>"),
        "web.5.1" => whole([line(5, "five"), frame(3, b"error from daemon: \x1b[2Jdisk")].concat()),
        _ => Reply::json(500, &serde_json::json!({"message": "x".repeat(50_000)})),
    });
    let begun = Instant::now();
    let mut items = all(&manager, query()).await;
    assert_eq!(begun.elapsed().as_secs(), 20, "the wait for a stalled log");
    let long =
        items.iter().position(|item| item.starts_with("web.6.1 # ")).map(|at| items.remove(at)).unwrap();
    assert!(long.starts_with("web.6.1 # cannot read its log: 500: xxx") && long.len() < 1200, "{long}");
    let lines: Vec<&str> = items.iter().map(String::as_str).filter(|item| item.contains(" | ")).collect();
    assert_eq!(lines, ["web.1.1 | one", "web.2.1 | two", "web.3.1 | three", "web.5.1 | five"]);
    for note in [
        "web.1.1 # the engine sent nothing for 20s",
        "web.3.1 # cannot read its log: its stream was cut off",
        "web.4.1 # cannot read its log: its stream has an invalid frame header",
        "web.5.1 # cannot read its log: error from daemon: \\u{1b}[2Jdisk",
    ] {
        assert!(items.iter().any(|item| item == note), "{note}\n{items:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_has_ten_seconds_to_answer() {
    let (fake, manager) = docker(1).await;
    fake.fault(Call::Logs, 1, Fault::Hang);
    let begun = Instant::now();
    assert_eq!(all(&manager, query()).await, ["web.1.1 # cannot read its log: no answer within 10s"]);
    assert_eq!(begun.elapsed().as_secs(), 10);
    fake.fault(Call::Logs, 2, Fault::DroppedBefore);
    let items = all(&manager, query()).await;
    assert!(items.len() == 1 && items[0].starts_with("web.1.1 # cannot read its log: "), "{items:?}");
}

#[tokio::test(start_paused = true)]
async fn an_endless_log_is_read_only_as_far_as_requested() {
    let (fake, manager) = docker(2).await;
    fake.answer_logs(|_, _| {
        let body = Content::Stream(stream::repeat_with(|| line(1, "again").repeat(100)).boxed());
        Reply { status: 200, content_type: "", body }
    });
    let items = all(&manager, LogQuery { tail: 150, ..query() }).await;
    assert_eq!(items.len(), 300);
    assert!(items.iter().all(|line| line.ends_with(" | again")), "{items:?}");
}

#[tokio::test(start_paused = true)]
async fn a_line_of_ten_megabytes_is_shortened_and_invalid_utf_8_is_replaced() {
    let (fake, manager) = docker(1).await;
    fake.answer_logs(|_, _| {
        let piece = |n: u64| frame(1, format!("{} {}", at(1 + n), "x".repeat(LINE_MAX_BYTES)).as_bytes());
        let mut body: Vec<Vec<u8>> = (0..640).map(piece).collect();
        body.push(frame(1, format!("{} \n", at(700)).as_bytes()));
        body.push(frame(2, &[at(701).as_bytes(), b" a\xff\xfe\0b\n"].concat()));
        pieces(body, true)
    });
    let items = all(&manager, query()).await;
    assert_eq!(items.len(), 2);
    assert!(
        items[0].ends_with("x… (10485760 bytes)") && items[0].len() < LINE_MAX_BYTES + 64,
        "{}",
        items[0].len()
    );
    assert_eq!(items[1], "web.1.1 | a\u{fffd}\u{fffd}\0b");
}

#[tokio::test(start_paused = true)]
async fn a_followed_log_is_requested_again_after_a_disconnect_and_no_line_is_repeated() {
    let (fake, manager) = docker(1).await;
    let requests = record(&fake, |nth, _| match nth {
        // The existing lines.
        1 => whole([line(1, "one"), line(2, "two"), line(2, "two again")].concat()),
        2 => pieces(vec![line(2, "two"), line(2, "two again"), line(2, "and again"), line(3, "three")], true),
        // Silent for minutes.
        3 => pieces(vec![line(3, "three")], false),
        _ => pieces(vec![line(3, "three"), line(4, "four"), line(4, "four")], false),
    });
    let mut lines = read(&manager, follow());
    for text in ["one", "two", "two again", "and again", "three"] {
        assert_eq!(next(&mut lines).await, format!("web.1.1 | {text}"));
    }
    let begun = Instant::now();
    let four = timeout(Duration::from_secs(600), lines.next()).await.unwrap();
    assert_eq!(four.as_deref(), Some("web.1.1 | four"));
    assert_eq!(next(&mut lines).await, "web.1.1 | four");
    assert!((300..310).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    let requests = requests.lock().unwrap();
    let asked: Vec<(bool, &str)> = requests.iter().map(|r| (r.follow, r.tail.as_str())).collect();
    assert_eq!(asked, [(false, "100"), (true, "10000"), (true, "10000"), (true, "10000")]);
    let seconds = EPOCH.0 / 1000;
    let since: Vec<&str> = requests.iter().map(|r| r.since.as_str()).collect();
    let wanted = [2, 3, 3].map(|n| format!("{}.000000000", seconds + n));
    assert_eq!(since, ["", &wanted[0], &wanted[1], &wanted[2]]);
}

#[tokio::test(start_paused = true)]
async fn a_failing_followed_log_is_reported_once_and_retried_with_a_growing_delay() {
    let (fake, manager) = docker(1).await;
    let requests = record(&fake, |nth, _| match nth {
        1 => whole(line(1, "one")),
        2..=6 => Reply::json(500, &serde_json::json!({"message": "disk"})),
        _ => pieces(vec![line(1, "one"), line(2, "two")], false),
    });
    let mut lines = read(&manager, follow());
    assert_eq!(next(&mut lines).await, "web.1.1 | one");
    assert_eq!(next(&mut lines).await, "web.1.1 # cannot read its log: 500: disk");
    let begun = Instant::now();
    assert_eq!(next(&mut lines).await, "web.1.1 | two");
    assert_eq!(begun.elapsed().as_secs(), 1 + 2 + 4 + 8 + 16);
    assert_eq!(requests.lock().unwrap().len(), 7);
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_logging_driver_is_reported_with_advice_and_not_retried() {
    let (fake, manager) = docker(1).await;
    let requests = record(&fake, |_, _| {
        Reply::json(
            501,
            &serde_json::json!({"message": "configured logging driver does not support reading"}),
        )
    });
    let mut lines = read(&manager, follow());
    let note = next(&mut lines).await;
    assert!(note.starts_with("web.1.1 # its logging driver does not support reading (501: "), "{note}");
    assert!(note.contains("HostConfig.LogConfig"), "{note}");
    assert!(timeout(Duration::from_secs(3600), lines.next()).await.is_err(), "nothing follows");
    assert_eq!(requests.lock().unwrap().len(), 1);
    manager.delete("web").await;
    assert_eq!(next(&mut lines).await, "gone: the object web is gone");
    assert_eq!(lines.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn an_unavailable_node_is_reported_and_followed_again_when_it_is_back() {
    let (fake, manager) = web(FakeDocker::swarm(2), 2).await;
    fake.answer_logs(|name, asked| match asked.follow {
        false => whole(line(1, name)),
        true => pieces(vec![line(1, name), line(2, "more")], false),
    });
    let mut items = all(&manager, query()).await;
    items.sort_unstable();
    assert_eq!(items, ["web.1.1 | web.1.1", "web.2.1 | web.2.1"]);

    // Before a list shows it, the Swarm manager's answer does.
    fake.lose(1, Processes::KeepRunning, Duration::ZERO);
    let items = all(&manager, query()).await;
    let note = items.iter().find(|item| item.contains(" # ")).unwrap();
    assert!(
        note.contains(" # its node does not answer; its log is unavailable until the node is back"),
        "{note}"
    );
    assert_eq!(items.iter().filter(|item| item.contains(" | ")).count(), 1, "{items:?}");
    sleep(Duration::from_secs(11)).await;
    let calls = fake.called(Call::Logs);
    let items = all(&manager, query()).await;
    assert!(items.iter().any(|item| item.contains("until the node is back (node ")), "{items:?}");
    assert_eq!(
        fake.called(Call::Logs),
        calls + 1,
        "no request is sent to a node that is known to be unavailable"
    );

    let mut lines = read(&manager, follow());
    let mut items = Vec::new();
    for _ in 0..3 {
        items.push(next(&mut lines).await);
    }
    assert_eq!(items.iter().filter(|item| item.contains(" # ")).count(), 1, "{items:?}");
    fake.return_node(1, Lag { state: Duration::ZERO, status: Duration::ZERO });
    let back = next(&mut lines).await;
    assert!(back.contains(" | web."), "{back}");
}

#[tokio::test(start_paused = true)]
async fn a_swarm_manager_may_be_silent_until_the_first_line() {
    let (fake, manager) = web(FakeDocker::swarm(1), 1).await;
    record(&fake, |nth, _| match nth {
        1 => whole(line(1, "one")),
        _ => pieces(vec![line(1, "one"), line(2, "two")], false),
    });
    // It forwards the head of an answer with the first piece of the body.
    fake.fault(Call::Logs, 2, Fault::Hang);
    let mut lines = read(&manager, follow());
    assert_eq!(next(&mut lines).await, "web.1.1 | one");
    let begun = Instant::now();
    let two = timeout(Duration::from_secs(600), lines.next()).await.unwrap();
    assert_eq!(two.as_deref(), Some("web.1.1 | two"), "the silence is no error");
    assert!((300..310).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn too_many_concurrent_logs_are_reported_and_retried() {
    let (fake, manager) = docker(3).await;
    fake.answer_logs(|_, asked| match asked.follow {
        false => whole(line(1, "past")),
        true => pieces(vec![line(1, "past"), line(2, "new")], false),
    });
    let free = Arc::new(AtomicUsize::new(1));
    let permits = || -> LogPermits {
        let free = free.clone();
        Arc::new(move || {
            let one_less = |free: usize| free.checked_sub(1);
            free.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).ok()?;
            Some(Box::new(()))
        })
    };
    let items: Vec<String> = manager.logs().read(query(), permits()).map(|item| shown(&item)).collect().await;
    assert_eq!(items.len(), 2, "{items:?}");
    assert!(
        items[0].starts_with(" # too many logs are read at once") && items[0].contains("ask again"),
        "{items:?}"
    );
    assert_eq!(items[1], "web.1.1 | past");

    let mut lines = manager.logs().read(follow(), permits()).map(|item| shown(&item)).boxed();
    let note = next(&mut lines).await;
    assert!(note.contains("the missing ones follow when others have ended"), "{note}");
    free.store(3, Ordering::SeqCst);
    let mut items = Vec::new();
    for _ in 0..6 {
        items.push(next(&mut lines).await);
    }
    items.sort_unstable();
    let both = |name| [format!("{name} | new"), format!("{name} | past")];
    assert_eq!(items, ["web.1.1", "web.2.1", "web.3.1"].map(both).concat());
}

#[tokio::test(start_paused = true)]
async fn an_object_without_running_containers_is_reported_and_can_be_followed() {
    let (fake, manager) = docker(0).await;
    assert_eq!(all(&manager, query()).await, [" # no container of web is running; its status says why"]);
    fake.answer_logs(|_, _| pieces(vec![line(1, "first"), line(2, "second")], false));
    let mut lines = read(&manager, LogQuery { tail: 1, ..follow() });
    assert_eq!(next(&mut lines).await, " # no container of web is running; its status says why");
    manager.submit(object("web", 1)).await;
    for text in ["first", "second"] {
        assert_eq!(
            next(&mut lines).await,
            format!("web.1.1 | {text}"),
            "from its beginning, regardless of `tail`"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_does_not_answer_is_reported() {
    let (fake, manager) = docker(1).await;
    fake.answer_logs(|_, _| pieces(vec![line(1, "one")], true));
    fake.disconnect(Duration::from_secs(40));
    sleep(Duration::from_secs(15)).await;
    let items = all(&manager, query()).await;
    assert!(
        items.len() == 1 && items[0].starts_with(" # waiting for the engine at tcp://fake:3376"),
        "{items:?}"
    );
    let mut lines = read(&manager, follow());
    assert_eq!(next(&mut lines).await, items[0]);
    assert_eq!(next(&mut lines).await, "web.1.1 | one");
}
