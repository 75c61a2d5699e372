//! Two managers on one simulated engine, and how the cache treats copies of the manager's containers.

use crate::core::container::Container;
use crate::core::container::ContainerId;
use crate::core::engine_kind::EngineKind;
use crate::core::identity::Identity;
use crate::core::manager_id::ManagerId;
use crate::store::ownership::MAX_RECORDED;
use crate::store::ownership::Ownership;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::control::cache::Cache;
use crate::control::progress::Progresses;
use crate::control::{self, Control, Parts};
use crate::core::condition::Phase;
use crate::core::container::ContainerState;
use crate::core::name::ObjectName;
use crate::core::object::Object;
use crate::core::submission;
use crate::core::time::Time;
use crate::core::transaction::{Change, Transaction};
use crate::engine::Lookup;
use crate::engine::simulated::SimulatedEngine;
use crate::store::Store;
use crate::store::memory::MemoryStore;

const SOON: Duration = Duration::from_secs(60);
/// Long enough to notice a fight.
const WHILE: Duration = Duration::from_secs(300);

/// One manager and its loop.
struct Manager {
    store: Arc<MemoryStore>,
    control: Control,
}

impl Manager {
    fn start(engine: &Arc<SimulatedEngine>, ownership: Ownership, clock: Clock) -> Manager {
        let store = Arc::new(MemoryStore::of(ownership, clock));
        let control = control::start(Parts {
            engine: engine.clone(),
            store: store.clone(),
            endpoint: "simulated".into(),
            cluster: "default".to_owned(),
            resync: Duration::from_secs(10),
            lost_after: Duration::from_secs(30),
            parallel: 8,
            metrics: Arc::default(),
            clock,
            stop: CancellationToken::new(),
        });
        Manager { store, control }
    }

    async fn submit(&self, count: u32) {
        self.store.commit(Transaction::of([Change::Put(Box::new(spec(count)))])).await.unwrap();
    }

    async fn reaches(&mut self, phase: Phase, ready: usize) -> String {
        let web = name();
        let reached = |progresses: &Arc<Progresses>| {
            progresses.get(&web).is_some_and(|p| p.condition.phase == phase && p.condition.ready == ready)
        };
        let waited = tokio::time::timeout(SOON, self.control.progresses.wait_for(reached)).await;
        let progresses = waited.unwrap_or_else(|_| panic!("not {phase:?} with {ready}")).unwrap();
        progresses[&web].condition.reason.clone()
    }

    fn rivals(&self) -> Vec<(ManagerId, usize)> {
        self.control.cache.rivals().borrow().iter().map(|(id, n)| (id.clone(), *n)).collect()
    }
}

fn name() -> ObjectName {
    ObjectName::parse("web").unwrap()
}

