//! Every call of the client, every fault, at every position: nothing is ever made twice, and all ends well.
//!
//! The scenario is a short life: an object is submitted and converges, one of its containers dies and is replaced, it is
//! scaled down to nothing and deleted, with some quiet after each. A run without faults tells which calls it takes. Then
//! it is run again for each of them, with each fault in turn.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::by_tier;
use swarm_cluster_state_manager::core::engine_kind::EngineKind;

use crate::fake_docker::FakeDocker;
use crate::fake_docker::faults::{Call, Fault};
use crate::fake_docker::manager::Manager;
use crate::fake_docker::many::{paused, run_all};
use crate::fake_docker::world::{Life as State, Registry, What};

/// Within this all must be well again: the longest deadline of a call is two minutes, and it may be met twice.
const CONVERGES: Duration = Duration::from_secs(300);
/// A pull may take half an hour, and one that says nothing any more is waited for as long.
const CONVERGES_AFTER_A_PULL: Duration = Duration::from_secs(35 * 60);
/// More than a resync, in which nothing is to happen.
const QUIET: Duration = Duration::from_secs(11);
/// What an object goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Life {
    /// It is submitted, one of its containers dies, it is scaled down to nothing and deleted.
    Short,
    /// It is submitted, updated to another image, and deleted.
    Updated,
    /// It is submitted, users restart and rename its containers, one ends while lists go on to call it running, and it
    /// is deleted.
    Interfered,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Case {
    swarm: bool,
    life: Life,
    count: usize,
    fault: Option<(Call, usize, Fault)>,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = if self.swarm { "swarm" } else { "docker" };
        write!(f, "{endpoint} {:?} Count {}", self.life, self.count)?;
        match self.fault {
            None => f.write_str(" without faults"),
            Some((call, nth, fault)) => write!(f, " {call:?} {nth} {fault:?}"),
        }
    }
}

/// How a case went.
#[derive(Debug, Default)]
struct Account {
    seen: BTreeMap<Call, usize>,
    struck: bool,
    slowest: Duration,
    /// More live containers than wanted, at the worst moment.
    excess: usize,
    /// What should not have been.
    wrong: Vec<String>,
}

/// The faults that differ for a call. A question has no effect for a fault to come before or after.
fn faults(call: Call) -> Vec<Fault> {
    let mut faults = vec![
        Fault::Refused,
        Fault::DroppedBefore,
        Fault::Error500,
        Fault::Hang,
        Fault::HalfBody,
        Fault::Nonsense,
    ];
    if matches!(call, Call::Pull | Call::Create | Call::Start | Call::Stop | Call::Remove) {
        faults.extend([Fault::DroppedAfter, Fault::HangAfter]);
    }
    // While the client still waits for it, and after it has given it up.
    let seconds: &[u64] = match call {
        Call::Create => &[45, 150],
        Call::Start | Call::Stop | Call::Remove => &[30, 70],
        _ => &[],
    };
    for by in seconds.iter().map(|s| Duration::from_secs(*s)) {
        faults.extend([Fault::LandsLate(by), Fault::ArrivesLate(by)]);
    }
    faults
}

/// Runs one case on a runtime of its own.
fn run(case: Case) -> Account {
    let fake = Mutex::new(None);
    let result = paused(live(case, &fake));
    let mut account = Account::default();
    match result {
        Ok(slowest) => account.slowest = slowest,
        Err(words) => account.wrong.push(words),
    }
    let fake: FakeDocker = fake.into_inner().unwrap().unwrap();
    fake.faults(|faults| {
        account.seen = faults.seen().clone();
        account.struck = faults.struck() == 1;
    });
    fake.look(|world| {
        // An update starts the new one before it stops the old one, one at a time.
        // One that was not told that a container was only restarted may have replaced it.
        let surge = match case.life {
            Life::Short => 0,
            Life::Updated => 1,
            Life::Interfered => usize::from(case.fault.is_some()),
        };
        account.excess = world.peak("web").saturating_sub(case.count + surge);
        if account.excess > 0 {
            account.wrong.push(format!("{} live at once", world.peak("web")));
        }
        if surge == 0 && !world.doubled().is_empty() {
            account.wrong.push(format!("slots with two live containers: {:?}", world.doubled()));
        }
        let too_many = world.trace.iter().filter(|e| e.what == What::Create && e.there >= case.count + surge);
        account.wrong.extend(too_many.map(|effect| format!("one too many:{effect}")));
    });
    if !account.wrong.is_empty() {
        account.wrong.push(format!("what was done:\n{}", fake.effects()));
    }
    account
}

