//! The state file: what is read is what was committed, or it is refused.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::api::event::EventKind;
use crate::core::submission;
use crate::core::time::Time;
use crate::core::transaction::{Change, Effect, Precondition, Rejected};
use crate::store::backup;

mod damage;
mod displaced;
mod ownership;

fn put(name: &str, count: u32) -> Change {
    let text = format!(r#"{{"Name": "{name}", "Image": "a", "Count": {count}}}"#);
    Change::Put(Box::new(submission::object(&serde_json::from_str(&text).unwrap()).unwrap()))
}

fn name(text: &str) -> ObjectName {
    ObjectName::parse(text).unwrap()
}

/// A directory in which fsync is cheap, if there is one, as tests have no power failures.
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

    async fn commit(&self, change: Change) -> (Effect, u64) {
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

/// The desired state as text, to compare.
fn text(desired: &Desired) -> String {
    backup::write(desired, None, Time(0)).unwrap()
}

#[tokio::test]
async fn everything_is_restored_after_a_restart() {
    let dir = directory();
    let store = Running::open(dir.path()).unwrap();
    for count in 1..=12 {
        assert_eq!(store.commit(put("web", count)).await.1, u64::from(count));
    }
    store.commit(put("gone", 1)).await;
    store.commit(Change::Delete(name("gone"))).await;
    store.store.event_log().note_general(EventKind::Engine, "the last line");
    let before = text(&store.desired());
    let events = store.store.event_log().after(0, 100).events;
    store.close().await;

    let store = Running::open(dir.path()).unwrap();
    assert_eq!(text(&store.desired()), before);
    assert_eq!(store.desired().objects[&name("web")].revisions.len(), 10);
    assert_eq!(store.store.event_log().after(0, 100).events, events);
    assert_eq!(store.commit(put("gone", 1)).await, (Effect::Created, 3));
    let last = store.store.event_log().after(0, 100).events.last().unwrap().id;
    assert!(last > events.last().unwrap().id, "numbers grow over a restart: {last}");
    store.close().await;
}

#[tokio::test]
async fn writers_are_serialized_and_a_stale_one_is_always_refused() {
    let dir = directory();
    let store = Arc::new(Running::open(dir.path()).unwrap());
    store.commit(put("web", 0)).await;
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
    assert!(stale.load(Ordering::Relaxed) > 0, "some of them conflicted");
    let before = text(&store.desired());
    Arc::into_inner(store).unwrap().close().await;
    assert_eq!(text(&export(dir.path()).unwrap().0), before);
}

#[tokio::test]
async fn a_state_that_is_not_the_newest_of_its_directory_is_refused_with_advice() {
    let dir = directory();
    let (path, mark_path) = (dir.path().join(file::FILE), dir.path().join(mark::FILE));
    let refusal = || Running::open(dir.path()).err().map(|e| e.to_string()).unwrap_or_default();
    let store = Running::open(dir.path()).unwrap();
    store.commit(put("web", 1)).await;
    store.close().await;
    let old = fs::read(&path).unwrap();
    let store = Running::open(dir.path()).unwrap();
    store.commit(put("web", 2)).await;
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
    // After the mark is deleted, as the message advises, the old copy is used.
    fs::write(&path, &old).unwrap();
    fs::remove_file(&mark_path).unwrap();
    let store = Running::open(dir.path()).unwrap();
    assert_eq!(store.desired().objects[&name("web")].spec.count, 1);
    store.close().await;
    // An incomplete mark, which a power failure may leave, is ignored.
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
    store.commit(put("web", 1)).await;
    store.commit(put("odd", 1)).await;
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
        store.commit(put("web", 2)).await;
        store.close().await;
    }
    let store = Running::open(dir.path()).unwrap();
    assert_eq!(store.commit(put("odd", 2)).await, (Effect::Created, 8));
    assert!(store.desired().quarantined.is_empty());
    store.close().await;
}

#[tokio::test]
async fn a_backup_is_restored_and_generations_never_decrease() {
    let dir = directory();
    let store = Running::open(dir.path()).unwrap();
    store.commit(put("web", 1)).await;
    store.commit(put("same", 1)).await;
    let saved = backup::read(&text(&store.desired())).unwrap().desired;
    for count in 2..5 {
        store.commit(put("web", count)).await;
    }
    store.commit(put("later", 1)).await;
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
    // Into an empty directory, and over an unreadable file.
    let fresh = directory();
    assert_eq!(restore(fresh.path(), saved.clone(), None, Time(9)).unwrap(), None);
    assert_eq!(text(&export(fresh.path()).unwrap().0), text(&saved));
    fs::write(dir.path().join(file::FILE), b"not a state").unwrap();
    restore(dir.path(), saved.clone(), None, Time(9)).unwrap();
    assert_eq!(text(&export(dir.path()).unwrap().0), text(&saved));
}
