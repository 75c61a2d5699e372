//! The cache, filled by lists and by the manager's own calls.

use super::*;
use crate::core::engine_kind::EngineKind;
use crate::core::evidence::Evidence;
use crate::core::time::WallOffset;
use crate::engine::EngineInfo;

fn container(id: &str, object: &str, state: ContainerState) -> Container {
    Container { id: id.into(), state, ..Container::sample(&format!("{object}.1.1"), "t") }
}

fn states(cache: &Cache) -> Vec<(String, ContainerState)> {
    cache.all().iter().map(|c| (c.id.0.to_string(), c.state)).collect()
}

#[test]
fn before_the_first_list_the_reason_names_the_list_and_not_its_nodes() {
    let kind = EngineKind::ClassicSwarm;
    let info = EngineInfo {
        kind,
        id: String::new(),
        version: String::new(),
        api: String::new(),
        nodes: Vec::new(),
        own_volumes: Default::default(),
    };
    let mut state = EngineState { info: Some(info), ..EngineState::unknown("tcp://m:1".into()) };
    let reason = |state: &EngineState| match state.evidence(WallOffset::default()) {
        Evidence::Waiting { reason, .. } => reason,
        Evidence::Good => "good".to_owned(),
    };
    assert_eq!(reason(&state), "waiting for the first complete list from tcp://m:1");
    state.listed = Some(Time(1));
    assert_eq!(reason(&state), "the manager at tcp://m:1 lists no node: waiting until it does");
}

#[test]
fn a_list_does_not_undo_what_was_written_after_it_began() {
    let cache = Cache::new();
    cache.wrote(container("old", "web", ContainerState::Running));
    let begun = cache.begin_list();
    cache.wrote(container("new", "web", ContainerState::Created));
    cache.changed(&"new".into(), |c| c.state = ContainerState::Running);
    cache.removed(&"old".into());
    cache.listed(
        begun,
        None,
        vec![
            container("old", "web", ContainerState::Running),
            container("new", "web", ContainerState::Created),
        ],
    );
    assert_eq!(states(&cache), [("new".to_owned(), ContainerState::Running)]);
    // The next list lacks it; that alone proves nothing.
    let begun = cache.begin_list();
    let absent = cache.listed(begun, None, vec![]);
    assert_eq!(absent.iter().map(|c| &*c.id.0).collect::<Vec<_>>(), ["new"]);
    assert_eq!(states(&cache), [("new".to_owned(), ContainerState::Running)]);
    cache.gone(begun, &["new".into()]);
    assert_eq!(states(&cache), []);
}

#[test]
fn an_end_is_accepted_even_from_an_answer_requested_before_our_start_returned() {
    let cache = Cache::new();
    cache.wrote(container("a", "web", ContainerState::Created));
    let begun = cache.begin_list();
    cache.changed(&"a".into(), |c| c.state = ContainerState::Running);
    cache.listed(begun, None, vec![container("a", "web", ContainerState::Created)]);
    assert_eq!(states(&cache), [("a".to_owned(), ContainerState::Running)]);
    cache.inspected(
        begun,
        &"a".into(),
        Lookup::Ours(Box::new(container("a", "web", ContainerState::Exited))),
    );
    assert_eq!(states(&cache), [("a".to_owned(), ContainerState::Exited)]);
}

#[test]
fn an_inspect_outweighs_the_lists_until_one_of_them_agrees() {
    let cache = Cache::new();
    let listed = container("a", "web", ContainerState::Removing);
    cache.wrote(listed.clone());
    assert!(!cache.contradicts(&listed), "no inspect has contradicted it");
    cache.overrule(&listed.id, ContainerState::Dead);
    assert!(cache.contradicts(&listed));
    assert!(cache.contradicts(&listed), "a list that repeats itself proves nothing");
    let agrees = Container { state: ContainerState::Dead, ..listed.clone() };
    assert!(!cache.contradicts(&agrees));
    assert!(!cache.contradicts(&listed), "the lists are trusted again");
}

#[test]
fn a_list_requested_before_an_inspect_does_not_undo_it() {
    let cache = Cache::new();
    cache.wrote(container("a", "web", ContainerState::Created));
    let old = cache.begin_list();
    let begun = cache.begin_list();
    cache.inspected(
        begun,
        &"a".into(),
        Lookup::Ours(Box::new(container("a", "web", ContainerState::Running))),
    );
    cache.inspected(begun, &"a".into(), Lookup::NotFound);
    cache.listed(old, None, vec![container("a", "web", ContainerState::Created)]);
    assert_eq!(states(&cache), [("a".to_owned(), ContainerState::Running)]);
}

#[test]
fn a_list_of_one_object_does_not_affect_others() {
    let cache = Cache::new();
    cache.wrote(container("a", "web", ContainerState::Running));
    cache.wrote(container("b", "db", ContainerState::Running));
    let begun = cache.begin_list();
    let absent = cache.listed(begun, Some(&ObjectName::parse("web").unwrap()), vec![]);
    assert_eq!(absent.iter().map(|c| &*c.id.0).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn only_receivers_of_changed_objects_are_woken() {
    let cache = Cache::new();
    let mut web = cache.containers(&ObjectName::parse("web").unwrap());
    let mut db = cache.containers(&ObjectName::parse("db").unwrap());
    cache.wrote(container("a", "web", ContainerState::Running));
    assert!(web.has_changed().unwrap() && !db.has_changed().unwrap());
    assert_eq!(web.borrow_and_update().len(), 1);
    let begun = cache.begin_list();
    cache.listed(begun, None, vec![container("a", "web", ContainerState::Running)]);
    assert!(!web.has_changed().unwrap(), "an identical list is no change");
    assert!(db.borrow_and_update().is_empty());
}