/// The life of an object. Returns how long the slowest convergence took.
async fn live(case: Case, keep: &Mutex<Option<FakeDocker>>) -> Duration {
    let refused = matches!(case.fault, Some((_, _, Fault::Refused)));
    let (kind, nodes) = if case.swarm { (EngineKind::ClassicSwarm, 3) } else { (EngineKind::Docker, 1) };
    // To refuse a call's connection, each call has to have one.
    let fake = FakeDocker::new(kind, nodes, !refused);
    *keep.lock().unwrap() = Some(fake.clone());
    if let Some((call, nth, fault)) = case.fault {
        fake.fault(call, nth, fault);
    }
    let manager = Manager::start(&fake);
    // A Swarm manager pulls by itself; asked to, it pulls everywhere.
    let pull = if case.swarm { "always" } else { "missing" };
    let web = |count: usize, image: &str| json!({"Name": "web", "Image": image, "Count": count, "Pull": pull, "Update": {"Monitor": "1s"}});
    let within = match case.fault {
        Some((Call::Pull, _, Fault::Hang | Fault::HangAfter)) => CONVERGES_AFTER_A_PULL,
        _ => CONVERGES,
    };

    manager.submit(web(case.count, "app:1")).await;
    let mut slowest = manager.converges("web", case.count, within).await;
    quiet(&fake, case.count).await;

    match case.life {
        Life::Short => {
            let victim = fake.look(|world| world.running("web").into_iter().next()).unwrap();
            fake.exit(&victim, 1);
            slowest = slowest.max(manager.converges("web", case.count, within).await);
            quiet(&fake, case.count).await;

            manager.submit(web(0, "app:1")).await;
            slowest = slowest.max(manager.converges("web", 0, within).await);
            quiet(&fake, 0).await;
        }
        Life::Updated => {
            manager.submit(web(case.count, "app:2")).await;
            slowest = slowest.max(manager.converges("web", case.count, within).await);
            let stale = fake.look(|world| world.reachable("web").any(|c| c.live() && c.image != "app:2"));
            assert!(!stale, "it converged with containers of the old image");
            quiet(&fake, case.count).await;
        }
        Life::Interfered => {
            let one = |nth: usize| fake.look(|world| world.running("web").into_iter().nth(nth)).unwrap();
            fake.restart(&one(0), Duration::from_millis(800));
            tokio::time::sleep(QUIET).await;
            slowest = slowest.max(manager.converges("web", case.count, within).await);
            // Not while a create of that very name may still land: what then took the name would be a copy.
            if !matches!(case.fault, Some((Call::Create, ..))) {
                fake.rename(&one(0), "mine");
            }
            quiet(&fake, case.count).await;

            let victim = one(1);
            fake.mislead(&victim, State::Running, State::Running, within);
            fake.exit(&victim, 1);
            slowest = slowest.max(manager.converges("web", case.count, within).await);
            quiet(&fake, case.count).await;
        }
    }

    manager.delete("web").await;
    slowest = slowest.max(manager.vanishes("web", within).await);
    // What is still on its way is let arrive.
    let late = match case.fault {
        Some((_, _, Fault::LandsLate(by) | Fault::ArrivesLate(by))) => by,
        _ => Duration::ZERO,
    };
    tokio::time::sleep(late + QUIET).await;
    manager.vanishes("web", within).await;
    slowest
}

