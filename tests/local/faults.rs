//! Every fault in every call of the client: nothing is ever created twice, and the object converges.
//!
//! In the shortest scenario an object is submitted and converges, one of its containers dies and is replaced, and it is
//! scaled down to nothing and deleted, each followed by a quiet period. A run without faults lists the calls. Then the
//! scenario is run again for each of them, with each fault in turn.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::by_tier;
use swarm_cluster_state_manager::core::engine_kind::EngineKind;

use crate::fake_docker::FakeDocker;
use crate::fake_docker::cases::{paused, run_all};
use crate::fake_docker::faults::{Call, Fault};
use crate::fake_docker::manager::Manager;
use crate::fake_docker::world::{EffectKind, Life, Registry};

/// The time limit for convergence: the longest deadline of a call is two minutes, and it may expire twice.
const CONVERGES: Duration = Duration::from_secs(300);
/// A pull may take half an hour, even if it hangs.
const CONVERGES_AFTER_A_PULL: Duration = Duration::from_secs(35 * 60);
/// Longer than a resync, during which nothing may happen.
const QUIET: Duration = Duration::from_secs(11);
/// What happens to the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Scenario {
    /// It is submitted, one of its containers dies, it is scaled down to nothing and deleted.
    Short,
    /// It is submitted, updated to another image, and deleted.
    Updated,
    /// It is submitted, users restart and rename its containers, one ends while lists show it as running, and it is
    /// deleted.
    Interfered,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Case {
    swarm: bool,
    scenario: Scenario,
    count: usize,
    fault: Option<(Call, usize, Fault)>,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = if self.swarm { "swarm" } else { "docker" };
        write!(f, "{endpoint} {:?} Count {}", self.scenario, self.count)?;
        match self.fault {
            None => f.write_str(" without faults"),
            Some((call, nth, fault)) => write!(f, " {call:?} {nth} {fault:?}"),
        }
    }
}

/// The result of a case.
#[derive(Debug, Default)]
struct Outcome {
    calls: BTreeMap<Call, usize>,
    triggered: bool,
    slowest: Duration,
    /// The most live containers above the wanted number.
    excess: usize,
    /// Violations.
    violations: Vec<String>,
}

/// The faults that make a difference for a call. A read has no effect that a fault could precede or follow.
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
    // While the client still waits for it, and after it has timed out.
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

/// Runs one case on its own runtime.
fn run(case: Case) -> Outcome {
    let fake = Mutex::new(None);
    let result = paused(play(case, &fake));
    let mut outcome = Outcome::default();
    match result {
        Ok(slowest) => outcome.slowest = slowest,
        Err(error) => outcome.violations.push(error),
    }
    let fake: FakeDocker = fake.into_inner().unwrap().unwrap();
    fake.faults(|faults| {
        outcome.calls = faults.counts().clone();
        outcome.triggered = faults.triggered() == 1;
    });
    fake.read(|world| {
        // A start-first update adds one container. A manager that did not learn of a restart may have replaced the container.
        let surge = match case.scenario {
            Scenario::Short => 0,
            Scenario::Updated => 1,
            Scenario::Interfered => usize::from(case.fault.is_some()),
        };
        outcome.excess = world.peak("web").saturating_sub(case.count + surge);
        if outcome.excess > 0 {
            outcome.violations.push(format!("{} live at once", world.peak("web")));
        }
        if surge == 0 && !world.doubled().is_empty() {
            outcome.violations.push(format!("slots with two live containers: {:?}", world.doubled()));
        }
        let too_many =
            world.trace.iter().filter(|e| e.kind == EffectKind::Create && e.existing >= case.count + surge);
        outcome.violations.extend(too_many.map(|effect| format!("one too many: {effect}")));
    });
    if !outcome.violations.is_empty() {
        outcome.violations.push(format!("effects:\n{}", fake.effects()));
    }
    outcome
}

