//! The effect of a transaction on a snapshot.

use super::*;
use crate::core::desired::{Desired, Quarantined};
use crate::core::object::{MAX_REVISIONS, Revision};
use crate::core::submission::{self, Submission};
use crate::core::time::Time;

fn spec(name: &str, count: u32) -> Box<Spec> {
    let text = format!(r#"{{"Name": "{name}", "Image": "a", "Count": {count}}}"#);
    match submission::read(text.as_bytes()).unwrap() {
        Submission::One(spec) => spec,
        Submission::Many(_) => unreachable!(),
    }
}

fn put(name: &str, count: u32) -> Change {
    Change::Put(spec(name, count))
}

fn name(text: &str) -> ObjectName {
    ObjectName::parse(text).unwrap()
}

fn delete(text: &str) -> Change {
    Change::Delete(name(text))
}

fn rollback(text: &str, to: Option<u64>) -> Change {
    Change::Rollback { name: name(text), to }
}

fn try_step(before: &Desired, change: Change) -> Result<(Desired, Vec<Committed>), Rejected> {
    apply(before, &Transaction::of([change]), Time(1))
}

fn step(before: &Desired, change: Change) -> (Desired, Effect, u64) {
    let (after, committed) = try_step(before, change).unwrap();
    (after, committed[0].effect, committed[0].object.generation)
}

/// The snapshot after a change, which may have no effect.
fn after(before: &Desired, change: Change) -> Desired {
    try_step(before, change).unwrap().0
}

/// The snapshot after these changes.
fn world(changes: impl IntoIterator<Item = Change>) -> Desired {
    changes.into_iter().fold(Desired::default(), |before, change| step(&before, change).0)
}

#[test]
fn generations_grow_with_changes_and_across_deletions() {
    let (s, e, g) = step(&Desired::default(), put("web", 1));
    assert_eq!((e, g), (Effect::Created, 1));
    let (s, e, g) = step(&s, put("web", 1));
    assert_eq!((e, g), (Effect::Unchanged, 1));
    let (s, e, g) = step(&s, put("web", 2));
    assert_eq!((e, g), (Effect::Updated, 2));
    let (s, e, g) = step(&s, delete("web"));
    assert_eq!((e, g), (Effect::Deleted, 3));
    assert_eq!(try_step(&s, delete("web")).unwrap_err(), Rejected::NotFound(name("web")));
    let (_, e, g) = step(&s, put("web", 2));
    assert_eq!((e, g), (Effect::Created, 4));
}

#[test]
fn a_transaction_is_committed_completely_or_not_at_all() {
    let s = world([put("web", 1)]);
    let changes = [put("web", 5), delete("nothing")];
    assert!(apply(&s, &Transaction::of(changes), Time(1)).is_err());
    assert_eq!(s.objects[&name("web")].spec.count, 1);
}

#[test]
fn preconditions_guard_the_generation() {
    let s = world([put("web", 1)]);
    let holds = |change, precondition| {
        apply(&s, &Transaction { precondition, ..Transaction::of([change]) }, Time(1)).is_ok()
    };
    assert!(holds(put("web", 2), Precondition::Generation(1)));
    assert!(!holds(put("web", 2), Precondition::Generation(2)));
    assert!(!holds(put("web", 2), Precondition::Absent));
    assert!(holds(put("new", 2), Precondition::Absent));
    assert!(!holds(put("new", 2), Precondition::Exists));
}

#[test]
fn the_same_submit_again_asks_for_a_retry_unless_it_continues_a_wait() {
    let s = world([put("web", 1)]);
    let asked = |s: &Desired| s.objects[&name("web")].asked;
    let (again, committed) = apply(&s, &Transaction::of([put("web", 1)]), Time(1)).unwrap();
    assert_eq!((committed[0].effect, committed[0].object.generation), (Effect::Unchanged, 1));
    assert_eq!(asked(&again), asked(&s) + 1);
    let quiet = Transaction { quiet: true, ..Transaction::of([put("web", 1)]) };
    let (same, _) = apply(&again, &quiet, Time(1)).unwrap();
    assert_eq!(asked(&same), asked(&again));
    assert!(Arc::ptr_eq(&same.objects[&name("web")], &again.objects[&name("web")]), "no worker is woken");
}

#[test]
fn an_object_above_the_limit_is_refused() {
    let mut s = world([put("web", 1)]);
    let object = s.objects[&name("web")].clone();
    Arc::make_mut(&mut s.objects).extend((1..MAX_OBJECTS).map(|i| (name(&format!("o{i}")), object.clone())));
    assert_eq!(try_step(&s, put("more", 1)).unwrap_err(), Rejected::Full);
    assert!(try_step(&s, put("web", 9)).is_ok());
}

#[test]
fn pruning_deletes_unnamed_objects_with_the_prefix() {
    let s = world([put("team-a", 1), put("team-b", 1), put("other", 1), put("team-c", 1), delete("team-c")]);
    let prune = Some("team-".to_owned());
    let transaction = Transaction { prune, ..Transaction::of([put("team-a", 2)]) };
    let (after, committed) = apply(&s, &transaction, Time(1)).unwrap();
    let effects: Vec<_> = committed.iter().map(|c| (c.object.spec.name.as_str(), c.effect)).collect();
    assert_eq!(effects, [("team-a", Effect::Updated), ("team-b", Effect::Deleted)]);
    assert!(after.objects[&name("other")].deleted.is_none());
}

#[test]
fn a_rollback_restores_an_earlier_spec_as_a_new_generation() {
    let s = world([put("web", 1), put("web", 2), put("web", 3)]);
    let (s, committed) = try_step(&s, rollback("web", None)).unwrap();
    let now = &committed[0].object;
    assert_eq!((now.spec.count, now.generation, committed[0].rolled_back_to()), (2, 4, Some(2)));
    let (s, ..) = step(&s, rollback("web", Some(1)));
    assert_eq!(s.objects[&name("web")].spec.count, 1);
    assert_eq!(step(&s, rollback("web", Some(1))).1, Effect::Unchanged);
    let error = try_step(&s, rollback("web", Some(9))).unwrap_err().to_string();
    assert_eq!(error, "'web' cannot go back to generation 9: kept are 1, 2, 3, 4, 5");
    let error = try_step(&world([put("web", 1)]), rollback("web", None)).unwrap_err().to_string();
    assert_eq!(
        error,
        "'web' cannot go back to an earlier spec: it never had another one; delete it to undo the submit"
    );
    assert_eq!(try_step(&s, rollback("none", None)).unwrap_err(), Rejected::NotFound(name("none")));
}

#[test]
fn a_rollback_restores_an_object_deleted_by_mistake() {
    let s = world([put("web", 1), put("web", 2), delete("web")]);
    let (s, committed) = try_step(&s, rollback("web", None)).unwrap();
    assert_eq!((committed[0].effect, committed[0].object.generation), (Effect::Created, 4));
    assert_eq!((s.objects[&name("web")].spec.count, s.objects[&name("web")].deleted), (2, None));
}

#[test]
fn ten_specs_are_remembered() {
    let s = world((1..=12).map(|count| put("web", count)));
    let revisions = &s.objects[&name("web")].revisions;
    let generations: Vec<u64> = revisions.iter().map(|r| r.generation).collect();
    assert_eq!(generations, (3..=12).collect::<Vec<_>>());
}

#[test]
fn an_unreadable_object_is_replaced_by_a_submit_and_by_nothing_else() {
    let unreadable = Quarantined { why: "?".to_owned(), generation: 7, stored: "?".into() };
    let s = Desired { quarantined: Arc::new([(name("web"), unreadable)].into()), ..Desired::default() };
    assert!(matches!(try_step(&s, delete("web")), Err(Rejected::Quarantined { .. })));
    assert!(matches!(try_step(&s, rollback("web", None)), Err(Rejected::Quarantined { .. })));
    let (s, effect, generation) = step(&s, put("web", 1));
    assert_eq!((effect, generation, s.quarantined.len()), (Effect::Created, 8, 0));
}

#[test]
fn the_last_converged_spec_is_kept_across_newer_specs_and_dropped_by_a_deletion() {
    let converged = |generation| Change::Converged { name: name("web"), generation };
    let known =
        |s: &Desired| s.objects[&name("web")].converged.as_ref().map(|c| (c.generation, c.spec.is_some()));
    let s = after(&Desired::default(), put("web", 1));
    let s = after(&s, converged(1));
    assert_eq!(known(&s), Some((1, false)));
    // With more specs than are kept, the one that converged stays among them.
    let mut newer = s.clone();
    for count in 2..15 {
        newer = after(&newer, put("web", count));
    }
    assert_eq!(known(&newer), Some((1, true)));
    let object = &newer.objects[&name("web")];
    assert_eq!(object.revisions.len(), MAX_REVISIONS);
    assert_eq!(object.revisions[0].generation, 1);
    // It is recorded late, after a newer spec was submitted, and an older one is never recorded again.
    let late = after(&newer, converged(13));
    assert_eq!(known(&late), Some((13, true)));
    assert_eq!(known(&after(&late, converged(12))), Some((13, true)));
    // A forgotten spec cannot be recorded, and a deleted object has no converged spec.
    assert_eq!(known(&after(&newer, converged(2))), Some((1, true)));
    let deleted = after(&late, Change::Delete(name("web")));
    assert_eq!(known(&deleted), None);
    let again = after(&deleted, put("web", 1));
    assert_eq!(known(&after(&again, converged(13))), None);
}

/// A spec of about this many bytes, in texts of 100 KiB.
fn big(name: &str, bytes: usize, mark: usize) -> Change {
    let texts = vec!["x".repeat(100 * 1024); bytes / (100 * 1024)];
    let env = [vec![mark.to_string()], texts].concat();
    let value = serde_json::json!({"Name": name, "Image": "a", "Count": 1, "Env": env});
    Change::Put(Box::new(submission::object(&value).unwrap()))
}

#[test]
fn the_revisions_of_an_object_are_bounded_in_bytes_and_the_present_spec_is_always_kept() {
    let hundred = 100 * 1024;
    let of = |world: &Desired| world.objects[&name("web")].clone();
    let before = world((0..20).map(|mark| big("web", hundred, mark)));
    assert_eq!(of(&before).revisions.len(), MAX_REVISIONS, "ten of 100 KiB fit");
    let before = (0..20).fold(before, |before, mark| step(&before, big("web", 10 * hundred, mark)).0);
    let object = of(&before);
    let total: usize = object.revisions.iter().map(Revision::bytes).sum();
    assert_eq!(object.bytes, total);
    assert!(total <= crate::core::object::MAX_REVISION_BYTES && object.revisions.len() == 2, "{total}");
    assert_eq!(object.revisions.last().unwrap().generation, object.generation);
    assert_eq!(of(&step(&before, rollback("web", None)).0).spec.submitted, object.revisions[0].submitted);
    let deleted = of(&step(&before, delete("web")).0);
    assert_eq!((deleted.revisions.len(), deleted.bytes), (1, deleted.revisions[0].bytes()));
}

#[test]
fn the_whole_state_is_bounded_in_bytes_and_can_always_shrink() {
    let mut before = world([put("web", 1), put("db", 1), put("old", 1), delete("old")]);
    let claim = |state: &mut Desired, object: &str, bytes| {
        let objects = Arc::make_mut(&mut state.objects);
        Arc::make_mut(objects.get_mut(&name(object)).unwrap()).bytes = bytes;
    };
    claim(&mut before, "web", MAX_STATE_BYTES - 1000);
    claim(&mut before, "old", 1000);
    // A tombstone is dropped before a submit is refused.
    let (after, effect, _) = step(&before, put("new", 1));
    assert_eq!((effect, after.objects.contains_key(&name("old"))), (Effect::Created, false));
    claim(&mut before, "db", 2000);
    let refused = try_step(&before, put("new", 1)).unwrap_err();
    assert_eq!(refused, Rejected::TooLarge);
    assert!(refused.to_string().contains("more than 128 MiB; delete objects"), "{refused}");
    // Even if the state is too large already, a deletion is accepted, and the same object again is no change.
    assert_eq!(step(&before, delete("web")).1, Effect::Deleted);
    assert_eq!(step(&before, put("db", 1)).1, Effect::Unchanged);
}

fn written(more: &str) -> Change {
    let text = format!(r#"{{"Name": "web", "Image": "a"{more}}}"#);
    match submission::read(text.as_bytes()).unwrap() {
        Submission::One(spec) => Change::Put(spec),
        Submission::Many(_) => unreachable!(),
    }
}

#[test]
fn a_stated_default_is_no_change_in_either_direction() {
    let plain = r#", "Count": 1"#;
    let stated = r#", "Count": 1, "Env": [], "Tty": false, "History": 1, "Constraints": [],
        "HostConfig": {"Privileged": false, "RestartPolicy": {"Name": "no"}}"#;
    for (first, second) in [(plain, stated), (stated, plain)] {
        let before = world([written(first)]);
        let (after, effect, generation) = step(&before, written(second));
        assert_eq!((effect, generation), (Effect::Unchanged, 1), "{second}");
        assert_eq!(after.objects[&name("web")].spec, before.objects[&name("web")].spec);
    }
    let other = r#", "Count": 1, "Entrypoint": []"#;
    assert_eq!(step(&world([written(plain)]), written(other)).1, Effect::Updated);
}

#[test]
fn a_spec_that_states_a_default_and_scales_keeps_the_template_hash() {
    let hash = |world: &Desired| world.objects[&name("web")].spec.template.hash.clone();
    let first = world([written(r#", "Count": 1"#)]);
    let (scaled, effect, _) = step(&first, written(r#", "Count": 2, "Labels": {}"#));
    assert_eq!((effect, scaled.objects[&name("web")].spec.count), (Effect::Updated, 2));
    assert_eq!(hash(&scaled), hash(&first));
    // The stored spec has the same hash in this and in earlier versions.
    let stored = &scaled.objects[&name("web")].spec;
    assert_eq!(submission::object(&stored.submitted).unwrap(), *stored);
    // The containers of an earlier spec are recognized, too, even over a deletion.
    let other = after(&first, written(r#", "Count": 1, "Env": ["A=1"]"#));
    assert_ne!(hash(&other), hash(&first));
    assert_eq!(hash(&after(&other, written(r#", "Count": 1, "HostConfig": {}"#))), hash(&first));
    let gone = after(&first, delete("web"));
    assert_eq!(hash(&after(&gone, written(r#", "Count": 1, "Tty": false"#))), hash(&first));
}