/// A while in which just so many run all the time.
async fn quiet(fake: &FakeDocker, count: usize) {
    let disturbed = fake.until(QUIET, "", |world| world.running("web").len() != count);
    let disturbed = tokio::time::timeout(QUIET - Duration::from_millis(1), disturbed).await;
    assert!(disturbed.is_err(), "it did not stay at {count}");
}

/// Runs a life without faults, then once for each call that it took and each fault.
fn every_fault_at_every_position(
    life: Life,
    counts: std::ops::RangeInclusive<usize>,
    created: fn(usize) -> usize,
) {
    let began = Instant::now();
    let plain = |swarm: bool| counts.clone().map(move |count| Case { swarm, life, count, fault: None });
    let faultless = run_all(plain(false).chain(plain(true)).collect(), run);
    let mut cases = Vec::new();
    for (case, account) in &faultless {
        assert!(account.wrong.is_empty(), "{case}: {:#?}", account.wrong);
        assert_eq!(
            account.seen[&Call::Create],
            created(case.count),
            "{case}: just the creates that are needed"
        );
        for (call, times) in &account.seen {
            let at = |fault| (1..=*times).map(move |nth| (*call, nth, fault));
            cases.extend(faults(*call).into_iter().flat_map(at).map(|f| Case { fault: Some(f), ..*case }));
        }
    }
    cases.sort_unstable();
    // Fewer cases, but each call and each fault: 7 shares no factor with the number of faults of any call.
    let cases = cases.into_iter().step_by(by_tier(7, 1)).collect();
    let mut accounts = run_all(cases, run);
    accounts.sort_unstable_by_key(|(case, _)| *case);
    report(&faultless, &accounts, began.elapsed());
    let failed: Vec<String> = accounts
        .iter()
        .filter(|(_, account)| !account.wrong.is_empty())
        .map(|(case, account)| format!("{case}: {}", account.wrong.join("; ")))
        .collect();
    assert!(failed.is_empty(), "{} cases went wrong\n\n{}", failed.len(), failed.join("\n"));
    let unstruck: Vec<String> =
        accounts.iter().filter(|(_, account)| !account.struck).map(|(case, _)| case.to_string()).collect();
    assert!(unstruck.is_empty(), "the call never came in: {unstruck:?}");
}

