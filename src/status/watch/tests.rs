//! Tests on a paused clock: time passes only while all tasks wait.

use serde_json::Value;
use tokio::time::{Instant, advance, timeout};

use super::reader::Watching;
use super::*;
use crate::clock::Clock;
use crate::control::cache::Cache;
use crate::control::heartbeat::Heartbeat;
use crate::control::progress::Progresses;
use crate::core::condition::{Condition, Phase};
use crate::core::container::Container;
use crate::core::submission::{self, Submission};
use crate::core::time::Time;
use crate::core::transaction::{Change, Transaction};
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::store::ownership::Ownership;

/// Long enough for all lines to arrive.
const SOON: Duration = Duration::from_secs(5);

struct World {
    store: Arc<MemoryStore>,
    cache: Arc<Cache>,
    progresses: watch::Sender<Arc<Progresses>>,
    feed: Feed,
}

fn world() -> World {
    let clock = Clock::starting_at(Time(1_000));
    let store = Arc::new(MemoryStore::new(clock));
    let cache = Arc::new(Cache::of(Ownership::ephemeral(""), "simulated://3".into()));
    let progresses = watch::Sender::new(Arc::default());
    let sources = StatusReader {
        objects: store.objects(),
        progresses: progresses.subscribe(),
        cache: cache.clone(),
        cluster: "test".into(),
        store: store.clone(),
        heartbeat: Heartbeat::new(clock.now()),
        clock,
    };
    let (feed, reporter) = new(sources);
    tokio::spawn(reporter.run());
    World { store, cache, progresses, feed }
}

fn name(text: &str) -> ObjectName {
    ObjectName::parse(text).unwrap()
}

fn container(object: &str, slot: u32) -> Container {
    Container::sample(&format!("{object}.{slot}.1"), "t")
}

impl World {
    async fn put(&self, object: &str, count: u32) {
        self.put_all(&[object.to_owned()], count).await;
    }

