//! The identity of the manager, and the cluster that a state belongs to.

use super::*;
use crate::core::engine_kind::EngineKind;
use crate::core::identity::EngineIdentity;

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
    assert_eq!(store.ownership().identity().taken_over, taking.take_over, "the take-over is remembered");
}

#[tokio::test]
async fn a_state_for_another_cluster_is_refused_unchanged_or_adopted_without_its_tombstones() {
    let dir = directory();
    let store = Running::open(dir.path()).unwrap();
    store.commit(put("web", 1)).await;
    store.commit(put("gone", 1)).await;
    store.commit(Change::Delete(name("gone"))).await;
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
    assert!(open(&claims("default")).is_err(), "it belongs to the other cluster now");
    open(&claims("other")).unwrap();
}

#[tokio::test]
async fn a_restored_state_continues_as_the_manager_that_it_was_saved_from() {
    let (saved, other) = (directory(), directory());
    let store = Running::open(saved.path()).unwrap();
    store.commit(put("web", 1)).await;
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