#[tokio::test(start_paused = true)]
async fn the_stand_in_says_what_a_real_engine_was_recorded_to_say() {
    let fake = FakeDocker::docker();
    fake.change(|world| world.registry = Registry::HasNone);
    let body = r#"{"Image":"nginx:1.9.6","Labels":{"a":"b"}}"#;
    let create = async |name: &str, body: &str| {
        fake.request("POST", &format!("/v1.41/containers/create?name={name}"), body).await
    };
    let message = |words: &str| format!("{{\"message\":{}}}\n", json!(words));
    assert_eq!(create("x", body).await, (404, message("No such image: nginx:1.9.6")));
    let missing = "no such image: nginx:1.9.6: No such image: nginx:1.9.6";
    assert_eq!(fake.request("GET", "/images/nginx:1.9.6/json", "").await, (404, message(missing)));
    let (status, words) = fake.request("POST", "/images/create?fromImage=nginx&tag=1.9.6", "").await;
    assert!(status == 404 && words.contains("manifest unknown"), "{status} {words}");

    fake.bring_image("nginx:1.9.6");
    let (status, made) = create("x", body).await;
    let made: Value = serde_json::from_str(&made).unwrap();
    assert_eq!((status, &made["Warnings"]), (201, &json!([])));
    let id = made["Id"].as_str().unwrap().to_owned();
    let taken = format!(
        "Conflict. The container name \"/x\" is already in use by container \"{id}\". You have to remove (or rename) \
         that container to be able to reuse that name."
    );
    assert_eq!(create("x", body).await, (409, message(&taken)));
    let change =
        async |method: &str, path: &str| fake.request(method, &format!("/containers/{path}"), "").await.0;
    assert_eq!(change("POST", &format!("{id}/start")).await, 204);
    assert_eq!(change("POST", "x/start").await, 304);
    assert_eq!(change("DELETE", "x").await, 409, "it runs");
    let nope = create("nope", r#"{"Image":"nginx:1.9.6","Cmd":["/nope"]}"#).await.0;
    assert_eq!((nope, change("POST", "nope/start").await), (201, 400));

    // An end is announced before a list shows it, and an inspect waits until it does.
    fake.exit(&id, 3);
    let states = async || -> Vec<String> {
        let list: Value =
            serde_json::from_str(&fake.request("GET", "/containers/json?all=1", "").await.1).unwrap();
        let states = list.as_array().unwrap().iter().filter(|entry| entry["Id"] == id.as_str());
        states.map(|entry| format!("{} {}", entry["State"], entry["Status"])).collect()
    };
    assert_eq!(states().await, [r#""running" "Up Less than a second""#]);
    let found: Value =
        serde_json::from_str(&fake.request("GET", &format!("/containers/{id}/json"), "").await.1).unwrap();
    assert_eq!((&found["State"]["Status"], &found["State"]["ExitCode"]), (&json!("exited"), &json!(3)));
    assert_eq!(states().await, [r#""exited" "Exited (3) Less than a second ago""#]);

    assert_eq!(change("POST", "x/stop").await, 304);
    let (one, other) = tokio::join!(change("DELETE", "x?v=1&force=1"), change("DELETE", "x?v=1&force=1"));
    assert_eq!((one, other), (204, 409), "a removal is in progress");
    assert_eq!(change("DELETE", "x").await, 404);
    assert_eq!(fake.request("GET", "/containers/x/json", "").await, (404, message("No such container: x")));
}

#[test]
fn whatever_goes_wrong_with_one_call_just_count_run_in_the_end_and_never_more() {
    every_fault_at_every_position(Life::Short, 1..=3, |count| count + 1);
}

#[test]
fn whatever_goes_wrong_with_one_call_an_update_ends_well_and_never_has_two_more() {
    every_fault_at_every_position(Life::Updated, 2..=2, |count| 2 * count);
}

#[test]
fn whatever_goes_wrong_with_one_call_while_users_interfere_just_count_run_in_the_end() {
    every_fault_at_every_position(Life::Interfered, 2..=2, |count| count + 1);
}

/// What was covered.
fn report(faultless: &[(Case, Account)], accounts: &[(Case, Account)], took: Duration) {
    for (case, account) in faultless {
        eprintln!("{case}: {:?}, slowest convergence {:?}", account.seen, account.slowest);
    }
    let mut by_call: BTreeMap<(bool, Call), usize> = BTreeMap::new();
    let mut by_fault: BTreeMap<String, usize> = BTreeMap::new();
    for (case, _) in accounts {
        let Some((call, _, fault)) = case.fault else { continue };
        *by_call.entry((case.swarm, call)).or_default() += 1;
        *by_fault.entry(format!("{fault:?}")).or_default() += 1;
    }
    for swarm in [false, true] {
        let calls: Vec<String> = by_call
            .iter()
            .filter(|((s, _), _)| *s == swarm)
            .map(|((_, c), n)| format!("{c:?} {n}"))
            .collect();
        eprintln!("{}: {}", if swarm { "swarm" } else { "docker" }, calls.join(", "));
    }
    eprintln!("faults: {by_fault:?}");
    let wrong = accounts.iter().filter(|(_, account)| !account.wrong.is_empty()).count();
    eprintln!("{} cases in {:.1} s, {wrong} of them went wrong", accounts.len(), took.as_secs_f64());
    let worst = accounts.iter().max_by_key(|(_, account)| account.excess).filter(|(_, a)| a.excess > 0);
    match worst {
        None => eprintln!("worst excess: 0"),
        Some((case, account)) => eprintln!("worst excess: {} ({case})", account.excess),
    }
    if let Some((case, account)) = accounts.iter().max_by_key(|(_, account)| account.slowest) {
        eprintln!("slowest convergence: {:.1} s of simulated time ({case})", account.slowest.as_secs_f64());
    }
}
