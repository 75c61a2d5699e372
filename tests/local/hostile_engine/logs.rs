//! Logs of an engine that stalls, never ends, breaks off, or sends something else.

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

/// Before a line or a piece of one.
fn at(seconds: u64) -> String {
    LogTime::from(EPOCH + Duration::from_secs(seconds)).to_string()
}

fn frame(stream: u8, text: &[u8]) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap().to_be_bytes();
    [&[stream, 0, 0, 0][..], &length, text].concat()
}

/// A line of standard output, written so many seconds after the beginning.
fn line(seconds: u64, text: &str) -> Vec<u8> {
    frame(1, format!("{} {text}\n", at(seconds)).as_bytes())
}

fn whole(body: impl Into<Vec<u8>>) -> Reply {
    Reply::new(200, "application/vnd.docker.raw-stream", body)
}

/// These pieces, and then nothing more, or the end.
fn pieces(pieces: Vec<Vec<u8>>, ends: bool) -> Reply {
    let rest = if ends { stream::empty().boxed() } else { stream::pending().boxed() };
    let body = Content::Stream(stream::iter(pieces).chain(rest).boxed());
    Reply { status: 200, content_type: "application/vnd.docker.raw-stream", body }
}

fn asked() -> LogQuery {
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
    LogQuery { follow: true, ..asked() }
}

fn shown(told: &LogItem) -> String {
    match told {
        LogItem::Line { container, line } => format!("{container} | {}", line.text),
        LogItem::Note { container, text } => format!("{} # {text}", container.as_deref().unwrap_or_default()),
        LogItem::Gone { text } => format!("gone: {text}"),
    }
}

fn read(manager: &Manager, asked: LogQuery) -> stream::BoxStream<'static, String> {
    let places = Arc::new(|| Some(Box::new(()) as Box<dyn Send>));
    manager.logs().read(asked, places).map(|told| shown(&told)).boxed()
}

async fn all(manager: &Manager, asked: LogQuery) -> Vec<String> {
    timeout(WHILE, read(manager, asked).collect()).await.expect("it ends")
}

async fn next(lines: &mut stream::BoxStream<'static, String>) -> String {
    timeout(WHILE, lines.next()).await.expect("something comes").expect("it goes on")
}

/// A stand-in and a manager with so many containers of `web`.
async fn web(fake: FakeDocker, count: usize) -> (FakeDocker, Manager) {
    fake.bring_image("app:1");
    let manager = Manager::start(&fake);
    manager.submit(object("web", count)).await;
    manager.converges("web", count, SOON).await;
    (fake, manager)
}

async fn docker(count: usize) -> (FakeDocker, Manager) {
    web(FakeDocker::new(EngineKind::Docker, 1, true), count).await
}