/// Runs the scenario. Returns the slowest convergence.
async fn play(case: Case, keep: &Mutex<Option<FakeDocker>>) -> Duration {
    let refused = matches!(case.fault, Some((_, _, Fault::Refused)));
    let (kind, nodes) = if case.swarm { (EngineKind::ClassicSwarm, 3) } else { (EngineKind::Docker, 1) };
    // To refuse the connection of a call, each call needs its own.
    let fake = FakeDocker::new(kind, nodes, !refused);
    *keep.lock().unwrap() = Some(fake.clone());
    if let Some((call, nth, fault)) = case.fault {
        fake.fault(call, nth, fault);
    }
    let manager = Manager::start(&fake);
    // A Swarm manager pulls during a create; "always" makes it pull on all nodes.
    let pull = if case.swarm { "always" } else { "missing" };
    let web = |count: usize, image: &str| json!({"Name": "web", "Image": image, "Count": count, "Pull": pull, "Update": {"Monitor": "1s"}});
    let within = match case.fault {
        Some((Call::Pull, _, Fault::Hang | Fault::HangAfter)) => CONVERGES_AFTER_A_PULL,
        _ => CONVERGES,
    };

    manager.submit(web(case.count, "app:1")).await;
    let mut slowest = manager.converges("web", case.count, within).await;
    quiet(&fake, case.count).await;

    match case.scenario {
        Scenario::Short => {
            let victim = fake.read(|world| world.running("web").into_iter().next()).unwrap();
            fake.exit(&victim, 1);
            slowest = slowest.max(manager.converges("web", case.count, within).await);
            quiet(&fake, case.count).await;

            manager.submit(web(0, "app:1")).await;
            slowest = slowest.max(manager.converges("web", 0, within).await);
            quiet(&fake, 0).await;
        }
        Scenario::Updated => {
            manager.submit(web(case.count, "app:2")).await;
            slowest = slowest.max(manager.converges("web", case.count, within).await);
            let stale = fake.read(|world| world.reachable("web").any(|c| c.live() && c.image != "app:2"));
            assert!(!stale, "no container of the old image is left");
            quiet(&fake, case.count).await;
        }
        Scenario::Interfered => {
            let one = |nth: usize| fake.read(|world| world.running("web").into_iter().nth(nth)).unwrap();
            fake.restart(&one(0), Duration::from_millis(800));
            tokio::time::sleep(QUIET).await;
            slowest = slowest.max(manager.converges("web", case.count, within).await);
            // Not while a create of that name may still take effect: the new container would count as a copy.
            if !matches!(case.fault, Some((Call::Create, ..))) {
                fake.rename(&one(0), "mine");
            }
            quiet(&fake, case.count).await;

            let victim = one(1);
            fake.mislead(&victim, Life::Running, Life::Running, within);
            fake.exit(&victim, 1);
            slowest = slowest.max(manager.converges("web", case.count, within).await);
            quiet(&fake, case.count).await;
        }
    }

    manager.delete("web").await;
    slowest = slowest.max(manager.vanishes("web", within).await);
    // Wait for calls that take effect late.
    let late = match case.fault {
        Some((_, _, Fault::LandsLate(by) | Fault::ArrivesLate(by))) => by,
        _ => Duration::ZERO,
    };
    tokio::time::sleep(late + QUIET).await;
    manager.vanishes("web", within).await;
    slowest
}

/// Checks that exactly this many run for a while.
async fn quiet(fake: &FakeDocker, count: usize) {
    let disturbed = fake.until(QUIET, "", |world| world.running("web").len() != count);
    let disturbed = tokio::time::timeout(QUIET - Duration::from_millis(1), disturbed).await;
    assert!(disturbed.is_err(), "the count did not stay at {count}");
}