fn spec(count: u32) -> crate::core::spec::Spec {
    let text = format!(r#"{{"Name": "web", "Image": "a", "Count": {count}, "Update": {{"Monitor": "1s"}}}}"#);
    submission::object(&serde_json::from_str(&text).unwrap()).unwrap()
}

fn container_ids(engine: &SimulatedEngine) -> BTreeSet<ContainerId> {
    engine.real().into_iter().map(|real| real.container.id).collect()
}

fn clock() -> Clock {
    Clock::starting_at(Time(1_000_000))
}

fn identity() -> Identity {
    Ownership::ephemeral("default").identity()
}

#[tokio::test(start_paused = true)]
async fn two_managers_with_the_same_object_never_fight_and_the_blocked_one_reports_it() {
    let clock = clock();
    let engine = Arc::new(SimulatedEngine::new(3, clock));
    let one = Manager::start(&engine, Ownership::ephemeral("default"), clock);
    let other = Manager::start(&engine, Ownership::ephemeral("default"), clock);
    tokio::join!(one.submit(8), other.submit(8));
    tokio::time::sleep(SOON).await;
    let before = container_ids(&engine);
    assert!(before.len() <= 8, "unique names bound the one round of creates: {}", before.len());
    tokio::time::sleep(WHILE).await;
    assert_eq!(container_ids(&engine), before, "nothing is created or removed any more");
    let mut held = 0;
    for (manager, rival) in [(&one, &other), (&other, &one)] {
        let condition = manager.control.progresses.borrow()[&name()].condition.clone();
        let expected = rival.store.ownership().manager();
        match condition.phase {
            Phase::Converged => assert_eq!((condition.ready, manager.rivals()), (8, Vec::new())),
            phase => {
                assert_eq!(phase, Phase::Blocked, "{}", condition.reason);
                assert!(
                    condition.reason.contains(&format!("--take-over={expected}")),
                    "{}",
                    condition.reason
                );
                assert_eq!(manager.rivals().len(), 1);
                held += 1;
            }
        }
    }
    assert!(held > 0, "one of the two gives way");
}

#[tokio::test(start_paused = true)]
async fn a_later_manager_is_blocked_and_the_first_one_continues() {
    let clock = clock();
    let engine = Arc::new(SimulatedEngine::new(3, clock));
    let mut first = Manager::start(&engine, Ownership::ephemeral("default"), clock);
    first.submit(3).await;
    first.reaches(Phase::Converged, 3).await;
    let before = container_ids(&engine);
    let mut second = Manager::start(&engine, Ownership::ephemeral("default"), clock);
    second.submit(5).await;
    let reason = second.reaches(Phase::Blocked, 0).await;
    assert!(reason.contains("has created 3 of its containers"), "{reason}");
    first.submit(4).await;
    first.reaches(Phase::Converged, 4).await;
    assert!(container_ids(&engine).is_superset(&before));
    // The second manager deletes only its own containers.
    second.store.commit(Transaction::of([Change::Delete(name())])).await.unwrap();
    tokio::time::sleep(WHILE).await;
    assert_eq!(container_ids(&engine).len(), 4);
    assert!(second.control.progresses.borrow().is_empty(), "its worker has nothing left to do");
}

#[tokio::test(start_paused = true)]
async fn a_manager_without_its_state_takes_over_its_containers_on_request_and_restarts_none() {
    let clock = clock();
    let engine = Arc::new(SimulatedEngine::new(3, clock));
    let mut lost = Manager::start(&engine, Ownership::ephemeral("default"), clock);
    lost.submit(3).await;
    lost.reaches(Phase::Converged, 3).await;
    let before = container_ids(&engine);
    let id = lost.store.ownership().manager();
    drop(lost);

    let taking = Identity { taken_over: [id.clone()].into(), ..identity() };
    let any = Ownership::new(identity(), BTreeSet::new(), true);
    for ownership in [Ownership::new(taking, BTreeSet::new(), false), any.clone()] {
        let mut next = Manager::start(&engine, ownership, clock);
        next.submit(3).await;
        next.reaches(Phase::Converged, 3).await;
        assert_eq!(container_ids(&engine), before, "taken over without a restart");
    }
    assert_eq!(
        any.identity().taken_over,
        BTreeSet::from([id]),
        "the take-over is remembered for the next start"
    );
    assert!(any.unwritten().identity.is_some());
}

/// A container of web as a list shows it.
fn listed(id: &str, name: &str, slot: u32) -> Container {
    let object = Object::new(spec(1));
    let template = object.spec.template.hash.as_str();
    Container {
        id: id.into(),
        name: name.to_owned(),
        ..Container::sample(&format!("web.{slot}.1"), template)
    }
}

fn take(cache: &Cache, list: Vec<Container>) -> (Vec<String>, Vec<String>) {
    let begun = cache.begin_list();
    cache.listed(begun, None, list);
    let ids = |id: &ContainerId| id.0.to_string();
    let copies = cache.copies().iter().map(|copy| ids(&copy.container.id)).collect();
    (cache.all().iter().map(|c| ids(&c.id)).collect(), copies)
}

#[test]
fn a_copy_never_reaches_the_workers_and_a_renamed_container_of_ours_stays_ours() {
    let cache = Cache::new();
    assert_eq!(take(&cache, vec![listed("1", "web.1.1", 1)]).0, ["1"]);
    // A container of a `docker commit` under another name, and under the next attempt's name.
    let copies = vec![listed("1", "web.1.1", 1), listed("2", "debug", 1), listed("3", "web.1.2", 1)];
    assert_eq!(take(&cache, copies), (vec!["1".to_owned()], vec!["2".to_owned(), "3".to_owned()]));
    // The original is renamed, and a copy takes its name.
    let swapped = vec![listed("1", "kept", 1), listed("2", "web.1.1", 1)];
    assert_eq!(take(&cache, swapped), (vec!["1".to_owned()], vec!["2".to_owned()]));
    assert!(cache.copies()[0].reason.to_string().contains("is now called kept"));
    // An inspect by the name finds a foreign container.
    let holder = Lookup::Ours(Box::new(listed("2", "web.1.1", 1)));
    assert_eq!(cache.resolve_owner(holder), Lookup::Foreign);
    // The original is removed: the copy does not become ours.
    cache.removed(&"1".into());
    assert_eq!(take(&cache, vec![listed("2", "web.1.1", 1)]), (vec![], vec!["2".to_owned()]));
    let holder = Lookup::Ours(Box::new(listed("2", "web.1.1", 1)));
    assert_eq!(cache.resolve_owner(holder), Lookup::Foreign);
    cache.removed(&"2".into());
    assert_eq!(take(&cache, vec![]), (vec![], vec![]));
}

#[test]
fn records_survive_a_restart_and_without_them_the_name_decides() {
    let cache = Cache::new();
    take(&cache, vec![listed("1", "web.1.1", 1)]);
    let recorded = cache.ownership().recorded();
    assert_eq!(recorded, BTreeSet::from(["1".into()]));
    let restarted = Cache::of(Ownership::new(cache.ownership().identity(), recorded, false), Arc::default());
    let renamed = || vec![listed("1", "kept", 1)];
    assert_eq!(take(&restarted, renamed()).0, ["1"]);
    assert_eq!(take(&Cache::new(), renamed()), (vec![], vec!["1".to_owned()]));
}

#[test]
fn two_containers_of_one_name_behind_a_restarted_swarm_manager_are_both_ours() {
    let cache = Cache::new();
    let twins = vec![listed("1", "web.1.1", 1), listed("2", "web.1.1", 1)];
    assert_eq!(take(&cache, twins), (vec!["1".to_owned(), "2".to_owned()], vec![]));
}

#[test]
fn a_rivals_container_is_marked_and_not_recorded() {
    let cache = Cache::new();
    let rival = Container { manager: Some(ManagerId::of_bits(7)), ..listed("1", "web.1.1", 1) };
    take(&cache, vec![rival.clone()]);
    assert!(cache.all()[0].rival && cache.all()[0].state == ContainerState::Running);
    assert!(!cache.ownership().is_recorded(&"1".into()));
    assert!(cache.present().borrow().is_empty(), "nothing of the object is ours");
    assert!(matches!(cache.resolve_owner(Lookup::Ours(Box::new(rival))), Lookup::Ours(found) if found.rival));
}

#[test]
fn records_are_bounded() {
    let ownership = Ownership::ephemeral("default");
    for n in 0..=MAX_RECORDED {
        ownership.record(&n.to_string().as_str().into());
    }
    assert_eq!(ownership.recorded().len(), MAX_RECORDED);
    ownership.forget(&"0".into());
    ownership.record(&"one more".into());
    assert!(ownership.is_recorded(&"one more".into()));
}

#[test]
fn a_record_that_changes_during_a_write_is_written_again() {
    let ownership = Ownership::ephemeral("default");
    ownership.record(&"a".into());
    let first = ownership.unwritten();
    ownership.forget(&"a".into());
    ownership.record(&"b".into());
    ownership.written(&first);
    let left = ownership.unwritten();
    assert_eq!(left.records, BTreeMap::from([("a".into(), false), ("b".into(), true)]));
    ownership.written(&left);
    assert!(!ownership.has_unwritten());
}

#[test]
fn another_engine_is_not_acted_on_until_it_is_adopted() {
    use crate::core::evidence::Evidence;
    use crate::core::time::WallOffset;
    use crate::engine::EngineInfo;

    let info = |kind, id: &str| EngineInfo {
        kind,
        id: id.to_owned(),
        version: "20.10".to_owned(),
        api: "1.41".to_owned(),
        nodes: Vec::new(),
        own_volumes: Default::default(),
    };
    let meet = |cache: &Cache, kind, id: &str| {
        cache.meet_engine(&info(kind, id));
        cache.set_engine(|state| state.listed = Some(Time(1)));
        let state = cache.engine().borrow().clone();
        match (state.other_engine.is_some(), state.evidence(WallOffset::default())) {
            (true, Evidence::Waiting { reason, .. }) => Some(reason),
            _ => None,
        }
    };
    let cache = Cache::of(Ownership::ephemeral(""), "unix:///x".into());
    assert_eq!(meet(&cache, EngineKind::Docker, "ONE"), None);
    let reason = meet(&cache, EngineKind::Docker, "TWO").unwrap();
    for words in
        ["another engine answers at unix:///x (TWO)", "(ONE)", "--adopt-state=ONE", "nothing is created"]
    {
        assert!(reason.contains(words), "{words}: {reason}");
    }
    assert!(meet(&cache, EngineKind::ClassicSwarm, "").is_some(), "a manager is not that engine");
    assert_eq!(meet(&cache, EngineKind::Docker, "ONE"), None, "the same engine is back");
    assert_eq!(meet(&cache, EngineKind::Docker, ""), None, "an engine without an id cannot be distinguished");
    // A restarted classic Swarm manager has no id, and counts as the same engine.
    let swarm = Cache::new();
    assert_eq!(meet(&swarm, EngineKind::ClassicSwarm, ""), None);
    assert_eq!(meet(&swarm, EngineKind::ClassicSwarm, ""), None);
    assert!(meet(&swarm, EngineKind::Docker, "ONE").unwrap().contains("--adopt-state=classic-swarm"));
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_was_taken_over_but_continues_is_detected_by_its_new_containers() {
    let clock = clock();
    let engine = Arc::new(SimulatedEngine::new(3, clock));
    let old = identity();
    let mut first = Manager::start(&engine, Ownership::new(old.clone(), BTreeSet::new(), false), clock);
    first.submit(3).await;
    first.reaches(Phase::Converged, 3).await;
    drop(first);
    tokio::time::sleep(Duration::from_secs(5)).await;
    // It is taken over as if it had ended, and then has fewer containers.
    let mut taker = Manager::start(&engine, Ownership::new(identity(), BTreeSet::new(), true), clock);
    taker.submit(2).await;
    taker.reaches(Phase::Converged, 2).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    // But it still runs, and wants three.
    let first = Manager::start(&engine, Ownership::new(old.clone(), BTreeSet::new(), false), clock);
    first.submit(3).await;
    let reason = taker.reaches(Phase::Blocked, 2).await;
    assert!(reason.contains(old.manager.as_str()), "{reason}");
    let before = container_ids(&engine);
    tokio::time::sleep(WHILE).await;
    assert_eq!(container_ids(&engine), before, "nothing is created or removed any more");
}
