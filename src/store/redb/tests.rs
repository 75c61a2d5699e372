//! The file under all that can happen to it: what is read is what was committed, or nothing is read at all.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, panic};

use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::api::event::EventKind;
use crate::core::engine_kind::EngineKind;
use crate::core::identity::EngineIdentity;
use crate::core::submission;
use crate::core::time::Time;
use crate::core::transaction::{Change, Effect, Precondition, Rejected};
use crate::store::backup;

fn put(name: &str, count: u32) -> Change {
    let text = format!(r#"{{"Name": "{name}", "Image": "a", "Count": {count}}}"#);
    Change::Put(Box::new(submission::object(&serde_json::from_str(&text).unwrap()).unwrap()))
}

fn name(text: &str) -> ObjectName {
    ObjectName::parse(text).unwrap()
}

/// Where an fsync costs nothing, if there is such a place: nobody cuts the power of a test.
fn directory() -> TempDir {
    match tempfile::Builder::new().prefix("scsm-store-").tempdir_in("/dev/shm") {
        Ok(dir) => dir,
        Err(_) => TempDir::with_prefix("scsm-store-").unwrap(),
    }
}

struct Running {
    store: RedbStore,
    stop: CancellationToken,
    writer: JoinHandle<()>,
}

impl Running {
    fn open(dir: &Path) -> Result<Running, OpenError> {
        let (store, writer) =
            RedbStore::open(dir, None, &claims("default"), Clock::starting_at(Time(1_000)))?;
        let stop = CancellationToken::new();
        Ok(Running { store, writer: tokio::spawn(writer.run(stop.clone())), stop })
    }

    async fn take(&self, change: Change) -> (Effect, u64) {
        let committed = self.store.commit(Transaction::of([change])).await.unwrap();
        (committed[0].effect, committed[0].object.generation)
    }

    fn desired(&self) -> Desired {
        Desired { objects: self.store.objects().borrow().clone(), quarantined: self.store.quarantined() }
    }

    async fn close(self) {
        self.stop.cancel();
        self.writer.await.unwrap();
    }
}

fn claims(cluster: &str) -> Claims {
    Claims::of_cluster(name(cluster))
}

/// What is wanted, as one text to compare.
fn text(desired: &Desired) -> String {
    backup::write(desired, None, Time(0)).unwrap()
}

#[tokio::test]
async fn everything_is_restored_after_a_restart() {
    let dir = directory();
    let store = Running::open(dir.path()).unwrap();
    for count in 1..=12 {
        assert_eq!(store.take(put("web", count)).await.1, u64::from(count));
    }
    store.take(put("gone", 1)).await;
    store.take(Change::Delete(name("gone"))).await;
    store.store.event_log().note_general(EventKind::Engine, "the last line");
    let before = text(&store.desired());
    let events = store.store.event_log().after(0, 100).events;
    store.close().await;

    let store = Running::open(dir.path()).unwrap();
    assert_eq!(text(&store.desired()), before);
    assert_eq!(store.desired().objects[&name("web")].revisions.len(), 10);
    assert_eq!(store.store.event_log().after(0, 100).events, events);
    assert_eq!(store.take(put("gone", 1)).await, (Effect::Created, 3));
    let last = store.store.event_log().after(0, 100).events.last().unwrap().id;
    assert!(last > events.last().unwrap().id, "numbers grow over a restart: {last}");
    store.close().await;
}

#[tokio::test]
async fn writers_are_serialized_and_a_stale_one_is_always_refused() {
    let dir = directory();
    let store = Arc::new(Running::open(dir.path()).unwrap());
    store.take(put("web", 0)).await;
    let stale = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> = (0..64)
        .map(|_| {
            let (store, stale) = (store.clone(), stale.clone());
            tokio::spawn(async move {
                for _ in 0..20 {
                    loop {
                        let seen = store.desired().objects[&name("web")].clone();
                        let precondition = Precondition::Generation(seen.generation);
                        let next = Transaction {
                            precondition,
                            ..Transaction::of([put("web", seen.spec.count + 1)])
                        };
                        match store.store.commit(next).await {
                            Ok(_) => break,
                            Err(StoreError::Rejected(Rejected::Precondition { .. })) => {
                                stale.fetch_add(1, Ordering::Relaxed)
                            }
                            Err(other) => panic!("{other}"),
                        };
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let web = store.desired().objects[&name("web")].clone();
    assert_eq!((web.spec.count, web.generation), (64 * 20, 64 * 20 + 1));
    assert!(stale.load(Ordering::Relaxed) > 0, "some of them met");
    let before = text(&store.desired());
    Arc::into_inner(store).unwrap().close().await;
    assert_eq!(text(&export(dir.path()).unwrap().0), before);
}

/// A small store and its committed states, newest last. `in_order`: closed as it should be.
async fn sample(in_order: bool) -> (Vec<u8>, Vec<String>) {
    let dir = directory();
    let store = Running::open(dir.path()).unwrap();
    let mut states = Vec::new();
    for change in [put("web", 1), put("web", 2), put("db", 1), Change::Delete(name("db")), put("cache", 3)] {
        store.take(change).await;
        states.push(text(&store.desired()));
    }
    let path = dir.path().join(file::FILE);
    let mut bytes = fs::read(&path).unwrap();
    store.close().await;
    if in_order {
        bytes = fs::read(&path).unwrap();
    }
    (bytes, states)
}

/// What becomes of a store whose bytes are these.
fn fate(dir: &Path, bytes: &[u8], states: &[String]) -> &'static str {
    fs::write(dir.join(file::FILE), bytes).unwrap();
    let _ = fs::remove_file(dir.join(mark::FILE));
    match export(dir) {
        Ok((desired, _)) if Some(&text(&desired)) == states.last() => "opens as it was",
        Ok((desired, _)) if states.contains(&text(&desired)) => "opens at an earlier commit",
        Ok((desired, _)) => panic!("reads as something that nobody committed: {}", text(&desired)),
        Err(error) => {
            let words = error.to_string();
            assert!(words.contains("restore"), "no way out: {words}");
            "refuses"
        }
    }
}

/// Does something to the bytes at each of `places`, over all processors, and counts the fates.
fn everywhere(what: &str, bytes: &[u8], states: &[String], spoil: impl Fn(&mut Vec<u8>, usize) + Sync) {
    let next = AtomicUsize::new(0);
    let counts = std::sync::Mutex::new(std::collections::BTreeMap::<&str, usize>::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let dir = directory();
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    if place >= bytes.len() {
                        break;
                    }
                    let mut spoilt = bytes.to_vec();
                    spoil(&mut spoilt, place);
                    let fate = panic::catch_unwind(|| fate(dir.path(), &spoilt, states))
                        .unwrap_or_else(|_| panic!("{what} at {place}"));
                    *counts.lock().unwrap().entry(fate).or_default() += 1;
                }
            });
        }
    });
    let counts = counts.into_inner().unwrap();
    println!("{what}, {} places: {counts:?}", bytes.len());
    assert!(counts.contains_key("refuses"), "the test does something: {counts:?}");
    assert_eq!(counts.values().sum::<usize>(), bytes.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_byte_flipped_and_every_length_cut_reads_as_a_commit_or_not_at_all() {
    // What redb says when it stumbles is in the error; a backtrace each time would only fill the log.
    panic::set_hook(Box::new(|info| {
        if !info.location().is_some_and(|place| place.file().contains("/redb-")) {
            eprintln!("{info}");
        }
    }));
    for in_order in [true, false] {
        let (bytes, states) = sample(in_order).await;
        let how = if in_order { "closed in order" } else { "killed" };
        tokio::task::block_in_place(|| {
            everywhere(&format!("{how}, a byte flipped"), &bytes, &states, |bytes, place| {
                bytes[place] ^= 0xff
            });
            everywhere(&format!("{how}, cut"), &bytes, &states, |bytes, place| bytes.truncate(place));
        });
    }
    let _ = panic::take_hook();
}

#[tokio::test]
async fn a_state_that_is_not_the_newest_of_its_directory_is_refused_with_a_way_out() {
    let dir = directory();
    let (path, mark_path) = (dir.path().join(file::FILE), dir.path().join(mark::FILE));
    let refusal = || Running::open(dir.path()).err().map(|e| e.to_string()).unwrap_or_default();
    let store = Running::open(dir.path()).unwrap();
    store.take(put("web", 1)).await;
    store.close().await;
    let old = fs::read(&path).unwrap();
    let store = Running::open(dir.path()).unwrap();
    store.take(put("web", 2)).await;
    store.close().await;
    let good = fs::read(&path).unwrap();

    fs::write(&path, &old).unwrap();
    assert!(refusal().contains("is an old copy"), "{}", refusal());
    fs::remove_file(&path).unwrap();
    assert!(refusal().contains("is missing"), "{}", refusal());
    fs::write(&path, b"").unwrap();
    assert!(refusal().contains("it is empty"), "{}", refusal());
    let other = directory();
    Running::open(other.path()).unwrap().close().await;
    fs::copy(other.path().join(file::FILE), &path).unwrap();
    assert!(refusal().contains("another manager's"), "{}", refusal());
    // With the mark deleted, as the message says, the old copy is taken as it is.
    fs::write(&path, &old).unwrap();
    fs::remove_file(&mark_path).unwrap();
    let store = Running::open(dir.path()).unwrap();
    assert_eq!(store.desired().objects[&name("web")].spec.count, 1);
    store.close().await;
    // Half a mark, as a power cut may leave it, is no reason to refuse.
    fs::write(&path, &good).unwrap();
    fs::write(&mark_path, "store 12").unwrap();
    Running::open(dir.path()).unwrap().close().await;
}

#[tokio::test]
async fn a_newer_format_is_refused() {
    let dir = directory();
    Running::open(dir.path()).unwrap().close().await;
    file::claim_format(&dir.path().join(file::FILE), 3);
    let refusal = Running::open(dir.path()).err().unwrap().to_string();
    assert!(refusal.contains("newer version of this program (format 3; this one knows 2)"), "{refusal}");
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let dir = directory();
    let lock = Lock::take(dir.path()).unwrap();
    let refusal = Lock::take(dir.path()).unwrap_err().to_string();
    assert!(refusal.contains(&format!("in use by process {}", std::process::id())), "{refusal}");
    drop(lock);
    Lock::take(dir.path()).unwrap();
}

#[tokio::test]
async fn an_unreadable_object_is_quarantined_and_the_others_work() {
    let dir = directory();
    let store = Running::open(dir.path()).unwrap();
    store.take(put("web", 1)).await;
    store.take(put("odd", 1)).await;
    store.close().await;
    let stored = r#"{"Generation":7,"Revisions":[{"Generation":7,"At":1,"By":"","Submitted":{"Name":"odd","Later":1}}]}"#;
    file::claim_object(&dir.path().join(file::FILE), "odd", stored);
    for _ in 0..2 {
        let store = Running::open(dir.path()).unwrap();
        let desired = store.desired();
        assert_eq!(desired.objects.keys().collect::<BTreeSet<_>>(), BTreeSet::from([&name("web")]));
        let found = &desired.quarantined[&name("odd")];
        assert_eq!((found.generation, &*found.stored), (7, stored));
        assert!(found.why.contains("there is no field 'Later'"), "{}", found.why);
        store.take(put("web", 2)).await;
        store.close().await;
    }
    let store = Running::open(dir.path()).unwrap();
    assert_eq!(store.take(put("odd", 2)).await, (Effect::Created, 8));
    assert!(store.desired().quarantined.is_empty());
    store.close().await;
}

#[tokio::test]
async fn a_backup_is_restored_and_generations_never_decrease() {
    let dir = directory();
    let store = Running::open(dir.path()).unwrap();
    store.take(put("web", 1)).await;
    store.take(put("same", 1)).await;
    let saved = backup::read(&text(&store.desired())).unwrap().desired;
    for count in 2..5 {
        store.take(put("web", count)).await;
    }
    store.take(put("later", 1)).await;
    let numbered = *store.store.event_log().last().borrow();
    store.close().await;

    let aside = restore(dir.path(), saved.clone(), None, Time(9)).unwrap().unwrap();
    assert!(aside.exists());
    let store = Running::open(dir.path()).unwrap();
    let desired = store.desired();
    let web = &desired.objects[&name("web")];
    assert_eq!(
        (web.spec.count, web.generation, web.revisions.last().unwrap().rolled_back_to),
        (1, 5, Some(1))
    );
    assert_eq!(desired.objects[&name("same")], saved.objects[&name("same")]);
    assert!(!desired.objects.contains_key(&name("later")));
    assert!(*store.store.event_log().last().borrow() >= numbered);
    store.close().await;
    // Into a directory that never was one, and over a file that cannot be read.
    let fresh = directory();
    assert_eq!(restore(fresh.path(), saved.clone(), None, Time(9)).unwrap(), None);
    assert_eq!(text(&export(fresh.path()).unwrap().0), text(&saved));
    fs::write(dir.path().join(file::FILE), b"not a state").unwrap();
    restore(dir.path(), saved.clone(), None, Time(9)).unwrap();
    assert_eq!(text(&export(dir.path()).unwrap().0), text(&saved));
}

/// A data directory with a daemon's hold on it.
struct Held {
    dir: TempDir,
    _lock: Lock,
    running: Running,
}

impl Held {
    async fn new() -> Held {
        let dir = directory();
        let data = dir.path().join("data");
        let lock = Lock::take(&data).unwrap();
        let (store, writer) =
            RedbStore::open(&data, Some(&lock), &claims("default"), Clock::starting_at(Time(1_000))).unwrap();
        let stop = CancellationToken::new();
        let running = Running { store, writer: tokio::spawn(writer.run(stop.clone())), stop };
        running.take(put("web", 1)).await;
        Held { dir, _lock: lock, running }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The directory goes at once, so that no look falls in between.
    fn lose_directory(&self) {
        let trash = self.dir.path().join("trash");
        fs::rename(self.data(), &trash).unwrap();
        fs::remove_dir_all(trash).unwrap();
    }

    async fn refused(&self) -> String {
        let refused = self.running.store.commit(Transaction::of([put("web", 2)])).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unsettled(_)), "{refused:?}");
        refused.to_string()
    }

    /// Waits until submits are taken again.
    async fn recovers(&self) {
        for _ in 0..400 {
            if self.running.store.trouble().is_none() {
                self.running.take(put("web", 3)).await;
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("{:?}", self.running.store.trouble());
    }
}

#[tokio::test]
async fn a_data_directory_that_is_removed_or_replaced_in_use_accepts_nothing() {
    let held = Held::new().await;
    held.lose_directory();
    let unchanged = held.running.store.commit(Transaction::of([put("web", 1)])).await;
    assert!(matches!(unchanged, Err(StoreError::Unsettled(_))), "nor is it called unchanged: {unchanged:?}");
    let said = held.refused().await;
    assert!(said.contains("was removed, moved or replaced") && said.contains("`backup`"), "{said}");
    assert!(held.running.store.durability().contains("CANNOT BE WRITTEN"));
    // Another daemon begins there: this one keeps its hands off.
    let other = Lock::take(&held.data()).unwrap();
    let (theirs, _writer) =
        RedbStore::open(&held.data(), Some(&other), &claims("default"), Clock::starting_at(Time(1))).unwrap();
    held.refused().await;
    assert!(theirs.objects().borrow().is_empty());
    assert_eq!(held.running.desired().objects[&name("web")].spec.count, 1, "what was acknowledged is shown");
    held.running.close().await;
}

#[tokio::test]
async fn a_data_directory_that_is_moved_away_and_back_is_used_again() {
    let held = Held::new().await;
    let aside = held.dir.path().join("aside");
    fs::rename(held.data(), &aside).unwrap();
    held.refused().await;
    fs::rename(&aside, held.data()).unwrap();
    held.recovers().await;
    let data = held.data();
    held.running.close().await;
    assert_eq!(export(&data).unwrap().0.objects[&name("web")].spec.count, 3);
}

#[tokio::test]
async fn a_removed_state_file_is_written_again_and_a_replaced_one_is_left_alone() {
    let held = Held::new().await;
    let state = held.data().join(file::FILE);
    fs::remove_file(&state).unwrap();
    // Refused, unless the writer has looked and recovered before.
    let _ = held.running.store.commit(Transaction::of([put("web", 2)])).await;
    held.recovers().await;
    assert!(state.exists());

    let aside = held.dir.path().join("aside");
    let copy = held.dir.path().join("copy");
    fs::write(&copy, "a copy from elsewhere").unwrap();
    fs::hard_link(&state, &aside).unwrap();
    fs::rename(&copy, &state).unwrap();
    let said = held.refused().await;
    assert!(said.contains("was replaced by another file") && said.contains("restart the daemon"), "{said}");
    assert_eq!(fs::read(&state).unwrap(), b"a copy from elsewhere");
    fs::rename(&aside, &state).unwrap();
    held.recovers().await;
    let data = held.data();
    held.running.close().await;
    assert_eq!(export(&data).unwrap().0.objects[&name("web")].spec.count, 3);
}

#[tokio::test]
async fn a_lost_directory_is_noticed_without_a_submit() {
    let held = Held::new().await;
    held.lose_directory();
    for _ in 0..400 {
        if held.running.store.trouble().is_some() {
            held.running.close().await;
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("nobody noticed");
}

#[tokio::test]
async fn identity_and_records_are_restored_after_a_restart() {
    let dir = directory();
    let store = Running::open(dir.path()).unwrap();
    let ownership = store.store.ownership().clone();
    ownership.record(&"a".into());
    ownership.record(&"b".into());
    ownership.forget(&"a".into());
    let engine = EngineIdentity::new(EngineKind::Docker, "ENGINE");
    ownership.meet(engine.clone()).unwrap();
    store.close().await;

    let store = Running::open(dir.path()).unwrap();
    let again = store.store.ownership().clone();
    assert_eq!(again.identity(), ownership.identity());
    assert_eq!(again.recorded(), BTreeSet::from(["b".into()]));
    assert_eq!(again.meet(EngineIdentity::new(EngineKind::Docker, "ANOTHER")), Err(engine));
    store.close().await;
    let mut taking = claims("default");
    taking.take_over.insert(crate::store::manager_id::random());
    let open = |claims: &Claims| RedbStore::open(dir.path(), None, claims, Clock::starting_at(Time(1)));
    drop(open(&taking).unwrap());
    let (store, _writer) = open(&claims("default")).unwrap();
    assert_eq!(store.ownership().identity().taken_over, taking.take_over, "it holds without the flag");
}

#[tokio::test]
async fn a_state_for_another_cluster_is_refused_unchanged_or_adopted_without_its_tombstones() {
    let dir = directory();
    let store = Running::open(dir.path()).unwrap();
    store.take(put("web", 1)).await;
    store.take(put("gone", 1)).await;
    store.take(Change::Delete(name("gone"))).await;
    store.store.ownership().record(&"a".into());
    store.close().await;
    let before = fs::read(dir.path().join(mark::FILE)).unwrap();
    let open = |claims: &Claims| RedbStore::open(dir.path(), None, claims, Clock::starting_at(Time(1)));
    let refusal = open(&claims("other")).err().unwrap().to_string();
    assert!(refusal.contains("'default'") && refusal.contains("--adopt-state=default"), "{refusal}");
    assert_eq!(fs::read(dir.path().join(mark::FILE)).unwrap(), before, "nothing was committed");
    let adopting = Claims { adopt_state: vec!["default".to_owned()], ..claims("other") };
    let (store, _writer) = open(&adopting).unwrap();
    assert_eq!(store.objects().borrow().keys().collect::<Vec<_>>(), [&name("web")]);
    assert!(store.ownership().recorded().is_empty());
    drop((store, _writer));
    assert!(open(&claims("default")).is_err(), "and now it is the other one's");
    open(&claims("other")).unwrap();
}

#[tokio::test]
async fn a_restored_state_continues_as_the_manager_that_it_was_saved_from() {
    let (saved, other) = (directory(), directory());
    let store = Running::open(saved.path()).unwrap();
    store.take(put("web", 1)).await;
    let identity = store.store.ownership().identity();
    store.close().await;
    let store = Running::open(other.path()).unwrap();
    let before = store.store.ownership().manager();
    store.close().await;
    let (desired, exported) = export(saved.path()).unwrap();
    assert_eq!(exported.as_ref(), Some(&identity));
    restore(other.path(), desired, exported, Time(9)).unwrap();
    let now = Running::open(other.path()).unwrap().store.ownership().identity();
    assert_eq!((&now.manager, now.taken_over), (&identity.manager, BTreeSet::from([before])));
}

#[tokio::test]
async fn a_state_file_that_is_truncated_or_overwritten_in_place_is_written_again_from_memory() {
    let held = Held::new().await;
    let state = held.data().join(file::FILE);
    let length = fs::metadata(&state).unwrap().len();
    let truncate = |length| fs::OpenOptions::new().write(true).open(&state).unwrap().set_len(length).unwrap();
    let overwrite = || {
        use std::os::unix::fs::FileExt;
        let opened = fs::OpenOptions::new().write(true).open(&state).unwrap();
        opened.write_all_at(&vec![0xff; usize::try_from(length).unwrap()], 0).unwrap();
    };
    let damages: [&dyn Fn(); 4] =
        [&|| truncate(0), &|| truncate(length / 2), &|| truncate(length + 1), &overwrite];
    for damage in damages {
        damage();
        // Refused, unless the writer has looked and recovered before.
        let _ = held.running.store.commit(Transaction::of([put("web", 2)])).await;
        held.recovers().await;
        // As a process that is killed leaves it.
        let copy = directory();
        fs::copy(&state, copy.path().join(file::FILE)).unwrap();
        assert_eq!(export(copy.path()).unwrap().0.objects[&name("web")].spec.count, 3);
    }
    held.running.close().await;
}