/// The requests that came, and the answers to them.
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
async fn one_log_that_stalls_breaks_off_or_is_none_costs_the_others_nothing() {
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
    let mut told = all(&manager, asked()).await;
    assert_eq!(begun.elapsed().as_secs(), 20, "a stalled one is waited for so long, and once");
    let long = told.iter().position(|told| told.starts_with("web.6.1 # ")).map(|at| told.remove(at)).unwrap();
    assert!(long.starts_with("web.6.1 # cannot read its log: 500: xxx") && long.len() < 1200, "{long}");
    let lines: Vec<&str> = told.iter().map(String::as_str).filter(|told| told.contains(" | ")).collect();
    assert_eq!(lines, ["web.1.1 | one", "web.2.1 | two", "web.3.1 | three", "web.5.1 | five"]);
    for note in [
        "web.1.1 # the engine sent nothing for 20s",
        "web.3.1 # cannot read its log: its stream was cut off",
        "web.4.1 # cannot read its log: its stream has an invalid frame header",
        "web.5.1 # cannot read its log: error from daemon: \\u{1b}[2Jdisk",
    ] {
        assert!(told.iter().any(|told| told == note), "{note}\n{told:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_does_not_answer_is_given_ten_seconds() {
    let (fake, manager) = docker(1).await;
    fake.fault(Call::Logs, 1, Fault::Hang);
    let begun = Instant::now();
    assert_eq!(all(&manager, asked()).await, ["web.1.1 # cannot read its log: no answer within 10s"]);
    assert_eq!(begun.elapsed().as_secs(), 10);
    fake.fault(Call::Logs, 2, Fault::DroppedBefore);
    let told = all(&manager, asked()).await;
    assert!(told.len() == 1 && told[0].starts_with("web.1.1 # cannot read its log: "), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_never_ends_is_taken_at_its_word_no_further_than_asked() {
    let (fake, manager) = docker(2).await;
    fake.answer_logs(|_, _| {
        let body = Content::Stream(stream::repeat_with(|| line(1, "again").repeat(100)).boxed());
        Reply { status: 200, content_type: "", body }
    });
    let told = all(&manager, LogQuery { tail: 150, ..asked() }).await;
    assert_eq!(told.len(), 300);
    assert!(told.iter().all(|line| line.ends_with(" | again")), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_line_of_ten_megabytes_and_one_of_bytes_are_shown_as_far_as_they_can_be() {
    let (fake, manager) = docker(1).await;
    fake.answer_logs(|_, _| {
        let piece = |n: u64| frame(1, format!("{} {}", at(1 + n), "x".repeat(LINE_MAX_BYTES)).as_bytes());
        let mut body: Vec<Vec<u8>> = (0..640).map(piece).collect();
        body.push(frame(1, format!("{} \n", at(700)).as_bytes()));
        body.push(frame(2, &[at(701).as_bytes(), b" a\xff\xfe\0b\n"].concat()));
        pieces(body, true)
    });
    let told = all(&manager, asked()).await;
    assert_eq!(told.len(), 2);
    assert!(
        told[0].ends_with("x… (10485760 bytes)") && told[0].len() < LINE_MAX_BYTES + 64,
        "{}",
        told[0].len()
    );
    assert_eq!(told[1], "web.1.1 | a\u{fffd}\u{fffd}\0b");
}

#[tokio::test(start_paused = true)]
async fn who_follows_is_asked_for_again_where_the_engine_broke_off_and_no_line_comes_twice() {
    let (fake, manager) = docker(1).await;
    let requests = record(&fake, |nth, _| match nth {
        // The past.
        1 => whole([line(1, "one"), line(2, "two"), line(2, "two again")].concat()),
        2 => pieces(vec![line(2, "two"), line(2, "two again"), line(2, "and again"), line(3, "three")], true),
        // Not a sign of life for minutes.
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
async fn a_log_that_fails_while_it_is_followed_is_told_once_and_asked_for_ever_more_rarely() {
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
async fn a_driver_that_cannot_be_read_is_told_with_the_way_out_and_not_asked_again() {
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
    assert!(timeout(Duration::from_secs(3600), lines.next()).await.is_err(), "and that is all");
    assert_eq!(requests.lock().unwrap().len(), 1);
    manager.delete("web").await;
    assert_eq!(next(&mut lines).await, "gone: the object web is gone");
    assert_eq!(lines.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_away_is_told_and_followed_again_when_it_is_back() {
    let (fake, manager) = web(FakeDocker::swarm(2), 2).await;
    fake.answer_logs(|name, asked| match asked.follow {
        false => whole(line(1, name)),
        true => pieces(vec![line(1, name), line(2, "more")], false),
    });
    let mut told = all(&manager, asked()).await;
    told.sort_unstable();
    assert_eq!(told, ["web.1.1 | web.1.1", "web.2.1 | web.2.1"]);

    // Until the lists tell, the manager's answer does.
    fake.lose(1, Processes::GoOn, Duration::ZERO);
    let told = all(&manager, asked()).await;
    let note = told.iter().find(|told| told.contains(" # ")).unwrap();
    assert!(
        note.contains(" # its node does not answer; its log is unavailable until the node is back"),
        "{note}"
    );
    assert_eq!(told.iter().filter(|told| told.contains(" | ")).count(), 1, "{told:?}");
    sleep(Duration::from_secs(11)).await;
    let calls = fake.called(Call::Logs);
    let told = all(&manager, asked()).await;
    assert!(told.iter().any(|told| told.contains("until the node is back (node ")), "{told:?}");
    assert_eq!(fake.called(Call::Logs), calls + 1, "a node that is known to be away is not asked");

    let mut lines = read(&manager, follow());
    let mut told = Vec::new();
    for _ in 0..3 {
        told.push(next(&mut lines).await);
    }
    assert_eq!(told.iter().filter(|told| told.contains(" # ")).count(), 1, "{told:?}");
    fake.return_node(1, Lag { state: Duration::ZERO, status: Duration::ZERO });
    let back = next(&mut lines).await;
    assert!(back.contains(" | web."), "{back}");
}

#[tokio::test(start_paused = true)]
async fn a_swarm_manager_may_be_silent_until_there_is_a_line() {
    let (fake, manager) = web(FakeDocker::swarm(1), 1).await;
    record(&fake, |nth, _| match nth {
        1 => whole(line(1, "one")),
        _ => pieces(vec![line(1, "one"), line(2, "two")], false),
    });
    // It passes the head of an answer on with the first piece of its body.
    fake.fault(Call::Logs, 2, Fault::Hang);
    let mut lines = read(&manager, follow());
    assert_eq!(next(&mut lines).await, "web.1.1 | one");
    let begun = Instant::now();
    let two = timeout(Duration::from_secs(600), lines.next()).await.unwrap();
    assert_eq!(two.as_deref(), Some("web.1.1 | two"), "nothing is wrong with that");
    assert!((300..310).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn where_too_much_is_read_already_it_is_said_and_tried_again() {
    let (fake, manager) = docker(3).await;
    fake.answer_logs(|_, asked| match asked.follow {
        false => whole(line(1, "past")),
        true => pieces(vec![line(1, "past"), line(2, "new")], false),
    });
    let free = Arc::new(AtomicUsize::new(1));
    let places = || -> LogPermits {
        let free = free.clone();
        Arc::new(move || {
            let one_less = |free: usize| free.checked_sub(1);
            free.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).ok()?;
            Some(Box::new(()))
        })
    };
    let told: Vec<String> = manager.logs().read(asked(), places()).map(|told| shown(&told)).collect().await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].starts_with(" # too many logs are read at once") && told[0].contains("ask again"),
        "{told:?}"
    );
    assert_eq!(told[1], "web.1.1 | past");

    let mut lines = manager.logs().read(follow(), places()).map(|told| shown(&told)).boxed();
    let note = next(&mut lines).await;
    assert!(note.contains("the missing ones follow when others have ended"), "{note}");
    free.store(3, Ordering::SeqCst);
    let mut told = Vec::new();
    for _ in 0..6 {
        told.push(next(&mut lines).await);
    }
    told.sort_unstable();
    let both = |name| [format!("{name} | new"), format!("{name} | past")];
    assert_eq!(told, ["web.1.1", "web.2.1", "web.3.1"].map(both).concat());
}

#[tokio::test(start_paused = true)]
async fn an_object_without_running_containers_says_so_and_is_followed_all_the_same() {
    let (fake, manager) = docker(0).await;
    assert_eq!(all(&manager, asked()).await, [" # no container of web is running; its status says why"]);
    fake.answer_logs(|_, _| pieces(vec![line(1, "first"), line(2, "second")], false));
    let mut lines = read(&manager, LogQuery { tail: 1, ..follow() });
    assert_eq!(next(&mut lines).await, " # no container of web is running; its status says why");
    manager.submit(object("web", 1)).await;
    for text in ["first", "second"] {
        assert_eq!(
            next(&mut lines).await,
            format!("web.1.1 | {text}"),
            "from its beginning, whatever the tail"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn as_long_as_the_engine_does_not_answer_that_is_what_is_said() {
    let (fake, manager) = docker(1).await;
    fake.answer_logs(|_, _| pieces(vec![line(1, "one")], true));
    fake.away(Duration::from_secs(40));
    sleep(Duration::from_secs(15)).await;
    let told = all(&manager, asked()).await;
    assert!(
        told.len() == 1 && told[0].starts_with(" # waiting for the engine at tcp://fake:3376"),
        "{told:?}"
    );
    let mut lines = read(&manager, follow());
    assert_eq!(next(&mut lines).await, told[0]);
    assert_eq!(next(&mut lines).await, "web.1.1 | one");
}