/// Runs a scenario without faults, then once for each of its calls and each fault.
fn every_fault_at_every_position(
    scenario: Scenario,
    counts: std::ops::RangeInclusive<usize>,
    created: fn(usize) -> usize,
) {
    let began = Instant::now();
    let plain = |swarm: bool| counts.clone().map(move |count| Case { swarm, scenario, count, fault: None });
    let faultless = run_all(plain(false).chain(plain(true)).collect(), run);
    let mut cases = Vec::new();
    for (case, outcome) in &faultless {
        assert!(outcome.violations.is_empty(), "{case}: {:#?}", outcome.violations);
        assert_eq!(
            outcome.calls[&Call::Create],
            created(case.count),
            "{case}: only the creates that are needed"
        );
        for (call, times) in &outcome.calls {
            let at = |fault| (1..=*times).map(move |nth| (*call, nth, fault));
            cases.extend(faults(*call).into_iter().flat_map(at).map(|f| Case { fault: Some(f), ..*case }));
        }
    }
    cases.sort_unstable();
    // Fewer cases, but each call and each fault: 11 shares no factor with the number of faults of any call.
    let cases = cases.into_iter().step_by(by_tier(11, 1)).collect();
    let mut outcomes = run_all(cases, run);
    outcomes.sort_unstable_by_key(|(case, _)| *case);
    report(&faultless, &outcomes, began.elapsed());
    let failed: Vec<String> = outcomes
        .iter()
        .filter(|(_, outcome)| !outcome.violations.is_empty())
        .map(|(case, outcome)| format!("{case}: {}", outcome.violations.join("; ")))
        .collect();
    assert!(failed.is_empty(), "{} cases failed\n\n{}", failed.len(), failed.join("\n"));
    let not_triggered: Vec<String> =
        outcomes.iter().filter(|(_, outcome)| !outcome.triggered).map(|(case, _)| case.to_string()).collect();
    assert!(not_triggered.is_empty(), "the call was never made: {not_triggered:?}");
}

#[tokio::test(start_paused = true)]
async fn the_fake_engine_gives_the_recorded_answers() {
    let fake = FakeDocker::docker();
    fake.change(|world| world.registry = Registry::HasNone);
    let body = r#"{"Image":"nginx:1.9.6","Labels":{"a":"b"}}"#;
    let create = async |name: &str, body: &str| {
        fake.request("POST", &format!("/v1.41/containers/create?name={name}"), body).await
    };
    let message = |text: &str| format!("{{\"message\":{}}}\n", json!(text));
    assert_eq!(create("x", body).await, (404, message("No such image: nginx:1.9.6")));
    let missing = "no such image: nginx:1.9.6: No such image: nginx:1.9.6";
    assert_eq!(fake.request("GET", "/images/nginx:1.9.6/json", "").await, (404, message(missing)));
    let (status, text) = fake.request("POST", "/images/create?fromImage=nginx&tag=1.9.6", "").await;
    assert!(status == 404 && text.contains("manifest unknown"), "{status} {text}");

    fake.add_image("nginx:1.9.6");
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

    // The event of an end precedes its appearance in lists, and an inspect waits for that.
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
fn after_any_fault_in_any_call_exactly_count_run_and_never_more() {
    every_fault_at_every_position(Scenario::Short, 1..=3, |count| count + 1);
}

#[test]
fn after_any_fault_in_any_call_an_update_converges_and_never_has_two_more() {
    every_fault_at_every_position(Scenario::Updated, 2..=2, |count| 2 * count);
}

#[test]
fn after_any_fault_in_any_call_and_interference_by_users_exactly_count_run() {
    every_fault_at_every_position(Scenario::Interfered, 2..=2, |count| count + 1);
}

/// Prints what was covered.
fn report(faultless: &[(Case, Outcome)], outcomes: &[(Case, Outcome)], took: Duration) {
    for (case, outcome) in faultless {
        eprintln!("{case}: {:?}, slowest convergence {:?}", outcome.calls, outcome.slowest);
    }
    let mut by_call: BTreeMap<(bool, Call), usize> = BTreeMap::new();
    let mut by_fault: BTreeMap<String, usize> = BTreeMap::new();
    for (case, _) in outcomes {
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
    let failed = outcomes.iter().filter(|(_, outcome)| !outcome.violations.is_empty()).count();
    eprintln!("{} cases in {:.1} s, {failed} of them failed", outcomes.len(), took.as_secs_f64());
    let worst = outcomes.iter().max_by_key(|(_, outcome)| outcome.excess).filter(|(_, a)| a.excess > 0);
    match worst {
        None => eprintln!("worst excess: 0"),
        Some((case, outcome)) => eprintln!("worst excess: {} ({case})", outcome.excess),
    }
    if let Some((case, outcome)) = outcomes.iter().max_by_key(|(_, outcome)| outcome.slowest) {
        eprintln!("slowest convergence: {:.1} s of simulated time ({case})", outcome.slowest.as_secs_f64());
    }
}