    async fn put_all(&self, objects: &[String], count: u32) {
        let put = |object| {
            let text = format!(r#"{{"Name": "{object}", "Image": "a", "Count": {count}}}"#);
            match submission::read(text.as_bytes()).unwrap() {
                Submission::One(spec) => Change::Put(spec),
                Submission::Many(_) => unreachable!(),
            }
        };
        let changes: Vec<Change> = objects.iter().map(put).collect();
        self.store.commit(Transaction::of(changes)).await.unwrap();
    }

    async fn delete(&self, object: &str) {
        self.delete_all(&[object.to_owned()]).await;
    }

    async fn delete_all(&self, objects: &[String]) {
        let changes: Vec<Change> = objects.iter().map(|object| Change::Delete(name(object))).collect();
        self.store.commit(Transaction::of(changes)).await.unwrap();
    }

    fn progress(&self, object: &str, generation: u64, reason: &str) {
        let condition = Condition {
            phase: Phase::Progressing,
            reason: reason.to_owned(),
            next_retry: None,
            running: 0,
            ready: 0,
            updated: 0,
            failing: false,
            proven: false,
        };
        let progress = Progress {
            observed_generation: generation,
            asked: 0,
            condition,
            plan: Vec::new(),
            restarts: 0,
            last_exit: None,
        };
        self.progresses.send_modify(|progresses| {
            Arc::make_mut(progresses).insert(name(object), Arc::new(progress));
        });
    }

    async fn watch(&self, since: Option<LineId>) -> Watching {
        self.feed.watch(since, None).await.unwrap()
    }
}

/// All lines until none follows, in short: the kind, or an object's name and count.
async fn received(watching: &mut Watching) -> (Vec<String>, Option<LineId>) {
    let (mut lines, mut last) = (Vec::new(), None);
    while let Ok(line) = timeout(SOON, watching.next()).await {
        let line = line.unwrap();
        let json: Value = serde_json::from_slice(&line.json).unwrap();
        assert_eq!(
            (json["Id"].as_str(), json["Kind"].as_str()),
            (Some(&*line.id.to_string()), Some(line.kind.word()))
        );
        assert!(last.is_none_or(|last: LineId| last.number < line.id.number), "in order: {line:?}");
        last = Some(line.id);
        let object = &json["Object"];
        lines.push(match line.kind {
            LineKind::Object => format!("{}={}", object["Name"].as_str().unwrap(), object["Count"]),
            LineKind::Gone => format!("{} gone", json["Name"].as_str().unwrap()),
            LineKind::Engine => "engine".to_owned(),
        });
    }
    (lines, last)
}

#[tokio::test(start_paused = true)]
async fn a_reader_gets_a_full_snapshot_and_then_changes() {
    let world = world();
    world.put("web", 1).await;
    world.put("db", 1).await;
    let mut watching = world.watch(None).await;
    assert_eq!(received(&mut watching).await.0, ["engine", "db=1", "web=1"]);
    world.put("web", 2).await;
    assert_eq!(received(&mut watching).await.0, ["web=2"]);
    world.cache.wrote(container("web", 1));
    assert_eq!(received(&mut watching).await.0, ["web=2"], "a container is a change");
    world.progress("web", 2, "so it is");
    assert_eq!(received(&mut watching).await.0, ["web=2"], "a condition is a change, too");
    world.delete("web").await;
    assert_eq!(received(&mut watching).await.0, ["web=0"], "its container still exists");
    world.cache.removed(&"id-web.1.1".into());
    assert_eq!(received(&mut watching).await.0, ["web gone"]);
    world.put("web", 3).await;
    assert_eq!(received(&mut watching).await.0, ["web=3"]);
    // A new reader gets no removed objects and no old states.
    assert_eq!(received(&mut world.watch(None).await).await.0, ["engine", "db=1", "web=3"]);
}

#[tokio::test(start_paused = true)]
async fn the_first_snapshot_includes_earlier_submits() {
    let world = world();
    let mut before = world.watch(None).await;
    received(&mut before).await;
    for count in 1..20 {
        // With and without another reader, within and after the pause.
        world.put("web", count).await;
        let mut watching = world.feed.watch(None, Some(name("web"))).await.unwrap();
        let line = watching.next().await.unwrap();
        let json: Value = serde_json::from_slice(&line.json).unwrap();
        assert_eq!(json["Object"]["Count"], count);
        if count == 10 {
            received(&mut before).await;
            drop(std::mem::replace(&mut before, watching));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn changes_in_close_succession_are_one_line() {
    let world = world();
    let mut watching = world.watch(None).await;
    received(&mut watching).await;
    let begun = Instant::now();
    let mut sent = Vec::new();
    for count in 0..1_000 {
        world.put("web", count).await;
        advance(Duration::from_millis(1)).await;
        while let Ok(Some(line)) = timeout(Duration::ZERO, watching.next()).await {
            sent.push(line);
        }
    }
    let most = begun.elapsed().as_millis() / PAUSE.as_millis() + 1;
    assert!((5..=most).contains(&u128::try_from(sent.len()).unwrap()), "{} lines", sent.len());
    assert_eq!(received(&mut watching).await.0.last().unwrap(), "web=999", "the last change is not lost");
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_gets_only_the_newest_line_of_each_object() {
    let world = world();
    let mut slow = world.watch(None).await;
    let mut quick = world.watch(None).await;
    for round in 0..50 {
        for object in ["a", "b", "c"] {
            world.put(object, round).await;
        }
        world.put("d", round).await;
        world.delete("d").await;
        received(&mut quick).await;
    }
    let held = world.feed.published().lines.iter().filter(|(_, line)| line.kind != LineKind::Gone).count();
    assert_eq!(held, 4, "only the newest line of each object is kept, however slow a reader is");
    assert_eq!(received(&mut slow).await.0, ["engine", "a=49", "b=49", "c=49"]);
}

#[tokio::test(start_paused = true)]
async fn a_returning_reader_gets_only_newer_lines() {
    let world = world();
    for object in ["a", "b", "c"] {
        world.put(object, 1).await;
    }
    let mut watching = world.watch(None).await;
    let (_, all) = received(&mut watching).await;
    drop(watching);
    // Without readers for a while.
    advance(SOON).await;
    world.put("b", 2).await;
    world.delete("c").await;
    world.put("d", 1).await;
    let (lines, newest) = received(&mut world.watch(all).await).await;
    assert_eq!(lines, ["b=2", "d=1", "c gone"]);
    assert_eq!(received(&mut world.watch(newest).await).await.0, [""; 0]);

    // A reader that was cut during the first lines gets the rest of them.
    let mut watching = world.watch(None).await;
    let cut = [watching.next().await.unwrap(), watching.next().await.unwrap()];
    let rest = received(&mut world.watch(Some(cut[1].id)).await).await.0;
    assert_eq!(received(&mut watching).await.0, ["b=2", "d=1"]);
    assert_eq!(rest, ["b=2", "d=1", "c gone"], "an extra removed object does no harm");

    // The Id of another process, or a future one, is ignored.
    let all = ["engine", "a=1", "b=2", "d=1"];
    let newest = newest.unwrap();
    for id in [LineId { epoch: 999, ..newest }, LineId { number: newest.number + 1, ..newest }] {
        assert_eq!(received(&mut world.watch(Some(id)).await).await.0, all, "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_one_object_gets_only_its_lines() {
    let world = world();
    world.put("web", 1).await;
    world.put("db", 1).await;
    let mut watching = world.feed.watch(None, Some(name("web"))).await.unwrap();
    let (lines, id) = received(&mut watching).await;
    assert_eq!(lines, ["web=1"]);
    world.put("db", 2).await;
    world.delete("web").await;
    assert_eq!(received(&mut watching).await.0, ["web gone"]);
    assert!(world.feed.watch(None, Some(name("web"))).await.is_none(), "there is no such object");
    let mut back = world.feed.watch(id, Some(name("web"))).await.unwrap();
    assert_eq!(received(&mut back).await.0, ["web gone"], "a reader that knew the object is informed");
    world.put("web", 7).await;
    assert_eq!(received(&mut watching).await.0, ["web=7"]);
}

#[tokio::test(start_paused = true)]
async fn the_engine_has_a_line_when_it_changes_and_not_with_each_list() {
    let world = world();
    let mut watching = world.watch(None).await;
    received(&mut watching).await;
    world.cache.set_engine(|engine| engine.listed = Some(Time(2_000)));
    assert_eq!(received(&mut watching).await.0, ["engine"], "the engine answers");
    for second in 3..60 {
        world.cache.set_engine(|engine| engine.listed = Some(Time(second * 1_000)));
        advance(Duration::from_secs(10)).await;
    }
    assert_eq!(received(&mut watching).await.0, [""; 0]);
    for retry in 0..10 {
        let trouble = crate::control::engine_state::Trouble {
            error: crate::engine::error::EngineError::unanswered("refused"),
            since: Time(70_000),
            retry_at: Time(70_000 + retry * 5_000),
        };
        world.cache.set_engine(|engine| engine.trouble = Some(trouble));
        let lines = received(&mut watching).await.0;
        assert_eq!(lines.len(), usize::from(retry == 0), "another retry time is no change");
    }
}

#[tokio::test(start_paused = true)]
async fn without_readers_nothing_is_built_and_little_is_kept() {
    let world = world();
    world.put("web", 1).await;
    let mut watching = world.watch(None).await;
    let (_, id) = received(&mut watching).await;
    assert_eq!(world.feed.published().lines.len(), 2);
    drop(watching);
    advance(PAUSE * 3).await;
    world.put("web", 2).await;
    advance(PAUSE * 3).await;
    assert!(world.feed.published().lines.is_empty(), "nothing is built");
    world.put("web", 1).await;
    let lines = received(&mut world.watch(id).await).await.0;
    assert_eq!(lines, ["web=1"], "a new generation");
    drop(world.watch(None).await);
    advance(PAUSE * 3).await;
    let (_, id) = received(&mut world.watch(None).await).await;
    assert_eq!(
        received(&mut world.watch(id).await).await.0,
        [""; 0],
        "after a pause it knows what it has sent"
    );
}

#[tokio::test(start_paused = true)]
async fn the_number_of_gone_lines_is_bounded() {
    let world = world();
    let mut watching = world.watch(None).await;
    let (_, first) = received(&mut watching).await;
    let ids: Vec<String> = (0..=MAX_GONE).map(|i| format!("o{i:05}")).collect();
    for half in ids.chunks(MAX_GONE / 2 + 1) {
        world.put_all(half, 0).await;
        received(&mut watching).await;
        world.delete_all(half).await;
        received(&mut watching).await;
    }
    let gone =
        |snapshot: &LinesSnapshot| snapshot.lines.values().filter(|l| l.kind == LineKind::Gone).count();
    assert_eq!(gone(&world.feed.published()), MAX_GONE);
    assert_eq!(
        received(&mut world.watch(first).await).await.0,
        ["engine"],
        "absent for too long: it gets everything"
    );
}

#[test]
fn ids_are_parsed_as_they_are_formatted() {
    let id = LineId { epoch: 1_764_021_600_000, number: 7 };
    assert_eq!(id.to_string().parse(), Ok(id));
    for wrong in ["", "7", "-", "7-", "-7", "a-1", "1-b", "1-2-3", "1 - 2"] {
        assert!(wrong.parse::<LineId>().is_err(), "{wrong}");
    }
}
